"""Webhooks over REST: where facts are sent, what became of each, and what there is to be told."""

from typing import Any, ClassVar

from django.db import transaction
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    CreateMixin,
    ListMixin,
    RetrieveMixin,
    ScopedModelSerializer,
    ScopedReadOnlyViewSet,
    ScopedViewSet,
    UpdateMixin,
)
from apps.notifications.models import WebhookDelivery, WebhookEndpoint
from apps.notifications.selectors.webhooks import event_types, sentence_of, was_sent
from apps.notifications.services import webhooks
from apps.notifications.webhooks.messages import body_of
from apps.notifications.webhooks.samples import sample_of


class WebhookSerializer(ScopedModelSerializer[WebhookEndpoint]):
    """Where facts are sent; of headers of one's own only the names are shown, and the secret was told once."""

    event_types = serializers.ListField(child=serializers.CharField(max_length=100), max_length=50)
    headers = serializers.DictField(
        child=serializers.CharField(max_length=1000),
        required=False,
        write_only=True,
        help_text="Headers that are sent besides; all of them anew.",
    )

    class Meta:
        model = WebhookEndpoint
        fields = [
            *["id", "owner", "url", "description", "event_types", "per_minute", "headers", "header_names"],
            *["state", "reason", "stopped_at", "failures", "succeeded_at", "rotated_at", "previous_until"],
            *["created_at", "version"],
        ]
        read_only_fields = [
            *[
                "owner",
                "header_names",
                "state",
                "reason",
                "stopped_at",
                "failures",
                "succeeded_at",
                "rotated_at",
            ],
            *["previous_until", "created_at", "version"],
        ]


class MadeWebhookSerializer(WebhookSerializer):
    """A webhook with its secret, which is not told again."""

    secret = serializers.CharField(read_only=True)

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]


class SampleSerializer(serializers.Serializer[Any]):
    """What a sample is to look like; the first type that the webhook is told, unless one is named."""

    event_type = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)


class SinceSerializer(serializers.Serializer[Any]):
    """From when on what was given up is sent again."""

    since = serializers.DateTimeField()


class AgainSerializer(serializers.Serializer[Any]):
    """How much is sent again."""

    count = serializers.IntegerField()


class WebhookDeliverySerializer(ScopedModelSerializer[WebhookDelivery]):
    """One fact on its way to one address."""

    is_sample = serializers.SerializerMethodField()
    error_text = serializers.SerializerMethodField()

    class Meta:
        model = WebhookDelivery
        fields = [
            *["id", "endpoint", "message_id", "event_type", "subject", "is_sample", "state", "attempts"],
            *["created_at", "attempted_at", "next_attempt_at", "code", "duration_ms", "error", "error_text"],
        ]
        read_only_fields = fields

    def get_is_sample(self, delivery: WebhookDelivery) -> bool:
        return delivery.event_id is None

    def get_error_text(self, delivery: WebhookDelivery) -> str:
        return sentence_of(delivery)


class WholeDeliverySerializer(WebhookDeliverySerializer):
    """The same with what was sent, and what was answered."""

    body = serializers.SerializerMethodField()

    class Meta(WebhookDeliverySerializer.Meta):
        fields = [*WebhookDeliverySerializer.Meta.fields, "response", "sent_headers", "body"]
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_body(self, delivery: WebhookDelivery) -> Any:
        return body_of(delivery) if was_sent(delivery) else None


class EventTypeSerializer(serializers.Serializer[Any]):
    """A type of facts, and what its data look like (JSON Schema 2020-12)."""

    type = serializers.CharField()
    app = serializers.CharField()
    description = serializers.CharField()
    schema = serializers.DictField()


class WholeEventTypeSerializer(EventTypeSerializer):
    """The same with made-up data."""

    example = serializers.DictField()


class WebhookViewSet(CreateMixin, UpdateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Where facts are sent to other systems, as far as the owner may see them and take them away."""

    queryset = WebhookEndpoint.objects.order_by("-id")
    serializer_class = WebhookSerializer
    filterset_fields: ClassVar[list[str]] = ["state", "owner"]
    action_permissions: ClassVar[dict[str, str]] = {
        "rotate": "change",
        "pause": "change",
        "resume": "change",
        "sample": "change",
        "redeliver": "change",
    }
    recent_for = frozenset({"create", "rotate"})

    @extend_schema(responses={201: MadeWebhookSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have facts sent to an address; the answer is the only place where the secret is told."""
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        endpoint, secret = webhooks.create_webhook(actor=self.actor, **given.validated_data)
        return self._told(endpoint, secret)

    def perform_update(self, row: WebhookEndpoint, serializer: Any) -> WebhookEndpoint:
        return webhooks.change_webhook(row.pk, actor=self.actor, **serializer.validated_data)

    @extend_schema(request=None, responses={201: MadeWebhookSerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Make a new secret; the earlier one goes on signing beside it for 24 hours."""
        with transaction.atomic():
            endpoint, secret = webhooks.rotate_secret(self.locked_object().pk, actor=self.actor)
        return self._told(endpoint, secret)

    @extend_schema(request=None, responses=WebhookSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Send nothing for now; what happens meanwhile waits."""
        return self.run(webhooks.pause_webhook)

    @extend_schema(request=None, responses=WebhookSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Send again, also after it was turned off."""
        return self.run(webhooks.resume_webhook)

    @extend_schema(request=SampleSerializer, responses={202: WebhookDeliverySerializer})
    @action(detail=True, methods=["post"])
    def sample(self, request: Request, pk: str) -> Response:
        """Send something made up, marked as a sample."""
        endpoint = self.get_object()
        given = SampleSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        sent = webhooks.send_sample(endpoint.pk, actor=self.actor, **given.validated_data)
        return Response(WebhookDeliverySerializer(sent).data, status.HTTP_202_ACCEPTED)

    @extend_schema(request=SinceSerializer, responses={202: AgainSerializer})
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, pk: str) -> Response:
        """Send all that was given up since a moment once more."""
        endpoint = self.get_object()
        given = SinceSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        count = webhooks.redeliver_failed(endpoint.pk, actor=self.actor, **given.validated_data)
        return Response({"count": count}, status.HTTP_202_ACCEPTED)

    def _told(self, endpoint: WebhookEndpoint, secret: str) -> Response:
        body = WebhookSerializer(endpoint, context=self.get_serializer_context()).data | {"secret": secret}
        return Response(body, status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class WebhookDeliveryViewSet(ScopedReadOnlyViewSet):
    """What was sent where, and what became of it; newest first."""

    queryset = WebhookDelivery.objects.select_related("event")
    serializer_class = WebhookDeliverySerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "endpoint": ["exact"],
        "state": ["exact"],
        "event_type": ["exact"],
        "subject": ["exact"],
        "created_at": ["gte", "lt"],
    }
    action_permissions: ClassVar[dict[str, str]] = {"redeliver": "change"}

    def get_serializer_class(self) -> type[Any]:
        return WholeDeliverySerializer if self.action == "retrieve" else self.serializer_class

    @extend_schema(responses=WholeDeliverySerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(request=None, responses={202: WebhookDeliverySerializer})
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, pk: str) -> Response:
        """Send this once more, under the same message id."""
        delivery = webhooks.redeliver(self.get_object().pk, actor=self.actor)
        return self.respond(delivery, status.HTTP_202_ACCEPTED)


class EventTypeViewSet(viewsets.ViewSet):
    """The types of facts that there are, the same for everybody."""

    own_only = "what may happen on the platform, as the documentation tells it too"
    permission_classes = (IsAuthenticated,)
    lookup_value_regex = r"[a-z0-9_.]+"

    @extend_schema(responses=EventTypeSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List all types with their schemas."""
        return Response(EventTypeSerializer(event_types(), many=True).data)

    @extend_schema(responses=WholeEventTypeSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Return one type with its schema and made-up data."""
        found = next((each for each in event_types() if each.type == pk), None)
        if found is None:
            raise Http404
        return Response(EventTypeSerializer(found).data | {"example": sample_of(found.type)})
