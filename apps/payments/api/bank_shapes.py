"""How rates, bank accounts, statements and their lines are written over REST."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.faces.api import JudgedByService, ScopedModelSerializer
from apps.documents.models import LegalEntity
from apps.payments.api.shapes import ExactInteger, MinorAmount, MinorField, minor
from apps.payments.matching.words import reason_words
from apps.payments.models import BankAccount, BankLine, BankMatch, BankStatement, ExchangeRate, StatementFile
from apps.payments.services.statements import notices_of
from apps.payments.statements.csvfile import DATE_FORMATS, DELIMITERS
from apps.payments.statements.words import notice_text


class ExchangeRateSerializer(ScopedModelSerializer[ExchangeRate]):
    """So many units of a currency are worth so much in another, as somebody said of a day."""

    class Meta:
        model = ExchangeRate
        fields = [
            "id",
            "provider",
            "base",
            "quote",
            "nominal",
            "rate",
            "valid_on",
            "revision",
            "reason",
            "created_at",
        ]
        read_only_fields = ["id", "provider", "revision", "created_at"]
        validators: ClassVar[list[Any]] = []
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "reason": {"required": True, "allow_blank": False},
            "nominal": {"required": False, "min_value": 1},
            "valid_on": {"required": False},
        }


class ConvertSerializer(serializers.Serializer[Any]):
    """What is to be converted, and of which day the rate is."""

    amount_minor = serializers.IntegerField(min_value=-(10**15), max_value=10**15)
    source = serializers.RegexField("^[A-Z]{3}$")  # type: ignore[assignment]
    target = serializers.RegexField("^[A-Z]{3}$")
    on = serializers.DateField(required=False)


class RateLegSerializer(serializers.Serializer[Any]):
    """A published rate that a conversion goes by."""

    rate = serializers.IntegerField(source="rate_id")
    provider = serializers.CharField()
    base = serializers.CharField()
    quote = serializers.CharField()
    day = serializers.DateField()


class ConversionSerializer(serializers.Serializer[Any]):
    """An amount in another currency, at which rate, whose, and of which day: the last one known then."""

    converted = MinorAmount()
    rate = serializers.CharField(help_text="What one unit of the source is worth, to ten places.")
    day = serializers.DateField()
    legs = RateLegSerializer(many=True)


class BankAccountSerializer(ScopedModelSerializer[BankAccount]):
    """An account of a company of ours."""

    legal_entity = JudgedByService(queryset=LegalEntity.objects.all())

    class Meta:
        model = BankAccount
        fields = [
            *["id", "legal_entity", "name", "number", "currency", "bank_name", "bank_code", "archived_at"],
            "version",
        ]
        read_only_fields = ["id", "archived_at", "version"]
        validators: ClassVar[list[Any]] = []


class StatementFileSerializer(ScopedModelSerializer[StatementFile]):
    """A file of a bank and what became of it."""

    notices = serializers.SerializerMethodField()

    class Meta:
        model = StatementFile
        fields = [
            *[
                "id",
                "filename",
                "format",
                "size",
                "sha256",
                "state",
                "layout",
                "counts",
                "notices",
                "applied_at",
            ],
            *["created_at", "created_by"],
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_notices(self, file: StatementFile) -> list[str]:
        return [notice_text(each) for each in notices_of(file)]


class StatementUploadSerializer(serializers.Serializer[Any]):
    """A file of a bank."""

    file = serializers.FileField(allow_empty_file=True)


class LayoutSerializer(serializers.Serializer[Any]):
    """How a table is read; what is left out stays."""

    columns = serializers.DictField(child=serializers.IntegerField(min_value=0, max_value=99), required=False)
    delimiter = serializers.ChoiceField(DELIMITERS, required=False)
    header = serializers.IntegerField(min_value=0, max_value=99, required=False)
    date_format = serializers.ChoiceField(DATE_FORMATS, required=False)
    decimal = serializers.ChoiceField([".", ","], required=False)
    account = serializers.CharField(max_length=64, required=False, allow_blank=True)
    currency = serializers.CharField(max_length=3, required=False, allow_blank=True)


class ApplyStatementSerializer(serializers.Serializer[Any]):
    """Whose accounts are that nobody has written down; the usual company's unless it is said."""

    legal_entity = ExactInteger(min_value=1, required=False, allow_null=True)


class PlannedStatementSerializer(serializers.Serializer[Any]):
    """What a file would bring to one account."""

    account = serializers.IntegerField(allow_null=True)
    number = serializers.CharField()
    currency = serializers.CharField()
    first_day = serializers.DateField(allow_null=True)
    last_day = serializers.DateField(allow_null=True)
    opening_minor = serializers.IntegerField(allow_null=True)
    closing_minor = serializers.IntegerField(allow_null=True)
    new = serializers.IntegerField()
    known = serializers.IntegerField()
    notices = serializers.ListField(child=serializers.CharField())


class StatementPlanSerializer(serializers.Serializer[Any]):
    """What importing a file would bring; or why it cannot be read."""

    refusal = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_null=True)
    statements = PlannedStatementSerializer(many=True)


class BankStatementSerializer(ScopedModelSerializer[BankStatement]):
    """What a file says of one account."""

    class Meta:
        model = BankStatement
        fields = [
            *["id", "file", "account", "number", "first_day", "last_day", "opening_minor", "closing_minor"],
            *["moved_minor", "line_count", "new_count"],
        ]
        read_only_fields = fields


class BankLineSerializer(ScopedModelSerializer[BankLine]):
    """A movement on an account, and how much of it is matched."""

    amount = MinorField("amount_minor", "account.currency")
    matched = MinorField("matched_minor", "account.currency")
    unmatched = MinorField("open_minor", "account.currency")

    class Meta:
        model = BankLine
        fields = [
            *["id", "account", "statement", "booked_on", "valued_on", "amount", "matched", "unmatched"],
            *["counterparty_name", "counterparty_tax_id", "counterparty_account", "counterparty_bank_code"],
            *["purpose", "reference", "bank_reference", "set_aside_at", "set_aside_reason"],
        ]
        read_only_fields = fields


class LinePartSerializer(serializers.Serializer[Any]):
    """How much of a line pays an invoice; as much as is due unless it is said."""

    invoice = ExactInteger(min_value=1)
    amount_minor = minor(required=False, allow_null=True)


class MatchLineSerializer(serializers.Serializer[Any]):
    """What a line is: invoices that it pays, who paid, or a payment that was recorded by hand before."""

    parts: Any = LinePartSerializer(many=True, required=False, max_length=100)  # type: ignore[call-arg]
    company = ExactInteger(min_value=1, required=False, allow_null=True)
    person = ExactInteger(min_value=1, required=False, allow_null=True)
    payment = ExactInteger(min_value=1, required=False, allow_null=True)


class BankMatchSerializer(ScopedModelSerializer[BankMatch]):
    """That so much of a line is a payment."""

    amount = MinorField("amount_minor", "line.account.currency")
    why = serializers.SerializerMethodField()

    class Meta:
        model = BankMatch
        fields = [
            *[
                "id",
                "line",
                "payment",
                "amount",
                "is_payment_made",
                "reasons",
                "why",
                "confidence",
                "created_at",
            ],
            *["created_by", "released_at"],
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_why(self, match: BankMatch) -> list[str]:
        return reason_words(match.reasons)


class MatchCandidatePartSerializer(serializers.Serializer[Any]):
    """An invoice, and how much of the line it would take."""

    invoice = serializers.IntegerField()
    number = serializers.CharField()
    customer = serializers.CharField()
    amount_minor = serializers.IntegerField()
    due_minor = serializers.IntegerField()


class MatchCandidateSerializer(serializers.Serializer[Any]):
    """What a line may be, why, and how sure that is, from 0 to 99."""

    payment = serializers.IntegerField(allow_null=True)
    parts = MatchCandidatePartSerializer(many=True)
    reasons = serializers.ListField(child=serializers.CharField())
    why = serializers.ListField(child=serializers.CharField())
    confidence = serializers.IntegerField()
