"""Rates and bank statements over REST: fetched and written rates, files in, lines matched and taken back."""

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, parsers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    CreateMixin,
    ListMixin,
    RetrieveMixin,
    ScopedEditViewSet,
    ScopedReadOnlyViewSet,
    ScopedViewSet,
    judged,
)
from apps.lists.api.rows import service_values
from apps.payments.api import bank_shapes as shapes
from apps.payments.api.idempotent import KEY, IdempotentMixin
from apps.payments.api.shapes import WhySerializer
from apps.payments.matching.finding import candidates_for, known_payments
from apps.payments.matching.words import reason_words
from apps.payments.models import BankAccount, BankLine, BankMatch, BankStatement, ExchangeRate, StatementFile
from apps.payments.rates.knowing import rate_on, ten_places
from apps.payments.services import bank_accounts, bank_lines, matching, rates, statements
from apps.payments.statements.planning import Plan
from apps.payments.statements.words import notice_text, refusal_text


class ExchangeRateViewSet(CreateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """What currencies were worth; a rate never changes, another one follows it."""

    queryset = ExchangeRate.objects.order_by("-valid_on", "-id")
    serializer_class = shapes.ExchangeRateSerializer
    action_permissions: ClassVar[dict[str, str]] = {"convert": "view"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "provider": ["exact"],
        "base": ["exact"],
        "quote": ["exact"],
        "valid_on": ["exact", "gte", "lte"],
    }

    def perform_create(self, serializer: Any) -> ExchangeRate:
        return rates.write_rate(actor=self.actor, **serializer.validated_data)

    @extend_schema(
        parameters=[shapes.ConvertSerializer], responses=shapes.ConversionSerializer, filters=False
    )
    @action(detail=False, methods=["get"], pagination_class=None)
    def convert(self, request: Request) -> Response:
        """Convert an amount by the last rates known on a day."""
        given = shapes.ConvertSerializer(data=request.query_params)
        given.is_valid(raise_exception=True)
        said = given.validated_data
        way = rate_on(said["source"], said["target"], said.get("on") or timezone.localdate())
        if way is None:
            raise exceptions.ValidationError(
                {"on": [_("Nobody has said what this currency is worth in the other on that day.")]},
                "no_rate",
            )
        answer = {
            "converted": {"amount_minor": way.convert(said["amount_minor"]), "currency": way.target},
            "rate": f"{ten_places(way.value):f}",
            "day": way.day,
            "legs": way.legs,
        }
        return Response(shapes.ConversionSerializer(answer).data)


class BankAccountViewSet(ScopedEditViewSet):
    """Our accounts with banks."""

    queryset = BankAccount.objects.order_by("id")
    serializer_class = shapes.BankAccountSerializer
    action_permissions: ClassVar[dict[str, str]] = {"archive": "archive", "restore": "archive"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "legal_entity": ["exact"],
        "currency": ["exact"],
        "archived_at": ["isnull"],
    }

    def perform_create(self, serializer: Any) -> BankAccount:
        with judged(serializer):
            return bank_accounts.create_bank_account(
                actor=self.actor, **service_values(serializer.validated_data)
            )

    def perform_update(self, row: BankAccount, serializer: Any) -> BankAccount:
        with judged(serializer):
            return bank_accounts.change_bank_account(
                row.pk, actor=self.actor, **service_values(serializer.validated_data)
            )

    @extend_schema(request=None, responses=shapes.BankAccountSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        """Put an account into the trash; its lines stay in sight."""
        return self.run(bank_accounts.archive_bank_account)

    @extend_schema(request=None, responses=shapes.BankAccountSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Take an account out of the trash."""
        return self.run(bank_accounts.restore_bank_account)


class StatementFileViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Files of banks: uploaded, looked at, imported, taken back."""

    queryset = StatementFile.objects.order_by("-id")
    serializer_class = shapes.StatementFileSerializer
    parser_classes = (parsers.JSONParser, parsers.MultiPartParser)
    filterset_fields: ClassVar[dict[str, list[str]]] = {"state": ["exact"], "format": ["exact"]}
    action_permissions: ClassVar[dict[str, str]] = {
        "plan": "view",
        "apply": "change",
        "undo": "change",
        "discard": "change",
    }

    @extend_schema(
        request={"multipart/form-data": shapes.StatementUploadSerializer},
        responses={201: shapes.StatementFileSerializer},
    )
    def create(self, request: Request) -> Response:
        """Upload a file: all of it is read, and nothing is imported yet. The same file gets the same answer."""
        given = shapes.StatementUploadSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        file = given.validated_data["file"]
        made = statements.upload_statement(file, file.name or "", actor=self.actor)
        return self.respond(made, status.HTTP_201_CREATED)

    @extend_schema(request=shapes.LayoutSerializer, responses=shapes.StatementFileSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Say how a table is to be read."""
        self.get_object()
        given = shapes.LayoutSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return self.run(statements.correct_statement, layout=given.validated_data)

    @extend_schema(responses=shapes.StatementPlanSerializer)
    @action(detail=True, methods=["get"])
    def plan(self, request: Request, pk: str) -> Response:
        """Tell what importing it would bring by now, or why it cannot be read."""
        row = self.get_object()
        return Response(_told(statements.rehearse_statement(row.pk, actor=self.actor)))

    @extend_schema(request=shapes.ApplyStatementSerializer, responses=shapes.StatementFileSerializer)
    @action(detail=True, methods=["post"])
    def apply(self, request: Request, pk: str) -> Response:
        """Import it: lines that are here already stay as they are, so that doing it again does nothing."""
        self.get_object()
        given = shapes.ApplyStatementSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        entity_id = given.validated_data.get("legal_entity")
        return self.run(statements.apply_statement, legal_entity_id=entity_id)

    @extend_schema(request=None, responses=shapes.StatementFileSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Take the import back, as long as none of its lines was ever matched."""
        return self.run(statements.undo_statement)

    @extend_schema(request=None, responses=shapes.StatementFileSerializer)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        """Decide not to import it."""
        return self.run(statements.discard_statement)


class BankStatementViewSet(ScopedReadOnlyViewSet):
    """What files say of our accounts."""

    queryset = BankStatement.objects.order_by("-id")
    serializer_class = shapes.BankStatementSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "account": ["exact"],
        "file": ["exact"],
        "last_day": ["gte", "lte"],
    }


class BankLineViewSet(IdempotentMixin, ScopedReadOnlyViewSet):
    """Movements on our accounts, and what they are."""

    queryset = BankLine.objects.select_related("account").order_by("-id")
    serializer_class = shapes.BankLineSerializer
    action_permissions: ClassVar[dict[str, str]] = {
        "candidates": "view",
        "match": "change",
        "set_aside": "change",
        "put_back": "change",
    }
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "account": ["exact"],
        "statement": ["exact"],
        "booked_on": ["exact", "gte", "lte"],
        "amount_minor": ["exact", "gt", "lt"],
        "open_minor": ["gt", "exact"],
        "set_aside_at": ["isnull"],
        "counterparty_tax_id": ["exact"],
    }

    @extend_schema(responses=shapes.MatchCandidateSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def candidates(self, request: Request, pk: str) -> Response:
        """Tell what a line may be, the likeliest first, with reasons."""
        line = self.get_object()
        found = [_known(each) for each in known_payments(line, actor=self.actor)]
        found += [_candidate(each) for each in candidates_for(line, actor=self.actor)]
        found.sort(key=lambda each: -each["confidence"])
        return Response(shapes.MatchCandidateSerializer(found, many=True).data)

    @extend_schema(
        request=shapes.MatchLineSerializer, responses={201: shapes.BankMatchSerializer}, parameters=[KEY]
    )
    @action(detail=True, methods=["post"])
    def match(self, request: Request, pk: str) -> Response:
        """Say what a line is: it becomes a payment, allocated to the invoices that are named."""
        row = self.get_object()

        def work() -> Response:
            body = shapes.MatchLineSerializer(data=request.data)
            body.is_valid(raise_exception=True)
            said = body.validated_data
            if said.get("payment"):
                made = matching.match_payment(row.pk, actor=self.actor, payment_id=said["payment"])
            else:
                parts = [
                    matching.Part(each["invoice"], each.get("amount_minor")) for each in said.get("parts", [])
                ]
                made = matching.match_line(
                    row.pk,
                    actor=self.actor,
                    parts=parts,
                    company_id=said.get("company"),
                    person_id=said.get("person"),
                )
            return Response(shapes.BankMatchSerializer(made).data, status.HTTP_201_CREATED)

        return self.once(work)

    @extend_schema(request=WhySerializer, responses=shapes.BankLineSerializer)
    @action(detail=True, methods=["post"], url_path="set-aside")
    def set_aside(self, request: Request, pk: str) -> Response:
        """Set a line aside that pays no invoice, with the reason."""
        self.get_object()
        given = WhySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return self.run(bank_lines.set_aside, **given.validated_data)

    @extend_schema(request=None, responses=shapes.BankLineSerializer)
    @action(detail=True, methods=["post"], url_path="put-back")
    def put_back(self, request: Request, pk: str) -> Response:
        """Let it be matched again."""
        return self.run(bank_lines.put_back)


class BankMatchViewSet(IdempotentMixin, ScopedReadOnlyViewSet):
    """Which lines are which payments."""

    queryset = BankMatch.objects.select_related("line__account").order_by("-id")
    serializer_class = shapes.BankMatchSerializer
    action_permissions: ClassVar[dict[str, str]] = {"release": "change"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "line": ["exact"],
        "payment": ["exact"],
        "released_at": ["isnull"],
    }

    @extend_schema(request=WhySerializer, responses=shapes.BankMatchSerializer, parameters=[KEY])
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        """Take a match back: its allocations are released, and the payment that it made is taken back."""
        row = self.get_object()

        def work() -> Response:
            body = WhySerializer(data=request.data)
            body.is_valid(raise_exception=True)
            return self.respond(matching.unmatch_line(row.pk, actor=self.actor, **body.validated_data))

        return self.once(work)


def _told(plan: Plan) -> dict[str, Any]:
    return {
        "refusal": refusal_text(plan.refusal) if plan.refusal else None,
        "code": plan.refusal.code if plan.refusal else None,
        "statements": [
            {
                "account": each.account.pk if each.account else None,
                "number": each.statement.account,
                "currency": each.statement.currency,
                "first_day": each.statement.first_day,
                "last_day": each.statement.last_day,
                "opening_minor": each.statement.opening,
                "closing_minor": each.statement.closing,
                "new": len(each.new),
                "known": each.known,
                "notices": [notice_text(notice) for notice in each.notices],
            }
            for each in plan.statements
        ],
    }


def _candidate(candidate: Any) -> dict[str, Any]:
    return {
        "payment": None,
        "parts": [
            {
                "invoice": owed.invoice_id,
                "number": owed.number,
                "customer": owed.customer,
                "amount_minor": amount,
                "due_minor": owed.due,
            }
            for owed, amount in candidate.parts
        ],
        "reasons": list(candidate.reasons),
        "why": reason_words(candidate.reasons),
        "confidence": candidate.confidence,
    }


def _known(known: Any) -> dict[str, Any]:
    return {
        "payment": known.payment.pk,
        "parts": [],
        "reasons": list(known.reasons),
        "why": reason_words(known.reasons),
        "confidence": known.confidence,
    }
