"""
Facts on their way out: our relay to RabbitMQ against a bare py-amqp loop over the same rows, and what a fact costs the
change that it tells of.

The bare loop reads 500 rows, publishes them, drains the confirms and deletes the rows, with nothing around it: no lock,
no model, no heartbeat, no reconnecting. Both write the very same bodies, which is looked at first.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any
from unittest.mock import patch

import amqp
from django.conf import settings

from tests.bench.harness import Bench, at_least, own_services, run
from tests.support.rabbitmq import RabbitServer

FACTS = 10_000
BATCH = 500
CHANGES = 400
SEED = """
    insert into events_event (uid, type, subject, sequence, at, data, depth)
    select gen_random_uuid(), 'crm.deal.changed.v1', 'deal/' || n % 500, 1 + n / 500,
        timestamptz '2026-01-01' + n * interval '1 s',
        jsonb_build_object('id', n, 'number', 'D-2026-' || n, 'title', 'Столы и стулья for office number ' || n,
            'status', 'OPEN', 'stage', n % 7, 'company', n % 1000, 'owner', n % 40, 'amount', (n % 100000) + 0.5,
            'currency', 'RUB', 'next_step', 'call', 'changed', jsonb_build_array('next_step', 'amount')), 0
    from generate_series(0, %s - 1) n
"""
WAIT = "insert into events_outgoing (broker, event_id) select 'rabbitmq', id from events_event"
NEXT = """
    select e.id, e.uid, e.type, e.subject, e.sequence, e.at, e.data
    from events_outgoing o join events_event e on e.id = o.event_id
    where o.broker = 'rabbitmq' order by o.event_id limit %s
"""


class Rabbit:
    """A queue of a node, and both ways to fill it."""

    def __init__(self, url: str) -> None:
        from apps.events.brokers.rabbitmq import declare_queue, opened

        self.url = url
        with opened(url) as channel:
            declare_queue(channel, "bench", types=["#"])
        self.channel: Any = None

    def prepare(self) -> None:
        from apps.crm.imports.sql import run as execute
        from apps.events.brokers.rabbitmq import opened

        execute("truncate events_outgoing")
        execute(WAIT)
        execute("vacuum (analyze) events_outgoing")
        with opened(self.url) as channel:
            channel.queue_purge("bench")

    def ours(self) -> float:
        from apps.events.brokers import route_named
        from apps.events.brokers.relay import BrokerRelay

        relay = BrokerRelay(route=route_named("rabbitmq"))
        try:
            # As the loop does, from its first turn on.
            began = time.perf_counter()
            while relay.turn():
                pass
            return time.perf_counter() - began
        finally:
            relay.close()
            relay.bell.close()

    def bare(self) -> float:
        from django.db import connection as database

        host = self.url.removeprefix("amqp://guest:guest@").rstrip("/")
        connection = amqp.Connection(host)
        began = time.perf_counter()
        connection.connect()
        channel: Any = connection.channel()
        channel.confirm_select()
        waiting: set[int] = set()

        def confirmed(number: int, multiple: bool) -> None:
            waiting.difference_update([n for n in waiting if n <= number] if multiple else [number])

        channel.events["basic_ack"].add(confirmed)
        number = 0
        with database.cursor() as cursor:
            while True:
                cursor.execute(NEXT, [BATCH])
                rows = cursor.fetchall()
                if not rows:
                    break
                for _pk, uid, kind, subject, sequence, at, data in rows:
                    told = {
                        "specversion": "1.0",
                        "id": str(uid),
                        "source": settings.OIDC_ISSUER,
                        "type": kind,
                        "subject": subject,
                        "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                        "datacontenttype": "application/json",
                        "sequence": str(sequence),
                        "data": data if isinstance(data, dict) else json.loads(data),
                    }
                    body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
                    message = amqp.Message(
                        body,
                        content_type="application/cloudevents+json",
                        delivery_mode=2,
                        message_id=str(uid),
                    )
                    channel.basic_publish(message, exchange="artel.events", routing_key=kind)
                    number += 1
                    waiting.add(number)
                while waiting:
                    connection.drain_events(timeout=30)
                cursor.execute(
                    "delete from events_outgoing where broker = 'rabbitmq' and event_id = any(%s)",
                    [[row[0] for row in rows]],
                )
        seconds = time.perf_counter() - began
        connection.close()
        return seconds

    def same_work(self) -> None:
        bodies = {}
        for side, fill in (("ours", self.ours), ("bare", self.bare)):
            self.prepare()
            fill()
            bodies[side] = self._read()
        assert len(bodies["bare"]) == FACTS, len(bodies["bare"])
        assert bodies["ours"] == bodies["bare"]

    def _read(self) -> list[dict[str, Any]]:
        from apps.events.brokers.consuming import consume

        found: list[dict[str, Any]] = []
        consume(self.url, "bench", found.append, limit=FACTS, idle_seconds=30)
        return found


class Changes:
    """Deals that are changed through the service, with the fact and without."""

    def __init__(self) -> None:
        from tests.crm import factories

        self.actor = factories.make_admin()
        self.deals = [factories.make_deal(f"Deal {n}", owner=self.actor).pk for n in range(CHANGES)]
        self.round = 0

    def _change(self) -> float:
        from apps.crm.services.deals import change_deal

        self.round += 1
        began = time.perf_counter()
        for pk in self.deals:
            change_deal(pk, actor=self.actor, next_step=f"call {self.round}")
        return time.perf_counter() - began

    def with_fact(self) -> float:
        return self._change()

    def without(self) -> float:
        with patch("apps.events.services.publish_many"):
            return self._change()

    def same_work(self) -> None:
        from apps.crm.models import Deal
        from apps.events.models import Event

        def told() -> int:
            return Event.objects.filter(type__startswith="crm.deal.").count()

        for change, facts in ((self.without, 0), (self.with_fact, CHANGES)):
            before = told()
            change()
            assert told() - before == facts, (told() - before, facts)
            changed = Deal.objects.filter(pk__in=self.deals, next_step=f"call {self.round}").count()
            assert changed == CHANGES, changed


@contextmanager
def rabbit() -> Iterator[Rabbit]:
    directory = Path(tempfile.mkdtemp(prefix="artel-bench-"))
    server = RabbitServer(directory / "rabbitmq")
    try:
        server.start()
        settings.RABBITMQ_URL = server.url
        yield Rabbit(server.url)
    finally:
        server.stop()
        directory.rmdir()


def main() -> int:
    with own_services():
        from apps.crm.imports.sql import run as execute

        execute(SEED.replace("%s", str(FACTS)))
        execute("vacuum (analyze) events_event")
        with rabbit() as node:
            relay = Bench(
                name="outbox-rabbitmq",
                claim=f"{FACTS:,} facts to RabbitMQ, each confirmed, against a bare py-amqp loop over the same rows",
                limit=node.bare,
                ours=node.ours,
                same_work=node.same_work,
                before_each=node.prepare,
                goal=at_least(0.85),
            )
            codes = [run(relay)]
        changes = Changes()
        fact = Bench(
            name="outbox-fact",
            claim=f"{CHANGES} deals changed, each with its fact, against the same changes without facts",
            limit=changes.without,
            ours=changes.with_fact,
            same_work=changes.same_work,
            goal=at_least(0.85),
        )
        return max(*codes, run(fact))


if __name__ == "__main__":
    raise SystemExit(main())
