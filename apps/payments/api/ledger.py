"""The books over REST: accounts, entries, closed periods, and what they say."""

from datetime import date, timedelta
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import CreateMixin, ListMixin, RetrieveMixin, ScopedViewSet
from apps.lists.api.rows import ArchivableViewSet
from apps.payments import selectors
from apps.payments.account_papers import statement_paper
from apps.payments.api.idempotent import KEY, IdempotentMixin
from apps.payments.api.shapes import (
    AgedRowSerializer,
    JournalEntrySerializer,
    LedgerAccountSerializer,
    ManualEntrySerializer,
    MonthRowSerializer,
    PeriodSerializer,
    StatementSerializer,
    TrialRowSerializer,
    WhySerializer,
)
from apps.payments.models import Invoice, JournalEntry, LedgerAccount, PeriodLock
from apps.payments.services import ledger
from apps.payments.services.ledger import ManualEntry

_YEAR = timedelta(days=365)


class _Asked(serializers.Serializer[Any]):
    """What a report may be asked for."""

    currency = serializers.RegexField("^[A-Z]{3}$", required=False)
    until = serializers.DateField(required=False)
    since = serializers.DateField(required=False)
    first = serializers.DateField(required=False)
    last = serializers.DateField(required=False)
    company = serializers.IntegerField(required=False, min_value=1)
    person = serializers.IntegerField(required=False, min_value=1)


def asked(request: Request) -> dict[str, Any]:
    """Return what the address asks for. :raises ValidationError: something in it is no date or number"""
    given = _Asked(data=request.query_params)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _days(said: dict[str, Any]) -> tuple[date, date]:
    last = said.get("last") or timezone.localdate()
    return said.get("first") or last - _YEAR, last


def _day(name: str, words: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.DATE, description=words)


_CURRENCY = OpenApiParameter(
    "currency", OpenApiTypes.STR, required=True, description="Three capital letters."
)
_PERIOD = [
    _day("first", "The first day; a year ago unless said."),
    _day("last", "The last day; today unless said."),
]


class LedgerAccountViewSet(ArchivableViewSet):
    """The chart of accounts."""

    queryset = LedgerAccount.objects.prefetch_related("balances").order_by("-id")
    serializer_class = LedgerAccountSerializer
    create_service = staticmethod(ledger.create_account)
    change_service = staticmethod(ledger.change_account)
    archive_service = staticmethod(ledger.archive_account)
    restore_service = staticmethod(ledger.restore_account)
    action_permissions: ClassVar[dict[str, str]] = {
        "archive": "change",
        "restore": "change",
        "statement": "view",
    }
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "code": ["exact"],
        "type": ["exact"],
        "purpose": ["exact"],
        "archived_at": ["isnull"],
    }

    @extend_schema(responses=StatementSerializer, parameters=[_CURRENCY, *_PERIOD], filters=False)
    @action(detail=True, methods=["get"])
    def statement(self, request: Request, pk: str) -> Response:
        """What was posted to an account between two days, and what stood before and after."""
        account, said = self.get_object(), asked(request)
        first, last = _days(said)
        found = selectors.account_statement(
            account.pk, said.get("currency") or ledger.base_currency(), first=first, last=last
        )
        return Response(StatementSerializer(found).data)


class JournalEntryViewSet(IdempotentMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """The day-book. Entries are only added; those by hand are taken back by another one."""

    queryset = JournalEntry.objects.prefetch_related("postings").order_by("-id")
    serializer_class = JournalEntrySerializer
    action_permissions: ClassVar[dict[str, str]] = {"reverse": "reverse"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "kind": ["exact"],
        "source": ["exact"],
        "source_id": ["exact"],
        "accounting_date": ["exact", "gte", "lte"],
        "postings__account": ["exact"],
        "postings__invoice": ["exact"],
        "postings__payment": ["exact"],
    }

    @extend_schema(request=ManualEntrySerializer, responses={201: JournalEntrySerializer}, parameters=[KEY])
    def create(self, request: Request) -> Response:
        """Post an entry by hand."""

        def work() -> Response:
            body = ManualEntrySerializer(data=request.data)
            body.is_valid(raise_exception=True)
            said = body.validated_data
            legs = [(leg["account"], leg["amount_minor"], leg["currency"]) for leg in said["legs"]]
            made = ledger.post_by_hand(
                ManualEntry(said["accounting_date"], said["memo"], legs), actor=self.actor
            )
            return self.respond_if_visible(made, 201)

        return self.once(work)

    @extend_schema(request=WhySerializer, responses={201: JournalEntrySerializer}, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def reverse(self, request: Request, pk: str) -> Response:
        """Take an entry back that was made by hand."""
        row = self.get_object()

        def work() -> Response:
            body = WhySerializer(data=request.data)
            body.is_valid(raise_exception=True)
            made = ledger.reverse_entry(row.pk, actor=self.actor, **body.validated_data)
            return self.respond_if_visible(made, 201)

        return self.once(work)


class PeriodViewSet(CreateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Up to which day the books are closed."""

    queryset = PeriodLock.objects.order_by("-id")
    serializer_class = PeriodSerializer

    def perform_create(self, serializer: Any) -> PeriodLock:
        return ledger.close_period(actor=self.actor, **serializer.validated_data)


class LedgerReportViewSet(ScopedViewSet):
    """What the books say as a whole."""

    queryset = LedgerAccount.objects.all()
    serializer_class = TrialRowSerializer
    pagination_class = None
    action_permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ["trial_balance", "revenue", "cash_flow"], "view"
    )

    @extend_schema(
        responses=TrialRowSerializer(many=True),
        parameters=[_day("until", "The last accounting date that counts; all unless said.")],
        filters=False,
    )
    @action(detail=False, methods=["get"], url_path="trial-balance")
    def trial_balance(self, request: Request) -> Response:
        """What stands on each account; in each currency all balances together are zero."""
        rows = selectors.trial_balance(until=asked(request).get("until"))
        return Response(
            [
                {
                    "account": row.account.pk,
                    "code": row.account.code,
                    "name": row.account.name,
                    "currency": row.currency,
                    "debit_minor": row.debit_minor,
                    "credit_minor": row.credit_minor,
                    "balance_minor": row.balance_minor,
                }
                for row in rows
            ]
        )

    @extend_schema(
        responses=MonthRowSerializer(many=True), parameters=[_day("since", "The first day.")], filters=False
    )
    @action(detail=False, methods=["get"])
    def revenue(self, request: Request) -> Response:
        """What was earned each month, and what was credited or taken back."""
        rows = selectors.revenue_by_month(since=asked(request).get("since"))
        return Response(MonthRowSerializer(rows, many=True).data)

    @extend_schema(
        responses=MonthRowSerializer(many=True), parameters=[_day("since", "The first day.")], filters=False
    )
    @action(detail=False, methods=["get"], url_path="cash-flow")
    def cash_flow(self, request: Request) -> Response:
        """What came to our accounts each month, and what went."""
        rows = selectors.cash_flow(since=asked(request).get("since"))
        return Response(MonthRowSerializer(rows, many=True).data)


class CustomerReportViewSet(ScopedViewSet):
    """What customers owe, as far as the caller sees their invoices."""

    queryset = Invoice.objects.all()
    serializer_class = AgedRowSerializer
    pagination_class = None
    action_permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ["aged_receivables", "customer_statement", "customer_statement_paper"], "view"
    )

    @extend_schema(responses=AgedRowSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"], url_path="aged-receivables")
    def aged_receivables(self, request: Request) -> Response:
        """Who owes how much, and for how long it has been due."""
        rows = selectors.aged_receivables(self.actor)
        return Response(
            [
                {
                    "company": row.company_id,
                    "person": row.person_id,
                    "name": row.name,
                    "currency": row.currency,
                    "buckets": row.buckets,
                    "total_minor": row.total_minor,
                    "advance_minor": row.advance_minor,
                }
                for row in rows
            ]
        )

    @extend_schema(
        responses=StatementSerializer,
        parameters=[
            _CURRENCY,
            OpenApiParameter("company", OpenApiTypes.INT, description="Of which company,"),
            OpenApiParameter("person", OpenApiTypes.INT, description="or of which person."),
            *_PERIOD,
        ],
        filters=False,
    )
    @action(detail=False, methods=["get"], url_path="customer-statement")
    def customer_statement(self, request: Request) -> Response:
        """What a customer came to owe and has paid, step by step."""
        said = asked(request)
        if ("company" in said) is ("person" in said):
            text = "Name a company or a person."
            raise serializers.ValidationError({"company": [text]}, code="required")
        first, last = _days(said)
        found = selectors.customer_statement(
            self.actor,
            said.get("currency") or ledger.base_currency(),
            company_id=said.get("company"),
            person_id=said.get("person"),
            first=first,
            last=last,
        )
        return Response(StatementSerializer(found).data)

    @extend_schema(
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
        parameters=[
            _CURRENCY,
            OpenApiParameter("company", OpenApiTypes.INT, description="Of which company,"),
            OpenApiParameter("person", OpenApiTypes.INT, description="or of which person."),
            *_PERIOD,
        ],
        filters=False,
    )
    @action(detail=False, methods=["get"], url_path="customer-statement/paper")
    def customer_statement_paper(self, request: Request) -> HttpResponse:
        """The same as a PDF."""
        said = asked(request)
        first, last = _days(said)
        paper = statement_paper(
            self.actor,
            said.get("currency") or ledger.base_currency(),
            company_id=said.get("company"),
            person_id=said.get("person"),
            first=first,
            last=last,
        )
        return HttpResponse(
            paper, content_type="application/pdf", headers={"Cache-Control": "private, no-store"}
        )
