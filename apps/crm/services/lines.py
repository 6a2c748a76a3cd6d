"""What a deal consists of, and what it comes to by that."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.common.amounts import Totals
from apps.crm import events
from apps.crm.models import Deal, DealLine, PriceBook, Product
from apps.crm.services import rows
from apps.crm.services.prices import price_of
from apps.crm.services.quote_lines import follow_deal
from apps.crm.totals import deal_amount, totals_of_lines

Mode = Deal.AmountMode
Source = DealLine.PriceSource
# As many as a paper of some pages shows.
MOST_LINES = 500


@dataclass(frozen=True)
class NewLine:
    """
    A line to add: a product, or something in words.

    :ivar unit_price: None is what the product costs today: in the price book, else its list price, or else open
    :ivar price_book_id: where the price is looked up; the usual one if None
    :ivar unit, tax_rate: None is the product's
    """

    product_id: int | None = None
    quantity: Decimal = Decimal(1)
    unit_price: Decimal | None = None
    description: str = ""
    unit: str | None = None
    discount_percent: Decimal = Decimal()
    tax_rate: Decimal | None = None
    is_tax_included: bool | None = None
    has_tax_rate: bool = False
    price_book_id: int | None = None


@transaction.atomic
def change_lines(
    deal_id: int,
    *,
    actor: User,
    add: Sequence[NewLine] = (),
    change: dict[int, dict[str, Any]] | None = None,
    remove: Iterable[int] = (),
    order: Sequence[int | None] | None = None,
    amount_mode: str | None = None,
    expected_version: int | None = None,
) -> Deal:
    """
    Add, change, remove and order lines of a deal in one step, told as one fact.

    The amount of the deal follows them where it is their sum, and so does the draft of a quote.

    :param change: {line id: {"product_id", "quantity", "unit_price", "description", … : value}}
    :param order: lines by id; None is one that was added, in turn
    :param amount_mode: what the amount follows from now on; a deal without an amount begins to follow its lines
    :raises DoesNotExist: the deal, or a line in it, does not exist for the actor
    :raises PermissionDenied: the actor may not change the deal
    :raises ValidationError: "archived", "stale", a quote was accepted ("quote_accepted"), there are too many lines
        ("too_many_lines"), or a value is refused
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="change", expected_version=expected_version)
    rows.require_active(deal)
    require_not_agreed(deal)
    for line_id in remove:
        deal.lines.get(pk=line_id).delete()
    for line_id, values in (change or {}).items():
        _change(deal.lines.get(pk=line_id), values, actor=actor)
    last = deal.lines.aggregate(last=Max("position"))["last"]
    added = [
        _add(deal, new, place, actor=actor)
        for place, new in enumerate(add, start=0 if last is None else last + 1)
    ]
    if order is not None:
        _put_in_order(deal, order, added)
    lines = list(lines_of(deal))
    if len(lines) > MOST_LINES:
        raise ValidationError(
            _("A deal has at most %(count)s lines."), code="too_many_lines", params={"count": MOST_LINES}
        )
    rows.write(deal, _amount(deal, lines, amount_mode, has_added=bool(added)), actor=actor)
    follow_deal(deal, lines, actor=actor)
    events.publish_deal(events.DEAL_CHANGED, deal.pk, actor_id=actor.pk)
    return deal


def require_not_agreed(deal: Deal) -> None:
    """Insist that nobody has agreed to what the deal comes to. :raises ValidationError: "quote_accepted" """
    if deal.amount_mode == Mode.QUOTE:
        raise ValidationError(
            _("The customer has accepted a quote: what the deal comes to stays as agreed."),
            code="quote_accepted",
        )


def lines_of(deal: Deal) -> Any:
    """Return the lines of a deal in their order, with their products."""
    return deal.lines.select_related("product").order_by("position", "id")


def totals_of_new(deal: Deal, lines: Sequence[NewLine], *, actor: User) -> tuple[list[DealLine], Totals]:
    """
    Tell what lines would come to in a deal, without writing anything.

    :return: the lines as they would be, and their totals
    :raises ValidationError: a value is refused, by its place ("lines.0.quantity")
    """
    built = [_built(deal, line, place, actor=actor) for place, line in enumerate(lines)]
    for place, line in enumerate(built):
        try:
            line.clean_fields(exclude={"deal", "product"})
        except ValidationError as error:
            raise ValidationError(
                {f"lines.{place}.{name}": found for name, found in error.error_dict.items()}
            ) from error
    return built, totals_of_lines(built, deal.currency)


def _amount(deal: Deal, lines: list[DealLine], mode: str | None, *, has_added: bool) -> dict[str, Any]:
    """Return what a deal's amount becomes by its lines."""
    if mode is not None and mode not in {Mode.MANUAL, Mode.LINES}:
        raise rows.refusal("amount_mode", _("Choose one of the two."), code="invalid")
    if mode is None:
        starts = has_added and deal.amount is None and deal.amount_mode == Mode.MANUAL
        mode = Mode.LINES if starts else deal.amount_mode
    values: dict[str, Any] = {"amount_mode": mode}
    if mode == Mode.LINES:
        values["amount"] = deal_amount(totals_of_lines(lines, deal.currency)) if lines else None
    return rows.differing(deal, values)


def _change(line: DealLine, values: dict[str, Any], *, actor: User) -> None:
    values = dict(values)
    if values.get("product_id", line.product_id) != line.product_id and values["product_id"] is not None:
        _product(values["product_id"], actor=actor)
    if "unit_price" in values and values["unit_price"] != line.unit_price:
        values["price_source"] = Source.MANUAL
    changes = rows.differing(line, values)
    if changes:
        rows.write(line, changes, actor=actor)


def _add(deal: Deal, new: NewLine, place: int, *, actor: User) -> DealLine:
    line = _built(deal, new, place, actor=actor)
    rows.insert(line, actor=actor)
    return line


def _built(deal: Deal, new: NewLine, place: int, *, actor: User) -> DealLine:
    """Return a line as it would be written, with what its product says of it."""
    line = DealLine(
        deal=deal,
        quantity=new.quantity,
        unit_price=new.unit_price,
        description=new.description.strip(),
        unit=new.unit or "",
        discount_percent=new.discount_percent,
        tax_rate=new.tax_rate,
        is_tax_included=new.is_tax_included is not False,
        position=place,
    )
    product = None if new.product_id is None else _product(new.product_id, actor=actor)
    if product is None:
        if not line.description:
            raise rows.refusal("product", _("A line needs a product or a description."), code="required")
        return line
    line.product = product
    if new.unit is None:
        line.unit = product.unit
    if new.tax_rate is None and not new.has_tax_rate:
        line.tax_rate = product.tax_rate
    if new.unit_price is None:
        rows.require_named(PriceBook, new.price_book_id, actor=actor, field="price_book")
        price = price_of(product, deal.currency, price_book_id=new.price_book_id)
        line.unit_price, line.price_source = price.amount, price.source
        if new.is_tax_included is None:
            line.is_tax_included = price.is_tax_included
    return line


def _put_in_order(deal: Deal, order: Sequence[int | None], added: list[DealLine]) -> None:
    lines = {line.pk: line for line in deal.lines.all()}
    waiting = iter(added)
    wanted = [next(waiting, None) if pk is None else lines.get(pk) for pk in order]
    keys = [line.pk for line in wanted if line is not None]
    if sorted(keys) != sorted(lines):
        raise rows.refusal("order", _("Name every line of the deal once."), code="lines_incomplete")
    moved = []
    for position, key in enumerate(keys):
        if lines[key].position != position:
            lines[key].position = position
            moved.append(lines[key])
    DealLine.objects.bulk_update(moved, ["position"])


def _product(product_id: int, *, actor: User) -> Product:
    product = rows.named(Product, product_id, actor=actor, field="product")
    if product is None:
        raise rows.refusal("product", _("A line needs a product."), code="required")
    return product
