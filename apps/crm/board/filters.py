"""What narrows a board down: the filters of the list of deals, by the same names, so that one leads to the other."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils.dateparse import parse_date

from apps.common.lists.search import among, rare_keys
from apps.crm.models import Deal
from apps.crm.models.deals import DealQuerySet, matching

# What each filter is called in addresses.
NAMES = {
    "text": "q",
    "owner_id": "owner__id__exact",
    "team_id": "team__id__exact",
    "company_id": "company__id__exact",
    "tag_id": "tags__id__exact",
    "amount_from": "amount_from",
    "amount_to": "amount_to",
    "close_from": "expected_close_date_from",
    "close_to": "expected_close_date_to",
}
LONGEST_TEXT = 100
# More digits than a deal's amount has.
_LARGEST_AMOUNT = Decimal(10) ** 16


class Chosen(NamedTuple):
    """The filters of a board as its form shows them; empty is no filter."""

    text: str
    owner_id: str
    team_id: str
    company_id: str
    tag_id: str
    amount_from: str
    amount_to: str
    close_from: str
    close_to: str


@dataclass(frozen=True)
class Filters:
    """The filters of a board; None is no filter."""

    text: str | None = None
    owner_id: int | None = None
    team_id: int | None = None
    company_id: int | None = None
    tag_id: int | None = None
    amount_from: Decimal | None = None
    amount_to: Decimal | None = None
    close_from: date | None = None
    close_to: date | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) is not None for each in fields(self))

    def params(self) -> dict[str, str]:
        """Return the filters as an address says them."""
        values = {NAMES[each.name]: getattr(self, each.name) for each in fields(self)}
        return {name: _written(value) for name, value in values.items() if value is not None}

    def chosen(self) -> Chosen:
        """Return the filters as a form says them."""
        values = [getattr(self, each.name) for each in fields(self)]
        return Chosen(*["" if value is None else _written(value) for value in values])

    def applied(self, deals: DealQuerySet) -> DealQuerySet:
        """Keep the deals that pass."""
        conditions: dict[str, Any] = {
            "owner": self.owner_id,
            "team": self.team_id,
            "company": self.company_id,
            "amount__gte": self.amount_from,
            "amount__lte": self.amount_to,
            "expected_close_date__gte": self.close_from,
            "expected_close_date__lte": self.close_to,
        }
        deals = deals.filter(**{name: value for name, value in conditions.items() if value is not None})
        if self.tag_id is not None:
            tagged = Deal.tags.through._base_manager.filter(tag_id=self.tag_id)
            deals = deals.filter(pk__in=tagged.values("deal_id"))
        return deals.filter(self._found) if self.text else deals

    @cached_property
    def _found(self) -> Q:
        # Looked up once for all that is read of a board. Few matches are named, many are met on the way.
        found = matching(self.text or "")
        keys = rare_keys(Deal.objects.open().filter(found, archived_at=None))
        return found if keys is None else among("id", keys)


def parse(params: Mapping[str, Any]) -> Filters:
    """Read the filters of an address; what makes no sense is no filter."""
    given = {name: str(params.get(NAMES[name]) or "").strip() for name in NAMES}
    return Filters(
        text=given["text"][:LONGEST_TEXT].replace("\0", "") or None,
        owner_id=_id(given["owner_id"]),
        team_id=_id(given["team_id"]),
        company_id=_id(given["company_id"]),
        tag_id=_id(given["tag_id"]),
        amount_from=_amount(given["amount_from"]),
        amount_to=_amount(given["amount_to"]),
        close_from=_day(given["close_from"]),
        close_to=_day(given["close_to"]),
    )


def _written(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text.replace(",", ".").replace(" ", "").replace("\u202f", "").replace("\u00a0", ""))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < _LARGEST_AMOUNT else None


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None
