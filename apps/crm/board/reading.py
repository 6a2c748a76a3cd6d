"""What a board shows: the top of every column in one query, and how much stands in each."""

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Q, Sum
from django.db.models.expressions import RawSQL

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.board.filters import Filters
from apps.crm.models import Deal
from apps.crm.models.deals import DealQuerySet

# Cards of a column at once.
PAGE = 20
# As many as one answer brings, whatever is asked for.
MOST = 200
# Figures that took long are told again, as "about", for so many times as long as they took.
_PATIENCE = 20
_FIGURES_KEPT_SECONDS = 60


class Card(NamedTuple):
    """A deal as its card shows it; `place` orders the column, the latest on top."""

    id: int
    version: int
    stage_id: int
    number: str
    title: str
    amount: Decimal | None
    currency: str
    stage_entered_at: datetime
    expected_close_date: date | None
    next_step: str
    next_step_date: date | None
    owner_id: int
    place: datetime
    company: str | None
    person: str | None
    owner: str


class Cursor(NamedTuple):
    """The last card that was read of a column."""

    place: datetime
    id: int


@dataclass
class Column:
    """The cards at the top of a column, or after a cursor."""

    cards: list[Card] = field(default_factory=list)
    has_more: bool = False

    @property
    def cursor(self) -> Cursor | None:
        """Where to read on."""
        return Cursor(self.cards[-1].place, self.cards[-1].id) if self.has_more else None


_COLUMNS = [*Card._fields[:11], "owner_id", "place", "company_id", "person_id"]
# The inner statement is the ORM's, with the policy's condition in it; the names are fetched for the rows that are left.
_CARDS = """
select {columns}, company.name, person.full_name, owner.name
from unnest(%s::bigint[]) with ordinality as board_stage (id, position)
cross join lateral ({inner}) as card
left join crm_company as company on company.id = card.company_id
left join crm_person as person on person.id = card.person_id
join accounts_user as owner on owner.id = card.owner_id
order by board_stage.position, card.place desc, card.id desc
"""


def deals_on_board(actor: User, filters: Filters) -> DealQuerySet:
    """Return the open deals that `actor` sees and the filters let through, from the top of their columns."""
    return filters.applied(Deal.objects.visible_to(actor)).in_columns()


def read_columns(
    actor: User, stage_ids: Sequence[int], filters: Filters, *, size: int = PAGE, after: Cursor | None = None
) -> dict[int, Column]:
    """
    Read the top of some columns, or what comes after a cursor, in one query.

    :param size: cards of each column, at most MOST
    """
    deals = deals_on_board(actor, filters)
    if after is not None:
        deals = deals.filter(
            Q(place__lte=after.place), Q(place__lt=after.place) | Q(place=after.place, pk__lt=after.id)
        )
    size = min(size, MOST)
    columns = {stage_id: Column() for stage_id in stage_ids}
    for card in _read(deals, stage_ids, size + 1):
        column = columns[card.stage_id]
        if len(column.cards) < size:
            column.cards.append(card)
        else:
            column.has_more = True
    return columns


def read_cards(
    actor: User, stage_ids: Sequence[int], filters: Filters, deal_ids: Iterable[int]
) -> list[Card]:
    """Return those of some deals that are on `actor`'s board, in its order."""
    ids = list(deal_ids)[:MOST]
    return list(_read(deals_on_board(actor, filters).filter(pk__in=ids), stage_ids, len(ids)))


def _read(deals: DealQuerySet, stage_ids: Sequence[int], limit: int) -> Iterable[Card]:
    # Refers to the statement around it.
    of_stage = deals.filter(stage_id=RawSQL("board_stage.id", ()))
    inner, parameters = of_stage.values_list(*_COLUMNS)[:limit].query.sql_with_params()
    names = ", ".join(f"card.{name}" for name in _COLUMNS[:-2])
    with connection.cursor() as cursor:
        cursor.execute(_CARDS.format(columns=names, inner=inner), [list(stage_ids), *parameters])
        return [Card(*row) for row in cursor.fetchall()]


@dataclass
class Figure:
    """How many deals stand in a column, and their amounts by currency, the base currency first."""

    count: int = 0
    sums: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Figures:
    """The figures of a board by stage; those of a moment ago are about right."""

    columns: dict[int, Figure]
    is_about: bool = False


def read_figures(
    actor: User, pipeline_id: int, stage_ids: Sequence[int], filters: Filters, *, seq: int
) -> Figures:
    """
    Sum up the columns of a board.

    Figures of the same state of the board are not computed twice. Where that takes long and the board moves all the
    time, those of a moment ago are told instead.

    :param seq: the last number of the board's stream
    """
    key = _key(actor, pipeline_id, stage_ids, filters)
    kept = cache.get(key)
    now = time.time()
    if kept is not None and (kept["seq"] == seq or now - kept["at"] < kept["took"] * _PATIENCE):
        columns = {int(stage): Figure(**each) for stage, each in kept["columns"].items()}
        return Figures(columns, is_about=kept["seq"] != seq)
    began = time.perf_counter()
    columns = _sum(actor, stage_ids, filters)
    took = time.perf_counter() - began
    value = {
        "seq": seq,
        "at": now,
        "took": took,
        "columns": {pk: asdict(each) for pk, each in columns.items()},
    }
    cache.set(key, value, _FIGURES_KEPT_SECONDS)
    return Figures(columns)


def _key(actor: User, pipeline_id: int, stage_ids: Sequence[int], filters: Filters) -> str:
    """Name the rows that are summed up; whoever reaches all shares one name."""
    reach = access.reach_key(actor, "view", Deal)
    told = json.dumps([reach, pipeline_id, list(stage_ids), filters.params()], sort_keys=True)
    return f"board.{hashlib.sha256(told.encode()).hexdigest()}"


def _sum(actor: User, stage_ids: Sequence[int], filters: Filters) -> dict[int, Figure]:
    # Ordered by nothing: the order of the cards would make groups of single deals.
    deals = filters.applied(Deal.objects.visible_to(actor)).open().filter(archived_at=None).order_by()
    rows = deals.filter(stage__in=list(stage_ids)).values_list("stage_id", "currency")
    columns = {stage_id: Figure() for stage_id in stage_ids}
    for stage_id, currency, count, amount in rows.annotate(count=Count("*"), worth=Sum("amount")):
        columns[stage_id].count += count
        if amount:
            columns[stage_id].sums.append((currency, str(amount)))
    for each in columns.values():
        each.sums.sort(key=lambda pair: (pair[0] != settings.BASE_CURRENCY, pair[0]))
    return columns
