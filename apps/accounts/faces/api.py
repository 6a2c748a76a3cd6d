"""
The API's base classes: a viewset whose every action asks the access policy, and what it takes and shows.

What the caller may not see is not there (404); what they see and may not do is refused (403). Reading goes
through `visible_to`; writing goes through the app's services, inside a transaction that ends with the
policy's word on what came of it.
"""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, TypeVar

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, models, transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from django_filters.filters import QuerySetRequestMixin
from rest_framework import exceptions, permissions, serializers, status, viewsets
from rest_framework.relations import ManyRelatedField, PKOnlyObject
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import access
from apps.accounts.faces.recent import require_recent
from apps.accounts.models import User
from apps.accounts.versions import changed_since
from apps.common.api.kept import input_of
from apps.common.api.problems import PreconditionFailed, PreconditionRequired
from apps.common.plans import kept_plans

Row = TypeVar("Row", bound=models.Model)
_TAG = re.compile(r'"[0-9]{1,9}"')


def actor_of(request: Request) -> User:
    """Return the user who asks. :raises NotAuthenticated: nobody is logged in"""
    user = request.user
    if not isinstance(user, User):
        raise exceptions.NotAuthenticated
    return user


class ScopedPermission(permissions.BasePermission):
    """Lets in who may do the view's action to any row at all; which rows, the queryset decides."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not isinstance(user, User) or not user.is_active:
            return False
        access.settle(user)
        if user.impersonation is not None:
            # What is refused may be so only because of that.
            self.message = _("You may not do this, or not while you act as somebody else.")
        return access.can_any(user, view.permission_action(), view.scoped_model())


class ScopedPrimaryKeyRelatedField(serializers.PrimaryKeyRelatedField[Any]):
    """A reference that takes only rows the caller may see; others are as good as missing."""

    def get_queryset(self) -> QuerySet[Any] | None:
        rows = super().get_queryset()
        request = self.context.get("request")
        if rows is None or request is None:
            return rows and rows.none()
        return rows.filter(access.scope(actor_of(request), "view", rows.model))


class JudgedByService(ScopedPrimaryKeyRelatedField):
    """
    A reference that the service looks up anyway: here only its form is looked at.

    The viewset calls the service within :func:`judged`, which says its refusal as the field would.
    """

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool) or not isinstance(data, int | str):
            self.fail("incorrect_type", data_type=type(data).__name__)
        try:
            pk = int(data)
        except ValueError:
            self.fail("incorrect_type", data_type=type(data).__name__)
        if not 0 < pk < 2**63:
            self.fail("does_not_exist", pk_value=data)
        return PKOnlyObject(pk)


@contextmanager
def judged(serializer: Any) -> Iterator[None]:
    """Say of references that a service did not find what their fields say of such."""
    try:
        yield
    except ValidationError as error:
        missing = [
            field
            for name, errors in getattr(error, "error_dict", {}).items()
            if isinstance(field := serializer.fields.get(name), JudgedByService)
            and any(each.code == "not_found" for each in errors)
        ]
        for field in missing:
            given = serializer.initial_data.get(field.field_name)
            text = field.error_messages["does_not_exist"].format(pk_value=given)
            raise exceptions.ValidationError(
                {str(field.field_name): [text]}, code="does_not_exist"
            ) from error
        raise


class ScopedModelSerializer(serializers.ModelSerializer[Row]):
    """A model's fields, with references limited to what the caller may see."""

    serializer_related_field = ScopedPrimaryKeyRelatedField

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields, worked out once for each class: that takes longer than anything done with them."""
        kind = type(self)
        if kind not in _fields:
            _fields[kind] = super().get_fields()
        return {name: _unbound(each) for name, each in _fields[kind].items()}


_fields: dict[type[Any], dict[str, Any]] = {}


def _unbound(each: Any) -> Any:
    """Return a field of one's own; such as have fields within are made anew with them."""
    has_parts = isinstance(each, serializers.BaseSerializer | serializers.ListField | ManyRelatedField)
    return copy.deepcopy(each) if has_parts else copy.copy(each)


class _InSight(QuerySetRequestMixin):
    """Related rows to filter by; what the caller may not see cannot be told from what is not there."""

    def get_queryset(self, request: Any) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if request is None:
            return rows
        return rows.filter(access.scope(actor_of(request), "view", rows.model))


class ScopedChoice(_InSight, filters.ModelChoiceFilter):
    """A filter by a related row."""


class ScopedChoices(_InSight, filters.ModelMultipleChoiceFilter):
    """A filter by several related rows."""


class ScopedFilterSet(filters.FilterSet):
    """Filters whose related rows are those that the caller may see."""

    FILTER_DEFAULTS: ClassVar[dict[Any, Any]] = {
        **filters.FilterSet.FILTER_DEFAULTS,
        # What the database computes is compared as the text it reads as.
        models.GeneratedField: {"filter_class": filters.CharFilter},
        models.ForeignKey: {
            **filters.FilterSet.FILTER_DEFAULTS[models.ForeignKey],
            "filter_class": ScopedChoice,
        },
        models.OneToOneField: {
            **filters.FilterSet.FILTER_DEFAULTS[models.OneToOneField],
            "filter_class": ScopedChoice,
        },
        models.ManyToManyField: {
            **filters.FilterSet.FILTER_DEFAULTS[models.ManyToManyField],
            "filter_class": ScopedChoices,
        },
    }


class ScopedFilterBackend(filters.DjangoFilterBackend):
    """Makes `filterset_fields` into scoped filters."""

    filterset_base = ScopedFilterSet


class ScopedViewSet(viewsets.GenericViewSet[Any]):
    """
    Rows of one model that carries a rule; every app's viewset derives from it.

    :cvar action_permissions: for the viewset's own actions, what each asks of the policy, as {"win": "win"}
    :cvar requires_if_match: whether a change without `If-Match` is refused
    :cvar recent_for: actions that are done only for who has shown recently who they are
    """

    queryset: QuerySet[Any] | None = None
    permission_classes = (ScopedPermission,)
    filter_backends: tuple[Any, ...] = (ScopedFilterBackend,)
    action_permissions: ClassVar[Mapping[str, str]] = {}
    requires_if_match = False
    recent_for: ClassVar[frozenset[str]] = frozenset()

    _standard: ClassVar[Mapping[str, str]] = {
        "list": "view",
        "retrieve": "view",
        "metadata": "view",
        "create": "add",
        "update": "change",
        "partial_update": "change",
        "destroy": "delete",
    }

    @classmethod
    def permission_for(cls, action: str) -> str:
        """Return what `action` asks of the policy. :raises KeyError: nobody has said"""
        return cls.action_permissions[action] if action in cls.action_permissions else cls._standard[action]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action in self.recent_for:
            require_recent(request)

    def permission_action(self) -> str:
        if self.action is None:
            raise exceptions.MethodNotAllowed(str(self.request.method))
        return self.permission_for(self.action)

    def scoped_model(self) -> type[models.Model]:
        if self.queryset is None:
            raise TypeError(f"{type(self).__name__} has no queryset")
        return self.queryset.model

    @property
    def actor(self) -> User:
        """The user who asks, for services."""
        return actor_of(self.request)

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows that the caller may see, whatever they mean to do to them."""
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        return rows.filter(access.scope(self.actor, "view", rows.model))

    def get_object(self) -> Any:
        """
        Return the row at this address.

        :raises Http404: there is none, or the caller may not see it
        :raises PermissionDenied: they see it, and may not do this to it
        """
        try:
            row = super().get_object()
        except (TypeError, ValueError, OverflowError) as error:
            raise Http404 from error
        action = self.permission_action()
        if action != "view" and not access.can(self.actor, action, row):
            raise PermissionDenied
        return row

    def locked_object(self) -> Any:
        """
        Return the row at this address, locked until the transaction ends, in the version that the caller
        names.

        :raises PreconditionFailed: somebody changed it since
        """
        row = self.get_object()
        locked = (
            type(row)._base_manager.select_for_update(of=("self",), no_key=True).filter(pk=row.pk).first()
        )
        if locked is None:
            raise Http404
        self.check_version(locked)
        return locked

    def check_version(self, row: models.Model) -> None:
        """Compare the row with `If-Match`. :raises PreconditionFailed: it is in another version"""
        given = self.request.headers.get("If-Match")
        if given is None:
            if self.requires_if_match:
                raise PreconditionRequired
            return
        tags = {tag.strip() for tag in given.split(",")}
        if "*" not in tags and etag_of(row) not in tags:
            raise self._outrun(row, tags)

    def _outrun(self, row: models.Model, tags: set[str]) -> PreconditionFailed:
        """Say what the row has become, and where the caller's version is known, field by field."""
        shown = self.get_queryset().filter(pk=row.pk).first()
        serializer = self.get_serializer_class()(shown, context=self.get_serializer_context())
        if shown is None or not isinstance(serializer, serializers.Serializer):
            return PreconditionFailed()
        current = serializer.data
        facts: dict[str, Any] = {"current": current}
        differences = _differences(serializer, shown, current, tags)
        if differences is not None:
            sent = self.request.data if isinstance(self.request.data, Mapping) else {}
            for one in differences:
                if one["field"] in sent:
                    one["yours"] = sent[one["field"]]
            facts["differences"] = differences
        names = [one["field"] for one in differences or []] or [""]
        text = str(PreconditionFailed.default_detail)
        facts["errors"] = [{"field": name, "code": "stale", "message": text} for name in names]
        return PreconditionFailed(facts, {"ETag": etag_of(shown)})

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        serializer = super().get_serializer(*args, **kwargs)
        wanted = fields_wanted(self.request)
        if wanted is not None:
            keep_fields(getattr(serializer, "child", serializer), wanted)
        return serializer

    def get_input_class(self) -> type[serializers.BaseSerializer[Any]]:
        """Return what a POST of a new row takes, where that is not what the viewset shows."""
        return self.get_serializer_class()

    def respond(
        self, row: models.Model, http_status: int = status.HTTP_200_OK, headers: dict[str, str] | None = None
    ) -> Response:
        """Answer with a row as the viewset shows it, and its version."""
        body = self.get_serializer(row).data
        etag = etag_of(row)
        return Response(body, http_status, headers=(headers or {}) | ({"ETag": etag} if etag else {}))

    def run(self, service: Callable[..., Row], **kwargs: Any) -> Response:
        """
        Call a service on the row at this address, as an action such as "win" does, and answer with what came
        of it.
        """
        with transaction.atomic():
            row = self.locked_object()
            changed = service(row.pk, **kwargs, actor=self.actor)
        return self.respond_if_visible(changed)

    def respond_if_visible(
        self, row: models.Model, http_status: int = status.HTTP_200_OK, headers: dict[str, str] | None = None
    ) -> Response:
        """
        Answer with the row as read again, or with nothing where the change took it out of the caller's sight.
        """
        shown = self.get_queryset().filter(pk=row.pk).first()
        if shown is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return self.respond(shown, http_status, headers)


def etag_of(row: models.Model) -> str:
    """Return the row's version as an entity tag; empty for a model without versions."""
    version = getattr(row, "version", None)
    return "" if version is None else f'"{version}"'


def _differences(
    serializer: serializers.Serializer[Any], row: models.Model, current: Mapping[str, Any], tags: set[str]
) -> list[dict[str, Any]] | None:
    """Return the fields that are not what they were in the version of a tag; None where that is not known."""
    version = next((tag[1:-1] for tag in tags if _TAG.fullmatch(tag)), "")
    was = changed_since(row, int(version)) if version else None
    if was is None:
        return None
    before = copy.copy(row)
    for attribute, value in was.items():
        setattr(before, attribute, value)
    found = []
    for name, field in serializer.fields.items():
        if name == "version" or not _is_of_row(field, row):
            continue
        value = _represented(field, before)
        if value != current[name]:
            found.append({"field": name, "base": value, "current": current[name]})
    return found


def _is_of_row(field: Any, row: models.Model) -> bool:
    """Tell whether a field shows a column of the row itself, and no other row but by its key."""
    if field.write_only or isinstance(field, serializers.BaseSerializer | ManyRelatedField):
        return False
    if isinstance(field, serializers.SerializerMethodField):
        return False
    return field.source == "*" or field.source in {f.name for f in row._meta.concrete_fields}


def _represented(field: Any, row: models.Model) -> Any:
    value = field.get_attribute(row)
    is_empty = value is None or (isinstance(value, PKOnlyObject) and value.pk is None)
    return None if is_empty else field.to_representation(value)


def fields_wanted(request: Request) -> frozenset[str] | None:
    """Return the names in `?fields=`; None where all are wanted."""
    if request.method != "GET" or not request.META.get("QUERY_STRING"):
        return None
    wanted = request.query_params.get("fields")
    return None if wanted is None else frozenset(filter(None, map(str.strip, wanted.split(","))))


def keep_fields(serializer: Any, names: frozenset[str]) -> None:
    """Drop the fields that are not wanted. :raises ValidationError: there is no such field"""
    unknown = sorted(names - set(serializer.fields))
    if unknown:
        text = _("There is no such field: %(name)s.") % {"name": ", ".join(unknown)}
        raise exceptions.ValidationError({"fields": [text]}, code="unknown_field")
    for name in set(serializer.fields) - names:
        serializer.fields.pop(name)


class ListMixin:
    """GET of the collection."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        view: Any = self
        page = view.paginate_queryset(view.filter_queryset(view.get_queryset()))
        response: Response = view.get_paginated_response(view.get_serializer(page, many=True).data)
        return response


class RetrieveMixin:
    """GET of one row, with its version."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        view: Any = self
        response: Response = view.respond(view.get_object())
        return response


class CreateMixin:
    """
    POST of a new row, which the subclass makes by a service.

    :cvar service_decides: whether the service is a transaction by itself that ends with the policy's word on the new row
    """

    service_decides = False

    def perform_create(self, serializer: Any) -> Any:
        """Call the service with `serializer.validated_data`, and return the row."""
        raise NotImplementedError(type(self).__name__)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        view: Any = self
        serializer = input_of(view.get_input_class(), request.data, view.get_serializer_context())
        # What a new row asks is the same each time, and about single rows.
        with nullcontext() if self.service_decides else transaction.atomic(), kept_plans(connection):
            serializer.is_valid(raise_exception=True)
            row = self.perform_create(serializer)
            if not self.service_decides:
                access.require(view.actor, "add", row)
        response: Response = view.respond_if_visible(row, status.HTTP_201_CREATED)
        return response


class UpdateMixin:
    """PUT and PATCH of a row, which the subclass changes by a service."""

    def perform_update(self, row: Any, serializer: Any) -> Any:
        """Call the service with `serializer.validated_data`, and return the row."""
        raise NotImplementedError(type(self).__name__)

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        view: Any = self
        with transaction.atomic():
            row = view.locked_object()
            serializer = view.get_serializer(row, data=request.data, partial=kwargs.get("partial", False))
            serializer.is_valid(raise_exception=True)
            changed = self.perform_update(row, serializer)
            access.require(view.actor, "change", changed)
        response: Response = view.respond_if_visible(changed)
        return response

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, **kwargs, partial=True)


class DestroyMixin:
    """DELETE of a row, which the subclass does by a service."""

    def perform_destroy(self, row: Any) -> None:
        """Call the service."""
        raise NotImplementedError(type(self).__name__)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        view: Any = self
        with transaction.atomic():
            self.perform_destroy(view.locked_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ScopedReadOnlyViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Rows that are only read."""


class ScopedEditViewSet(CreateMixin, UpdateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Rows that are read, made and changed; deleting is for those that say so."""


def is_scoped_reference(field: Any) -> bool:
    """Tell whether a serializer's writable reference takes only what the caller may see."""
    inner = field.child_relation if isinstance(field, ManyRelatedField) else field
    return isinstance(inner, ScopedPrimaryKeyRelatedField)
