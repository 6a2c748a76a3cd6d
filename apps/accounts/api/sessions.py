"""Where the caller is logged in."""

from typing import Any

from allauth.usersessions.models import UserSession
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import services
from apps.accounts.devices import device_name
from apps.accounts.faces.api import actor_of
from apps.accounts.selectors import live_sessions


class SessionSerializer(serializers.ModelSerializer[UserSession]):
    """A session: the device, the address it was last used from, and when."""

    device = serializers.SerializerMethodField()
    address = serializers.IPAddressField(source="ip", read_only=True)
    is_this_one = serializers.SerializerMethodField()

    class Meta:
        model = UserSession
        fields = ["id", "device", "address", "created_at", "last_seen_at", "is_this_one"]
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_device(self, session: UserSession) -> str:
        return device_name(session.user_agent)

    @extend_schema_field(serializers.BooleanField())
    def get_is_this_one(self, session: UserSession) -> bool:
        return bool(session.session_key == self.context["session_key"])


class OwnSessionsView(APIView):
    """Where the caller is logged in, what was used last first."""

    own_only = "shows and ends nobody's sessions but the caller's"
    serializer_class = SessionSerializer

    @extend_schema(operation_id="me_sessions_list", responses=SessionSerializer(many=True))
    def get(self, request: Request) -> Response:
        rows = live_sessions(actor_of(request))
        return Response(SessionSerializer(rows, many=True, context={"session_key": _key_of(request)}).data)

    @extend_schema(operation_id="me_sessions_end_others", responses={204: None})
    def delete(self, request: Request) -> Response:
        """End all sessions but this one."""
        actor = actor_of(request)
        services.end_other_sessions(actor.pk, kept=_key_of(request), actor=actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class OwnSessionView(APIView):
    """One session of the caller's."""

    own_only = "ends nobody's sessions but the caller's"
    serializer_class = SessionSerializer

    @extend_schema(operation_id="me_sessions_end", responses={204: None})
    def delete(self, request: Request, pk: int, **kwargs: Any) -> Response:
        """End a session: its next request is refused, and its open pages say so within a second."""
        services.end_session(pk, actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _key_of(request: Request) -> str:
    # A program has none.
    session = getattr(request, "session", None)
    return getattr(session, "session_key", None) or ""
