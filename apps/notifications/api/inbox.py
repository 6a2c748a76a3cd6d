"""One's own inbox over REST: what one was told, what one does with it, what one has muted, and why one was told."""

from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers as drf
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ScopedModelSerializer, ScopedReadOnlyViewSet, actor_of
from apps.accounts.models import User
from apps.accounts.services.in_person import require_in_person
from apps.notifications.models import Mute, Notification, Verdict, Way
from apps.notifications.selectors.inbox import items_of
from apps.notifications.services import inbox
from apps.notifications.targets import targets_of

_MARKS = ("read", "unread", "archived", "inbox")


class TargetSerializer(drf.Serializer[Any]):
    """What something is about, as far as the caller sees it."""

    type = drf.CharField()
    id = drf.IntegerField()
    name = drf.CharField()


def _about(target: Any) -> dict[str, Any] | None:
    return None if target is None else {"type": target.label, "id": target.pk, "name": target.name}


class NotificationListSerializer(drf.ListSerializer[Any]):
    """Notifications of a page, whose words are made together."""

    def to_representation(self, data: Any) -> list[dict[str, Any]]:
        rows = list(data)
        child: Any = self.child
        child.said = {item.row.pk: item for item in items_of(rows, reader=self.context["request"].user)}
        found: list[dict[str, Any]] = super().to_representation(rows)
        return found


class NotificationSerializer(drf.ModelSerializer[Notification]):
    """One thing that the caller was told, in their words."""

    title = drf.SerializerMethodField()
    about = drf.SerializerMethodField()
    said: dict[int, Any]

    class Meta:
        model = Notification
        list_serializer_class = NotificationListSerializer
        fields = ["id", "kind", "title", "about", "actor", "details", "created_at", "read_at", "archived_at"]
        read_only_fields = fields

    def _item(self, row: Notification) -> Any:
        said = getattr(self, "said", {})
        if row.pk not in said:
            said = self.said = {row.pk: items_of([row], reader=self.context["request"].user)[0]}
        return said[row.pk]

    def get_title(self, row: Notification) -> str:
        return str(self._item(row).title)

    @extend_schema_field(TargetSerializer(allow_null=True))
    def get_about(self, row: Notification) -> dict[str, Any] | None:
        return _about(self._item(row).target)


class MarkSerializer(drf.Serializer[Any]):
    """Which notifications become what."""

    ids = drf.ListField(child=drf.IntegerField(min_value=1, max_value=2**63 - 1), max_length=500)
    as_what = drf.ChoiceField(_MARKS)


class MarkAllSerializer(drf.Serializer[Any]):
    """What all in the inbox becomes; what came after `until_id` stays as it is."""

    as_what = drf.ChoiceField(["read", "archived"])
    until_id = drf.IntegerField(required=False, allow_null=True, min_value=1, max_value=2**63 - 1)


class CountSerializer(drf.Serializer[Any]):
    """How many."""

    count = drf.IntegerField()


class OwnViewSet(viewsets.GenericViewSet[Any]):
    """What is the caller's own, and nobody else's, whatever their roles."""

    own_only = "Everybody's own inbox, and nothing of another's."
    permission_classes = (IsAuthenticated,)
    filter_backends = ()

    def require_whole(self) -> User:
        """Return who writes. :raises PermissionDenied: a key for less, or somebody who acts as them"""
        actor = actor_of(self.request)
        require_in_person(actor)
        if actor.key_scopes is not None and "all" not in actor.key_scopes:
            raise PermissionDenied
        return actor


class InboxViewSet(OwnViewSet):
    """What the caller was told, the newest first."""

    queryset = Notification.objects.none()
    serializer_class = NotificationSerializer

    @extend_schema(parameters=[OpenApiParameter("box", enum=["inbox", "unread", "archived"])])
    def list(self, request: Request) -> Response:
        """List the inbox, what is unread of it, or the archive."""
        rows = inbox.in_box(actor_of(request), request.query_params.get("box", ""))
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses=CountSerializer)
    @action(detail=False, methods=["get"])
    def unread(self, request: Request) -> Response:
        """Count what the caller has not read."""
        return Response({"count": inbox.unread_count(actor_of(request))})

    @extend_schema(request=MarkSerializer, responses=NotificationSerializer(many=True))
    @action(detail=False, methods=["post"])
    def mark(self, request: Request) -> Response:
        """Mark notifications as read, unread, archived, or in the inbox again; marking twice is once."""
        actor = self.require_whole()
        given = MarkSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        rows = inbox.mark(**given.validated_data, actor=actor)
        return Response(self.get_serializer(rows, many=True).data)

    @extend_schema(request=MarkAllSerializer, responses=CountSerializer)
    @action(detail=False, methods=["post"], url_path="mark-all")
    def mark_all(self, request: Request) -> Response:
        """Mark all that is in the inbox."""
        actor = self.require_whole()
        given = MarkAllSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return Response({"count": inbox.mark_all(**given.validated_data, actor=actor)})


class MuteSerializer(drf.ModelSerializer[Mute]):
    """A thing of which the caller hears nothing more."""

    about = drf.SerializerMethodField()

    class Meta:
        model = Mute
        fields = ["id", "about", "created_at"]
        read_only_fields = fields

    @extend_schema_field(TargetSerializer(allow_null=True))
    def get_about(self, row: Mute) -> dict[str, Any] | None:
        key = (row.target_type_id, row.target_id)
        return _about(targets_of([key], reader=self.context["request"].user).get(key))


class NewMuteSerializer(drf.Serializer[Any]):
    """What is muted."""

    type = drf.CharField(max_length=100, help_text="“crm.deal”")
    id = drf.IntegerField(min_value=1, max_value=2**63 - 1)


class MuteViewSet(OwnViewSet):
    """What the caller has muted."""

    queryset = Mute.objects.none()
    serializer_class = MuteSerializer
    lookup_value_regex = "[0-9]{1,18}"

    def list(self, request: Request) -> Response:
        """List what is muted."""
        page = self.paginate_queryset(Mute.objects.filter(user=actor_of(request)).order_by("-pk"))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request=NewMuteSerializer, responses={201: MuteSerializer})
    def create(self, request: Request) -> Response:
        """Hear nothing more about a thing."""
        actor = self.require_whole()
        given = NewMuteSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        row = inbox.mute(given.validated_data["type"], given.validated_data["id"], actor=actor)
        return Response(self.get_serializer(row).data, status.HTTP_201_CREATED)

    def destroy(self, request: Request, pk: str) -> Response:
        """Hear of it again."""
        inbox.unmute(int(pk), actor=self.require_whole())
        return Response(status=status.HTTP_204_NO_CONTENT)


class VerdictSerializer(ScopedModelSerializer[Verdict]):
    """Why somebody was told of something, or was not; of whoever was, also by which channels."""

    channels = drf.DictField(child=drf.ChoiceField(Way.choices), read_only=True)

    class Meta:
        model = Verdict
        fields = [
            *[
                "id",
                "user",
                "kind",
                "cause",
                "because",
                "outcome",
                "channels",
                "target_type",
                "target_id",
                "at",
            ],
        ]
        read_only_fields = fields


class VerdictViewSet(ScopedReadOnlyViewSet):
    """Who was told of what and who was not, and why; for administrators."""

    queryset = Verdict.objects.order_by("-id")
    serializer_class = VerdictSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "user": ["exact"],
        "kind": ["exact"],
        "cause": ["exact"],
        "outcome": ["exact"],
        "target_type__model": ["exact"],
        "target_id": ["exact"],
        "at": ["gte", "lt"],
    }
