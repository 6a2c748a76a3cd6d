"""Walking the chain of access events: what was changed, taken out, put in or moved shows."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

# A batch takes some twenty megabytes, whatever the length of the chain.
BATCH = 10_000
_BATCH = """
select position, id, previous, hash, array[
    id::text,
    position::text,
    to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
    kind,
    user_id::text,
    actor_id::text,
    impersonator_id::text,
    host(address),
    agent,
    request_id,
    data::text
]
from accounts_authevent
where position >= %(position)s and (position, id) > (%(position)s, %(id)s)
order by position, id limit %(limit)s
"""
_BESIDE = "select id from accounts_authevent where position is null or position < 1 order by id limit 1"
_HEAD = "select count, hash from accounts_autheventhead"
_GUARDS = """
select wanted.name from unnest(%s::text[]) as wanted (name)
left join pg_trigger t on t.tgname = wanted.name and t.tgenabled = 'A' and t.tgrelid in (
    'accounts_authevent'::regclass, 'accounts_autheventhead'::regclass, 'accounts_autheventqueue'::regclass
)
where t.oid is null order by wanted.name
"""
GUARDS = (
    "auth_event_chain",
    "auth_event_guard",
    "auth_event_guard_all",
    "auth_event_head_guard",
    "auth_event_head_guard_all",
    "auth_event_queue",
)
_Row = tuple[int, int, str, str, Sequence[str | None]]


class BrokenChain(Exception):
    """The record of access events is not what was recorded."""


@dataclass(frozen=True)
class Head:
    """Where the chain ends: how many events, and the hash of the last. Kept elsewhere, it proves what came before."""

    count: int
    hash: str

    def __str__(self) -> str:
        return f"{self.count}:{self.hash}"


def parse_head(text: str) -> Head:
    """Read a head as it was printed. :raises ValueError: it is none"""
    count, _colon, digest = text.partition(":")
    if not count.isdecimal() or len(digest) != hashlib.sha256().digest_size * 2:
        raise ValueError(text)
    return Head(int(count), digest)


def verify_auth_events(*, earlier: Head | None = None) -> Head:
    """
    Walk all events from the first, and return where the chain ends.

    Whoever may turn triggers off may also write a new chain to its end: only a head that was kept elsewhere tells.

    :param earlier: a head as it was told before, which the chain has to lead through
    :raises BrokenChain: at the first event that is not as it was recorded, not in its place, or missing
    """
    last = Head(0, "")
    for row in _rows():
        last = _follow(last, row)
        if earlier is not None and last.count == earlier.count and last.hash != earlier.hash:
            raise BrokenChain(f"Event no. {last.count} is not the one that was there before.")
    if earlier is not None and last.count < earlier.count:
        raise BrokenChain(
            f"There were {earlier.count} events before; those after no. {last.count} are missing."
        )
    beside = _ask(_BESIDE)
    if beside:
        raise BrokenChain(f"The event with the id {beside[0][0]} was put beside the chain.")
    return last


def _follow(last: Head, row: _Row) -> Head:
    """Take one step. :raises BrokenChain: the row is not the next, or not as it was"""
    position, pk, previous, digest, values = row
    if position > last.count + 1:
        raise BrokenChain(f"Event no. {last.count + 1} is missing.")
    if position != last.count + 1:
        raise BrokenChain(f"Event no. {position} is there a second time, with the id {pk}.")
    if previous != last.hash:
        raise BrokenChain(f"Event no. {position} (id {pk}) does not follow the one before it.")
    if digest != _hash_of(previous, values):
        raise BrokenChain(f"Event no. {position} (id {pk}) is not what was recorded.")
    return Head(position, digest)


def _hash_of(previous: str, values: Sequence[str | None]) -> str:
    """Return what the database has computed; see the migration that makes it do so."""
    parts = ["-" if value is None else f"{len(value.encode())}:{value}" for value in values]
    return hashlib.sha256((previous + ",".join(parts)).encode()).hexdigest()


def missing_guards() -> list[str]:
    """List the triggers that should keep the record, and do not: somebody has turned them off."""
    return [name for (name,) in _ask(_GUARDS, [list(GUARDS)])]


def _rows() -> Iterator[_Row]:
    """
    Yield the chain to its end, and compare that with the head.

    :raises BrokenChain: the head says that there were more events, or others
    """
    position, pk, digest = 0, 0, ""
    while True:
        # Before the events: whatever it counts is there to be read.
        head = Head(*(_ask(_HEAD) or [(0, "")])[0])
        batch = _ask(_BATCH, {"position": position, "id": pk, "limit": BATCH})
        yield from batch
        if batch:
            position, pk, _previous, digest, _values = batch[-1]
        if len(batch) == BATCH:
            continue
        if head == Head(position, digest):
            return
        if position < head.count:
            raise BrokenChain(
                f"There are {head.count} events by count; those after no. {position} are missing."
            )
        if not batch:
            raise BrokenChain(
                f"The chain should end at no. {head.count}, and ends otherwise at no. {position}."
            )


def _ask(sql: str, params: Any = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[Any] = cursor.fetchall()
    return rows
