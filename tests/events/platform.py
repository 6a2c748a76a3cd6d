"""What the tests of facts share: a fact, and real processes that hear it."""

import base64
import json
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import connection, transaction

from apps.events.models import Event
from apps.events.services import Fact, publish, publish_many
from apps.events.tasks import deliver
from tests.support.processes import Processes, Running

HAPPENED = Fact("sample.thing.happened.v1")
RECEIVERS = ["write_down", "write_down_or_fail"]


@dataclass
class Platform:
    """Workers and relays with the sample app, and what its receivers have done."""

    processes: Processes

    def worker(self, **env: str) -> Running:
        """Start a worker; what is sent before it is ready waits for it."""
        env = {"DJANGO_SETTINGS_MODULE": "tests.events.settings"} | env
        return self.processes.worker(concurrency=1, is_awaited=False, **env)

    def relay(self, **env: str) -> Running:
        return self.processes.relay(DJANGO_SETTINGS_MODULE="tests.events.settings", **env)

    def tell(self, count: int, *, first: int = 1, fails: bool = False) -> None:
        with transaction.atomic():
            facts = [(number, {"number": number, "fails": fails}) for number in range(first, first + count)]
            publish_many(HAPPENED, facts, actor_id=None)

    def effects(self) -> dict[str, list[int]]:
        """Return the numbers that each receiver has written down, in order, with any that it wrote twice."""
        with connection.cursor() as cursor:
            cursor.execute(
                "select receiver, (data->>'number')::int from sample_effect join events_event e"
                " on e.id = event_id order by 1, 2"
            )
            found: dict[str, list[int]] = {name: [] for name in RECEIVERS}
            for receiver, number in cursor.fetchall():
                found[receiver].append(number)
        return found

    def effect_count(self) -> int:
        return sum(map(len, self.effects().values()))


def tell(number: int, **data: object) -> Event:
    """Publish one fact of the aggregate "thing/<number>" and return its event."""
    publish(HAPPENED, number, {"number": number} | data, actor_id=None)
    return Event.objects.filter(subject=f"thing/{number}").latest("sequence")


def waiting_calls() -> list[tuple[int, str]]:
    """Return the deliveries that wait for a worker, as pairs of event and receiver, the oldest first."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        messages = [json.loads(message) for message in client.lrange("artel", 0, -1)]
    bodies = [json.loads(base64.b64decode(message["body"])) for message in reversed(messages)]
    return [(kwargs["event_id"], kwargs["receiver"]) for _args, kwargs, _embed in bodies]


def take_calls() -> list[tuple[int, str]]:
    """Return the calls that wait, and let nobody else have them."""
    calls = waiting_calls()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete("artel")
    return calls


def work() -> int:
    """Do what a worker would do with the calls that wait now, and return how many there were."""
    calls = take_calls()
    for event_id, receiver in calls:
        deliver(event_id=event_id, receiver=receiver)
    return len(calls)
