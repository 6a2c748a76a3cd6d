"""What several changes of a row come to."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.history import exact
from apps.history.nets import Kind, Net, fold

Columns = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    op: str
    old: Columns | None = None
    new: Columns | None = None
    row_id: str = "1"
    about: str = "a.b:1"


def net_of(*changes: Recorded) -> Net:
    (net,) = fold(changes, ["version"])
    return net


@pytest.mark.parametrize(
    ("changes", "kind", "before", "after"),
    [
        ([Recorded("U", {"a": 1}, {"a": 2})], Kind.CHANGED, {"a": 1}, {"a": 2}),
        ([Recorded("U", {"a": 1}, {"a": 2}), Recorded("U", {"a": 2}, {"a": 1})], Kind.NOTHING, {}, {}),
        (
            [Recorded("U", {"a": 1}, {"a": 2}), Recorded("U", {"a": 2, "b": 5}, {"a": 3, "b": 6})],
            Kind.CHANGED,
            {"a": 1, "b": 5},
            {"a": 3, "b": 6},
        ),
        (
            [Recorded("I", None, {"a": 1, "b": 1}), Recorded("U", {"a": 1}, {"a": 2})],
            Kind.CREATED,
            {},
            {"a": 2, "b": 1},
        ),
        ([Recorded("I", None, {"a": 1}), Recorded("D", {"a": 1})], Kind.NOTHING, {}, {}),
        (
            [Recorded("U", {"a": 1}, {"a": 2}), Recorded("D", {"a": 2, "b": 3})],
            Kind.DELETED,
            {"a": 1, "b": 3},
            {},
        ),
        (
            [Recorded("D", {"a": 1, "version": 1}), Recorded("I", None, {"a": 2, "version": 2})],
            Kind.CHANGED,
            {"a": 1},
            {"a": 2},
        ),
        ([Recorded("U", {"a": 1}, {"a": True})], Kind.CHANGED, {"a": 1}, {"a": True}),
    ],
)
def test_changes_of_one_row(changes: list[Recorded], kind: Kind, before: Columns, after: Columns) -> None:
    net = net_of(*changes)
    assert (net.kind, net.before, net.after) == (kind, before, after)


def test_rows_stay_apart() -> None:
    nets = fold([Recorded("I", None, {"a": 1}), Recorded("I", None, {"a": 2}, row_id="2")])
    assert [(net.row_id, net.after) for net in nets] == [("1", {"a": 1}), ("2", {"a": 2})]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=4)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('abc"\\u0', max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_values_go_through_json_digit_by_digit(value: object) -> None:
    text = exact.dumps(value)
    assert exact.dumps(exact.loads(text)) == text


def test_numbers_stay_numbers_and_keep_their_zeros() -> None:
    assert exact.loads("1000.10") == Decimal("1000.10")
    assert (
        exact.dumps([Decimal("1000.10"), "12.50", '"\\u0000x"']) == '[1000.10, "12.50", "\\"\\\\u0000x\\""]'
    )
