"""Kinds of work that only tests know, each with an effect that can be counted."""

import time
from typing import Any

from django.core.exceptions import ValidationError
from django.db import OperationalError, connection

from apps.events.failpoints import failpoint
from apps.jobs.kinds import JobCancelled, JobKind, JobRefused, Reporter, Step, register
from apps.jobs.models import Job

# Deliberately without a unique constraint: a row that comes twice is to be seen, not refused.
CREATE_EFFECTS = "CREATE TABLE IF NOT EXISTS tests_jobs_effect (job bigint NOT NULL, number bigint NOT NULL)"


def effects(job: Job) -> list[int]:
    """Return the numbers that a job has left, in order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM tests_jobs_effect WHERE job = %s ORDER BY number", [job.pk])
        return [number for (number,) in cursor.fetchall()]


def add_effects(job: Job, first: int, count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tests_jobs_effect SELECT %s, generate_series(%s::bigint, %s::bigint)",
            [job.pk, first, first + count - 1],
        )


def count(job: Job, reporter: Reporter) -> Step:
    """Count to params["total"] in chunks of params["chunk"], each taking params["pause"] seconds."""
    params: dict[str, Any] = job.params
    first, total, chunk = job.checkpoint.get("next", 0), params["total"], params.get("chunk", 10)
    size = min(chunk, total - first)
    add_effects(job, first, size)
    _pause(job, reporter, first, size)
    done = first + size
    return Step(
        checkpoint={"next": done},
        done=done,
        total=total,
        message=f"{done} of {total}",
        log=[f"counted to {done}"] if params.get("is_logged") else [],
        result={"counted": done} if done == total else None,
    )


def _pause(job: Job, reporter: Reporter, first: int, size: int) -> None:
    """Work for a while, saying so, and stop when asked to."""
    pause = job.params.get("pause", 0)
    until = time.monotonic() + pause
    while (left := until - time.monotonic()) > 0:
        reporter.progress(first + int(size * (1 - left / pause)), message="counting")
        if reporter.is_cancelled():
            raise JobCancelled
        time.sleep(min(0.05, left))


def refuse(job: Job, reporter: Reporter) -> Step:
    add_effects(job, 0, 1)
    raise JobRefused("The file is gone. Upload it again.")


def crash(job: Job, reporter: Reporter) -> Step:
    add_effects(job, 0, 1)
    raise RuntimeError("secret detail")


_attempts: dict[int, int] = {}


def stumble(job: Job, reporter: Reporter) -> Step:
    """Fail params["times"] times as the network does, then count."""
    add_effects(job, 0, 1)
    _attempts[job.pk] = _attempts.get(job.pk, 0) + 1
    if _attempts[job.pk] <= job.params["times"]:
        raise OperationalError("server closed the connection unexpectedly")
    return Step(done=1, total=1, result={"attempts": _attempts[job.pk]})


def fetch(job: Job, reporter: Reporter) -> int:
    """Ask the outside where the next chunk begins, and leave behind that it was asked: a number below zero."""
    assert not connection.in_atomic_block, "the outside is asked outside of transactions"
    first: int = job.checkpoint.get("next", 0)
    add_effects(job, -1 - first, 1)
    failpoint("tests.asked")
    if job.params.get("is_refused"):
        raise JobRefused("The outside says no.")
    if len(asked(job)) <= job.params.get("times", 0):
        raise OperationalError("server closed the connection unexpectedly")
    _pause(job, reporter, first, 0)
    return first


def count_on(job: Job, reporter: Reporter, first: int) -> Step:
    """Count a chunk from where it was prepared to begin."""
    assert first == job.checkpoint.get("next", 0), "it was prepared for another chunk"
    return count(job, reporter)


def asked(job: Job) -> list[int]:
    """Return for which chunks, by their first number, the outside was asked, as often as it was."""
    return [-1 - number for number in reversed(effects(job)) if number < 0]


def counted(job: Job) -> list[int]:
    return [number for number in effects(job) if number >= 0]


ended: list[tuple[int, str]] = []


def keep_books(job: Job) -> None:
    ended.append((job.pk, job.state))
    if job.params.get("is_careless"):
        raise RuntimeError("the books are burning")


def resume(job: Job) -> None:
    if job.params.get("is_over"):
        raise ValidationError("Too late.", code="too_late")


def page_of(job: Job) -> str:
    return f"/admin/counted/{job.pk}/"


def register_all() -> None:
    register(JobKind("tests.count", "count", count, ended=keep_books, resumed=resume, page=page_of))
    register(JobKind("tests.refuse", "refuse", refuse, ended=keep_books))
    register(JobKind("tests.crash", "crash", crash, ended=keep_books))
    register(JobKind("tests.stumble", "stumble", stumble))
    register(JobKind("tests.fetch", "fetch", count_on, ended=keep_books, prepare=fetch))
