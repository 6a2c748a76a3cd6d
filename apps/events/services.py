"""Telling facts: what happened is written with the change, and delivered after it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.utils import timezone

from apps.events.wakeup import wake_relay


@dataclass(frozen=True)
class Fact:
    """
    A kind of fact that an app publishes.

    :param type: "<app>.<aggregate>.<fact>.v<version>", as in "crm.deal.won.v1"
    """

    type: str

    @property
    def aggregate(self) -> str:
        return self.type.split(".")[1]


# One statement: the counter row is locked until the caller's transaction ends, so numbers have no gaps and no twins.
_PUBLISH = """
with fact as (
    select * from unnest(%(subjects)s::text[], %(data)s::jsonb[]) with ordinality as fact (subject, data, place)
), counted as (
    insert into events_aggregate as a (subject, sequence)
    select subject, 1 from fact order by subject
    on conflict (subject) do update set sequence = a.sequence + 1
    returning subject, sequence
), told as (
    insert into events_event (uid, type, subject, sequence, at, actor_id, data)
    select gen_random_uuid(), %(type)s, subject, sequence, %(at)s, %(actor)s, data
    from fact join counted using (subject) order by place
    returning id
)
insert into events_outbox (event_id) select id from told
"""


def publish(fact: Fact, pk: int, data: Mapping[str, Any], *, actor_id: int | None) -> None:
    """
    Tell that something happened to one aggregate, in the caller's transaction.

    :param data: a snapshot of what a reader needs, JSON-serializable (decimals and dates too)
    """
    publish_many(fact, [(pk, data)], actor_id=actor_id)


def publish_many(fact: Fact, items: Iterable[tuple[int, Mapping[str, Any]]], *, actor_id: int | None) -> None:
    """
    Tell the same fact of many aggregates, each at most once, in one statement of the caller's transaction.

    :param items: pairs of the aggregate's id and its snapshot
    """
    rows = [(f"{fact.aggregate}/{pk}", json.dumps(data, cls=DjangoJSONEncoder)) for pk, data in items]
    if not rows:
        return
    subjects, snapshots = zip(*rows, strict=True)
    params = {
        "subjects": list(subjects),
        "data": list(snapshots),
        "type": fact.type,
        "at": timezone.now(),
        "actor": actor_id,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PUBLISH, params)
    wake_relay()
