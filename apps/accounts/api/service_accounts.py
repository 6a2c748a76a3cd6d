"""Programs that act for themselves, over REST."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services
from apps.accounts.faces.api import (
    ListMixin,
    RetrieveMixin,
    ScopedModelSerializer,
    ScopedPrimaryKeyRelatedField,
    ScopedViewSet,
)
from apps.accounts.models import Application, Role, Team


class ServiceAccountSerializer(ScopedModelSerializer[Application]):
    """A program that logs in for itself, and the user as whom it acts; its secret was told once."""

    class Meta:
        model = Application
        fields = [
            *["id", "client_id", "name", "team", "scopes", "service_user", "secret_made_at", "disabled_at"],
            *["created_at", "version"],
        ]
        read_only_fields = fields


class NewServiceAccountSerializer(serializers.Serializer[Any]):
    """
    A program to register. What it may do is what its role lets it do in its team, as far as its scopes reach; a scope
    means what it means for an API key.
    """

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.CharField(max_length=100), min_length=1, max_length=500)
    team = ScopedPrimaryKeyRelatedField(
        queryset=Team.objects.all(), required=False, allow_null=True, default=None
    )
    role = ScopedPrimaryKeyRelatedField(
        queryset=Role.objects.all(), required=False, allow_null=True, default=None
    )


class MadeServiceAccountSerializer(ServiceAccountSerializer):
    """A program with the secret that was just made, which is not told again."""

    secret = serializers.CharField(read_only=True)

    class Meta(ServiceAccountSerializer.Meta):
        fields = [*ServiceAccountSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class ServiceAccountViewSet(ListMixin, RetrieveMixin, ScopedViewSet):
    """Programs that act for themselves: they fetch tokens at `/o/token/` with `grant_type=client_credentials`."""

    queryset = Application.objects.filter(authorization_grant_type=Application.Grant.PROGRAM)
    serializer_class = ServiceAccountSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"team": ["exact"], "disabled_at": ["isnull"]}
    action_permissions: ClassVar[dict[str, str]] = {
        "rotate": "change",
        "disable": "change",
        "enable": "change",
    }
    recent_for = frozenset({"create", "rotate", "disable", "enable"})

    @extend_schema(request=NewServiceAccountSerializer, responses={201: MadeServiceAccountSerializer})
    def create(self, request: Request) -> Response:
        """Register a program; the answer is the only place where its secret is told."""
        given = NewServiceAccountSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        values = given.validated_data
        made, secret = services.register_application(
            actor=self.actor,
            grant=Application.Grant.PROGRAM,
            name=values["name"],
            scopes=values["scopes"],
            team_id=values["team"].pk if values["team"] else None,
            role_id=values["role"].pk if values["role"] else None,
        )
        return self._told(made, secret)

    @extend_schema(request=None, responses={201: MadeServiceAccountSerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Make another secret; the old one ends at once."""
        return self._told(*services.rotate_application_secret(self.get_object().pk, actor=self.actor))

    @extend_schema(request=None, responses=ServiceAccountSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        """Turn a program off: its tokens are refused within a second."""
        return self.run(services.disable_application)

    @extend_schema(request=None, responses=ServiceAccountSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Turn a program on again."""
        return self.run(services.enable_application)

    def _told(self, made: Application, secret: str) -> Response:
        body = ServiceAccountSerializer(made, context=self.get_serializer_context()).data | {"secret": secret}
        return Response(body, status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})
