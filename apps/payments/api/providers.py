"""Money through providers over REST: accounts with them, links to pay by, charges, disputes, receipts and messages."""

from datetime import timedelta
from typing import Any, ClassVar

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    JudgedByService,
    ListMixin,
    RetrieveMixin,
    ScopedEditViewSet,
    ScopedModelSerializer,
    ScopedReadOnlyViewSet,
    ScopedViewSet,
    judged,
)
from apps.documents.models import LegalEntity
from apps.lists.api.rows import service_values
from apps.payments.api.idempotent import KEY, IdempotentMixin
from apps.payments.api.shapes import MinorField, WhySerializer
from apps.payments.models import (
    Dispute,
    FiscalReceipt,
    Invoice,
    LedgerAccount,
    PaymentAttempt,
    PaymentLink,
    ProviderAccount,
    WebhookMessage,
)
from apps.payments.services import charging, inbox, payment_links, provider_accounts, receipts

# A program asks a provider through us no more often.
_ASK_PAUSE = timedelta(seconds=2)


class ProviderAccountSerializer(ScopedModelSerializer[ProviderAccount]):
    """An account with a provider. Its keys are written, and never read."""

    legal_entity = JudgedByService(queryset=LegalEntity.objects.all(), required=False, allow_null=True)
    account = JudgedByService(queryset=LedgerAccount.objects.all(), required=False, allow_null=True)
    secret = serializers.CharField(write_only=True, required=False, allow_blank=True, max_length=300)
    webhook_secret = serializers.CharField(write_only=True, required=False, allow_blank=True, max_length=300)
    webhook_path = serializers.SerializerMethodField(
        help_text="Where the provider is told to post, after the address of this platform."
    )

    class Meta:
        model = ProviderAccount
        fields = [
            *["id", "provider", "mode", "name", "legal_entity", "shop_id", "secret", "webhook_secret"],
            *["webhook_path", "account", "has_receipts", "tax_system", "archived_at", "version"],
        ]
        read_only_fields = ["id", "archived_at", "version"]
        validators: ClassVar[list[Any]] = []

    def get_webhook_path(self, row: ProviderAccount) -> str:
        return webhook_path(row)


def webhook_path(row: ProviderAccount) -> str:
    """Return where a provider posts."""
    return reverse("provider-webhook", args=[row.webhook_key])


class ProviderAccountViewSet(ScopedEditViewSet):
    """Our accounts with providers."""

    queryset = ProviderAccount.objects.order_by("id")
    serializer_class = ProviderAccountSerializer
    action_permissions: ClassVar[dict[str, str]] = {"archive": "archive", "restore": "archive"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "provider": ["exact"],
        "mode": ["exact"],
        "archived_at": ["isnull"],
    }

    def perform_create(self, serializer: Any) -> ProviderAccount:
        with judged(serializer):
            values = service_values(serializer.validated_data)
            return provider_accounts.create_provider_account(actor=self.actor, **values)

    def perform_update(self, row: ProviderAccount, serializer: Any) -> ProviderAccount:
        with judged(serializer):
            values = service_values(serializer.validated_data)
            return provider_accounts.change_provider_account(row.pk, actor=self.actor, **values)

    @extend_schema(request=None, responses=ProviderAccountSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        """Let nobody pay through it any more; what is under way ends as it does."""
        return self.run(provider_accounts.archive_provider_account)

    @extend_schema(request=None, responses=ProviderAccountSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Let customers pay through it again."""
        return self.run(provider_accounts.restore_provider_account)


class PaymentLinkSerializer(ScopedModelSerializer[PaymentLink]):
    """A link; the address itself is told once, to who makes it."""

    is_open = serializers.BooleanField(read_only=True)

    class Meta:
        model = PaymentLink
        fields = [
            *["id", "invoice", "lets_part", "is_open", "expires_at", "views", "viewed_at", "revoked_at"],
            *["created_at", "created_by"],
        ]
        read_only_fields = fields


class MadePaymentLinkSerializer(PaymentLinkSerializer):
    """A link that was just made, with the address to send."""

    url = serializers.SerializerMethodField(help_text="Shown this once: nobody can read it again.")

    class Meta:
        model = PaymentLink
        fields = [*PaymentLinkSerializer.Meta.fields, "url"]
        read_only_fields = fields

    def get_url(self, link: PaymentLink) -> str:
        address = reverse("payments:pay", args=[self.context["token"]])
        return str(self.context["request"].build_absolute_uri(address))


class NewPaymentLinkSerializer(serializers.Serializer[Any]):
    """Which invoice is paid by it, and until when."""

    invoice = JudgedByService(queryset=Invoice.objects.all())
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    lets_part = serializers.BooleanField(required=False, default=True)


class PaymentLinkViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Links by which invoices are paid."""

    queryset = PaymentLink.objects.order_by("-id")
    serializer_class = PaymentLinkSerializer
    action_permissions: ClassVar[dict[str, str]] = {"create": "change", "revoke": "change"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {"invoice": ["exact"]}

    @extend_schema(request=NewPaymentLinkSerializer, responses={201: MadePaymentLinkSerializer})
    def create(self, request: Request) -> Response:
        """Make a link by which an open invoice is paid."""
        given = NewPaymentLinkSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        said = dict(given.validated_data)
        with judged(given):
            link, token = payment_links.make_link(said.pop("invoice"), actor=self.actor, **said)
        context = {**self.get_serializer_context(), "token": token}
        place = {"Location": f"/api/v1/payments/links/{link.pk}/", "Cache-Control": "no-store"}
        return Response(MadePaymentLinkSerializer(link, context=context).data, 201, headers=place)

    @extend_schema(request=None, responses=PaymentLinkSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Take a link back; it ends at once."""
        return self.run(payment_links.revoke_link)


class PaymentAttemptSerializer(ScopedModelSerializer[PaymentAttempt]):
    """A charge through a provider, and how far it got."""

    needs_person = serializers.BooleanField(read_only=True)

    class Meta:
        model = PaymentAttempt
        fields = [
            *["id", "payment", "account", "link", "state", "external_id", "error", "asks", "asked_at"],
            *["next_ask_at", "needs_person", "created_at", "ended_at"],
        ]
        read_only_fields = fields


class SettleSerializer(serializers.Serializer[Any]):
    """How a charge ended, as somebody has seen at the provider."""

    has_come = serializers.BooleanField()
    external_id = serializers.CharField(required=False, allow_blank=True, max_length=128)


class PaymentAttemptViewSet(IdempotentMixin, ScopedReadOnlyViewSet):
    """Charges through providers."""

    queryset = PaymentAttempt.objects.order_by("-id")
    serializer_class = PaymentAttemptSerializer
    action_permissions: ClassVar[dict[str, str]] = {"ask": "change", "settle": "change"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "payment": ["exact"],
        "account": ["exact"],
        "state": ["exact", "in"],
    }

    @extend_schema(request=None, responses=PaymentAttemptSerializer)
    @action(detail=True, methods=["post"])
    def ask(self, request: Request, pk: str) -> Response:
        """Ask the provider how it stands."""
        row = self.get_object()
        # Outside of any transaction: the provider may take its time.
        charging.ask_attempt(row.pk, at_most_every=_ASK_PAUSE)
        return self.respond_if_visible(row)

    @extend_schema(request=SettleSerializer, responses=PaymentAttemptSerializer, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, pk: str) -> Response:
        """Say how it ended where the provider does not."""
        row = self.get_object()

        def work() -> Response:
            body = SettleSerializer(data=request.data)
            body.is_valid(raise_exception=True)
            settled = charging.settle_attempt(row.pk, actor=self.actor, **body.validated_data)
            return self.respond_if_visible(settled)

        return self.once(work)


class DisputeSerializer(ScopedModelSerializer[Dispute]):
    """A payment that its payer asks back."""

    amount = MinorField("amount_minor", "payment.currency")
    fee = MinorField("fee_minor", "payment.currency")

    class Meta:
        model = Dispute
        fields = [
            *["id", "payment", "external_id", "status", "amount", "fee", "reason", "is_withdrawn"],
            *["respond_by", "opened_at", "ended_at"],
        ]
        read_only_fields = fields


class DisputeViewSet(ScopedReadOnlyViewSet):
    """Disputes; they are answered at the provider."""

    queryset = Dispute.objects.select_related("payment").order_by("-id")
    serializer_class = DisputeSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"payment": ["exact"], "status": ["exact"]}


class ReceiptLineSerializer(serializers.Serializer[Any]):
    """What a receipt says was paid for."""

    name = serializers.CharField()
    quantity = serializers.CharField()
    amount_minor = serializers.IntegerField()
    tax_rate = serializers.CharField(allow_null=True)


class FiscalReceiptSerializer(ScopedModelSerializer[FiscalReceipt]):
    """A fiscal receipt by 54-FZ."""

    total = MinorField("total_minor")
    lines = ReceiptLineSerializer(many=True, read_only=True)

    class Meta:
        model = FiscalReceipt
        fields = [
            *["id", "payment", "refund", "corrects", "kind", "state", "contact", "lines", "total", "reason"],
            *["external_id", "fiscal_storage", "fiscal_document", "fiscal_sign", "registered_at", "error"],
            "created_at",
        ]
        read_only_fields = fields


class FiscalReceiptViewSet(ScopedReadOnlyViewSet):
    """Fiscal receipts."""

    queryset = FiscalReceipt.objects.order_by("-id")
    serializer_class = FiscalReceiptSerializer
    action_permissions: ClassVar[dict[str, str]] = {"correct": "change", "retry": "change"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "payment": ["exact"],
        "kind": ["exact"],
        "state": ["exact", "in"],
    }

    @extend_schema(request=WhySerializer, responses={201: FiscalReceiptSerializer})
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, pk: str) -> Response:
        """Write a correction of a registered receipt."""
        row = self.get_object()
        body = WhySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = receipts.correct_receipt(row.pk, actor=self.actor, **body.validated_data)
        return self.respond_if_visible(made, 201)

    @extend_schema(request=None, responses=FiscalReceiptSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Send a receipt again that was given up."""
        return self.run(receipts.retry_receipt)


class WebhookMessageSerializer(ScopedModelSerializer[WebhookMessage]):
    """What a provider told us, without its body."""

    class Meta:
        model = WebhookMessage
        fields = [
            *["id", "account", "event_id", "type", "state", "attempts", "next_attempt_at", "error"],
            *["received_at", "done_at"],
        ]
        read_only_fields = fields


class WebhookMessageViewSet(ScopedReadOnlyViewSet):
    """Messages of providers."""

    queryset = WebhookMessage.objects.order_by("-id")
    serializer_class = WebhookMessageSerializer
    action_permissions: ClassVar[dict[str, str]] = {"reread": "change"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {"account": ["exact"], "state": ["exact", "in"]}

    @extend_schema(request=None, responses=WebhookMessageSerializer)
    @action(detail=True, methods=["post"])
    def reread(self, request: Request, pk: str) -> Response:
        """Have a message read again that was given up."""
        return self.run(inbox.reread_message)
