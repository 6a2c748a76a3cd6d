"""Recurring invoices, and letters about invoices, over REST."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    JudgedByService,
    ListMixin,
    RetrieveMixin,
    ScopedModelSerializer,
    ScopedReadOnlyViewSet,
    ScopedViewSet,
    UpdateMixin,
    judged,
)
from apps.payments.models import Invoice, InvoiceLetter, RecurringInvoice
from apps.payments.services import recurring


class RecurringInvoiceSerializer(ScopedModelSerializer[RecurringInvoice]):
    """An invoice that is drawn up again and again."""

    class Meta:
        model = RecurringInvoice
        fields = [
            *["id", "pattern", "recurrence", "first_date", "next_date", "due_days", "is_issued", "is_sent"],
            *["state", "error", "created_at", "version"],
        ]
        read_only_fields = [
            *["id", "pattern", "recurrence", "first_date", "next_date", "state", "error", "created_at"],
            "version",
        ]


class NewRecurringInvoiceSerializer(serializers.Serializer[Any]):
    """Like which invoice, and when."""

    pattern = JudgedByService(queryset=Invoice.objects.all())
    recurrence = serializers.CharField(max_length=300, help_text="RFC 5545: FREQ=MONTHLY;BYMONTHDAY=1")
    first_date = serializers.DateField()
    due_days = serializers.IntegerField(required=False, min_value=0, max_value=365)
    is_issued = serializers.BooleanField(required=False, default=True)
    is_sent = serializers.BooleanField(required=False, default=False)


class RecurringInvoiceViewSet(UpdateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Invoices that are drawn up again and again, like one that was issued."""

    queryset = RecurringInvoice.objects.order_by("-id")
    serializer_class = RecurringInvoiceSerializer
    action_permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ["create", "update", "partial_update", "pause", "resume", "end"], "issue"
    )
    filterset_fields: ClassVar[dict[str, list[str]]] = {"pattern": ["exact"], "state": ["exact"]}

    @extend_schema(request=NewRecurringInvoiceSerializer, responses={201: RecurringInvoiceSerializer})
    def create(self, request: Request) -> Response:
        """Have an invoice drawn up anew by a rule."""
        given = NewRecurringInvoiceSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        said = dict(given.validated_data)
        said["recurrence_rule"] = said.pop("recurrence")
        with judged(given):
            made = recurring.create_recurring(said.pop("pattern"), actor=self.actor, **said)
        return self.respond_if_visible(made, 201)

    def perform_update(self, row: RecurringInvoice, serializer: Any) -> RecurringInvoice:
        with judged(serializer):
            return recurring.change_recurring(row.pk, actor=self.actor, **serializer.validated_data)

    @extend_schema(request=None, responses=RecurringInvoiceSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Draw nothing up until it is resumed."""
        return self.run(recurring.pause_recurring)

    @extend_schema(request=None, responses=RecurringInvoiceSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on; what was left out meanwhile stays left out."""
        return self.run(recurring.resume_recurring)

    @extend_schema(request=None, responses=RecurringInvoiceSerializer)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        """End it for good."""
        return self.run(recurring.end_recurring)


class InvoiceLetterSerializer(ScopedModelSerializer[InvoiceLetter]):
    """A letter about an invoice."""

    class Meta:
        model = InvoiceLetter
        fields = ["id", "invoice", "kind", "days", "recipients", "created_at", "created_by"]
        read_only_fields = fields


class InvoiceLetterViewSet(ScopedReadOnlyViewSet):
    """Letters about invoices; written on their invoice, and by the clock."""

    queryset = InvoiceLetter.objects.order_by("-id")
    serializer_class = InvoiceLetterSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"invoice": ["exact"], "kind": ["exact"]}
