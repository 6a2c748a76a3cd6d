"""Price books, quotes, lines together and stage contracts over REST."""

from typing import Any, ClassVar

from django.db import transaction
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
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
    ScopedPrimaryKeyRelatedField,
    ScopedViewSet,
)
from apps.common.amounts import Totals, to_decimal
from apps.crm.api.fields import MoneyField
from apps.crm.api.serializers import service_values
from apps.crm.faces.links import quote_link
from apps.crm.models import (
    Deal,
    DealLine,
    PriceBook,
    PriceBookEntry,
    Product,
    Quote,
    QuoteLine,
    StageApproval,
)
from apps.crm.services import contracts, lines, prices, quotes
from apps.lists.api.rows import ArchivableViewSet

_STATE = ["archived_at", "created_at", "updated_at", "version"]


def money(amount: Any, currency: str) -> dict[str, str] | None:
    """Return an amount as the sales side tells it."""
    return None if amount is None else {"amount": str(amount), "currency": currency}


class MoneyShape(serializers.Serializer[Any]):
    """An amount with its currency."""

    amount = serializers.CharField()
    currency = serializers.CharField()


class _Money(serializers.Field[Any, Any, Any, Any]):
    """An amount of a quote."""

    def __init__(self, attribute: str, **kwargs: Any) -> None:
        super().__init__(read_only=True, source="*", **kwargs)
        self.attribute = attribute

    def to_representation(self, value: Any) -> Any:
        currency = value.quote.currency if isinstance(value, QuoteLine) else value.currency
        return money(getattr(value, self.attribute), currency)


_Money = extend_schema_field(MoneyShape)(_Money)  # type: ignore[misc]


class PriceBookSerializer(ScopedModelSerializer[PriceBook]):
    """A list of prices under a name."""

    class Meta:
        model = PriceBook
        fields = ["id", "name", "is_default", "is_tax_included", *_STATE]
        read_only_fields = ["id", *_STATE]
        validators: ClassVar[list[Any]] = []


class PriceBookViewSet(ArchivableViewSet):
    """Lists of prices; one of them is the usual one."""

    queryset = PriceBook.objects.all()
    serializer_class = PriceBookSerializer
    create_service = staticmethod(prices.create_price_book)
    change_service = staticmethod(prices.change_price_book)
    archive_service = staticmethod(prices.archive_price_book)
    restore_service = staticmethod(prices.restore_price_book)
    action_permissions: ClassVar[dict[str, str]] = {"archive": "delete", "restore": "delete"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {"is_default": ["exact"], "archived_at": ["isnull"]}


class PriceSerializer(ScopedModelSerializer[PriceBookEntry]):
    """What a product costs in a price book, in some days."""

    product_name = serializers.CharField(source="product.name", read_only=True)
    price = MoneyField("price")

    class Meta:
        model = PriceBookEntry
        fields = ["id", "price_book", "product", "product_name", "price", "valid_from", "valid_until"]
        read_only_fields = ["id"]
        validators: ClassVar[list[Any]] = []


class ChangePriceSerializer(PriceSerializer):
    """A price stays in its book."""

    class Meta(PriceSerializer.Meta):
        read_only_fields = ["id", "price_book"]


class PriceViewSet(ScopedEditViewSet, DestroyMixin):
    """Prices by product, currency and days."""

    queryset = PriceBookEntry.objects.select_related("product")
    serializer_class = PriceSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "price_book": ["exact"],
        "product": ["exact"],
        "currency": ["exact"],
        "valid_from": ["lte"],
    }

    def get_input_class(self) -> type[serializers.BaseSerializer[Any]]:
        return PriceSerializer if self.action == "create" else ChangePriceSerializer

    def perform_create(self, serializer: Any) -> PriceBookEntry:
        values = service_values(serializer.validated_data)
        return prices.add_price(values.pop("price_book_id"), actor=self.actor, **values)

    def perform_update(self, row: PriceBookEntry, serializer: Any) -> PriceBookEntry:
        values = service_values(serializer.validated_data)
        values.pop("price_book_id", None)
        return prices.change_price(row.pk, actor=self.actor, **values)

    def perform_destroy(self, row: PriceBookEntry) -> None:
        prices.remove_price(row.pk, actor=self.actor)


class QuoteLineSerializer(serializers.ModelSerializer[QuoteLine]):
    """A line as it was offered."""

    amount = _Money("amount")
    unit_price = serializers.DecimalField(max_digits=18, decimal_places=2, read_only=True, allow_null=True)

    class Meta:
        model = QuoteLine
        fields = [
            *["id", "product", "name", "quantity", "unit", "unit_price", "discount_percent", "tax_rate"],
            *["is_tax_included", "amount", "position"],
        ]
        read_only_fields = fields


class RateSerializer(serializers.Serializer[Any]):
    """What is due of one rate; the rate is null where no tax is due."""

    rate = serializers.CharField(allow_null=True)
    net = serializers.CharField()
    tax = serializers.CharField()


class QuoteSerializer(ScopedModelSerializer[Quote]):
    """A quote. What was sent never changes; what happens to it are actions."""

    net = _Money("net")
    tax = _Money("tax")
    total = _Money("total")
    taxes = RateSerializer(source="tax_rows", many=True, read_only=True)
    lines = QuoteLineSerializer(many=True, read_only=True)

    class Meta:
        model = Quote
        fields = [
            *["id", "deal", "number", "revision", "status", "currency", "valid_until", "introduction"],
            *["terms", "locale", "recipient_name", "recipient_email", "net", "tax", "total", "taxes"],
            *["lines", "document", "paper_digest", "sent_at", "viewed_at", "decided_at"],
            *["decided_by_name", "rejected_reason", "created_at", "updated_at", "version"],
        ]
        read_only_fields = [
            *["id", "number", "revision", "status", "currency", "document", "paper_digest", "sent_at"],
            *["viewed_at", "decided_at", "decided_by_name", "rejected_reason", "created_at", "updated_at"],
            "version",
        ]
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "valid_until": {"required": False},
            "locale": {"required": False},
        }
        validators: ClassVar[list[Any]] = []


class ChangeQuoteSerializer(QuoteSerializer):
    """A quote stays with its deal."""

    class Meta(QuoteSerializer.Meta):
        read_only_fields = [*QuoteSerializer.Meta.read_only_fields, "deal"]


class QuoteLinkSerializer(serializers.Serializer[Any]):
    """The address where a quote is answered, told this once."""

    url = serializers.URLField()


class QuoteViewSet(ScopedEditViewSet, DestroyMixin):
    """What we offer in writing. A draft may be deleted; the rest stays on record."""

    queryset = Quote.objects.select_related("deal").prefetch_related("lines__quote").order_by("-id")
    serializer_class = QuoteSerializer
    action_permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ("send", "send_again", "new_link", "destroy"), "change"
    )
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "deal": ["exact"],
        "status": ["exact"],
        "number": ["exact"],
        "valid_until": ["gte", "lte"],
    }

    def get_input_class(self) -> type[serializers.BaseSerializer[Any]]:
        return QuoteSerializer if self.action == "create" else ChangeQuoteSerializer

    def perform_create(self, serializer: Any) -> Quote:
        values = service_values(serializer.validated_data)
        return quotes.create_quote(values.pop("deal_id"), actor=self.actor, **values)

    def perform_update(self, row: Quote, serializer: Any) -> Quote:
        values = service_values(serializer.validated_data)
        values.pop("deal_id", None)
        return quotes.change_quote(row.pk, actor=self.actor, **values)

    def perform_destroy(self, row: Quote) -> None:
        quotes.discard_quote(row.pk, actor=self.actor)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def send(self, request: Request, pk: str) -> Response:
        """Freeze the draft, have its paper made, and send the customer the link."""
        return self.run(quotes.send_quote, link=quote_link(request))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def send_again(self, request: Request, pk: str) -> Response:
        """Send the customer a new link; the one before ends."""
        return self.run(quotes.send_again, link=quote_link(request))

    @extend_schema(request=None, responses=QuoteLinkSerializer)
    @action(detail=True, methods=["post"])
    def new_link(self, request: Request, pk: str) -> Response:
        """Answer with a new link to pass on; the one before ends."""
        with transaction.atomic():
            row = self.locked_object()
            _quote, url = quotes.new_link(row.pk, link=quote_link(request), actor=self.actor)
        return Response({"url": url})


class WholeLineSerializer(serializers.Serializer[Any]):
    """A line as an editor holds it: a known one by its id, or a new one."""

    id = serializers.IntegerField(required=False, allow_null=True)
    product = ScopedPrimaryKeyRelatedField(queryset=Product.objects.all(), required=False, allow_null=True)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)
    quantity = serializers.DecimalField(max_digits=12, decimal_places=3, required=False, min_value=0)
    unit = serializers.CharField(max_length=16, required=False, allow_blank=True)
    unit_price = serializers.DecimalField(
        max_digits=18, decimal_places=2, required=False, allow_null=True, min_value=0
    )
    discount_percent = serializers.DecimalField(
        max_digits=5, decimal_places=2, required=False, min_value=0, max_value=100
    )
    tax_rate = serializers.DecimalField(
        max_digits=5, decimal_places=2, required=False, allow_null=True, min_value=0, max_value=100
    )
    is_tax_included = serializers.BooleanField(required=False)


class WholeLinesSerializer(serializers.Serializer[Any]):
    """All lines of a deal, in their order; what is not named goes."""

    lines = WholeLineSerializer(many=True)
    amount_mode = serializers.ChoiceField(choices=["MANUAL", "LINES"], required=False)

    def validate_lines(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse what no deal may have, before each is looked at."""
        if len(value) > lines.MOST_LINES:
            text = gettext("A deal has at most %(count)s lines.") % {"count": lines.MOST_LINES}
            raise serializers.ValidationError(text, code="too_many_lines")
        return value


class LineTotalSerializer(serializers.Serializer[Any]):
    """What a line comes to, with what it would take of its product."""

    product = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    unit = serializers.CharField()
    unit_price = serializers.CharField(allow_null=True)
    tax_rate = serializers.CharField(allow_null=True)
    is_tax_included = serializers.BooleanField()
    price_source = serializers.CharField()
    amount = serializers.CharField(allow_null=True)


class LinesPreviewSerializer(serializers.Serializer[Any]):
    """What lines come to."""

    currency = serializers.CharField()
    lines = LineTotalSerializer(many=True)
    taxes = RateSerializer(many=True)
    net = serializers.CharField()
    tax = serializers.CharField()
    total = serializers.CharField()


def preview_of(built: list[DealLine], totals: Totals) -> dict[str, Any]:
    """Tell what lines come to, as texts that nobody has to round any more."""
    currency = totals.currency

    def said(minor: int) -> str:
        return str(to_decimal(minor, currency))

    return {
        "currency": currency,
        "lines": [
            {
                "product": line.product_id,
                "name": line.name,
                "unit": line.unit,
                "unit_price": None if line.unit_price is None else str(line.unit_price),
                "tax_rate": None if line.tax_rate is None else str(line.tax_rate),
                "is_tax_included": line.is_tax_included,
                "price_source": line.price_source,
                "amount": None if line.unit_price is None else said(found.amount),
            }
            for line, found in zip(built, totals.lines, strict=True)
        ],
        "taxes": [
            {
                "rate": None if each.rate is None else f"{each.rate.normalize():f}",
                "net": said(each.net),
                "tax": said(each.tax),
            }
            for each in totals.rates
        ],
        "net": said(totals.net),
        "tax": said(totals.tax),
        "total": said(totals.total),
    }


def new_lines(given: list[dict[str, Any]]) -> list[lines.NewLine]:
    """Return validated lines as the service takes new ones."""
    return [
        lines.NewLine(
            **{name: value for name, value in one.items() if name not in {"id", "product"}},
            product_id=_key(one.get("product")),
            has_tax_rate="tax_rate" in one,
        )
        for one in given
    ]


def _key(row: Any) -> int | None:
    return None if row is None else int(row.pk)


def set_lines(
    deal_id: int, given: dict[str, Any], *, actor: Any, expected_version: int | None = None
) -> Deal:
    """Give all lines of an editor to the service, which is told what is new, changed and gone."""
    rows = given["lines"]
    known = {one["id"]: one for one in rows if one.get("id")}
    there = set(DealLine.objects.visible_to(actor).filter(deal=deal_id).values_list("pk", flat=True))
    change = {}
    for pk, one in known.items():
        values = {name: value for name, value in one.items() if name not in {"id", "product"}}
        if "product" in one:
            values["product_id"] = _key(one["product"])
        change[pk] = values
    return lines.change_lines(
        deal_id,
        actor=actor,
        add=new_lines([one for one in rows if not one.get("id")]),
        change=change,
        remove=sorted(there - known.keys()),
        order=[one.get("id") or None for one in rows],
        amount_mode=given.get("amount_mode"),
        expected_version=expected_version,
    )


class MissingSerializer(serializers.Serializer[Any]):
    """What a deal lacks, in words, with the step to take."""

    criterion = serializers.CharField()
    kind = serializers.CharField()
    stage = serializers.IntegerField()
    label = serializers.CharField()  # type: ignore[assignment]
    action = serializers.CharField()
    url = serializers.CharField()


class ContractSerializer(serializers.Serializer[Any]):
    """What a deal lacks to leave its stage."""

    stage = serializers.IntegerField()
    criteria_version = serializers.IntegerField()
    missing = MissingSerializer(many=True)


class StageApprovalSerializer(ScopedModelSerializer[StageApproval]):
    """That a step of a deal was asked to be approved, and what was said."""

    note = serializers.CharField(max_length=500, required=False, allow_blank=True)
    criterion = serializers.CharField(max_length=32)

    class Meta:
        model = StageApproval
        fields = [
            *["id", "deal", "stage", "criterion", "note", "requested_by", "requested_at", "decision"],
            *["decided_by", "decided_at", "reason"],
        ]
        read_only_fields = [
            *["id", "stage", "requested_by", "requested_at", "decision", "decided_by", "decided_at", "reason"]
        ]
        validators: ClassVar[list[Any]] = []


class StageDecisionSerializer(serializers.Serializer[Any]):
    """Why; a refusal needs it."""

    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class StageApprovalViewSet(CreateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Steps of deals that wait for somebody's yes, or had it."""

    queryset = StageApproval.objects.select_related("deal").order_by("-id")
    serializer_class = StageApprovalSerializer
    action_permissions: ClassVar[dict[str, str]] = {"approve": "approve", "refuse": "approve"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {"deal": ["exact"], "decision": ["exact"]}

    def perform_create(self, serializer: Any) -> StageApproval:
        values = service_values(serializer.validated_data)
        return contracts.request_approval(values.pop("deal_id"), actor=self.actor, **values)

    @extend_schema(request=StageDecisionSerializer, responses=StageApprovalSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Say yes."""
        return self._decide(is_approved=True)

    @extend_schema(request=StageDecisionSerializer, responses=StageApprovalSerializer)
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: str) -> Response:
        """Say no, with the reason."""
        return self._decide(is_approved=False)

    def _decide(self, *, is_approved: bool) -> Response:
        row = self.get_object()
        body = StageDecisionSerializer(data=self.request.data)
        body.is_valid(raise_exception=True)
        reason = body.validated_data.get("reason", "")
        done = contracts.decide_approval(row.pk, is_approved=is_approved, reason=reason, actor=self.actor)
        return self.respond_if_visible(done)
