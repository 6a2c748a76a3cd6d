"""How money is written over REST: whole minor units with their currency, and never a float."""

from collections.abc import Sequence
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.faces.api import JudgedByService, ScopedModelSerializer
from apps.crm.models import Company, Deal, Person, Product
from apps.documents.models import LegalEntity
from apps.payments.models import (
    Allocation,
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    JournalEntry,
    LedgerAccount,
    Payment,
    PeriodLock,
    Posting,
    Refund,
)

MOST_LINES = 500


class MinorAmount(serializers.Serializer[Any]):
    """So many minor units of a currency: kopecks, cents, whole yen."""

    amount_minor = serializers.IntegerField()
    currency = serializers.RegexField("^[A-Z]{3}$")


@extend_schema_field(MinorAmount)
class MinorField(serializers.Field[Any, Any, Any, Any]):
    """
    {"amount_minor": 150000, "currency": "RUB"} of a column.

    :param column: of the amount
    :param currency: where the currency stands, seen from the row
    """

    def __init__(self, column: str, currency: str = "currency", **kwargs: Any) -> None:
        super().__init__(read_only=True, source="*", **kwargs)
        self.column, self.currency = column, currency

    def to_representation(self, row: Any) -> dict[str, Any]:
        holder: Any = row
        *path, last = self.currency.split(".")
        for name in path:
            holder = getattr(holder, name)
        return {"amount_minor": getattr(row, self.column), "currency": getattr(holder, last)}


class ExactInteger(serializers.IntegerField):
    """A whole number, not one that a program has written with a point or as text."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


def minor(**kwargs: Any) -> ExactInteger:
    """Return a field of an amount that is taken: whole minor units, above zero."""
    return ExactInteger(min_value=1, max_value=10**13, **kwargs)


class InvoiceLineSerializer(serializers.ModelSerializer[InvoiceLine]):
    """A line with what it comes to."""

    amount = MinorField("amount_minor", "invoice.currency")
    net = MinorField("net_minor", "invoice.currency")
    tax = MinorField("tax_minor", "invoice.currency")
    product = JudgedByService(queryset=Product.objects.all(), required=False, allow_null=True)

    class Meta:
        model = InvoiceLine
        fields = [
            *["id", "product", "name", "quantity", "unit", "unit_price", "discount_percent", "tax_rate"],
            *["is_tax_included", "amount", "net", "tax"],
        ]
        read_only_fields = ["id"]


class TaxSerializer(serializers.Serializer[Any]):
    """What is due of one rate, in minor units; the rate is null where no tax is due."""

    rate = serializers.CharField(allow_null=True)
    net_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()


class InvoiceSerializer(ScopedModelSerializer[Invoice]):
    """An invoice with its lines. Drafts are written; of an issued one only what came of it changes."""

    lines = InvoiceLineSerializer(many=True, required=False, max_length=MOST_LINES)  # type: ignore[call-arg]
    company = JudgedByService(queryset=Company.objects.all(), required=False, allow_null=True)
    person = JudgedByService(queryset=Person.objects.all(), required=False, allow_null=True)
    deal = JudgedByService(queryset=Deal.objects.all(), required=False, allow_null=True)
    legal_entity = JudgedByService(queryset=LegalEntity.objects.all(), required=False, allow_null=True)
    currency = serializers.RegexField("^[A-Z]{3}$", required=False)
    locale = serializers.CharField(max_length=8, required=False)
    due_date = serializers.DateField(required=False)
    taxes = TaxSerializer(many=True, read_only=True)
    net = MinorField("net_minor")
    tax = MinorField("tax_minor")
    total = MinorField("total_minor")
    paid = MinorField("paid_minor")
    credited = MinorField("credited_minor")
    written_off = MinorField("written_off_minor")
    due = MinorField("due_minor")

    class Meta:
        model = Invoice
        fields = [
            *[
                "id",
                "number",
                "series",
                "status",
                "legal_entity",
                "company",
                "person",
                "deal",
                "owner",
                "team",
            ],
            *["currency", "locale", "issue_date", "due_date", "customer_name", "customer_tax_id"],
            *["customer_address", "note", "lines", "taxes", "net", "tax", "total", "paid", "credited"],
            *["written_off", "due", "reason", "document", "issued_at", "settled_at", "created_at", "version"],
        ]
        read_only_fields = [
            *["id", "number", "status", "owner", "team", "reason", "document", "issued_at", "settled_at"],
            *["created_at", "version"],
        ]
        validators: ClassVar[list[Any]] = []


class ChangeInvoiceSerializer(InvoiceSerializer):
    """A draft stays with its deal."""

    class Meta(InvoiceSerializer.Meta):
        read_only_fields = [*InvoiceSerializer.Meta.read_only_fields, "deal"]

    deal = JudgedByService(read_only=True)


class IssueSerializer(serializers.Serializer[Any]):
    """What an invoice is dated; its own date, or today, unless said."""

    issue_date = serializers.DateField(required=False, allow_null=True)


class WhySerializer(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=500)


class CreditPartSerializer(serializers.Serializer[Any]):
    """How much of a line is credited, tax included, in minor units of the invoice's currency."""

    line = ExactInteger(min_value=1)
    amount_minor = minor()


class CreditSerializer(WhySerializer):
    """What is credited and why; all that is owed where no parts are named."""

    parts = CreditPartSerializer(many=True, required=False, max_length=MOST_LINES)  # type: ignore[call-arg]
    issue_date = serializers.DateField(required=False, allow_null=True)


class CreditNoteLineSerializer(serializers.ModelSerializer[CreditNoteLine]):
    """How much of a line was credited."""

    class Meta:
        model = CreditNoteLine
        fields = ["line", "net_minor", "tax_minor"]
        read_only_fields = fields


class CreditNoteSerializer(ScopedModelSerializer[CreditNote]):
    """What of an invoice is not owed any more."""

    lines = CreditNoteLineSerializer(many=True, read_only=True)
    net = MinorField("net_minor", "invoice.currency")
    tax = MinorField("tax_minor", "invoice.currency")
    total = MinorField("total_minor", "invoice.currency")

    class Meta:
        model = CreditNote
        fields = [
            *["id", "number", "invoice", "issue_date", "reason", "net", "tax", "total", "lines"],
            "created_at",
        ]
        read_only_fields = fields


class PaymentSerializer(ScopedModelSerializer[Payment]):
    """A payment and how far it got."""

    amount = MinorField("amount_minor")
    captured = MinorField("captured_minor")
    allocated = MinorField("allocated_minor")
    refunded = MinorField("refunded_minor")
    fee = MinorField("fee_minor")
    free = MinorField("free_minor")

    class Meta:
        model = Payment
        fields = [
            *[
                "id",
                "status",
                "provider",
                "method",
                "amount",
                "captured",
                "allocated",
                "refunded",
                "fee",
                "free",
            ],
            *["company", "person", "invoice", "owner", "team", "account", "received_date", "external_id"],
            *["payer_name", "reference", "reason", "created_at", "version"],
        ]
        read_only_fields = fields


class RecordPaymentSerializer(serializers.Serializer[Any]):
    """Money that came. For an invoice that is named, as much as it owes is allocated at once."""

    amount_minor = minor()
    currency = serializers.RegexField("^[A-Z]{3}$")
    received_date = serializers.DateField(required=False, allow_null=True)
    company = ExactInteger(min_value=1, required=False, allow_null=True)
    person = ExactInteger(min_value=1, required=False, allow_null=True)
    invoice = ExactInteger(min_value=1, required=False, allow_null=True)
    account = ExactInteger(min_value=1, required=False, allow_null=True)
    method = serializers.ChoiceField(Payment.Method.choices, required=False)
    external_id = serializers.CharField(max_length=128, required=False, allow_blank=True)
    payer_name = serializers.CharField(max_length=400, required=False, allow_blank=True)
    reference = serializers.CharField(max_length=500, required=False, allow_blank=True)
    fee_minor = ExactInteger(min_value=0, max_value=10**13, required=False)


class ChangePaymentSerializer(serializers.ModelSerializer[Payment]):
    """Whose a payment is, and what it is for in words."""

    company = JudgedByService(queryset=Company.objects.all(), required=False, allow_null=True)
    person = JudgedByService(queryset=Person.objects.all(), required=False, allow_null=True)

    class Meta:
        model = Payment
        fields = ["company", "person", "method", "payer_name", "reference"]


class AllocateSerializer(serializers.Serializer[Any]):
    """
    What a payment is for; as much as is owed and left unless said.

    `invoice_amount_minor` is what it settles where the invoice is in another currency; the day's rates say it otherwise.
    """

    payment = ExactInteger(min_value=1)
    invoice = ExactInteger(min_value=1)
    amount_minor = minor(required=False, allow_null=True)
    invoice_amount_minor = minor(required=False, allow_null=True)


class AllocationSerializer(ScopedModelSerializer[Allocation]):
    """How much of a payment is for an invoice."""

    amount = MinorField("amount_minor", "payment.currency")
    settles = MinorField("invoice_amount_minor", "invoice.currency")

    class Meta:
        model = Allocation
        fields = [
            *[
                "id",
                "payment",
                "invoice",
                "amount",
                "settles",
                "exchange_minor",
                "allocated_date",
                "created_at",
            ],
            "released_at",
        ]
        read_only_fields = fields


class GiveBackSerializer(WhySerializer):
    """How much of which payment goes back; all that is left unless said."""

    payment = ExactInteger(min_value=1)
    amount_minor = minor(required=False, allow_null=True)
    refunded_date = serializers.DateField(required=False, allow_null=True)
    external_id = serializers.CharField(max_length=128, required=False, allow_blank=True)


class RefundSerializer(ScopedModelSerializer[Refund]):
    """What went back of a payment."""

    amount = MinorField("amount_minor", "payment.currency")

    class Meta:
        model = Refund
        fields = ["id", "payment", "amount", "status", "reason", "refunded_date", "external_id", "created_at"]
        read_only_fields = fields


class LedgerAccountSerializer(ScopedModelSerializer[LedgerAccount]):
    """An account of the books with what stands on it, by currency."""

    balances = serializers.SerializerMethodField()

    class Meta:
        model = LedgerAccount
        fields = ["id", "code", "name", "type", "purpose", "balances", "archived_at", "version"]
        read_only_fields = ["id", "purpose", "archived_at", "version"]
        validators: ClassVar[list[Any]] = []

    @extend_schema_field(MinorAmount(many=True))
    def get_balances(self, account: LedgerAccount) -> list[dict[str, Any]]:
        return [
            {"amount_minor": row.balance_minor, "currency": row.currency}
            for row in sorted(account.balances.all(), key=lambda row: row.currency)
        ]


class PostingSerializer(serializers.ModelSerializer[Posting]):
    """A leg of an entry; a debit is above zero, a credit below."""

    class Meta:
        model = Posting
        fields = ["id", "account", "amount_minor", "currency", "invoice", "payment"]
        read_only_fields = fields


class JournalEntrySerializer(ScopedModelSerializer[JournalEntry]):
    """An entry with its legs."""

    postings = PostingSerializer(many=True, read_only=True)

    class Meta:
        model = JournalEntry
        fields = [
            *[
                "id",
                "kind",
                "source",
                "source_id",
                "accounting_date",
                "posted_at",
                "memo",
                "reverses",
                "actor",
            ],
            "postings",
        ]
        read_only_fields = fields


class LegSerializer(serializers.Serializer[Any]):
    """A leg of an entry by hand; a debit is above zero, a credit below."""

    account = ExactInteger(min_value=1)
    amount_minor = ExactInteger(min_value=-(10**13), max_value=10**13)
    currency = serializers.RegexField("^[A-Z]{3}$")


class ManualEntrySerializer(serializers.Serializer[Any]):
    """An entry by hand."""

    accounting_date = serializers.DateField()
    memo = serializers.CharField(max_length=300)
    legs = LegSerializer(many=True, min_length=2, max_length=100)  # type: ignore[call-arg]


class PeriodSerializer(ScopedModelSerializer[PeriodLock]):
    """Up to which day the books are closed; the latest one counts."""

    class Meta:
        model = PeriodLock
        fields = ["id", "closed_until", "reason", "created_at", "created_by"]
        read_only_fields = ["id", "created_at", "created_by"]


class SendSerializer(serializers.Serializer[Any]):
    """Whom an invoice is sent to."""

    recipients = serializers.ListField(child=serializers.CharField(max_length=254), max_length=20)


class TrialRowSerializer(serializers.Serializer[Any]):
    """What stands on an account in a currency, in minor units."""

    account = serializers.IntegerField()
    code = serializers.CharField()
    name = serializers.CharField()
    currency = serializers.CharField()
    debit_minor = serializers.IntegerField()
    credit_minor = serializers.IntegerField()
    balance_minor = serializers.IntegerField()


class AgedRowSerializer(serializers.Serializer[Any]):
    """
    What a customer owes in a currency, in minor units.

    `buckets` are: not due yet, overdue for 1 to 30 days, 31 to 60, 61 to 90, and longer.
    """

    company = serializers.IntegerField(allow_null=True)
    person = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    currency = serializers.CharField()
    buckets = serializers.ListField(child=serializers.IntegerField())
    total_minor = serializers.IntegerField()
    advance_minor = serializers.IntegerField()


class MonthRowSerializer(serializers.Serializer[Any]):
    """What came in and went out in a month, in minor units."""

    month = serializers.DateField()
    currency = serializers.CharField()
    in_minor = serializers.IntegerField()
    out_minor = serializers.IntegerField()
    net_minor = serializers.IntegerField()


class StatementRowSerializer(serializers.Serializer[Any]):
    """A step of a statement and what stands after it, in minor units."""

    date = serializers.DateField()
    text = serializers.CharField()
    amount_minor = serializers.IntegerField()
    balance_minor = serializers.IntegerField()
    source = serializers.CharField()  # type: ignore[assignment]
    source_id = serializers.IntegerField()


class StatementSerializer(serializers.Serializer[Any]):
    """What stood before, each step, and what stands after, in minor units."""

    currency = serializers.CharField()
    opening_minor = serializers.IntegerField()
    closing_minor = serializers.IntegerField()
    rows = StatementRowSerializer(many=True)


def lines_of(given: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return validated lines as services take them: products by id."""
    found = []
    for one in given:
        values = {name: value for name, value in one.items() if name != "product"}
        product = one.get("product")
        found.append({**values, "product_id": None if product is None else int(product.pk)})
    return found
