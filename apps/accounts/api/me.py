"""Who is asking, and what they may do."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import access
from apps.accounts.faces.api import actor_of
from apps.accounts.models import User
from apps.accounts.services import change_own_settings


class OwnMembershipSerializer(serializers.Serializer[Any]):
    """One's place in a team."""

    team = serializers.IntegerField(source="team_id")
    team_name = serializers.CharField(source="team.name")
    role = serializers.IntegerField(source="role_id")
    role_name = serializers.CharField(source="role.name")


class ReachSerializer(serializers.Serializer[Any]):
    """How far one permission reaches."""

    permission = serializers.CharField()
    everywhere = serializers.BooleanField()
    teams = serializers.ListField(child=serializers.IntegerField())


class MeSerializer(serializers.ModelSerializer[User]):
    """The user who asks."""

    memberships = OwnMembershipSerializer(many=True, read_only=True)
    permissions = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = [
            "id",
            "email",
            "name",
            "locale",
            "time_zone",
            "is_staff",
            "is_superuser",
            "perm_version",
            "memberships",
            "permissions",
        ]
        read_only_fields = ["id", "email", "is_staff", "is_superuser", "perm_version"]

    @extend_schema_field(ReachSerializer(many=True))
    def get_permissions(self, user: User) -> list[dict[str, Any]]:
        if user.is_superuser:
            names = (name for name in access.all_permissions() if not access.is_withheld(user, name))
            return [{"permission": name, "everywhere": True, "teams": []} for name in names]
        return [
            {"permission": name, "everywhere": reach.is_all, "teams": sorted(reach.team_ids)}
            for name, reach in sorted(access.grants_of(user).items())
        ]


class MeView(APIView):
    """The user who asks: their particulars, places in teams, and permissions."""

    own_only = "shows and changes nobody but the caller"
    serializer_class = MeSerializer

    def get(self, request: Request) -> Response:
        return self._answer(actor_of(request), request)

    def patch(self, request: Request) -> Response:
        serializer = MeSerializer(actor_of(request), data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        change_own_settings(actor=actor_of(request), **serializer.validated_data)
        return self._answer(actor_of(request), request)

    def _answer(self, user: User, request: Request) -> Response:
        shown = User.objects.prefetch_related("memberships__team", "memberships__role").get(pk=user.pk)
        shown.key_scopes, shown.impersonation = user.key_scopes, user.impersonation
        return Response(MeSerializer(shown, context={"request": request}).data)
