"""
How many rows there are, as well as it can be told without counting them.

Counting a million rows takes as long as reading them. The planner knows the size of a table and the frequency of what
is filtered by from its statistics, and tells it in a millisecond; a small number is looked up after all.
"""

from time import monotonic
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

# Below it, keys are fetched and counted: exact, and still cheap. Estimates of so few rows are the worst ones, too.
FEW = 1_000
# So many do not look different within a minute; who turns pages asks again and again.
MANY, REMEMBERED_SECONDS, MOST_REMEMBERED = 100_000, 60.0, 500
_asked: dict[tuple[str, str, str], tuple[int, float]] = {}
# What keeps the groups of one number on one line.
_THIN, _NO_BREAK = "\u202f", "\u00a0"


class Count(int):
    """A number of rows; `is_exact` tells whether somebody counted."""

    is_exact: bool

    def __new__(cls, value: int, *, is_exact: bool) -> "Count":
        count = super().__new__(cls, value)
        count.is_exact = is_exact
        return count

    def __str__(self) -> str:
        return exact(self) if self.is_exact else about(self)


def estimate(queryset: QuerySet[Any], *, at_least: int) -> Count:
    """
    Tell how many rows a queryset has: exactly where they are few, else what the planner expects.

    :param at_least: how many there are for certain, whatever the planner expects
    """
    expected = max(planned(queryset), at_least)
    if expected < FEW:
        found = len(queryset.order_by().values_list("pk", flat=True)[: FEW + 1])
        if found <= FEW:
            return Count(found, is_exact=True)
        expected = max(expected, found)
    return Count(expected, is_exact=False)


def planned(queryset: QuerySet[Any]) -> int:
    """Return how many rows the planner expects."""
    query = queryset.order_by().select_related(None).values_list("pk").query
    try:
        sql, params = query.sql_with_params()
    except EmptyResultSet:
        # Django knows that nothing can match.
        return 0
    question = (queryset.db, sql, repr(params))
    number, asked_at = _asked.get(question, (0, 0.0))
    if monotonic() - asked_at > REMEMBERED_SECONDS or number < MANY:
        number = _ask(queryset.db, sql, params)
        if len(_asked) >= MOST_REMEMBERED:
            _asked.clear()
        _asked[question] = (number, monotonic())
    return number


def _ask(using: str, sql: str, params: Any) -> int:
    with connections[using].cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        (plan,) = cursor.fetchone()[0]
    return int(plan["Plan"]["Plan Rows"])


def exact(number: int) -> str:
    """Write a number in the reader's way."""
    return number_format(int(number), force_grouping=True).replace(_NO_BREAK, _THIN)


def about(number: int) -> str:
    """Write an estimate with two digits that may be believed: "about 1.2 million"."""
    number = _rounded(number)
    if number >= 1_000_000:
        return gettext("about %(count)s million") % {"count": _in_units(number, 1_000_000)}
    if number >= 10_000:
        return gettext("about %(count)s thousand") % {"count": _in_units(number, 1_000)}
    return gettext("about %(count)s") % {"count": exact(number)}


def _in_units(number: int, unit: int) -> str:
    places = 1 if number < 10 * unit and number % unit else 0
    return number_format(number / unit, decimal_pos=places)


def _rounded(number: int) -> int:
    step = int(10 ** max(len(str(int(number))) - 2, 0))
    return round(int(number) / step) * step


def counted(count: Count, one: str, many: str) -> str:
    """Write a number of rows with their name: "1 deal", "about 1.2 million deals"."""
    # Russian wants another form after five than after two; an estimate is a large number.
    return ngettext("%(count)s %(one)s", "%(count)s %(many)s", count) % {
        "count": str(count),
        "one": one,
        "many": many,
    }
