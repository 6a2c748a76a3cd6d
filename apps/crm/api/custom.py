"""Further fields over REST: their catalog, their values in rows, and filters by them."""

import json
from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.db import models
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import exceptions, serializers
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import access
from apps.accounts.faces.api import ScopedFilterBackend, ScopedModelSerializer, actor_of
from apps.crm.custom import PREFIX, SeenReferences, bounded, fields_of, filtered, parsed, target_of
from apps.crm.models import CustomField
from apps.crm.services import custom_fields
from apps.lists.api.rows import ArchivableViewSet

_SCHEMA = {
    "type": "object",
    "description": (
        "Values by the key of the field: texts, digits of numbers (“12.5”), days (“2026-03-01”), keys of choices, ids"
        " of rows, true or false. What is empty is not there, nor are ids of rows that the caller may not see; null takes"
        " a value away, and what is not named stays."
    ),
    "additionalProperties": {
        "anyOf": [{"type": "string", "nullable": True}, {"type": "integer"}, {"type": "boolean"}]
    },
}


@extend_schema_field(_SCHEMA)
class CustomValuesField(serializers.Field[Any, Any, Any, Any]):
    """The values of a row's further fields, of those that are offered; what may stand in them, the service decides."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "An object of values by key."}

    def __init__(self, model: type[models.Model], **kwargs: Any) -> None:
        self._model = model
        super().__init__(required=False, **kwargs)

    def in_sql(self, column: Callable[[str], str]) -> str:
        """Say the same in SQL, for rows that PostgreSQL writes."""
        gone = (
            "select f.key::text from crm_customfield f"  # noqa: S608 - the name of one of our models
            f" where f.model = '{self._model._meta.model_name}' and f.archived_at is not null"
        )
        values = column("custom")
        # Most rows have none: PostgreSQL looks the fields up for the first that has.
        return f"case when {values} = '{{}}' then {values} else {values} - array({gone}) end"

    def to_representation(self, value: Any) -> dict[str, Any]:
        if not value:
            return {}
        gone = self._gone()
        return {key: inner for key, inner in self._seen().of(value).items() if key not in gone}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        return data

    def _seen(self) -> SeenReferences:
        """Return what the caller sees of what the rows of an answer refer to; asked once for all of them."""
        name = f"_custom_seen_{self._model._meta.model_name}"
        kept = cast("dict[str, Any]", self.context)
        if name not in kept:
            kept[name] = SeenReferences(self._model, actor=actor_of(kept["request"]))
            rows: Any = getattr(self.root, "instance", None)
            if isinstance(rows, list | tuple):
                kept[name].look_at(row.custom for row in rows if issubclass(type(row), self._model))
        found: SeenReferences = kept[name]
        return found

    def _gone(self) -> set[str]:
        """Return the keys of the fields that are not offered any more; asked once for all rows of an answer."""
        name = f"_custom_gone_{self._model._meta.model_name}"
        kept = cast("dict[str, Any]", self.context)
        if name not in kept:
            archived = CustomField.objects.of(self._model).filter(archived_at__isnull=False)
            kept[name] = set(archived.values_list("key", flat=True))
        found: set[str] = kept[name]
        return found


class CustomReads:
    """Reads of rows that PostgreSQL writes: what their further fields refer to is told only to who sees it."""

    def told(self, text: bytes) -> bytes:
        view: Any = self
        # Neither asked for nor filled in.
        if b'"custom":{"' not in text:
            return text
        seen = SeenReferences(view.queryset.model, actor=view.actor)
        if not seen.has_any():
            return text
        rows = json.loads(b"[%s]" % text)
        told = [row for row in rows if "custom" in row]
        seen.look_at(row["custom"] for row in told)
        for row in told:
            row["custom"] = seen.of(row["custom"])
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))[1:-1].encode()


class CustomFilterBackend(BaseFilterBackend):
    """
    Filters by further fields: `custom.region=north`, `custom.area_min=10`, `custom.area_max=20`.

    Numbers and days have bounds; nothing after the "=" stands for rows that have nothing in the field.
    """

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        given = [name for name in request.query_params if name.startswith(PREFIX)]
        if not given:
            return queryset
        fields = {field.key: field for field in fields_of(queryset.model)}
        for name in given:
            queryset = self._narrowed(queryset, fields, name, request)
        return queryset

    def _narrowed(self, rows: Any, fields: dict[str, CustomField], name: str, request: Request) -> Any:
        text = request.query_params[name]
        key = name.removeprefix(PREFIX)
        bound = ""
        if key not in fields:
            key, _line, bound = key.rpartition("_")
        field = fields.get(key)
        is_range = field is not None and field.kind in {CustomField.Kind.NUMBER, CustomField.Kind.DATE}
        if field is None or (bound and not (is_range and bound in {"min", "max"})):
            raise exceptions.ValidationError({name: [_("There is no such filter.")]}, code="unknown_field")
        try:
            stored = parsed(field, text) if text or bound else None
        except ValueError:
            raise exceptions.ValidationError({name: [_("The field has no such value.")]}) from None
        if bound:
            return bounded(rows, field, **{"low" if bound == "min" else "high": stored})
        # What the caller may not see cannot be told from what is not there.
        is_named = field.kind == CustomField.Kind.REFERENCE
        if (
            is_named
            and stored is not None
            and not access.can_with(actor_of(request), "view", target_of(field), stored)
        ):
            raise exceptions.ValidationError({name: [_("The field has no such value.")]})
        return filtered(rows, field, stored)


CUSTOM_FILTERS = (ScopedFilterBackend, CustomFilterBackend)


class CustomChoiceSerializer(serializers.Serializer[Any]):
    """Something to choose. Its key stays; a new one gets one where it comes without."""

    key = serializers.CharField(max_length=40, required=False)
    label = serializers.CharField(max_length=100)  # type: ignore[assignment]
    is_archived = serializers.BooleanField(required=False, default=False)


class CustomFieldSerializer(ScopedModelSerializer[CustomField]):
    """A further field. What it is of, its key, kind and target are decided when it is made."""

    key = serializers.CharField(max_length=40, required=False)
    choices = CustomChoiceSerializer(many=True, required=False)
    position = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False)

    class Meta:
        model = CustomField
        fields = [
            *["id", "model", "key", "label", "kind", "choices", "target", "is_required", "position"],
            *["archived_at", "created_at", "updated_at", "version"],
        ]
        read_only_fields = ["id", "archived_at", "created_at", "updated_at", "version"]
        # The services and the database say it, under one code whatever the face.
        validators: ClassVar[list[Any]] = []


_FIXED = frozenset({"model", "key", "kind", "target"})


class CustomFieldViewSet(ArchivableViewSet):
    """The further fields that companies, people, deals and leads have."""

    queryset = CustomField.objects.all()
    serializer_class = CustomFieldSerializer
    create_service = staticmethod(custom_fields.create_custom_field)
    change_service = staticmethod(custom_fields.change_custom_field)
    archive_service = staticmethod(custom_fields.archive_custom_field)
    restore_service = staticmethod(custom_fields.restore_custom_field)
    action_permissions: ClassVar[dict[str, str]] = {"archive": "delete", "restore": "delete"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "model": ["exact"],
        "kind": ["exact"],
        "archived_at": ["isnull"],
    }

    @extend_schema(description="Add a field; rows that are there have nothing in it as yet.")
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)

    def perform_update(self, row: CustomField, serializer: Any) -> CustomField:
        values = {name: each for name, each in serializer.validated_data.items() if name not in _FIXED}
        return custom_fields.change_custom_field(row.pk, actor=self.actor, **values)
