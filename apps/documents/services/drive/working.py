"""What a worker does: take tasks that are due, do each, and decide what an error means for it, its root, its account."""

import logging
import math
import time
from collections import defaultdict

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.documents.drive import metering
from apps.documents.drive.client import (
    Collision,
    DailyLimit,
    DriveError,
    Forbidden,
    Gone,
    Invalid,
    Later,
    LoginRefused,
    QuotaFull,
    RateLimited,
)
from apps.documents.models import DriveBinding, SyncTask
from apps.documents.services.drive import (
    changes,
    erasing,
    pushing,
    queue,
    reconciling,
    roots,
    stopping,
    syncing,
    taking_in,
)
from apps.documents.services.drive.contents import ContentLost, mark_lost
from apps.documents.services.drive.sights import Sight, sights_of
from apps.events.failpoints import failpoint

logger = logging.getLogger(__name__)

Kind = SyncTask.Kind
# Claimed at once: new files among them travel together.
_BATCH = 500
# New files keep the rest of what was claimed with them waiting for no longer.
_NEW_SECONDS = 8.0
_DAY_SECONDS = 3600.0
# So often a refusal has the folder probed before it is taken to be about one file.
_DOUBTS = 3
# What could not be erased is tried again so often, until it can.
_ERASE_SECONDS = 3600.0
# An account that was refused waits at least so long, and longer each time.
_LEAST_REST = 1.0


def work() -> int:
    """
    Do what is due for a while, unless enough workers do it already; return how many tasks were taken.
    """
    slot = _slot()
    if slot is None:
        return 0
    try:
        return drain(settings.GOOGLE_DRIVE_WORK_SECONDS)
    finally:
        cache.delete(slot)


def _slot() -> str | None:
    """Return a place among the workers; one that died leaves its place soon, and a wiped cache only lets more in."""
    held = int(settings.GOOGLE_DRIVE_WORK_SECONDS) + 10
    names = [f"drive-worker:{number}" for number in range(settings.GOOGLE_DRIVE_WORKERS)]
    return next((name for name in names if cache.add(name, 1, timeout=held)), None)


def drain(seconds: float) -> int:
    """Do what is due, for so many seconds at most; return how many tasks were taken."""
    until, taken = time.monotonic() + seconds, 0
    try:
        while tasks := queue.claim(_BATCH):
            taken += len(tasks)
            failpoint("drive.claimed")
            run(tasks, until)
            if time.monotonic() >= until:
                break
    finally:
        metering.write_down()
    return taken


def run(tasks: list[SyncTask], until: float | None = None) -> None:
    """Do tasks that were claimed; what there is no time for goes back."""
    rest = _push_new(tasks, until)
    for place, task in enumerate(rest):
        if (until is not None and time.monotonic() >= until) or _is_at_rest(task):
            queue.give_back(rest[place:])
            return
        run_one(task)


def _is_at_rest(task: SyncTask) -> bool:
    """Tell whether a task is not to be done now after all, because of what another has met."""
    return not queue.is_let(task)


def _push_new(tasks: list[SyncTask], until: float | None) -> list[SyncTask]:
    """Send new files together, account by account; return the tasks that are still to be done."""
    new = [sight for sight in sights_of(tasks) if pushing.is_new(sight) and syncing.is_small(sight)]
    by_account: dict[int, list[Sight]] = defaultdict(list)
    for sight in new:
        by_account[sight.account.pk].append(sight)
    settled: set[int] = set()
    for group in by_account.values():
        settled |= _push_group(group, min(until or math.inf, time.monotonic() + _NEW_SECONDS))
    return [task for task in tasks if task.pk not in settled]


def _push_group(group: list[Sight], until: float) -> set[int]:
    failures = pushing.Failures()
    try:
        arrived = pushing.push_new(group, failures, until)
    except Exception as error:  # noqa: BLE001 - whatever it is, the tasks are put off and the others are done
        for sight in group:
            handle(sight.task, error)
        return {sight.task.pk for sight in group}
    for task, failure in failures.by_task:
        handle(task, failure)
    queue.give_back(failures.left)
    finished = syncing.finish_quiet(arrived)
    return finished | {task.pk for task, _error in failures.by_task} | {task.pk for task in failures.left}


def run_one(task: SyncTask) -> None:
    """Do one task."""
    try:
        _DOING[Kind(task.kind)](task)
    except Exception as error:  # noqa: BLE001 - whatever it is, the task is put off and the next one is done
        handle(task, error)


_DOING = {
    Kind.PULL: changes.pull_changes,
    Kind.BINDING: syncing.sync_binding,
    Kind.TAKE_IN: taking_in.take_in,
    Kind.RECONCILE: reconciling.reconcile,
    Kind.PROBE: roots.probe_task,
    Kind.ERASE: erasing.erase_file,
}


def handle(task: SyncTask, error: Exception) -> None:
    """Decide what an error means."""
    match error:
        case queue.LostLease():
            logger.info("task %s is in other hands", task.pk)
        case syncing.Postponed():
            queue.put_off(task, code=error.code, words="", wait=error.seconds)
        case syncing.Blocked():
            _block(task, error.code, error.words)
        case ContentLost():
            mark_lost(error.blob)
            _block(task, "refused", " ".join(error.messages))
        case ValidationError():
            _block(task, "refused", " ".join(error.messages))
        case DriveError():
            _handle_drive(task, error)
        case _:
            logger.error("task %s about Drive failed", task.pk, exc_info=error)
            _try_again(task, "error", type(error).__name__, 0.0)


def _handle_drive(task: SyncTask, error: DriveError) -> None:
    code, words = error.reason or type(error).__name__, str(error.words)
    match error:
        case DailyLimit() | RateLimited():
            wait = max(error.wait, _LEAST_REST)
            if isinstance(error, DailyLimit):
                wait = max(error.wait, _DAY_SECONDS)
            if error.reason != "ownPace":
                queue.rest(task.account_id, seconds=wait, reason=code)
            queue.put_off(task, code=code, words=words, wait=wait)
        case Later():
            _try_again(task, code, words, error.wait)
        case LoginRefused():
            stopping.block_account(task.account_id, error)
            queue.put_off(task, code=code, words=words)
        case QuotaFull():
            _block_root(task, error)
            queue.put_off(task, code=code, words=words)
        case Gone() if task.kind != Kind.BINDING:
            queue.put_off(task, code=code, words=words)
        case Forbidden() if task.root_id is not None and task.attempts <= _DOUBTS:
            # It may be the whole folder that the account may not write in any more.
            queue.want_of_root(Kind.PROBE, queue.root_of(task))
            queue.put_off(task, code=code, words=words)
        case Collision():
            _block(task, "id_collision", words)
        case Forbidden() | Invalid():
            _block(task, code, words)
        case _:
            _try_again(task, code, words, 0.0)


def _try_again(task: SyncTask, code: str, words: str, wait: float) -> None:
    if task.attempts >= queue.MAX_ATTEMPTS:
        _block(task, code, words)
        return
    # What went wrong often waits longer than Drive asks for.
    queue.put_off(task, code=code, words=words, wait=0.0 if task.attempts > 1 else wait)


def _block(task: SyncTask, code: str, words: str) -> None:
    """Give a task up until somebody does something about it, and say so on its document."""
    if task.kind == Kind.ERASE:
        # What a person has a right to is not given up.
        queue.put_off(task, code=code, words=words, wait=_ERASE_SECONDS)
        return
    if task.binding_id is not None:
        # The page of the document watches when it was written.
        DriveBinding.objects.filter(pk=task.binding_id).update(
            state=DriveBinding.State.BLOCKED, reason=code[:64], note=words[:500], updated_at=timezone.now()
        )
    queue.fail(task, code=code, words=words)


def _block_root(task: SyncTask, error: DriveError) -> None:
    if task.root_id is not None:
        stopping.block(task.root_id, error)
