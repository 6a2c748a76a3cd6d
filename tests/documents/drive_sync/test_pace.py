"""Writes go evenly, whatever the number of workers; what was asked for is counted."""

import threading
import time
from typing import Any

import pytest
import redis

from apps.documents.drive import metering, pace
from apps.documents.drive.account import Usage
from apps.documents.drive.errors import RateLimited
from apps.documents.models import ApiUsage
from apps.documents.services.drive.usage import minutes_of
from tests.documents.drive_sync.world import World


def turns(account_id: int, count: int, workers: int) -> list[float]:
    """Take so many turns with each of so many workers; return when they came, in order."""
    came: list[float] = []

    def take() -> None:
        for _turn in range(count):
            pace.take_turn(account_id)
            came.append(time.monotonic())

    threads = [threading.Thread(target=take) for _worker in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(came)


@pytest.mark.parametrize("is_redis_there", [True, False])
def test_workers_take_turns(
    settings: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch, is_redis_there: bool
) -> None:
    settings.GOOGLE_DRIVE_WRITES_PER_SECOND = 20.0
    if not is_redis_there:

        def away(*_arguments: object) -> object:
            raise redis.ConnectionError

        monkeypatch.setattr(pace, "scripted", away)
    began = time.monotonic()
    came = turns(900 + is_redis_there, 5, 4)
    # Twenty turns of a twentieth of a second: the last comes not before nineteen of them.
    assert came[-1] - began >= 19 * 0.05 - 0.01
    # Within no second are there more than so many, and one at its edge.
    assert all(sum(at <= other < at + 1.0 for other in came) <= 21 for at in came)


def test_a_turn_that_is_too_far_away_is_not_waited_for(settings: Any, redis_url: str) -> None:
    settings.GOOGLE_DRIVE_WRITES_PER_SECOND = 0.1
    pace.take_turn(990)
    with pytest.raises(RateLimited) as refused:
        pace.take_turn(990)
    assert refused.value.reason == "ownPace"
    assert 5 < refused.value.wait <= 10


@pytest.mark.django_db
def test_the_pace_keeps_google_from_refusing(world: World, drive_settings: Any) -> None:
    drive_settings.GOOGLE_DRIVE_WRITES_PER_SECOND = 20.0
    world.fake.limits.writes_per_second = 20.0
    documents = [world.write(f"{number}".encode(), f"Paper {number}") for number in range(20)]
    world.settle()
    for document in documents:
        world.assert_in_step(document)
    assert world.fake.meters.refused == 0


@pytest.mark.django_db
def test_what_is_asked_for_is_counted_as_google_counts(world: World) -> None:
    metering.write_down()
    ApiUsage.objects.all().delete()
    world.write(b"one")
    world.settle()
    calls = world.fake.journal.calls()
    assert sum(row.units for row in ApiUsage.objects.all()) == world.fake.journal.units()
    assert sum(row.writes for row in ApiUsage.objects.all()) == len(world.fake.journal.writes())
    assert sum(minute.calls for minute in minutes_of(world.account)) == len(
        [call for call in calls if call.name != "token"]
    )


@pytest.mark.django_db
def test_refusals_are_counted_by_their_names(world: World) -> None:
    for name in ("backendError", "backendError", "userRateLimitExceeded"):
        metering.count(world.account.pk, Usage("files.get", 5, 1, 0, name))
    metering.write_down()
    metering.count(world.account.pk, Usage("files.get", 5, 1, 0, "backendError"))
    metering.write_down()
    total: dict[str, int] = {}
    for row in ApiUsage.objects.all():
        for name, count in row.errors.items():
            total[name] = total.get(name, 0) + count
    assert total == {"backendError": 3, "userRateLimitExceeded": 1}
