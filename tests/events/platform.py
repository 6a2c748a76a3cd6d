"""What the tests of facts share: a fact, and real processes that hear it."""

from dataclasses import dataclass

from django.db import connection, transaction

from apps.events.services import Fact, publish_many
from tests.support.processes import Processes, Running

HAPPENED = Fact("sample.thing.happened.v1")
RECEIVERS = ["write_down", "write_down_or_fail"]


@dataclass
class Platform:
    """Workers and relays with the sample app, and what its receivers have done."""

    processes: Processes

    def worker(self, **env: str) -> Running:
        return self.processes.worker(is_awaited=False, DJANGO_SETTINGS_MODULE="tests.events.settings", **env)

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
