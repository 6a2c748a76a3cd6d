"""What happens to price books, and what a product costs on a day."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.models import DealLine, PriceBook, PriceBookEntry, Product
from apps.crm.services import rows

Source = DealLine.PriceSource


class PriceBookFields(TypedDict, total=False):
    """What people write on a price book."""

    name: str
    is_default: bool
    is_tax_included: bool


class PriceFields(TypedDict, total=False):
    """What people write on a price."""

    product_id: int
    currency: str
    price: Decimal
    valid_from: date
    valid_until: date | None


@dataclass(frozen=True)
class Price:
    """What a product costs. :ivar amount: None where nobody has said"""

    amount: Decimal | None
    source: Source
    is_tax_included: bool = True


def price_of(
    product: Product, currency: str, *, day: date | None = None, price_book_id: int | None = None
) -> Price:
    """
    Return what a product costs on a day (today), in a price book (the usual one).

    Where the book does not say, it is the list price, as long as that is in the same currency.
    """
    prices = PriceBookEntry.objects.of_day(day or timezone.localdate()).filter(
        product=product, currency=currency, price_book__archived_at=None
    )
    named = {"price_book": price_book_id} if price_book_id is not None else {"price_book__is_default": True}
    entry = prices.filter(**named).select_related("price_book").first()
    if entry is not None:
        return Price(entry.price, Source.BOOK, entry.price_book.is_tax_included)
    if product.price is not None and product.currency == currency:
        return Price(product.price, Source.LIST)
    return Price(None, Source.MANUAL)


@transaction.atomic
def create_price_book(*, actor: User, **fields: Unpack[PriceBookFields]) -> PriceBook:
    """
    Add a price book; the first one is the usual one.

    :raises PermissionDenied: the actor may not add price books
    :raises ValidationError: there is one of this name ("price_book_name_unique")
    """
    access.require(actor, "add", PriceBook)
    book = PriceBook(**{**fields, "is_default": False})
    is_first = not PriceBook.objects.active().filter(is_default=True).exists()
    rows.insert(book, actor=actor)
    if is_first or fields.get("is_default"):
        _make_default(book, actor=actor)
    return book


@transaction.atomic
def change_price_book(
    price_book_id: int,
    *,
    actor: User,
    expected_version: int | None = None,
    **fields: Unpack[PriceBookFields],
) -> PriceBook:
    """
    Change a price book; that it is the usual one ends when another becomes it.

    :raises DoesNotExist: the price book is out of sight
    :raises PermissionDenied: the actor may not change price books
    :raises ValidationError: a value is refused, "archived", "stale", or there would be no usual one
        ("default_needed")
    """
    book = rows.locked(
        PriceBook, price_book_id, actor=actor, action="change", expected_version=expected_version
    )
    rows.require_active(book)
    values: dict[str, Any] = dict(fields)
    is_default = values.pop("is_default", book.is_default)
    if book.is_default and not is_default:
        raise rows.refusal(
            "is_default", _("Make another price book the default instead."), code="default_needed"
        )
    changes = rows.differing(book, values)
    if changes:
        rows.write(book, changes, actor=actor)
    if is_default and not book.is_default:
        _make_default(book, actor=actor)
    return book


def _make_default(book: PriceBook, *, actor: User) -> None:
    for other in PriceBook.objects.select_for_update().filter(is_default=True).exclude(pk=book.pk):
        rows.write(other, {"is_default": False}, actor=actor)
    rows.write(book, {"is_default": True}, actor=actor)


@transaction.atomic
def archive_price_book(price_book_id: int, *, actor: User, expected_version: int | None = None) -> PriceBook:
    """
    Stop using a price book; lines keep their prices.

    :raises DoesNotExist: the price book is out of sight
    :raises PermissionDenied: the actor may not delete price books
    :raises ValidationError: "archived", "stale", or it is the usual one while there are others ("default_needed")
    """
    book = rows.locked(
        PriceBook, price_book_id, actor=actor, action="delete", expected_version=expected_version
    )
    if book.is_default and PriceBook.objects.active().exclude(pk=book.pk).exists():
        raise ValidationError(_("Make another price book the default first."), code="default_needed")
    rows.archive(book, actor=actor)
    return book


@transaction.atomic
def restore_price_book(price_book_id: int, *, actor: User, expected_version: int | None = None) -> PriceBook:
    """
    Use a price book again.

    :raises DoesNotExist: the price book is out of sight
    :raises PermissionDenied: the actor may not delete price books
    :raises ValidationError: "not_archived", "stale", or its name is another's by now
    """
    book = rows.locked(
        PriceBook, price_book_id, actor=actor, action="delete", expected_version=expected_version
    )
    if book.is_default and PriceBook.objects.active().filter(is_default=True).exists():
        rows.put(book, {"is_default": False})
        book.save(update_fields=["is_default"])
    rows.restore(book, actor=actor)
    return book


@transaction.atomic
def add_price(price_book_id: int, *, actor: User, **fields: Unpack[PriceFields]) -> PriceBookEntry:
    """
    Say what a product costs from a day on.

    :raises DoesNotExist: the price book is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: a value is refused, "archived", or there is another price then ("price_ranges_apart")
    """
    book = rows.locked(PriceBook, price_book_id, actor=actor, action="change")
    rows.require_active(book)
    rows.require_named(Product, fields["product_id"], actor=actor, field="product")
    entry = rows.insert(PriceBookEntry(price_book=book, **fields), actor=actor)
    rows.write(book, {}, actor=actor)
    return entry


@transaction.atomic
def change_price(entry_id: int, *, actor: User, **fields: Unpack[PriceFields]) -> PriceBookEntry:
    """
    Change a price, or the days in which it holds.

    :raises DoesNotExist: the price is out of sight
    :raises PermissionDenied: the actor may not change its price book
    :raises ValidationError: a value is refused, "archived", or there is another price then ("price_ranges_apart")
    """
    entry, book = _priced(entry_id, actor=actor)
    if fields.get("product_id", entry.product_id) != entry.product_id:
        rows.require_named(Product, fields["product_id"], actor=actor, field="product")
    changes = rows.differing(entry, dict(fields))
    if changes:
        rows.write(entry, changes, actor=actor)
        rows.write(book, {}, actor=actor)
    return entry


@transaction.atomic
def remove_price(entry_id: int, *, actor: User) -> None:
    """
    Take a price out of its book; lines keep theirs.

    :raises DoesNotExist: the price is out of sight
    :raises PermissionDenied: the actor may not change its price book
    :raises ValidationError: the price book is in the trash ("archived")
    """
    entry, book = _priced(entry_id, actor=actor)
    entry.delete()
    rows.write(book, {}, actor=actor)


def _priced(entry_id: int, *, actor: User) -> tuple[PriceBookEntry, PriceBook]:
    found = PriceBookEntry.objects.visible_to(actor).get(pk=entry_id)
    book = rows.locked(PriceBook, found.price_book_id, actor=actor, action="change")
    rows.require_active(book)
    return PriceBookEntry.objects.select_for_update().get(pk=entry_id), book
