"""Identifiers that Drive reserves: taken and committed before anything is made under them, so nothing is made twice."""

from django.db import connection

from apps.documents.drive.gate import client_of
from apps.documents.models import DriveAccount, DriveIdPool

# The most that Drive gives at once, for five units.
_AT_ONCE = 1000
_FILL = """
insert into documents_driveidpool (account_id, drive_file_id, created_at)
select %s, reserved, now() from unnest(%s::text[]) as reserved on conflict do nothing
"""
# The rows are chosen once and apart: within the condition of the deletion PostgreSQL may choose them anew for each row.
_TAKE = """
with taken as materialized (
    select id from documents_driveidpool where account_id = %s order by id limit %s for update skip locked
)
delete from documents_driveidpool p using taken where p.id = taken.id returning p.drive_file_id
"""


def fill_pool(account: DriveAccount, needed: int) -> None:
    """Have so many identifiers at hand; called outside of transactions."""
    if DriveIdPool.objects.filter(account=account).count() >= needed:
        return
    reserved = client_of(account).generate_ids(_AT_ONCE)
    with connection.cursor() as cursor:
        cursor.execute(_FILL, [account.pk, reserved])


class PoolEmpty(Exception):
    """Others took the identifiers meanwhile: fill the pool and try again."""


def take_ids(account: DriveAccount, count: int) -> list[str]:
    """
    Take identifiers for good, in the caller's transaction.

    :raises PoolEmpty: there are not so many at hand
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [account.pk, count])
        ids = [row[0] for row in cursor.fetchall()]
    if len(ids) < count:
        raise PoolEmpty
    return ids
