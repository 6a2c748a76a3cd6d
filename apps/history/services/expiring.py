"""Forgetting what is older than history is kept, or more than is kept of it."""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from apps.history.models import ChangeSet
from apps.history.selectors.size import estimated_changes

# Rows of one delete: short enough that nobody waits for it.
BATCH = 5_000


def expire_history() -> int:
    """
    Delete change sets older than settings.HISTORY_RETENTION_DAYS, and the oldest beyond
    settings.HISTORY_MAX_CHANGES, with their changes, in short transactions.

    :return: how many changes were deleted
    """
    gone = _forget_until(_last_set_before(timezone.now() - timedelta(days=settings.HISTORY_RETENTION_DAYS)))
    surplus = estimated_changes() - gone - settings.HISTORY_MAX_CHANGES
    if surplus > 0:
        gone += _forget_until(_last_set_of_oldest(surplus))
    return gone


def _last_set_before(moment: object) -> int | None:
    return ChangeSet.objects.filter(at__lt=moment).order_by("-at").values_list("pk", flat=True).first()


def _last_set_of_oldest(count: int) -> int | None:
    """Return the set that the last of the `count` oldest changes belongs to."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select change_set_id from (select change_set_id from history_change"
            " union all select change_set_id from history_creation) as kept order by 1 offset %s limit 1",
            [count - 1],
        )
        found = cursor.fetchone()
    return int(found[0]) if found else None


def _forget_until(last: int | None) -> int:
    """Delete the changes of all sets up to one, then the sets: a set goes when nothing is kept of it."""
    if last is None:
        return 0
    gone = 0
    # First, for a creation that is told by the row itself must not outlive what has become of that row.
    while _delete_creations(last):
        pass
    while deleted := _delete_changes(last):
        gone += deleted
    while _delete_sets(last):
        pass
    return gone


@transaction.atomic
def _delete_sets(last: int) -> int:
    batch = list(ChangeSet.objects.filter(pk__lte=last).order_by("pk").values_list("pk", flat=True)[:BATCH])
    ChangeSet.objects.filter(pk__in=batch).delete()
    return len(batch)


def _delete_changes(last: int) -> int:
    return _delete_batch("history_change", last)


def _delete_creations(last: int) -> int:
    return _delete_batch("history_creation", last)


def _delete_batch(table: str, last: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"delete from {table} where id in (select id from {table} where change_set_id <= %s limit %s)",  # noqa: S608
            [last, BATCH],
        )
        return int(cursor.rowcount)
