"""Invoices and credit notes over REST."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import DestroyMixin, ScopedEditViewSet, ScopedReadOnlyViewSet, judged
from apps.lists.api.rows import service_values
from apps.payments.api.idempotent import KEY, IdempotentMixin
from apps.payments.api.shapes import (
    ChangeInvoiceSerializer,
    CreditNoteSerializer,
    CreditSerializer,
    InvoiceSerializer,
    IssueSerializer,
    SendSerializer,
    WhySerializer,
    lines_of,
)
from apps.payments.models import CreditNote, Invoice
from apps.payments.services import credit_notes, invoices, papers, reminding
from apps.payments.services.invoices import NewLine

_REFERENCES = frozenset({"company", "person", "deal", "legal_entity"})


def _values(data: dict[str, Any]) -> dict[str, Any]:
    values = service_values(data, _REFERENCES)
    if "lines" in values:
        values["lines"] = [NewLine(**one) for one in lines_of(values["lines"])]
    return values


class InvoiceViewSet(IdempotentMixin, DestroyMixin, ScopedEditViewSet):
    """Invoices: drafts are written and thrown away, issued ones are paid, credited, declared void or written off."""

    queryset = Invoice.objects.prefetch_related("lines__invoice").order_by("-id")
    serializer_class = InvoiceSerializer
    action_permissions: ClassVar[dict[str, str]] = {
        "destroy": "change",
        "issue": "issue",
        "paper": "change",
        "send": "change",
        "void": "void",
        "credit": "credit",
        "write_off": "writeoff",
        "reinstate": "writeoff",
    }
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "status": ["exact", "in"],
        "company": ["exact"],
        "person": ["exact"],
        "deal": ["exact"],
        "currency": ["exact"],
        "number": ["exact"],
        "issue_date": ["exact", "gte", "lte"],
        "due_date": ["exact", "gte", "lte", "lt"],
    }

    def get_serializer_class(self) -> Any:
        return ChangeInvoiceSerializer if self.action in ("update", "partial_update") else InvoiceSerializer

    def perform_create(self, serializer: Any) -> Invoice:
        with judged(serializer):
            return invoices.create_invoice(actor=self.actor, **_values(serializer.validated_data))

    def perform_update(self, row: Invoice, serializer: Any) -> Invoice:
        with judged(serializer):
            return invoices.change_invoice(row.pk, actor=self.actor, **_values(serializer.validated_data))

    def perform_destroy(self, row: Invoice) -> None:
        invoices.discard_invoice(row.pk, actor=self.actor)

    def _body(self, shape: Any) -> dict[str, Any]:
        body = shape(data=self.request.data)
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)

    def _do(self, service: Any, shape: Any = None) -> Response:
        """Run a service on the invoice at this address once, in the version that the caller names."""
        self.get_object()

        def work() -> Response:
            row = self.locked_object()
            said = self._body(shape) if shape else {}
            return self.respond_if_visible(service(row.pk, actor=self.actor, **said))

        return self.once(work)

    @extend_schema(request=IssueSerializer, responses=InvoiceSerializer, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def issue(self, request: Request, pk: str) -> Response:
        """Give it its number and post what is owed."""
        return self._do(invoices.issue_invoice, IssueSerializer)

    @extend_schema(request=WhySerializer, responses=InvoiceSerializer, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def void(self, request: Request, pk: str) -> Response:
        """Declare it void; nothing of it may have been paid."""
        return self._do(invoices.void_invoice, WhySerializer)

    @extend_schema(request=WhySerializer, responses=InvoiceSerializer, parameters=[KEY])
    @action(detail=True, methods=["post"], url_path="write-off")
    def write_off(self, request: Request, pk: str) -> Response:
        """Give up what is still owed."""
        return self._do(invoices.write_off_invoice, WhySerializer)

    @extend_schema(request=None, responses=InvoiceSerializer, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def reinstate(self, request: Request, pk: str) -> Response:
        """Wait again for what was written off."""
        return self._do(invoices.reinstate_invoice)

    @extend_schema(request=None, responses=InvoiceSerializer)
    @action(detail=True, methods=["post"])
    def paper(self, request: Request, pk: str) -> Response:
        """Have its PDF made, where that has not been done; `document` tells when it is there."""
        row = self.get_object()
        papers.make_paper(row.pk, actor=self.actor)
        return self.respond_if_visible(row, 202)

    @extend_schema(request=SendSerializer, responses=InvoiceSerializer, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def send(self, request: Request, pk: str) -> Response:
        """Write customers a letter with the link by which they see it and pay it."""
        origin = request.build_absolute_uri("/").rstrip("/")

        def send(pk: int, **said: Any) -> Invoice:
            return reminding.send_invoice(pk, origin=origin, **said).invoice

        return self._do(send, SendSerializer)

    @extend_schema(request=CreditSerializer, responses={201: CreditNoteSerializer}, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def credit(self, request: Request, pk: str) -> Response:
        """Credit some of it, or all that is still owed."""
        self.get_object()

        def work() -> Response:
            row = self.locked_object()
            said = self._body(CreditSerializer)
            parts = said.pop("parts", None)
            if parts is not None:
                said["parts"] = {one["line"]: one["amount_minor"] for one in parts}
            note = credit_notes.credit_invoice(row.pk, actor=self.actor, **said)
            return Response(CreditNoteSerializer(note).data, 201)

        return self.once(work)


class CreditNoteViewSet(ScopedReadOnlyViewSet):
    """Credit notes; made on their invoice."""

    queryset = CreditNote.objects.select_related("invoice").prefetch_related("lines").order_by("-id")
    serializer_class = CreditNoteSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"invoice": ["exact"], "number": ["exact"]}
