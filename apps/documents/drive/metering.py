"""What each account asks of Drive, counted in the process and written down every second, and before it rests."""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from apps.documents.drive.account import Usage

_EVERY_SECONDS = 1.0
# Of an account that is gone meanwhile nothing is counted: a meter stands in nobody's way.
_ADD = """
insert into documents_apiusage (account_id, minute, calls, units, writes, errors)
select id, %s, %s, %s, %s, %s::jsonb from documents_driveaccount where id = %s
on conflict (account_id, minute) do update set
    calls = documents_apiusage.calls + excluded.calls,
    units = documents_apiusage.units + excluded.units,
    writes = documents_apiusage.writes + excluded.writes,
    errors = documents_apiusage.errors || (
        select coalesce(jsonb_object_agg(e.key, e.value::bigint
            + coalesce((documents_apiusage.errors ->> e.key)::bigint, 0)), '{}'::jsonb)
        from jsonb_each_text(excluded.errors) e)
"""


@dataclass
class _Sum:
    calls: int = 0
    units: int = 0
    writes: int = 0
    errors: Counter[str] = field(default_factory=Counter)


_lock = threading.Lock()
_sums: dict[tuple[int, datetime], _Sum] = {}
_written_at = 0.0
_here = threading.local()


def count(account_id: int, usage: Usage) -> None:
    """Count one attempt of a call; called outside of transactions, as the call is."""
    minute = timezone.now().replace(second=0, microsecond=0)
    with _lock:
        total = _sums.setdefault((account_id, minute), _Sum())
        total.calls += 1
        total.units += usage.units
        total.writes += usage.writes
        if usage.refusal:
            total.errors[usage.refusal[:64]] += 1
    if not getattr(_here, "only_counts", False):
        write_down_often()


def only_count() -> None:
    """Let this thread count and never write: it has no connection to the database."""
    _here.only_counts = True


def write_down_often() -> None:
    """Add what was counted since to the table, once a second."""
    if time.monotonic() - _written_at >= _EVERY_SECONDS:
        write_down()


def write_down() -> None:
    """Add what was counted since to the table."""
    global _written_at, _sums
    with _lock:
        sums, _sums = _sums, {}
        _written_at = time.monotonic()
    if not sums:
        return
    with connection.cursor() as cursor:
        for (account_id, minute), total in sorted(sums.items()):
            errors = json.dumps(total.errors)
            values: list[Any] = [minute, total.calls, total.units, total.writes, errors, account_id]
            cursor.execute(_ADD, values)
