"""How much history there is, and how far back it goes."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

from apps.history.models import ChangeSet
from apps.history.tracking import tracked

# Up to so many changes are counted; beyond, the planner's estimate is as good and costs nothing.
_COUNTED = 200_000
_ESTIMATE = """
    select sum(greatest(reltuples, 0))::bigint from pg_class
    where oid in ('history_change'::regclass, 'history_creation'::regclass)
"""
_COUNT = """
    select count(*) from (
        select 1 from history_change union all select 1 from history_creation limit %s
    ) as counted
"""
_BYTES = """
    select pg_total_relation_size('history_change') + pg_total_relation_size('history_creation')
        + pg_total_relation_size('history_changeset')
"""
# A sample of one page in a hundred, scaled up, where the table is large.
_BY_MODEL = """
    select model, count(*), sum(bytes), min(at) from (
        select model, at, pg_column_size(c.*) as bytes from history_change c {sample}
        union all select model, at, pg_column_size(c.*) from history_creation c {sample}
    ) as kept group by model order by 3 desc
"""


@dataclass(frozen=True)
class ModelSize:
    """How much of history is about one model; an estimate in a large history."""

    name: str
    changes: int
    size: int
    oldest: datetime


@dataclass(frozen=True)
class Size:
    """How much history there is in all."""

    changes: int
    size: int
    sets: int
    oldest: datetime | None
    is_estimate: bool
    models: list[ModelSize]


@dataclass(frozen=True)
class Limits:
    """How much is kept: for how many days, and at most how many changes."""

    days: int
    changes: int


def limits() -> Limits:
    return Limits(settings.HISTORY_RETENTION_DAYS, settings.HISTORY_MAX_CHANGES)


def estimated_changes() -> int:
    """
    Return how many changes are kept: counted while they are few, estimated beyond.

    Rows that were created many at a time and are unchanged count once for all that follow each other.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [_COUNTED])
        (counted,) = cursor.fetchone()
        if counted < _COUNTED:
            return int(counted)
        cursor.execute(_ESTIMATE)
        (estimate,) = cursor.fetchone()
        return max(int(estimate), _COUNTED)


def size() -> Size:
    """Measure history; a large one by a sample."""
    changes = estimated_changes()
    is_estimate = changes >= _COUNTED
    oldest = ChangeSet.objects.order_by("pk").values_list("at", flat=True).first()
    with connection.cursor() as cursor:
        cursor.execute(_BYTES)
        (total,) = cursor.fetchone()
        cursor.execute(_BY_MODEL.format(sample="tablesample system (1)" if is_estimate else ""))
        factor = 100 if is_estimate else 1
        models = [_model_size(row, factor) for row in cursor.fetchall()]
        cursor.execute(
            "select count(*) from (select 1 from history_changeset limit %s) as counted", [_COUNTED]
        )
        (sets,) = cursor.fetchone()
    return Size(changes, total, sets, oldest, is_estimate, models)


def _model_size(row: tuple[str, int, int, datetime], factor: int) -> ModelSize:
    label, changes, size, oldest = row
    model = tracked(label)
    name = str(model.model._meta.verbose_name_plural) if model and not model.is_link else label
    return ModelSize(name, changes * factor, size * factor, oldest)
