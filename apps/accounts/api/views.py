"""Users, teams, roles and memberships over REST."""

from datetime import timedelta
from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services
from apps.accounts.api.serializers import (
    ApiKeySerializer,
    MadeApiKeySerializer,
    MembershipSerializer,
    NewApiKeySerializer,
    NewUserSerializer,
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
    ScopedReadOnlyViewSet,
    ScopedViewSet,
)
from apps.accounts.models import ApiKey, Membership, Role, Team, User


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
    action_permissions: ClassVar[dict[str, str]] = {"activate": "change", "deactivate": "change"}

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
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: str) -> Response:
        """Turn a user on again."""
        return self.run(services.activate_user)

    @extend_schema(request=None, responses=UserSerializer)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, pk: str) -> Response:
        """Turn a user off: they are logged out everywhere; what they own stays."""
        return self.run(services.deactivate_user)


class TeamViewSet(DestroyMixin, ScopedEditViewSet):
    """The tree of teams; deleting one puts it into the trash."""

    queryset = Team.objects.all()
    serializer_class = TeamSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "name": ["exact", "icontains"],
        "parent": ["exact", "isnull"],
        "archived_at": ["isnull"],
    }

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


class RoleViewSet(ScopedReadOnlyViewSet):
    """Roles and what they grant."""

    queryset = Role.objects.prefetch_related("grants")
    serializer_class = RoleSerializer
    filterset_fields: ClassVar[list[str]] = ["key"]


class MembershipViewSet(CreateMixin, DestroyMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Who is in which team, in which role."""

    queryset = Membership.objects.all()
    serializer_class = MembershipSerializer
    filterset_fields: ClassVar[list[str]] = ["user", "team", "role"]

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
