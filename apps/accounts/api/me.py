"""Who is asking, and what they may do."""

import hashlib
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import access
from apps.accounts.api.serializers import AuthEventSerializer
from apps.accounts.faces.api import actor_of
from apps.accounts.models import AuthEvent, User
from apps.accounts.services import change_own_settings
from apps.common.api.paging import LatestPages


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


class PermissionSerializer(serializers.Serializer[Any]):
    """What the caller may do to rows of one kind, and to which."""

    action = serializers.CharField()
    permission = serializers.CharField()
    reach = serializers.ChoiceField(
        ["own", "teams", "all", "rows"], help_text="“rows” are single ones that are shared with the caller."
    )
    teams = serializers.ListField(
        child=serializers.IntegerField(), help_text="Where the reach is “teams”: besides one's own rows."
    )


class PolicyOfModelSerializer(serializers.Serializer[Any]):
    """One kind of rows that the caller may do anything to."""

    model = serializers.CharField(help_text="As in “crm.deal”.")
    permissions = PermissionSerializer(many=True)


class PolicySerializer(serializers.Serializer[Any]):
    """What the caller may do, for a frontend that offers no more than that."""

    perm_version = serializers.IntegerField()
    models = PolicyOfModelSerializer(many=True)


class PolicyView(APIView):
    """What the caller may do; the entity tag changes with it, so that asking again costs nothing."""

    own_only = "tells nobody but the caller what they may do"

    @extend_schema(responses={200: PolicySerializer, 304: None})
    def get(self, request: Request) -> Response:
        actor = actor_of(request)
        tag = _tag_of(actor)
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        known = {
            each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")
        }
        if known & {tag, "*"}:
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers=headers)
        body = {"perm_version": actor.perm_version, "models": _policy_of(actor)}
        return Response(PolicySerializer(body).data, headers=headers)


def _tag_of(actor: User) -> str:
    """Return what changes as soon as the actor may do something else, or there is something else to be done."""
    pk, version, scopes, is_acted = access.identity_of(actor)
    parts = [
        str(pk),
        str(version),
        "all" if scopes is None else " ".join(sorted(scopes)),
        str(is_acted),
        # As soon as something shared ends, the next end is another.
        str(access.rights_of(actor).lapses_at),
        *access.all_permissions(),
    ]
    return f'"{version}-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:16]}"'


def _policy_of(actor: User) -> list[dict[str, Any]]:
    by_model: dict[str, list[dict[str, Any]]] = {}
    for permission in access.all_permissions():
        reach, teams = _reach_of(actor, permission)
        if reach:
            app_label, _dot, codename = permission.partition(".")
            action, _underscore, model = codename.rpartition("_")
            told = {"action": action, "permission": permission, "reach": reach, "teams": teams}
            by_model.setdefault(f"{app_label}.{model}", []).append(told)
    return [{"model": model, "permissions": told} for model, told in sorted(by_model.items())]


def _reach_of(actor: User, permission: str) -> tuple[str, list[int]]:
    """Return how far a permission reaches and the teams; "" where they do not have it at all."""
    reaches = access.reaches_of(actor, permission)
    if reaches is None:
        return ("rows" if access.has_share(actor, permission) else ""), []
    if reaches.is_all or access.is_shared(permission):
        return "all", []
    return ("teams" if reaches.team_ids else "own"), sorted(reaches.team_ids)


class OwnAuthEventsView(ListAPIView[AuthEvent]):
    """What is on record about the caller: logins, refusals, keys, places in teams; newest first."""

    own_only = "shows nobody but the caller what is on record about them"
    serializer_class = AuthEventSerializer
    pagination_class = LatestPages
    filter_backends = ()

    def get_queryset(self) -> QuerySet[AuthEvent]:
        rows = AuthEvent.objects.select_related("user", "actor", "impersonator")
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        actor = actor_of(self.request)
        if access.is_withheld(actor, access.permission_of("view", AuthEvent)):
            raise PermissionDenied
        return rows.filter(user=actor)
