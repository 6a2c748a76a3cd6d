"""A worker's way with a job: take it, do its chunks one by one, keep the lease alive meanwhile, end it."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Lock, Thread

from django.conf import settings
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
)
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from apps.common.logs import request_id
from apps.jobs.kinds import JobCancelled, JobKind, JobRefused, Step, kind_of, surroundings
from apps.jobs.models import Job
from apps.jobs.pace import Pace
from apps.jobs.services import working
from apps.jobs.services.writing import Fenced

logger = logging.getLogger(__name__)

# The network, the database or a lock failed, not the work: half a minute in all, then the owner hears of it.
TRANSIENT = (OperationalError, InterfaceError, ConnectionError, TimeoutError)
BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
# How often a watcher hears of progress, be it within a chunk or from chunk to chunk.
TELL_SECONDS = 0.5


def run(job_id: int) -> None:
    """Do a job from its checkpoint to its end, unless it is not there to be taken."""
    job = working.claim_job(job_id)
    if job is None:
        return
    token = request_id.set(f"job-{job.pk}")
    try:
        with translation.override(job.owner.locale or settings.LANGUAGE_CODE), surroundings(job):
            _run(job)
    except Fenced:
        logger.info("job %s: attempt %s is no longer in charge", job.pk, job.attempt)
    except DatabaseError:
        logger.exception("job %s: its end could not be recorded, left to the sweeper", job.pk)
    finally:
        request_id.reset(token)


def _run(job: Job) -> None:
    with _Watch(job).on_duty() as watch:
        try:
            _do_chunks(job, watch)
        except Fenced:
            raise
        except JobCancelled:
            working.end_cancelled(job)
        except JobRefused as refusal:
            working.fail_job(job, "refused", str(refusal))
        except TRANSIENT:
            logger.exception("job %s: given up after %s tries", job.pk, len(BACK_OFF_SECONDS) + 1)
            connection.close()
            working.fail_job(job, "unavailable", _unavailable())
        except Exception:
            logger.exception("job %s failed", job.pk)
            working.fail_job(job, "internal", _internal(job))


def _do_chunks(job: Job, watch: "_Watch") -> None:
    kind = kind_of(job.kind)
    watch.start_from(job.done)
    while True:
        if working.is_cancel_asked(job):
            raise JobCancelled
        step = _with_patience(job, lambda: _do_chunk(job, watch, kind))
        if step.is_last:
            return


def _do_chunk(job: Job, watch: "_Watch", kind: JobKind) -> Step:
    # What is prepared knows where the last chunk has stopped.
    prepared = [kind.prepare(Job.objects.get(pk=job.pk), watch)] if kind.prepare else []

    def work(fresh: Job) -> Step:
        step = kind.step(fresh, watch, *prepared)
        # From here on the chunk's own figures count; one from within it must not overtake them.
        watch.drop_progress()
        return step

    return working.do_chunk(job, work, eta=watch.eta, is_told=watch.is_time_to_tell)


def _with_patience(job: Job, work: Callable[[], Step]) -> Step:
    """Try a chunk again while the trouble looks passing; its transaction has been rolled back each time."""
    for pause in BACK_OFF_SECONDS:
        try:
            return work()
        except TRANSIENT as error:
            logger.warning("job %s: %s, tried again in %s s", job.pk, str(error).strip(), pause)
            connection.close()
            time.sleep(pause)
    return work()


def _unavailable() -> str:
    return _(
        "The database or the network did not answer for a while. Try again: it goes on where it stopped."
    )


def _internal(job: Job) -> str:
    return _(
        "Something went wrong on our side, and nothing of the last step was kept. Try again, or ask an "
        "administrator to look at the log of job %(id)s."
    ) % {"id": job.pk}


class _Watch:
    """
    Looks after a running job from a thread of its own, on a connection of its own, while the chunk works.

    It renews the lease, shows the progress that the chunk reports, and brings it the news of a cancel. It is
    the :class:`apps.jobs.kinds.Reporter` that a step is given.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pace = Pace()
        self._reported: tuple[int, int | None, str] | None = None
        self._last: tuple[int | None, str] = (job.total, job.message)
        self._told_at = 0.0
        self._renewed_at = time.monotonic()
        self._is_stopped = False
        self._off_duty = Event()
        # Held while progress from within a chunk is written, so that it cannot overtake the chunk's commit.
        self._writing = Lock()

    @contextmanager
    def on_duty(self) -> "Iterator[_Watch]":
        thread = Thread(target=self._keep_watch, name=f"job-{self._job.pk}", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._off_duty.set()
            thread.join()

    # What a chunk may say

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Show progress within the chunk, at most twice a second; never raises."""
        self._reported = (done, total, message)

    def is_cancelled(self) -> bool:
        """Tell whether somebody asked to cancel, or another worker has the job now; a second old at most."""
        return self._is_stopped

    # What the runner asks

    def start_from(self, done: int) -> None:
        self._pace.add(time.monotonic(), done)

    def drop_progress(self) -> None:
        with self._writing:
            self._reported = None

    def eta(self, done: int, total: int | None) -> datetime | None:
        """Note how far the job is, and foretell its end."""
        self._pace.add(time.monotonic(), done)
        left = self._pace.seconds_left(total)
        return None if left is None else timezone.now() + timedelta(seconds=left)

    def is_time_to_tell(self) -> bool:
        """Tell whether the watchers have been left alone for long enough, and count from now if so."""
        now = time.monotonic()
        if now - self._told_at < TELL_SECONDS:
            return False
        self._told_at = now
        return True

    # The thread

    def _keep_watch(self) -> None:
        try:
            while not self._off_duty.wait(TELL_SECONDS):
                self._look()
        except Fenced:
            self._is_stopped = True
        finally:
            connection.close()

    def _look(self) -> None:
        try:
            with self._writing:
                self._show_or_renew()
            self._is_stopped = working.is_cancel_asked(self._job)
        except DatabaseError as error:
            # The chunk's own connection will notice what is wrong; the lease outlives two lost renewals.
            logger.warning(
                "job %s: the lease was not renewed: %s",
                self._job.pk,
                str(error).strip(),
            )
            close_old_connections()

    def _show_or_renew(self) -> None:
        reported, self._reported = self._reported, None
        now = time.monotonic()
        if reported is not None and self.is_time_to_tell():
            working.show_progress(self._job, self._progress(*reported))
        elif now - self._renewed_at >= settings.JOB_LEASE_SECONDS / 3:
            working.renew_lease(self._job)
        else:
            return
        self._renewed_at = now

    def _progress(self, done: int, total: int | None, message: str) -> working.Progress:
        known_total, known_message = self._last
        total = known_total if total is None else total
        self._last = (total, message or known_message)
        return working.Progress(done, total, message or known_message, self.eta(done, total))
