"""The harness of the benchmarks: who goes first changes, and the verdict is honest."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.harness import HEADER, Bench, Budget, Goal, at_least, at_most, measure, run


def bench(goal: Goal, limit: list[float], ours: list[float], **options: object) -> Bench:
    """Make a bench of known seconds; the first of each is the pair that is not counted."""
    seconds: dict[str, list[float]] = {"limit": [1.0, *limit], "ours": [1.0, *ours]}
    facts: dict[str, object] = {
        "name": "known",
        "claim": "seconds are seconds",
        "limit": lambda: seconds["limit"].pop(0),
        "ours": lambda: seconds["ours"].pop(0),
        "goal": goal,
        "same_work": lambda: None,
    }
    return Bench(**{**facts, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("goal", "limit", "ours", "code"),
    [
        (at_least(0.5), [1.0] * 5, [2.0] * 5, 0),
        (at_least(0.6), [1.0] * 5, [2.0] * 5, 1),
        (at_most(2), [1.0] * 5, [2.0] * 5, 0),
        (at_most(1.9), [1.0] * 5, [2.0] * 5, 1),
        # One slow round of ours does not decide.
        (at_least(0.5), [1.0] * 5, [2.0, 9.0, 2.0, 2.0, 2.0], 0),
        # A limit that moves says that the machine was busy with something else.
        (at_least(0.1), [1.0, 1.0, 1.6, 1.0, 1.0], [2.0] * 5, 2),
    ],
)
def test_the_exit_code_tells_the_verdict(
    goal: Goal, limit: list[float], ours: list[float], code: int, tmp_path: Path
) -> None:
    assert run(bench(goal, limit, ours), tmp_path / "RESULTS.md") == code


def test_a_budget_counts_as_much_as_the_ratio(tmp_path: Path) -> None:
    over = Budget("memory", lambda: 65.0, at_most=64.0, unit="MB")
    assert run(bench(at_least(0.1), [1.0] * 5, [1.0] * 5, budgets=[over]), tmp_path / "RESULTS.md") == 1


def test_sides_change_places_and_start_clean() -> None:
    order: list[str] = []

    def side(name: str) -> Callable[[], float]:
        def work() -> float:
            order.append(name)
            return 1.0

        return work

    sides = bench(at_least(1), [], [], before_each=lambda: order.append("clean"))
    measure(replace(sides, limit=side("limit"), ours=side("ours")))
    assert order[0::2] == ["clean"] * 12
    assert order[5::4] == ["limit", "ours", "limit", "ours", "limit"]


def test_different_work_is_not_compared() -> None:
    def differ() -> None:
        raise AssertionError("200,000 rows against 199,999")

    with pytest.raises(AssertionError, match="199,999"):
        measure(bench(at_least(1), [1.0] * 5, [1.0] * 5, same_work=differ))


def test_a_row_replaces_the_last_one_of_its_bench(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    results.write_text(f"{HEADER}| known | old |\n| other | stays |\n")
    run(bench(at_least(0.5), [1.0] * 5, [2.0] * 5), results)
    rows = results.read_text().removeprefix(HEADER).splitlines()
    assert len(rows) == 2
    assert "| ≥ 0.5 | 0.50 | 0.50–0.50 | 1.00 | 2.00 | OK |" in rows[0]
    assert rows[1] == "| other | stays |"
