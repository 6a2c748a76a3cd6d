"""Real workers die in the middle of a job, and Redis is emptied: the job goes on by itself, once each."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from apps.jobs.models import Job
from apps.jobs.services import cancel_job, sweep_jobs
from tests.jobs.factories import make_job
from tests.jobs.kinds import asked, counted, effects

if TYPE_CHECKING:
    from tests.support.processes import Processes

SETTINGS = "tests.jobs.settings"


def await_job(job: Job, condition: Callable[[Job], bool], within: float = 40) -> Job:
    """Wait until the job's row says so."""
    deadline = time.monotonic() + within
    while True:
        job.refresh_from_db()
        if condition(job):
            return job
        assert time.monotonic() < deadline, (
            f"{job.state} {job.done}/{job.total}, attempt {job.attempt}, {job.error}"
        )
        time.sleep(0.03)


def is_finished(job: Job) -> bool:
    return job.is_finished


def assert_counted(job: Job) -> None:
    """Every chunk has had its effect once, and every event has its number."""
    assert (job.state, job.error) == ("SUCCEEDED", None)
    assert effects(job) == list(range(job.params["total"]))
    assert list(job.events.order_by("seq").values_list("seq", flat=True)) == list(range(1, job.seq + 1))


@pytest.mark.parametrize(
    ("place", "kept"), [("job.before_commit:2", 10), ("job.after_commit:2", 20)], ids=["before", "after"]
)
def test_a_worker_dies_at_a_chunks_commit(artel_processes: "Processes", place: str, kept: int) -> None:
    job = make_job(total=50, chunk=10)
    doomed = artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS, ARTEL_FAILPOINT=place)
    await_job(job, lambda job: len(effects(job)) == kept)
    doomed.await_line("signal 9 (SIGKILL)")
    doomed.kill()
    job.refresh_from_db()
    assert (job.state, job.done_committed, len(effects(job))) == ("RUNNING", kept, kept)

    artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS)
    artel_processes.beat()
    await_job(job, is_finished)
    assert job.attempt == 2
    assert_counted(job)


def test_a_worker_dies_while_it_prepares_a_chunk(artel_processes: "Processes") -> None:
    job = make_job(kind="tests.fetch")
    doomed = artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS, ARTEL_FAILPOINT="tests.asked:2")
    await_job(job, lambda job: asked(job) == [0, 10])
    doomed.await_line("signal 9 (SIGKILL)")
    doomed.kill()
    job.refresh_from_db()
    assert (job.state, job.done_committed, counted(job)) == ("RUNNING", 10, list(range(10)))

    artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS)
    artel_processes.beat()
    await_job(job, is_finished)
    # The second chunk was prepared anew, and nothing was done twice.
    assert (job.state, job.attempt, asked(job)) == ("SUCCEEDED", 2, [0, 10, 10, 20])
    assert counted(job) == list(range(30))


def test_the_whole_worker_is_killed_and_redis_is_emptied_meanwhile(
    artel_processes: "Processes", redis_url: str
) -> None:
    worker = artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS)
    artel_processes.beat()
    job = make_job(total=100, chunk=10, pause=0.2)
    await_job(job, lambda job: job.done_committed >= 10)
    worker.kill()
    with Redis.from_url(redis_url) as client:
        client.flushall()
    artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS)
    await_job(job, is_finished)
    assert_counted(job)
    assert job.attempt == 2


def test_redis_is_emptied_under_a_running_worker_and_beat(
    artel_processes: "Processes", redis_url: str
) -> None:
    artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS)
    artel_processes.beat()
    first = make_job(total=100, chunk=10, pause=0.2)
    await_job(first, lambda job: job.done_committed >= 10)
    with Redis.from_url(redis_url) as client:
        client.flushall()
        lost = make_job(total=20, chunk=10)
        client.flushall()
        await_job(first, is_finished)
        assert_counted(first)
        assert first.attempt == 1, "the running job has not noticed"
    # Its message is gone, and what beat sends after the flush still arrives.
    Job.objects.filter(pk=lost.pk).update(lease_until=lost.created_at)
    await_job(lost, is_finished)
    assert_counted(lost)


def test_the_sweeper_leaves_alone_what_is_being_done(artel_processes: "Processes") -> None:
    job = make_job(total=10, chunk=10, pause=5)
    artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS)
    await_job(job, lambda job: job.state == Job.State.RUNNING)
    # The chunk outlasts the lease of three seconds, which is renewed meanwhile.
    until = time.monotonic() + 4
    while time.monotonic() < until:
        assert sweep_jobs() == 0
        time.sleep(0.1)
    await_job(job, is_finished)
    assert_counted(job)
    assert job.attempt == 1


def test_a_running_job_is_cancelled(artel_processes: "Processes") -> None:
    job = make_job(total=1000, chunk=10, pause=0.2)
    artel_processes.worker(DJANGO_SETTINGS_MODULE=SETTINGS)
    await_job(job, lambda job: job.done_committed >= 10)
    cancel_job(job.pk, actor=job.owner)
    await_job(job, is_finished, within=5)
    assert job.state == "CANCELLED"
    assert effects(job) == list(range(job.done))
