"""
What every benchmark does alike: own servers, the limit and ours in turn, a ratio and a verdict.

A script describes itself and ends with `raise SystemExit(run(Bench(…)))`::

    with own_services():
        bench = Bench(
            name="import",
            claim="import of 200,000 contacts with validation against a raw COPY of the file",
            limit=copy_file,  # each returns the seconds it took
            ours=import_file,
            same_work=compare_tables,  # raises AssertionError
            goal=at_least(0.60),
        )
        raise SystemExit(run(bench))
"""

import json
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from config.local.postgresql import FOR_WORK
from tests.support.services import Services, start_services

RESULTS = Path(__file__).with_name("RESULTS.md")
HEADER = """# Results

Written by `make bench`. A ratio compares ours with the limit of the same run on the same machine: median and
range of the rounds. INCONCLUSIVE: the limit itself moved by more than 1.5 between rounds.

| bench | claim | goal | median | range | limit, s | ours, s | verdict | machine | day |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
# A machine whose limit moves more than this between rounds measures its neighbors.
STEADY = 1.5
FEWEST_ROUNDS = 5
OK, BELOW, INCONCLUSIVE = "OK", "BELOW GOAL", "INCONCLUSIVE"
EXIT_CODES = {OK: 0, BELOW: 1, INCONCLUSIVE: 2}

Run = Callable[[], float]


@dataclass(frozen=True)
class Goal:
    """What a ratio has to be. Speed: limit seconds / our seconds. Cost: our seconds / limit seconds."""

    value: float
    is_speed: bool

    def ratio(self, limit: float, ours: float) -> float:
        return limit / ours if self.is_speed else ours / limit

    def is_reached(self, ratio: float) -> bool:
        return ratio >= self.value if self.is_speed else ratio <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.is_speed else '≤'} {self.value:g}"


def at_least(value: float) -> Goal:
    """Ours has at least this share of the limit's speed."""
    return Goal(value, is_speed=True)


def at_most(value: float) -> Goal:
    """Ours takes at most so many times as long as the limit."""
    return Goal(value, is_speed=False)


@dataclass(frozen=True)
class Budget:
    """Something beside the time that must stay below a number, measured once after the rounds."""

    name: str
    measure: Callable[[], float]
    at_most: float
    unit: str = ""


@dataclass(frozen=True)
class Bench:
    """One claim about speed; `limit` and `ours` do the same work and return the seconds it took."""

    name: str
    claim: str
    limit: Run
    ours: Run
    goal: Goal
    same_work: Callable[[], None]
    before_each: Callable[[], None] = lambda: None
    budgets: list[Budget] = field(default_factory=list)
    rounds: int = FEWEST_ROUNDS


@dataclass(frozen=True)
class Measured:
    """The seconds of each round, and what follows from them."""

    bench: Bench
    limit: list[float]
    ours: list[float]
    budgets: Mapping[str, float]

    @property
    def ratios(self) -> list[float]:
        return [self.bench.goal.ratio(*pair) for pair in zip(self.limit, self.ours, strict=True)]

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def verdict(self) -> str:
        if max(self.limit) > STEADY * min(self.limit):
            return INCONCLUSIVE
        over = [budget for budget in self.bench.budgets if self.budgets[budget.name] > budget.at_most]
        return OK if self.bench.goal.is_reached(self.median) and not over else BELOW

    def as_json(self) -> str:
        facts = {
            "bench": self.bench.name,
            "goal": str(self.bench.goal),
            "median": round(self.median, 3),
            "range": [round(min(self.ratios), 3), round(max(self.ratios), 3)],
            "limit_seconds": [round(seconds, 3) for seconds in self.limit],
            "ours_seconds": [round(seconds, 3) for seconds in self.ours],
            "budgets": {name: round(value, 1) for name, value in self.budgets.items()},
            "verdict": self.verdict,
        }
        return json.dumps(facts, ensure_ascii=False)

    def as_row(self) -> str:
        budgets = [
            f"{budget.name} {self.budgets[budget.name]:.3g} {budget.unit} (≤ {budget.at_most:g})"
            for budget in self.bench.budgets
        ]
        cells = [
            self.bench.name,
            "; ".join([self.bench.claim, *budgets]),
            str(self.bench.goal),
            f"{self.median:.2f}",
            f"{min(self.ratios):.2f}–{max(self.ratios):.2f}",
            f"{statistics.median(self.limit):.2f}",
            f"{statistics.median(self.ours):.2f}",
            self.verdict,
            f"{os.cpu_count()} cores, {platform.machine()}",
            datetime.now(UTC).date().isoformat(),
        ]
        return f"| {' | '.join(cells)} |"


def timed(work: Callable[[], object]) -> Run:
    """Make a side of a benchmark of something that does not time itself."""

    def run_once() -> float:
        started_at = time.perf_counter()
        work()
        return time.perf_counter() - started_at

    return run_once


def run(bench: Bench, results: Path = RESULTS) -> int:
    """Measure, print one JSON line, write the row of the results; return the exit code."""
    measured = measure(bench)
    print(measured.as_json(), flush=True)
    write_row(measured, results)
    return EXIT_CODES[measured.verdict]


def measure(bench: Bench) -> Measured:
    """Run both sides in turn; the first pair shows that they do the same work and is not counted."""
    if bench.rounds < FEWEST_ROUNDS:
        raise ValueError(f"{bench.rounds} rounds say nothing; at least {FEWEST_ROUNDS} are needed.")
    _run_pair(bench, is_limit_first=True)
    bench.same_work()
    # Who goes first changes: the second finds caches warm and the disk busy.
    pairs = [_run_pair(bench, is_limit_first=number % 2 == 0) for number in range(bench.rounds)]
    budgets = {budget.name: budget.measure() for budget in bench.budgets}
    return Measured(bench, [limit for limit, _ in pairs], [ours for _, ours in pairs], budgets)


def _run_pair(bench: Bench, *, is_limit_first: bool) -> tuple[float, float]:
    seconds = {}
    for side in [bench.limit, bench.ours] if is_limit_first else [bench.ours, bench.limit]:
        bench.before_each()
        seconds[side] = side()
    return seconds[bench.limit], seconds[bench.ours]


def write_row(measured: Measured, results: Path) -> None:
    """Put the bench's row into the table in place of its last one."""
    text = results.read_text() if results.exists() else HEADER
    row = measured.as_row()
    old = re.compile(rf"^\| {re.escape(measured.bench.name)} \|.*$", re.MULTILINE)
    text = old.sub(lambda _: row, text) if old.search(text) else f"{text}{row}\n"
    results.write_text(text)


@contextmanager
def own_services(
    options: Mapping[str, str] = FOR_WORK, settings: str = "config.settings.base"
) -> Iterator[Services]:
    """
    Start PostgreSQL and Redis for one benchmark, set Django up against them, and remove it all at the end.

    :param options: PostgreSQL's; the default waits for the disk as a real server does
    :param settings: Django's
    """
    services = start_services(options)
    os.environ.update(services.environment())
    os.environ["DJANGO_SETTINGS_MODULE"] = settings
    try:
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", interactive=False, verbosity=0)
        yield services
    finally:
        services.stop()
