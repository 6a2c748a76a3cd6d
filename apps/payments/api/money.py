"""Payments, allocations and refunds over REST."""

from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ListMixin, RetrieveMixin, ScopedViewSet, UpdateMixin, judged
from apps.lists.api.rows import service_values
from apps.payments.api.idempotent import KEY, IdempotentMixin
from apps.payments.api.shapes import (
    AllocateSerializer,
    AllocationSerializer,
    ChangePaymentSerializer,
    GiveBackSerializer,
    PaymentSerializer,
    RecordPaymentSerializer,
    RefundSerializer,
    WhySerializer,
)
from apps.payments.models import Allocation, Payment, Refund
from apps.payments.onec_export import onec_file
from apps.payments.services import allocations, payments, refunds
from apps.payments.services.payments import Received


class OneCPeriodSerializer(serializers.Serializer[Any]):
    """From which day to which."""

    first = serializers.DateField()
    last = serializers.DateField()


_REFERENCES = frozenset({"company", "person"})
_NAMED = ("company", "person", "invoice", "account")


@extend_schema_view(
    update=extend_schema(request=ChangePaymentSerializer, responses=PaymentSerializer),
    partial_update=extend_schema(request=ChangePaymentSerializer, responses=PaymentSerializer),
)
class PaymentViewSet(IdempotentMixin, UpdateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Money that came."""

    queryset = Payment.objects.order_by("-id")
    serializer_class = PaymentSerializer
    action_permissions: ClassVar[dict[str, str]] = {
        "allocate_by_due_date": "allocate",
        "cancel": "cancel",
        "onec_exchange": "export",
    }
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "status": ["exact", "in"],
        "company": ["exact"],
        "person": ["exact"],
        "currency": ["exact"],
        "provider": ["exact"],
        "external_id": ["exact"],
        "received_date": ["exact", "gte", "lte"],
        "free_minor": ["gt"],
    }

    def get_serializer_class(self) -> Any:
        return ChangePaymentSerializer if self.action in ("update", "partial_update") else PaymentSerializer

    def respond(self, row: Any, *args: Any, **kwargs: Any) -> Response:
        response = super().respond(row, *args, **kwargs)
        if self.action in ("update", "partial_update"):
            response.data = PaymentSerializer(row, context=self.get_serializer_context()).data
        return response

    def perform_update(self, row: Payment, serializer: Any) -> Payment:
        with judged(serializer):
            values = service_values(serializer.validated_data, _REFERENCES)
            return payments.change_payment(row.pk, actor=self.actor, **values)

    @extend_schema(request=RecordPaymentSerializer, responses={201: PaymentSerializer}, parameters=[KEY])
    def create(self, request: Request) -> Response:
        """Record money that came."""

        def work() -> Response:
            body = RecordPaymentSerializer(data=request.data)
            body.is_valid(raise_exception=True)
            said = dict(body.validated_data)
            for name in _NAMED:
                if name in said:
                    said[f"{name}_id"] = said.pop(name)
            payment = payments.record_payment(Received(**said), actor=self.actor)
            return self.respond_if_visible(payment, 201)

        return self.once(work)

    @extend_schema(request=None, responses=PaymentSerializer, parameters=[KEY])
    @action(detail=True, methods=["post"], url_path="allocate-by-due-date")
    def allocate_by_due_date(self, request: Request, pk: str) -> Response:
        """Allocate what is left to what its customer owes, the oldest due first."""
        self.get_object()

        def work() -> Response:
            row = self.locked_object()
            allocations.allocate_by_due_date(row.pk, actor=self.actor)
            return self.respond_if_visible(row)

        return self.once(work)

    @extend_schema(
        parameters=[OneCPeriodSerializer],
        responses={(200, "text/plain"): OpenApiTypes.BINARY},
        filters=False,
    )
    @action(detail=False, methods=["get"], url_path="1c-exchange", pagination_class=None)
    def onec_exchange(self, request: Request) -> HttpResponse:
        """What came in roubles and what went back in some days, as a file that 1C takes in (windows-1251)."""
        given = OneCPeriodSerializer(data=request.query_params)
        given.is_valid(raise_exception=True)
        content = onec_file(self.actor, **given.validated_data)
        return HttpResponse(content, content_type="text/plain; charset=windows-1251")

    @extend_schema(request=WhySerializer, responses=PaymentSerializer, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Take a payment back that was entered by mistake."""
        self.get_object()

        def work() -> Response:
            row = self.locked_object()
            body = WhySerializer(data=request.data)
            body.is_valid(raise_exception=True)
            return self.respond_if_visible(
                payments.cancel_payment(row.pk, actor=self.actor, **body.validated_data)
            )

        return self.once(work)


class AllocationViewSet(IdempotentMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """What payments are for."""

    queryset = Allocation.objects.select_related("payment", "invoice").order_by("-id")
    serializer_class = AllocationSerializer
    action_permissions: ClassVar[dict[str, str]] = {"create": "allocate", "release": "allocate"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "payment": ["exact"],
        "invoice": ["exact"],
        "released_at": ["isnull"],
    }

    @extend_schema(request=AllocateSerializer, responses={201: AllocationSerializer}, parameters=[KEY])
    def create(self, request: Request) -> Response:
        """Say what a payment is for."""

        def work() -> Response:
            body = AllocateSerializer(data=request.data)
            body.is_valid(raise_exception=True)
            said = dict(body.validated_data)
            made = allocations.allocate_payment(
                said.pop("payment"), actor=self.actor, invoice_id=said.pop("invoice"), **said
            )
            return self.respond_if_visible(made, 201)

        return self.once(work)

    @extend_schema(request=None, responses=AllocationSerializer, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        """Take it back: the money is the customer's again, and the invoice owed."""
        row = self.get_object()
        return self.once(
            lambda: self.respond_if_visible(allocations.release_allocation(row.pk, actor=self.actor))
        )


class RefundViewSet(IdempotentMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """What went back."""

    queryset = Refund.objects.select_related("payment").order_by("-id")
    serializer_class = RefundSerializer
    action_permissions: ClassVar[dict[str, str]] = {"create": "refund"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {"payment": ["exact"], "status": ["exact"]}

    @extend_schema(request=GiveBackSerializer, responses={201: RefundSerializer}, parameters=[KEY])
    def create(self, request: Request) -> Response:
        """Give back what is left of a payment, or some of it."""

        def work() -> Response:
            body = GiveBackSerializer(data=request.data)
            body.is_valid(raise_exception=True)
            said = dict(body.validated_data)
            refund = refunds.refund_payment(
                said.pop("payment"), actor=self.actor, on=said.pop("refunded_date", None), **said
            )
            return self.respond_if_visible(refund, 201)

        return self.once(work)
