"""Users, teams, roles and memberships over REST."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.apps import apps
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import Http404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import access, services, why
from apps.accounts.api.serializers import (
    AccessGrantSerializer,
    AnswerSerializer,
    ApiKeySerializer,
    AuthEventSerializer,
    ExtendSerializer,
    InvitationSerializer,
    MadeApiKeySerializer,
    MembershipSerializer,
    NewAccessGrantSerializer,
    NewApiKeySerializer,
    NewRoleSerializer,
    NewUserSerializer,
    QuestionSerializer,
    RoleInputSerializer,
    RoleSerializer,
    RotateSerializer,
    TeamSerializer,
    UserSerializer,
)
from apps.accounts.faces.api import (
    CreateMixin,
    DestroyMixin,
    ListMixin,
    RetrieveMixin,
    ScopedEditViewSet,
    ScopedFilterSet,
    ScopedReadOnlyViewSet,
    ScopedViewSet,
)
from apps.accounts.faces.links import invitation_link
from apps.accounts.models import AccessGrant, ApiKey, AuthEvent, Invitation, Membership, Role, Team, User
from apps.accounts.scoping import Rule
from apps.common.api.paging import LatestPages


class UserViewSet(ScopedEditViewSet):
    """People and programs that act on the platform."""

    queryset = User.objects.all()
    serializer_class = UserSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "name": ["exact", "icontains"],
        "email": ["exact"],
        "is_active": ["exact"],
        "memberships__team": ["exact"],
    }
    action_permissions: ClassVar[dict[str, str]] = {
        "activate": "change",
        "deactivate": "change",
        "explain": "change",
        "reset_second_factors": "change",
    }
    recent_for = frozenset(
        {"create", "update", "partial_update", "activate", "deactivate", "reset_second_factors"}
    )

    @extend_schema(request=NewUserSerializer, responses={201: UserSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)

    def get_input_class(self) -> type[Any]:
        return NewUserSerializer

    def perform_create(self, serializer: Any) -> User:
        values = serializer.validated_data
        return services.create_user(
            values["name"],
            email=values["email"],
            team_id=values["team"].pk,
            role_id=values["role"].pk,
            password=values["password"],
            actor=self.actor,
        )

    def perform_update(self, row: User, serializer: Any) -> User:
        return services.change_user(row.pk, actor=self.actor, **serializer.validated_data)

    @extend_schema(request=None, responses=UserSerializer)
    @action(detail=True, methods=["post"], url_path="reset-second-factors")
    def reset_second_factors(self, request: Request, pk: str) -> Response:
        """Take all second factors off the account of somebody who has lost them."""
        return self.run(services.reset_second_factors)

    @extend_schema(request=None, responses=UserSerializer)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: str) -> Response:
        """Turn a user on again."""
        return self.run(services.activate_user)

    @extend_schema(request=None, responses=UserSerializer)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, pk: str) -> Response:
        """Turn a user off: they are logged out everywhere; what they own stays."""
        return self.run(services.deactivate_user)

    @extend_schema(parameters=[QuestionSerializer], responses=AnswerSerializer, filters=False)
    @action(detail=True, methods=["get"])
    def explain(self, request: Request, pk: str) -> Response:
        """Say whether a user may do something to a row that the caller sees, and why or why not."""
        user = self.get_object()
        asked = QuestionSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        model, what = scoped_model(asked.validated_data["model"]), asked.validated_data["action"]
        rows = model._base_manager.filter(access.scope(self.actor, "view", model))
        row = rows.filter(pk=asked.validated_data["row_id"]).first()
        if row is None:
            raise Http404
        reasons = why.explain(user, what, row, asker=self.actor)
        return Response({"allowed": access.can(user, what, row), "reasons": reasons})


def scoped_model(label: str) -> type[models.Model]:
    """Return the model of a kind of row ("crm.deal"). :raises Http404: there is none that anybody may see or not"""
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise Http404 from error
    if not isinstance(getattr(model, "access", None), Rule):
        raise Http404
    return model


class TeamViewSet(DestroyMixin, ScopedEditViewSet):
    """The tree of teams; deleting one puts it into the trash."""

    queryset = Team.objects.all()
    serializer_class = TeamSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "name": ["exact", "icontains"],
        "parent": ["exact", "isnull"],
        "archived_at": ["isnull"],
    }
    action_permissions: ClassVar[dict[str, str]] = {"restore": "delete"}

    def perform_create(self, serializer: Any) -> Team:
        parent = serializer.validated_data.get("parent")
        name = serializer.validated_data["name"]
        return services.create_team(name, parent_id=parent.pk if parent else None, actor=self.actor)

    def perform_update(self, row: Team, serializer: Any) -> Team:
        values = serializer.validated_data
        if "name" in values:
            row = services.rename_team(row.pk, values["name"], actor=self.actor)
        if "parent" in values:
            parent_id = values["parent"].pk if values["parent"] else None
            row = services.move_team(row.pk, parent_id=parent_id, actor=self.actor)
        return row

    def perform_destroy(self, row: Team) -> None:
        services.archive_team(row.pk, actor=self.actor)

    @extend_schema(request=None, responses=TeamSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Take a team out of the trash."""
        return self.run(services.restore_team)


_ROLE_CHANGE = extend_schema(request=RoleInputSerializer, responses=RoleSerializer)


@extend_schema_view(
    create=extend_schema(request=NewRoleSerializer, responses={201: RoleSerializer}),
    update=_ROLE_CHANGE,
    partial_update=_ROLE_CHANGE,
)
class RoleViewSet(DestroyMixin, ScopedEditViewSet):
    """
    Roles and what they grant. A role is changed, and removed once nobody plays it, in the version that `If-Match` names.
    """

    queryset = Role.objects.prefetch_related("grants")
    serializer_class = RoleSerializer
    filterset_fields: ClassVar[list[str]] = ["key"]
    requires_if_match = True
    recent_for = frozenset({"create", "update", "partial_update", "destroy"})

    def get_input_class(self) -> type[Any]:
        return NewRoleSerializer

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        if "data" in kwargs:
            return RoleInputSerializer(*args, context=self.get_serializer_context(), **kwargs)
        return super().get_serializer(*args, **kwargs)

    def perform_create(self, serializer: Any) -> Role:
        values = serializer.validated_data
        description = values.get("description", "")
        role = services.create_role(values["name"], description=description, actor=self.actor)
        return self._granting(role, values)

    def perform_update(self, row: Role, serializer: Any) -> Role:
        values = serializer.validated_data
        name, description = values.get("name", row.name), values.get("description", row.description)
        role = services.describe_role(row.pk, name, description, actor=self.actor)
        return self._granting(role, values)

    def perform_destroy(self, row: Role) -> None:
        services.delete_role(row.pk, actor=self.actor)

    def _granting(self, role: Role, values: dict[str, Any]) -> Role:
        if "requires_mfa" in values:
            role = services.require_second_factor(
                role.pk, is_required=values["requires_mfa"], actor=self.actor
            )
        if "grants" not in values:
            return role
        grants = {grant["permission"]: grant["reach"] for grant in values["grants"]}
        return services.set_role_grants(role.pk, grants, actor=self.actor)


class MembershipViewSet(CreateMixin, DestroyMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Who is in which team, in which role."""

    queryset = Membership.objects.all()
    serializer_class = MembershipSerializer
    filterset_fields: ClassVar[list[str]] = ["user", "team", "role"]
    recent_for = frozenset({"create", "destroy"})

    def perform_create(self, serializer: Any) -> Membership:
        values = serializer.validated_data
        return services.grant_membership(
            values["user"].pk, values["team"].pk, values["role"].pk, actor=self.actor
        )

    def perform_destroy(self, row: Membership) -> None:
        services.revoke_membership(row.pk, actor=self.actor)


class ApiKeyViewSet(ListMixin, RetrieveMixin, ScopedViewSet):
    """Keys by which programs act for the caller. Only people make them, never programs with a key of their own."""

    queryset = ApiKey.objects.all()
    serializer_class = ApiKeySerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"owner": ["exact"], "revoked_at": ["isnull"]}
    action_permissions: ClassVar[dict[str, str]] = {"rotate": "change", "revoke": "change"}
    recent_for = frozenset({"create", "rotate"})

    @extend_schema(request=NewApiKeySerializer, responses={201: MadeApiKeySerializer})
    def create(self, request: Request) -> Response:
        """Make a key; the answer is the only place where its secret is told."""
        given = NewApiKeySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        key, secret = services.create_api_key(**given.validated_data, actor=self.actor)
        return self._told(key, secret)

    @extend_schema(request=RotateSerializer, responses={201: MadeApiKeySerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Make another key for the same purpose; the old one ends after the overlap."""
        with transaction.atomic():
            row = self.locked_object()
            given = RotateSerializer(data=request.data)
            given.is_valid(raise_exception=True)
            seconds = given.validated_data.get("overlap")
            overlap = {} if seconds is None else {"overlap": timedelta(seconds=seconds)}
            key, secret = services.rotate_api_key(row.pk, actor=self.actor, **overlap)
        return self._told(key, secret)

    @extend_schema(request=None, responses=ApiKeySerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """End a key at once."""
        return self.run(services.revoke_api_key)

    def _told(self, key: ApiKey, secret: str) -> Response:
        body = ApiKeySerializer(key, context=self.get_serializer_context()).data | {"secret": secret}
        return Response(body, status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class InvitationViewSet(CreateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """People who were asked to join; each gets a link by mail that makes their account, once."""

    queryset = Invitation.objects.all()
    serializer_class = InvitationSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "email": ["exact"],
        "team": ["exact"],
        "accepted_at": ["isnull"],
        "revoked_at": ["isnull"],
    }
    action_permissions: ClassVar[dict[str, str]] = {"resend": "change", "revoke": "change"}
    recent_for = frozenset({"create"})

    def perform_create(self, serializer: Any) -> Invitation:
        values = serializer.validated_data
        return services.invite(
            values["email"],
            name=values["name"],
            team_id=values["team"].pk,
            role_id=values["role"].pk,
            locale=values.get("locale", ""),
            link=invitation_link(self.request),
            actor=self.actor,
        )

    @extend_schema(request=None, responses=InvitationSerializer)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str) -> Response:
        """Send an invitation again, with another link; the earlier one ends."""
        return self.run(services.resend_invitation, link=invitation_link(request))

    @extend_schema(request=None, responses=InvitationSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Take an invitation back: its link ends at once."""
        return self.run(services.revoke_invitation)


class OwnApiKeyViewSet(ApiKeyViewSet):
    """The caller's own keys."""

    own_only = "the keys of the caller, as the policy lets them see and change them"

    def get_queryset(self) -> QuerySet[ApiKey]:
        rows: QuerySet[ApiKey] = super().get_queryset()
        return rows if getattr(self, "swagger_fake_view", False) else rows.filter(owner=self.actor)


class _AddressFilter(filters.CharFilter):
    """One IP address; what is none is refused."""

    field_class = forms.GenericIPAddressField


class AuthEventFilters(ScopedFilterSet):
    """What access events are asked for by."""

    address = _AddressFilter()

    class Meta:
        model = AuthEvent
        fields: ClassVar[dict[str, list[str]]] = {
            "kind": ["exact"],
            "user": ["exact"],
            "actor": ["exact"],
            "request_id": ["exact"],
            "at": ["gte", "lt"],
        }


class AuthEventViewSet(ScopedReadOnlyViewSet):
    """Who came in, who was refused, and who changed what somebody may do; newest first."""

    queryset = AuthEvent.objects.select_related("user", "actor", "impersonator")
    serializer_class = AuthEventSerializer
    filterset_class = AuthEventFilters
    pagination_class = LatestPages


class AccessGrantViewSet(CreateMixin, ListMixin, RetrieveMixin, ScopedViewSet):
    """Single rows that are shared with somebody for a while, whatever their roles. They end by themselves."""

    queryset = AccessGrant.objects.select_related("content_type")
    serializer_class = AccessGrantSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "user": ["exact"],
        "object_id": ["exact"],
        "revoked_at": ["isnull"],
        "expires_at": ["gt", "lt"],
    }
    action_permissions: ClassVar[dict[str, str]] = {"extend": "change", "revoke": "change"}
    recent_for = frozenset({"create", "extend"})

    @extend_schema(request=NewAccessGrantSerializer, responses={201: AccessGrantSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)

    def get_input_class(self) -> type[Any]:
        return NewAccessGrantSerializer

    def perform_create(self, serializer: Any) -> AccessGrant:
        values = serializer.validated_data
        return services.grant_access(
            values["user"].pk,
            label=values["model"],
            row_id=values["row_id"],
            actions=values["actions"],
            expires_at=values["expires_at"],
            reason=values["reason"],
            actor=self.actor,
        )

    @extend_schema(request=ExtendSerializer, responses=AccessGrantSerializer)
    @action(detail=True, methods=["post"])
    def extend(self, request: Request, pk: str) -> Response:
        """Let it end at another moment."""
        row = self.get_object()
        given = ExtendSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return self.respond_if_visible(
            services.extend_access(row.pk, expires_at=given.validated_data["expires_at"], actor=self.actor)
        )

    @extend_schema(request=None, responses=AccessGrantSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Take it back at once."""
        return self.run(services.revoke_access)
