"""Messages over REST: where the caller is reached, what they want to be told, what was sent, and in which words."""

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as drf
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    CreateMixin,
    DestroyMixin,
    ListMixin,
    RetrieveMixin,
    ScopedEditViewSet,
    ScopedModelSerializer,
    ScopedReadOnlyViewSet,
    ScopedViewSet,
    actor_of,
)
from apps.notifications.api.inbox import CountSerializer, OwnViewSet
from apps.notifications.channels.vapid import public_key
from apps.notifications.models import (
    Channel,
    ChannelAddress,
    Delivery,
    MessageTemplate,
    Preference,
    QuietTime,
)
from apps.notifications.services import addresses, delivering, message_templates, preferences


class AddressSerializer(ScopedModelSerializer[ChannelAddress]):
    """Where somebody is reached by one channel."""

    class Meta:
        model = ChannelAddress
        fields = [
            *["id", "owner", "channel", "address", "name", "created_at", "verified_at", "used_at"],
            *["disabled_at", "disabled_reason"],
        ]
        read_only_fields = [name for name in fields if name not in {"address", "name"}]


class MadeAddressSerializer(AddressSerializer):
    """A webhook with its secret, which is not told again."""

    secret = drf.CharField(read_only=True)

    class Meta(AddressSerializer.Meta):
        fields = [*AddressSerializer.Meta.fields, "secret"]


class BrowserSerializer(drf.Serializer[Any]):
    """What a browser says of itself when it has subscribed."""

    endpoint = drf.CharField(max_length=1000)
    p256dh = drf.RegexField(r"^[A-Za-z0-9_-]{87}=?$")
    auth = drf.RegexField(r"^[A-Za-z0-9_-]{22}={0,2}$")
    name = drf.CharField(max_length=100, required=False, default="", allow_blank=True)


class PushKeySerializer(drf.Serializer[Any]):
    """The key that browsers subscribe with; empty where this platform has none."""

    key = drf.CharField()


class AddressViewSet(CreateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Where people are reached besides their inbox; addresses are turned off, and stay on record."""

    queryset = ChannelAddress.objects.order_by("-id")
    serializer_class = AddressSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "owner": ["exact"],
        "channel": ["exact"],
        "disabled_at": ["isnull"],
    }
    action_permissions: ClassVar[dict[str, str]] = {
        "browser": "add",
        "push_key": "view",
        "turn_off": "change",
        "turn_on": "change",
    }
    recent_for = frozenset({"create"})

    @extend_schema(responses={201: MadeAddressSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have one's notifications sent to an address of the web; the answer alone tells the secret."""
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        row, secret = addresses.add_webhook(
            actor=self.actor, url=values["address"], name=values.get("name", "")
        )
        body = {**AddressSerializer(row, context=self.get_serializer_context()).data, "secret": secret}
        return Response(body, status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    @extend_schema(request=BrowserSerializer, responses={201: AddressSerializer})
    @action(detail=False, methods=["post"])
    def browser(self, request: Request) -> Response:
        """Have one's notifications shown by a browser that has subscribed."""
        given = BrowserSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        row = addresses.add_browser(actor=self.actor, **given.validated_data)
        return self.respond_if_visible(row, status.HTTP_201_CREATED)

    @extend_schema(responses=PushKeySerializer)
    @action(detail=False, methods=["get"], url_path="push-key")
    def push_key(self, request: Request) -> Response:
        """Tell the key that browsers subscribe with."""
        return Response({"key": public_key()})

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], url_path="turn-off")
    def turn_off(self, request: Request, pk: str) -> Response:
        """Send nothing there any more."""
        with transaction.atomic():
            row = addresses.turn_off(self.locked_object().pk, actor=self.actor)
        return self.respond(row)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], url_path="turn-on")
    def turn_on(self, request: Request, pk: str) -> Response:
        """Send there again."""
        with transaction.atomic():
            row = addresses.turn_on(self.locked_object().pk, actor=self.actor)
        return self.respond(row)


class DeliverySerializer(ScopedModelSerializer[Delivery]):
    """One message on its way to one person by one channel."""

    error_text = drf.CharField(source="get_error_display", read_only=True)

    class Meta:
        model = Delivery
        fields = [
            *["id", "key", "owner", "notification", "channel", "address", "kind", "priority", "state"],
            *["is_digest", "digest", "attempts", "next_attempt_at", "error", "error_text", "code"],
            *["is_uncertain", "created_at", "sent_at", "expires_at"],
        ]
        read_only_fields = fields


class GivenUpSerializer(drf.Serializer[Any]):
    """Which of what was given up is sent again."""

    channel = drf.ChoiceField(Channel.choices)
    since = drf.DateTimeField()


class DeliveryViewSet(ScopedReadOnlyViewSet):
    """What was sent to people besides their inbox, and what became of it."""

    queryset = Delivery.objects.order_by("-id")
    serializer_class = DeliverySerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "owner": ["exact"],
        "notification__id": ["exact"],
        "channel": ["exact"],
        "kind": ["exact"],
        "state": ["exact", "in"],
        "is_uncertain": ["exact"],
        "created_at": ["gte", "lt"],
    }
    action_permissions: ClassVar[dict[str, str]] = {"redeliver": "change", "redeliver_failed": "change"}

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, pk: str) -> Response:
        """Send it once more, under the same key."""
        with transaction.atomic():
            row = delivering.redeliver(self.locked_object().pk, actor=self.actor)
        return self.respond(row)

    @extend_schema(request=GivenUpSerializer, responses=CountSerializer)
    @action(detail=False, methods=["post"], url_path="redeliver-failed")
    def redeliver_failed(self, request: Request) -> Response:
        """Send all that was given up by a channel since a moment once more."""
        given = GivenUpSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return Response({"count": delivering.redeliver_failed(actor=self.actor, **given.validated_data)})


class PreferenceSerializer(drf.Serializer[Any]):
    """What the caller wants of one kind of notifications by one channel."""

    kind = drf.CharField(max_length=40)
    label = drf.CharField(read_only=True)  # type: ignore[assignment]
    channel = drf.ChoiceField(Channel.choices)
    mode = drf.ChoiceField(Preference.Mode.choices)


class PreferenceViewSet(OwnViewSet):
    """What the caller is told besides their inbox, and by which channels."""

    queryset = Preference.objects.none()
    serializer_class = PreferenceSerializer
    pagination_class = None

    def _all(self) -> list[dict[str, Any]]:
        return [
            {"kind": row.kind, "label": str(row.label), "channel": channel, "mode": mode}
            for row in preferences.preferences_of(actor_of(self.request))
            for channel, mode in row.modes.items()
        ]

    @extend_schema(responses=PreferenceSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List what the caller wants of each kind by each channel."""
        return Response(PreferenceSerializer(self._all(), many=True).data)

    @extend_schema(request=PreferenceSerializer(many=True), responses={200: PreferenceSerializer(many=True)})
    def create(self, request: Request) -> Response:
        """Say what one wants: at once, once a day, or never; what is not named stays."""
        actor = self.require_whole()
        given: Any = PreferenceSerializer(data=request.data, many=True, max_length=200)  # type: ignore[call-arg]
        given.is_valid(raise_exception=True)
        said = {(row["kind"], row["channel"]): row["mode"] for row in given.validated_data}
        preferences.set_preferences(said, actor=actor)
        return Response(PreferenceSerializer(self._all(), many=True).data)


class QuietTimeSerializer(drf.ModelSerializer[QuietTime]):
    """When the caller is left in peace and reads their digest, by the clock where they live."""

    class Meta:
        model = QuietTime
        fields = ["quiet_from", "quiet_until", "digest_at"]


class QuietTimeViewSet(OwnViewSet):
    """When the caller is left in peace."""

    queryset = QuietTime.objects.none()
    serializer_class = QuietTimeSerializer
    pagination_class = None

    @extend_schema(responses=QuietTimeSerializer)
    def list(self, request: Request) -> Response:
        """Tell it as it stands."""
        return Response(QuietTimeSerializer(preferences.quiet_time_of(actor_of(request))).data)

    @extend_schema(request=QuietTimeSerializer, responses={200: QuietTimeSerializer})
    def create(self, request: Request) -> Response:
        """Say when; what is not named becomes as it is where nobody has said anything."""
        actor = self.require_whole()
        given = QuietTimeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        usual = QuietTime(user=actor)
        values = {
            name: given.validated_data.get(name, getattr(usual, name))
            for name in ("quiet_from", "quiet_until", "digest_at")
        }
        return Response(QuietTimeSerializer(preferences.set_quiet_time(actor=actor, **values)).data)


class MessageTemplateSerializer(ScopedModelSerializer[MessageTemplate]):
    """What a kind of notifications says by a channel in a language."""

    class Meta:
        model = MessageTemplate
        fields = ["id", "kind", "channel", "locale", "subject", "body", "created_at", "updated_at", "version"]
        read_only_fields = ["created_at", "updated_at", "version"]
        validators: ClassVar[list[Any]] = []


class MessagePreviewInputSerializer(drf.Serializer[Any]):
    """Words to be tried."""

    kind = drf.CharField(max_length=40)
    channel = drf.ChoiceField(Channel.choices)
    locale = drf.CharField(max_length=8)
    subject = drf.CharField(max_length=200)
    body = drf.CharField(max_length=10_000)


class MessagePreviewSerializer(drf.Serializer[Any]):
    """How they look; made up where the caller was never told anything of the kind."""

    subject = drf.CharField()
    text = drf.CharField()
    is_sample = drf.BooleanField()


class TemplateViewSet(ScopedEditViewSet, DestroyMixin):
    """Words of messages in place of the platform's own."""

    queryset = MessageTemplate.objects.order_by("kind", "channel", "locale")
    serializer_class = MessageTemplateSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "kind": ["exact"],
        "channel": ["exact"],
        "locale": ["exact"],
    }
    action_permissions: ClassVar[dict[str, str]] = {"preview": "change"}

    def perform_create(self, serializer: Any) -> MessageTemplate:
        return message_templates.create_template(actor=self.actor, **serializer.validated_data)

    def perform_update(self, row: MessageTemplate, serializer: Any) -> MessageTemplate:
        return message_templates.change_template(row.pk, actor=self.actor, **serializer.validated_data)

    def perform_destroy(self, row: MessageTemplate) -> None:
        message_templates.delete_template(row.pk, actor=self.actor)

    @extend_schema(request=MessagePreviewInputSerializer, responses=MessagePreviewSerializer)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Show how words would look about what the caller was last told of the kind."""
        given = MessagePreviewInputSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        found = message_templates.preview(actor=self.actor, **given.validated_data)
        return Response(MessagePreviewSerializer(found).data)
