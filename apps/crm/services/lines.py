"""What a deal consists of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.crm import events
from apps.crm.models import Deal, DealLine, Product
from apps.crm.services import rows


@dataclass(frozen=True)
class NewLine:
    """A line to add. A price of None is the product's list price where the currencies agree, or else open."""

    product_id: int
    quantity: Decimal = Decimal(1)
    unit_price: Decimal | None = None


@transaction.atomic
def change_lines(
    deal_id: int,
    *,
    actor: User,
    add: Sequence[NewLine] = (),
    change: dict[int, dict[str, Any]] | None = None,
    remove: Iterable[int] = (),
    expected_version: int | None = None,
) -> Deal:
    """
    Add, change and remove lines of a deal in one step, told as one fact.

    :param change: {line id: {"product_id" | "quantity" | "unit_price" | "position": value}}
    :raises DoesNotExist: the deal, or a line in it, does not exist for the actor
    :raises PermissionDenied: the actor may not change the deal
    :raises ValidationError: "archived", "stale", or a value is refused
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="change", expected_version=expected_version)
    rows.require_active(deal)
    for line_id in remove:
        deal.lines.get(pk=line_id).delete()
    for line_id, values in (change or {}).items():
        line = deal.lines.get(pk=line_id)
        if "product_id" in values and values["product_id"] != line.product_id:
            _product(values["product_id"], actor=actor)
        rows.write(line, values, actor=actor)
    last = deal.lines.aggregate(last=Max("position"))["last"]
    for place, new in enumerate(add, start=0 if last is None else last + 1):
        product = _product(new.product_id, actor=actor)
        price = new.unit_price
        if price is None and product.currency == deal.currency:
            price = product.price
        line = DealLine(deal=deal, product=product, quantity=new.quantity, unit_price=price, position=place)
        rows.insert(line, actor=actor)
    rows.write(deal, {}, actor=actor)
    events.publish_deal(events.DEAL_CHANGED, deal.pk, actor_id=actor.pk)
    return deal


def _product(product_id: int, *, actor: User) -> Product:
    product = rows.named(Product, product_id, actor=actor, field="product")
    if product is None:
        raise rows.refusal("product", _("A line needs a product."), code="required")
    return product
