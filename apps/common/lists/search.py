"""
Looking for a part of a name in one indexed column, fast for rare words and for common ones.

A database that is asked for the newest hundred matches has to guess how rare they are: walk the newest rows and look
at each, or fetch all matches from the trigram index and sort them. Where it guesses wrong it takes seconds. So the
matches are fetched first, up to a number; where there are more, the newest hundred are never far away.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, BooleanField, F, Func, Q, QuerySet, Value
from django.utils.text import smart_split, unescape_string_literal

from apps.common.lists.estimates import planned

# More matches than this stand close to each other: the newest hundred are found within some ten thousand rows of a
# million. Where they are fewer, and stand together at the far end, all would be walked through.
RARE = 10_000
# So many that the planner may be wrong by a factor of two: fetching would cost more than it could save.
SURELY_COMMON = 2 * RARE
# The index knows groups of three letters; shorter words are looked for at the beginning, which it knows as well.
SHORT = 3


def words_of(term: str) -> list[str]:
    """Split what was typed into words; quotes hold words together."""
    return [
        unescape_string_literal(word) if word[0] in "\"'" and word[0] == word[-1] and len(word) > 1 else word
        for word in smart_split(term.replace("\x00", ""))
    ]


def contains(column: str, text: str) -> Q:
    """Match rows whose column has a text in it, by the trigram index on its upper case."""
    return Q(**{f"{column}__{'istartswith' if len(text) < SHORT else 'icontains'}": text})


def matching(columns: Sequence[str], term: str) -> Q:
    """Match rows that have each word of a term in one of the columns."""
    found = Q()
    for word in words_of(term):
        one = Q()
        for column in columns:
            one |= contains(column, word)
        found &= one
    return found


def rare_keys(queryset: QuerySet[Any]) -> list[Any] | None:
    """Return the keys of a queryset that was searched, in no order; None where they are not few."""
    if planned(queryset) > SURELY_COMMON:
        return None
    few = queryset.order_by().select_related(None).values("pk")[: RARE + 1]
    # As one value: ten thousand rows take longer to be made than to be found.
    keys: list[Any] = few.aggregate(keys=ArrayAgg("pk"))["keys"] or []
    return keys if len(keys) <= RARE else None


def among(column: str, keys: Sequence[Any]) -> Q:
    """Match rows whose column is one of many keys: one value for the database where keys are numbers."""
    if any(type(key) is not int for key in keys):
        return Q(**{f"{column}__in": keys})
    return Q(_Among(F(column), Value(list(keys), output_field=ArrayField(BigIntegerField()))))


class _Among(Func):
    """`id = ANY('{1, 2, 3}')`."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    output_field = BooleanField()
    conditional = True
