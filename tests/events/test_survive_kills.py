"""Processes die at the worst moments; no fact is lost, and each effect happens once."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.db import connection
from django.db.models import Sum
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from apps.events.models import Delivery, Heartbeat, Outbox
from config.local.redis import free_port, program
from tests.events.platform import RECEIVERS, Platform

EVENTS = 30
ONCE_EACH = {name: list(range(1, EVENTS + 1)) for name in RECEIVERS}


def _duplicates() -> int:
    return int(Delivery.objects.aggregate(total=Sum("duplicates"))["total"] or 0)


@pytest.mark.parametrize("place", ["relay.before_publish", "relay.after_publish"])
def test_killed_relay_loses_nothing_and_repeats_no_effect(platform: Platform, place: str) -> None:
    platform.tell(EVENTS)
    # Nothing is sent again for being slow, so that every duplicate comes from the kill.
    patient = {"EVENT_RESEND_SECONDS": "600"}
    worker, relay = platform.worker(), platform.relay(ARTEL_FAILPOINT=place, **patient)

    assert relay.wait() == -signal.SIGKILL
    assert Outbox.objects.count() == EVENTS
    platform.relay(**patient)
    worker.await_true(lambda: not Outbox.objects.exists(), "empty outbox")
    worker.await_true(lambda: not Delivery.objects.pending().exists(), "end of deliveries")

    assert platform.effects() == ONCE_EACH
    if place == "relay.after_publish":
        worker.await_true(lambda: _duplicates() == EVENTS * len(RECEIVERS), "duplicates")
    else:
        assert _duplicates() == 0


def test_killed_receivers_lose_nothing_and_repeat_no_effect(platform: Platform) -> None:
    places = ["receiver.before_effect", "receiver.after_effect", "receiver.after_commit"]
    workers = [platform.worker(ARTEL_FAILPOINT=f"{place}:5") for place in places]
    for worker in workers:
        worker.await_line(" ready.")
    platform.tell(EVENTS)
    relay = platform.relay()
    for worker in workers:
        worker.await_line("signal 9 (SIGKILL)")
    for worker in workers:
        worker.kill()
    assert 0 < platform.effect_count() < EVENTS * len(RECEIVERS)

    platform.worker()
    relay.await_true(lambda: not Outbox.objects.exists(), "empty outbox")
    relay.await_true(lambda: not Delivery.objects.pending().exists(), "end of deliveries")

    assert platform.effects() == ONCE_EACH


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Callable[[], redis.Redis]]:
    """A Redis for one test: each call of it starts the server anew and empty, at the same place."""
    port = free_port()
    servers: list[subprocess.Popen[bytes]] = []

    def restart() -> redis.Redis:
        for server in servers:
            server.kill()
            server.wait()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
        servers.append(subprocess.Popen([program(), *options], stdout=subprocess.DEVNULL))
        client = redis.Redis(port=port, retry=Retry(ConstantBackoff(0.05), 200))
        client.ping()
        return client

    yield restart
    for server in servers:
        server.kill()
        server.wait()


def test_redis_flushed_and_restarted_costs_nothing(
    platform: Platform, own_redis: Callable[[], redis.Redis]
) -> None:
    client = own_redis()
    url = f"redis://127.0.0.1:{client.get_connection_kwargs()['port']}/0"
    env = {"REDIS_URL": url, "CELERY_BROKER_URL": url}
    worker, relay = platform.worker(**env), platform.relay(**env)
    platform.tell(1)
    worker.await_true(lambda: platform.effect_count() == 2, "first effects")

    client.flushall()
    platform.tell(1, first=2)
    worker.await_true(lambda: platform.effect_count() == 4, "effects after the flush")

    own_redis()
    platform.tell(1, first=3)
    worker.await_true(lambda: platform.effect_count() == 6, "effects after the restart")

    worker.kill()
    platform.tell(1, first=4)
    relay.await_true(lambda: not Outbox.objects.exists(), "empty outbox")
    # The messages themselves go this time.
    client.flushall()
    platform.worker(**env)
    relay.await_true(lambda: platform.effect_count() == 8, "effects of what was flushed")

    assert platform.effects() == {name: [1, 2, 3, 4] for name in RECEIVERS}


def test_second_relay_takes_over_and_survives_the_loss_of_its_connection(platform: Platform) -> None:
    first = platform.relay()
    first.await_line("relay is leading")
    second = platform.relay()
    second.await_line("relay is standing by")
    first.kill()
    second.await_line("relay is leading")
    platform.tell(1)
    second.await_true(lambda: not Outbox.objects.exists(), "empty outbox")

    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_locks join pg_database d on d.oid = database"
            " where locktype = 'advisory' and datname = current_database()"
        )
        assert cursor.fetchall() == [(True,)]
    platform.tell(1)
    second.await_true(lambda: not Outbox.objects.exists(), "empty outbox")

    assert second.output().count("relay is leading") == 2
    assert "relay tries again in 0.1 s" in second.output()
    assert Heartbeat.objects.filter(process="relay").exists()
    assert second.terminate() == 0


def test_publisher_killed_after_its_commit_has_told(platform: Platform) -> None:
    statement = (
        "from django.db import transaction; from apps.events.services import publish;"
        "from tests.events.sample.events import THING_HAPPENED;"
        "publish(THING_HAPPENED, 1, {'number': 1, 'fails': False}, actor_id=None)"
    )
    publisher = platform.processes.manage(
        "shell",
        "--command",
        statement,
        DJANGO_SETTINGS_MODULE="tests.events.settings",
        ARTEL_FAILPOINT="publisher.after_commit",
    )
    relay = platform.relay()

    assert publisher.wait() == -signal.SIGKILL
    relay.await_true(lambda: Delivery.objects.count() == len(RECEIVERS), "deliveries")
