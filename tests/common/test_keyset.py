"""Pages by key: whatever a list is sorted by, turning pages shows each row exactly once, in order, both ways."""

from collections.abc import Callable
from decimal import Decimal
from functools import cmp_to_key
from itertools import pairwise
from typing import Any

import pytest
from django.db.models import F, QuerySet
from django.db.models.functions import Upper
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.accounts.models import User
from apps.common.lists.keyset import (
    FIRST,
    LAST,
    BadCursor,
    Place,
    columns_of,
    read_page,
    read_place,
    write_place,
)
from apps.common.lists.lean import lean
from apps.crm.models import Company
from tests.crm import factories

pytestmark = pytest.mark.django_db

Value = Callable[[Company], Any]
# What a list may be sorted by: as Django takes it, the value in Python, downwards, empty values first.
PARTS: list[tuple[Any, Value, bool, bool]] = [
    ("name", lambda row: row.name, False, False),
    ("-name", lambda row: row.name, True, False),
    ("annual_revenue", lambda row: row.annual_revenue, False, False),
    ("-annual_revenue", lambda row: row.annual_revenue, True, False),
    ("-created_at", lambda row: row.created_at, True, False),
    ("owner", lambda row: row.owner_id, False, False),
    ("-owner_id", lambda row: row.owner_id, True, False),
    ("owner__name", lambda row: row.owner and row.owner.name, False, False),
    ("-parent__name", lambda row: row.parent and row.parent.name, True, False),
    ("parent__founded_year", lambda row: row.parent and row.parent.founded_year, False, False),
    (Upper("name").desc(), lambda row: row.name.upper(), True, False),
    (F("founded_year").asc(nulls_first=True), lambda row: row.founded_year, False, True),
    (F("founded_year").desc(nulls_first=True), lambda row: row.founded_year, True, True),
    (F("annual_revenue").desc(nulls_last=True), lambda row: row.annual_revenue, True, False),
]
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "B", "b", "C'; --", "d%s", "ё"]),
        st.sampled_from([None, Decimal("0.00"), Decimal("1.10"), Decimal("999999999999.99")]),
        st.sampled_from([None, 1900, 1999]),
        # The owner, and the place of the company that it is a part of.
        st.sampled_from([None, 0, 1]),
        st.sampled_from([None, 0, 1, 2]),
    ),
    max_size=18,
)
ORDERS = st.lists(st.sampled_from(range(len(PARTS))), max_size=3)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def make(rows: list[tuple[Any, ...]], owners: list[User]) -> None:
    Company.objects.update(parent=None)
    Company.objects.all().delete()
    made: list[Company] = []
    for name, revenue, founded, owner, parent in rows:
        made.append(
            factories.make_company(
                name,
                annual_revenue=revenue,
                founded_year=founded,
                owner=None if owner is None else owners[owner],
                parent=made[parent] if parent is not None and parent < len(made) else None,
            )
        )


def ordered(order: list[int], *, is_key_down: bool) -> list[int]:
    """Sort in Python what the pages have to show, and return the keys."""
    wanted = [PARTS[place] for place in order]
    wanted.append(("pk", lambda row: row.pk, is_key_down, False))

    def compare(one: Company, other: Company) -> int:
        for _part, value, is_down, is_empty_first in wanted:
            mine, theirs = value(one), value(other)
            if mine == theirs:
                continue
            if mine is None or theirs is None:
                return -1 if (mine is None) == is_empty_first else 1
            return -1 if (mine < theirs) != is_down else 1
        return 0

    rows = Company.objects.select_related("owner", "parent")
    return [row.pk for row in sorted(rows, key=cmp_to_key(compare))]


def walk(rows: QuerySet[Any], ordering: list[Any], size: int, *, is_backward: bool) -> list[list[int]]:
    """Turn all pages, through what an address carries, and return the keys of each."""
    columns = columns_of(rows, ordering)
    pages: list[list[int]] = []
    place: Place | None = LAST if is_backward else FIRST
    while place is not None:
        page = read_page(
            rows, columns, read_place(write_place(place, columns) if place != FIRST else "", columns), size
        )
        pages.append([row.pk for row in page.rows])
        place = page.previous if is_backward else page.next
        assert len(pages) < 100
    return pages


@MANY
@given(ROWS, ORDERS, st.integers(1, 7), st.booleans())
# Where the first column is empty, the second has values in some rows and in others none.
@example([("a", None, None, None, None), ("a", Decimal(0), None, None, None)], [5, 3], 1, False)
def test_each_row_comes_once_and_in_order(
    rows: list[tuple[Any, ...]],
    order: list[int],
    size: int,
    is_key_down: bool,
) -> None:
    owners = [factories.make_user("Zoe"), factories.make_user("Abe")]
    make(rows, owners)
    ordering = [*(PARTS[place][0] for place in order), "-pk" if is_key_down else "pk"]
    expected = ordered(order, is_key_down=is_key_down)
    forward = walk(lean(Company.objects.select_related("owner")), ordering, size, is_backward=False)
    assert [pk for page in forward for pk in page] == expected
    assert all(len(page) == size for page in forward[:-1])
    backward = walk(Company.objects.all(), ordering, size, is_backward=True)
    assert [pk for page in reversed(backward) for pk in page] == expected
    assert all(len(page) == size for page in backward[:-1])


@MANY
@given(ROWS, ROWS, ORDERS, st.integers(1, 4))
def test_rows_that_come_and_go_meanwhile_move_no_others(
    rows: list[tuple[Any, ...]], more: list[tuple[Any, ...]], order: list[int], size: int
) -> None:
    owners = [factories.make_user("Zoe"), factories.make_user("Abe")]
    make(rows, owners)
    ordering = [*(PARTS[place][0] for place in order), "pk"]
    columns = columns_of(Company.objects.all(), ordering)
    before = ordered(order, is_key_down=False)
    page = read_page(Company.objects.all(), columns, FIRST, size)
    seen = [row.pk for row in page.rows]
    parents = set(Company.objects.exclude(parent=None).values_list("parent", flat=True))
    gone = [pk for pk in seen[-1:] if pk not in parents]
    Company.objects.filter(pk__in=gone).delete()
    for name, revenue, founded, owner, _parent in more:
        factories.make_company(
            name, annual_revenue=revenue, founded_year=founded, owner=None if owner is None else owners[owner]
        )
    while page.next is not None:
        page = read_page(Company.objects.all(), columns, page.next, size)
        seen += [row.pk for row in page.rows]
    assert [pk for pk in seen if pk in before] == before
    assert len(seen) == len(set(seen))


def test_the_way_back_from_a_page_is_the_page_before() -> None:
    for _ in range(10):
        factories.make_company()
    rows, columns = Company.objects.all(), columns_of(Company.objects.all(), ["-pk"])
    pages = [read_page(rows, columns, FIRST, 3)]
    while pages[-1].next is not None:
        pages.append(read_page(rows, columns, pages[-1].next, 3))
    for earlier, later in pairwise(pages):
        assert later.previous is not None
        assert read_page(rows, columns, later.previous, 3).rows == earlier.rows


def test_a_page_whose_rows_have_gone_leads_back() -> None:
    made = [factories.make_company() for _ in range(6)]
    rows, columns = Company.objects.all(), columns_of(Company.objects.all(), ["pk"])
    second = read_page(rows, columns, FIRST, 3).next
    assert second is not None
    first = read_page(rows, columns, second, 3).previous
    assert first is not None
    Company.objects.filter(pk__in=[row.pk for row in made[3:]]).delete()
    empty = read_page(rows, columns, second, 3)
    assert empty.rows == []
    assert empty.next is None
    assert empty.previous == LAST
    Company.objects.filter(pk__in=[made[0].pk, made[1].pk]).delete()
    Company.objects.filter(pk=made[2].pk).update(name="left")
    assert [row.pk for row in read_page(rows, columns, first, 3).rows] == [made[2].pk]


def test_a_place_is_signed_and_belongs_to_one_order() -> None:
    rows = Company.objects.all()
    columns = columns_of(rows, ["-name", "pk"])
    text = write_place(Place(is_backward=True, values=("Ё & Co", 7)), columns)
    assert read_place(text, columns) == Place(is_backward=True, values=("Ё & Co", 7))
    others = [
        ("another order", text, columns_of(rows, ["name", "pk"])),
        ("changed", text[:-1] + ("A" if text[-1] != "A" else "B"), columns),
        ("cut", text[: len(text) // 2], columns),
        ("made up", "WzEsIiIsW11d:1abcde:ZZZ", columns),
        ("a number", "7", columns),
        ("endless", "x" * 5_000, columns),
        ("no text", "\x00\ud800", columns),
    ]
    for _why, wrong, order in others:
        with pytest.raises(BadCursor):
            read_place(wrong, order)


def test_an_order_ends_with_the_key() -> None:
    with pytest.raises(ValueError, match="primary key"):
        columns_of(Company.objects.all(), ["name"])
