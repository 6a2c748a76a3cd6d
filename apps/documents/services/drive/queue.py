"""
What the workers have to do about Drive: a queue of rows, each of which says one thing, however often it is wished for.

A worker holds a task under a lease. Whoever was too slow finds the task in other hands and writes nothing more.
"""

import random
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone

from apps.documents.drive.poking import poke
from apps.documents.models import ChangeCursor, DriveAccount, DriveRoot, SyncTask

Kind, State = SyncTask.Kind, SyncTask.State

# 1 s, doubled up to ten minutes: the thirtieth attempt comes about three hours after the first.
MAX_ATTEMPTS = 30
_LONGEST_DELAY = 600.0
_KEPT = timedelta(days=7)

_NO_LEASE: dict[str, Any] = {"lease_owner": None, "lease_until": None}

_COLUMNS = """
insert into documents_synctask (kind, account_id, root_id, binding_id, cursor_id, drive_file_id, dedupe_key, state, seq,
    attempts, next_run_at, error_code, error, session_uri, created_at)
"""
# Whoever wishes for what waits already makes it due at once; what runs already is done once more.
_MERGE = """
on conflict (dedupe_key) where state in ('QUEUED', 'RUNNING') do update set
    seq = documents_synctask.seq + 1, next_run_at = least(documents_synctask.next_run_at, excluded.next_run_at)
returning (xmax = 0)
"""
# Put together of parts of our own; values are parameters.
_WANT = f"{_COLUMNS} values (%s, %s, %s, null, %s, %s, %s, 'QUEUED', 1, 0, %s, '', '', '', now()) {_MERGE}"
_WANT_BINDINGS = f"""
{_COLUMNS}
select 'BINDING', r.account_id, b.root_id, b.id, null, '', 'binding:' || b.id, 'QUEUED', 1, 0, %s, '', '', '', now()
from documents_drivebinding b join documents_driveroot r on r.id = b.root_id
where b.id = any(%s) and b.state <> 'DETACHED' order by b.id {_MERGE}
"""  # noqa: S608


# Whoever locks several does so in one order, which is that of those who wish: so none waits for one that waits for it.
_OURS = """
with ours as materialized (
    select t.id from documents_synctask t
    join unnest(%s::bigint[], %s::uuid[], %s::bigint[]) as held (id, owner, seq)
        on t.id = held.id and t.lease_owner = held.owner and t.seq = coalesce(held.seq, t.seq)
    where t.state = 'RUNNING' order by t.binding_id nulls first, t.id for update of t
)
"""
_HOLD = f"""
{_OURS} update documents_synctask t set lease_until = %s from ours where t.id = ours.id
"""  # noqa: S608 - put together of parts of our own
_FINISH = f"""
{_OURS}
update documents_synctask t set state = 'DONE', finished_at = %s, lease_owner = null, lease_until = null,
    session_uri = '', error_code = '', error = ''
from ours where t.id = ours.id returning t.id
"""  # noqa: S608


class LostLease(Exception):
    """Somebody else does the task by now: what was about to be written is not written."""


# Wishing


def want_bindings(binding_ids: Iterable[int], *, due_at: datetime | None = None) -> None:
    """Have bindings brought in step."""
    ids = sorted(set(binding_ids))
    if ids:
        _insert(_WANT_BINDINGS, [due_at or timezone.now(), ids], poked=due_at is None)


def want_pull(cursor: ChangeCursor) -> None:
    """Have the log of a drive read."""
    _want(Kind.PULL, cursor.account_id, f"pull:{cursor.pk}", cursor_id=cursor.pk)


def want_file(root: DriveRoot, drive_file_id: str) -> None:
    """Have a new file taken in."""
    _want(
        *(Kind.TAKE_IN, root.account_id, f"file:{root.pk}:{drive_file_id}"),
        root_id=root.pk,
        drive_file_id=drive_file_id,
    )


def want_erased(root: DriveRoot, drive_file_id: str, *, due_at: datetime) -> None:
    """Have a file erased from Drive whose document is deleted."""
    _want(
        *(Kind.ERASE, root.account_id, f"erase:{root.pk}:{drive_file_id}"),
        root_id=root.pk,
        drive_file_id=drive_file_id,
        due_at=due_at,
    )


def is_to_be_erased(root: DriveRoot, drive_file_id: str) -> bool:
    """Tell whether a file is on its way out of Drive, so that it is no new one of somebody's."""
    waiting = [State.QUEUED, State.RUNNING]
    return SyncTask.objects.filter(
        kind=Kind.ERASE, root=root, drive_file_id=drive_file_id, state__in=waiting
    ).exists()


def want_of_root(kind: SyncTask.Kind, root: DriveRoot) -> None:
    """Have a root probed or reconciled."""
    _want(kind, root.account_id, f"{kind.lower()}:{root.pk}", root_id=root.pk)


def _want(
    kind: SyncTask.Kind,
    account_id: int,
    key: str,
    *,
    root_id: int | None = None,
    cursor_id: int | None = None,
    drive_file_id: str = "",
    due_at: datetime | None = None,
) -> None:
    values = [kind, account_id, root_id, cursor_id, drive_file_id, key, due_at or timezone.now()]
    _insert(_WANT, values, poked=True)


def _insert(statement: str, values: Sequence[Any], *, poked: bool) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        is_new = any(row[0] for row in cursor.fetchall())
        # Who waits already has been told of; the beat finds what nobody was told of.
        if is_new and poked:
            poke()


def lock_open(binding_ids: Iterable[int]) -> None:
    """
    Lock what is wished for bindings, for whoever is to lock the bindings and may wish for them afterwards.

    Workers lock a task before its binding. Whoever did it the other way round could wait for one that waits for them.
    """
    open_tasks = SyncTask.objects.filter(
        binding__in=set(binding_ids), state__in=[State.QUEUED, State.RUNNING]
    )
    list(open_tasks.order_by("binding", "pk").select_for_update(of=("self",)).values_list("pk", flat=True))


# Doing


@transaction.atomic
def claim(limit: int) -> list[SyncTask]:
    """Take up to so many tasks that are due and that nobody works on."""
    now = timezone.now()
    due = Q(state=State.QUEUED, next_run_at__lte=now) | Q(state=State.RUNNING, lease_until__lt=now)
    rows = SyncTask.objects.select_for_update(skip_locked=True, of=("self",)).filter(due, _is_let())
    tasks = list(rows.order_by("next_run_at", "pk")[:limit])
    owner, until = uuid.uuid4(), now + timedelta(seconds=settings.GOOGLE_DRIVE_LEASE_SECONDS)
    for task in tasks:
        task.state, task.lease_owner, task.lease_until = State.RUNNING, owner, until
        task.attempts += 1
    SyncTask.objects.filter(pk__in=[task.pk for task in tasks]).update(
        state=State.RUNNING, lease_owner=owner, lease_until=until, attempts=F("attempts") + 1
    )
    return tasks


def _is_let() -> Q:
    """Say which tasks may be done now: their root is in step, and their account does not rest."""
    is_active = Q(root=None) | Q(root__state=DriveRoot.State.ACTIVE) | Q(kind=Kind.PROBE)
    return is_active & (
        Q(account__resting_until=None) | Q(account__resting_until__lte=timezone.now()) | Q(kind=Kind.PROBE)
    )


def is_let(task: SyncTask) -> bool:
    """Tell whether a task may still be done, after what others have met."""
    return SyncTask.objects.filter(_is_let(), pk=task.pk).exists()


def hold(*tasks: SyncTask) -> None:
    """
    Lock tasks until the end of the transaction and prolong their leases, before anything is written about them.

    :raises LostLease: one of them is in other hands
    """
    until = timezone.now() + timedelta(seconds=settings.GOOGLE_DRIVE_LEASE_SECONDS)
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [*_held(tasks, is_as_wished=False), until])
        if cursor.rowcount != len(tasks):
            raise LostLease(f"{len(tasks) - cursor.rowcount} of {len(tasks)}")


def finish(task: SyncTask) -> None:
    """
    Be done with a task; what was wished for meanwhile is done again.

    :raises LostLease: it is in other hands
    """
    is_wished = ~Q(seq=task.seq)
    changed = _ours(task).update(
        state=Case(When(is_wished, then=Value(State.QUEUED)), default=Value(State.DONE)),
        finished_at=Case(When(is_wished, then=Value(None)), default=Value(timezone.now())),
        next_run_at=timezone.now(),
        attempts=0,
        **_NO_LEASE,
        session_uri="",
        error_code="",
        error="",
    )
    if not changed:
        raise LostLease(task.dedupe_key)


@transaction.atomic
def finish_all(tasks: Sequence[SyncTask]) -> set[int]:
    """Be done with those tasks for which nothing was wished meanwhile; return their keys."""
    with connection.cursor() as cursor:
        cursor.execute(_FINISH, [*_held(tasks, is_as_wished=True), timezone.now()])
        return {row[0] for row in cursor.fetchall()}


class Heartbeat:
    """Prolongs the leases of tasks while something about them takes long."""

    def __init__(self, tasks: Iterable[SyncTask]) -> None:
        self._tasks = list(tasks)
        self._beaten_at = time.monotonic()

    def __call__(self) -> None:
        """
        Prolong them, when a third of the lease is over.

        :raises LostLease: one of them is in other hands
        """
        if time.monotonic() - self._beaten_at < settings.GOOGLE_DRIVE_LEASE_SECONDS / 3:
            return
        with transaction.atomic():
            hold(*self._tasks)
        self._beaten_at = time.monotonic()


def put_off(task: SyncTask, *, code: str, words: str, wait: float = 0.0) -> None:
    """Try a task again later: after so many seconds, and longer the more often it has failed."""
    back_off = min(2.0 ** (task.attempts - 1), _LONGEST_DELAY) if wait <= 0 else wait
    delay = back_off + random.random() * min(back_off, 1.0)  # noqa: S311 - guards nothing
    _ours(task).update(
        state=State.QUEUED,
        next_run_at=timezone.now() + timedelta(seconds=delay),
        **_NO_LEASE,
        error_code=code[:64],
        error=words[:500],
    )


def give_back(tasks: Iterable[SyncTask]) -> None:
    """Return tasks that nothing was done about."""
    by_owner: dict[Any, list[int]] = defaultdict(list)
    for task in tasks:
        by_owner[task.lease_owner].append(task.pk)
    for owner, keys in by_owner.items():
        SyncTask.objects.filter(pk__in=keys, state=State.RUNNING, lease_owner=owner).update(
            state=State.QUEUED,
            attempts=Case(When(attempts__gt=0, then=F("attempts") - 1), default=0),
            **_NO_LEASE,
        )


def fail(task: SyncTask, *, code: str, words: str) -> None:
    """Give a task up; the same may be wished for anew."""
    _ours(task).update(
        state=State.FAILED,
        finished_at=timezone.now(),
        **_NO_LEASE,
        error_code=code[:64],
        error=words[:500],
    )


def rest(account_id: int, *, seconds: float, reason: str) -> None:
    """Let an account ask for nothing for a while."""
    until = timezone.now() + timedelta(seconds=seconds)
    DriveAccount.objects.filter(pk=account_id).update(resting_until=until, resting_reason=reason[:64])


def store_session(task: SyncTask, address: str) -> None:
    """
    Write down where an upload goes on should it be cut off.

    :raises LostLease: somebody else uploads it by now
    """
    with transaction.atomic():
        hold(task)
        _ours(task).update(session_uri=address)
    task.session_uri = address


def expire_tasks() -> int:
    """Forget tasks that are over; return how many."""
    over = SyncTask.objects.filter(
        state__in=[State.DONE, State.FAILED], finished_at__lt=timezone.now() - _KEPT
    )
    return over.delete()[0]


def root_of(task: SyncTask) -> DriveRoot:
    """Return the root that a task is about, with its account. :raises DoesNotExist: it is about none"""
    return DriveRoot.objects.select_related("account").get(tasks=task)


def _held(tasks: Sequence[SyncTask], *, is_as_wished: bool) -> list[list[Any]]:
    """Return the parameters of `_OURS`."""
    seqs = [task.seq if is_as_wished else None for task in tasks]
    return [[task.pk for task in tasks], [task.lease_owner for task in tasks], seqs]


def _ours(task: SyncTask) -> Any:
    return SyncTask.objects.filter(pk=task.pk, state=State.RUNNING, lease_owner=task.lease_owner)
