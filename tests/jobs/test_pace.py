"""The forecast follows the recent rate, and says nothing where nobody can know."""

import pytest

from apps.jobs.pace import WINDOW_SECONDS, Pace


def paced(*points: tuple[float, int]) -> Pace:
    pace = Pace()
    for at, done in points:
        pace.add(at, done)
    return pace


def test_an_even_pace_is_carried_on() -> None:
    assert paced((0, 0), (1, 10), (2, 20)).seconds_left(100) == pytest.approx(8)


@pytest.mark.parametrize(
    ("points", "total"),
    [
        ((), 100),
        (((0, 0),), 100),
        (((0, 0), (0.2, 50)), 100),
        (((0, 5), (9, 5)), 100),
        (((0, 0), (9, 5)), None),
    ],
    ids=["nothing yet", "one point", "start-up noise", "standing still", "no total"],
)
def test_nothing_is_said_while_nobody_knows(points: tuple[tuple[float, int], ...], total: int | None) -> None:
    assert paced(*points).seconds_left(total) is None


def test_what_is_done_takes_no_time() -> None:
    assert paced((0, 0), (5, 100)).seconds_left(100) == 0


def test_the_recent_rate_counts_and_not_the_mean() -> None:
    # A fast beginning long ago, then one a second.
    slow = [(1000.0 + second, 900 + second) for second in range(int(WINDOW_SECONDS) + 5)]
    pace = paced((0, 0), (10, 900), *slow)
    done = slow[-1][1]
    assert pace.seconds_left(done + 50) == pytest.approx(50, rel=0.05)


def test_chunks_longer_than_the_window_still_give_a_rate() -> None:
    assert paced((0, 0), (60, 10), (120, 20)).seconds_left(30) == pytest.approx(60)


def test_a_chunk_that_was_rolled_back_starts_the_forecast_anew() -> None:
    assert paced((0, 0), (5, 50), (6, 20)).seconds_left(100) is None
