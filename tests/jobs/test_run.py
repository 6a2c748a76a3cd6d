"""A worker does a job: chunk by chunk, each with its effect, its checkpoint and its progress, or nothing."""

import logging
from threading import Thread
from typing import cast

import pytest
from django.core.exceptions import ValidationError

from apps.jobs import runner
from apps.jobs.kinds import Reporter, Step
from apps.jobs.models import Job, JobEvent
from apps.jobs.services import cancel_job, retry_job, start_job, working
from apps.jobs.services.writing import Fenced
from tests.jobs import kinds
from tests.jobs.factories import make_job, make_owner
from tests.jobs.kinds import asked, counted, effects


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


def log_of(job: Job) -> list[str]:
    return [event.data["text"] for event in job.events.filter(kind=JobEvent.Kind.LOG).order_by("seq")]


def states_of(job: Job) -> list[str]:
    return [event.data["state"] for event in job.events.filter(kind=JobEvent.Kind.STATE).order_by("seq")]


def test_a_job_is_done_chunk_by_chunk() -> None:
    job = run(make_job(is_logged=True))
    assert (job.state, job.done, job.total, job.result) == ("SUCCEEDED", 30, 30, {"counted": 30})
    assert effects(job) == list(range(30))
    assert log_of(job) == ["counted to 10", "counted to 20", "counted to 30"]
    assert states_of(job) == ["QUEUED", "RUNNING", "SUCCEEDED"]
    assert (job.attempt, job.lost_attempts, job.lease_until) == (1, 0, None)


def test_its_events_are_numbered_without_gaps() -> None:
    job = run(make_job(is_logged=True))
    assert list(job.events.order_by("seq").values_list("seq", flat=True)) == list(range(1, job.seq + 1))


def test_a_finished_job_is_not_done_again() -> None:
    job = run(run(make_job()))
    assert (job.attempt, effects(job)) == (1, list(range(30)))


def test_a_job_goes_on_from_its_checkpoint() -> None:
    job = make_job()
    Job.objects.filter(pk=job.pk).update(checkpoint={"next": 20}, done=27, done_committed=20)
    claimed = working.claim_job(job.pk)
    assert claimed is not None
    assert claimed.done == 20, "what a chunk that was rolled back had shown is taken back"
    Job.objects.filter(pk=job.pk).update(state=Job.State.QUEUED)
    assert effects(run(job)) == list(range(20, 30))


def test_many_quick_chunks_do_not_flood_the_watchers() -> None:
    job = run(make_job(total=200, chunk=2))
    assert effects(job) == list(range(200))
    assert job.events.filter(kind=JobEvent.Kind.PROGRESS).count() < 20


def test_a_long_chunk_shows_progress_meanwhile_and_keeps_the_lease() -> None:
    job = run(make_job(total=100, chunk=100, pause=4))
    shown = [event.data["done"] for event in job.events.filter(kind=JobEvent.Kind.PROGRESS).order_by("seq")]
    assert job.state == "SUCCEEDED"
    assert job.attempt == 1
    assert 4 <= len(shown) <= 9, "at most two a second"
    assert shown == sorted(shown)
    assert job.events.filter(kind=JobEvent.Kind.PROGRESS, data__eta_at__isnull=False).exists()


def test_a_refusal_fails_the_job_with_its_text_and_rolls_the_chunk_back() -> None:
    job = run(make_job(kind="tests.refuse"))
    assert job.state == "FAILED"
    assert job.error == {"code": "refused", "message": "The file is gone. Upload it again."}
    assert effects(job) == []
    assert kinds.ended == [(job.pk, "FAILED")]


def test_a_crash_fails_the_job_without_telling_the_owner_its_insides(
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = run(make_job(kind="tests.crash"))
    assert job.error is not None
    assert job.error["code"] == "internal"
    assert "secret" not in job.error["message"]
    assert str(job.pk) in job.error["message"]
    record = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert str(job.pk) in record.getMessage()
    assert "secret detail" in str(record.exc_info)
    assert effects(job) == []


def test_the_owner_reads_the_error_in_their_language() -> None:
    job = run(make_job(kind="tests.crash", actor=make_owner(locale="ru")))
    assert job.error is not None
    assert job.state == "FAILED"


def test_passing_trouble_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "BACK_OFF_SECONDS", (0.01, 0.01, 0.01))
    job = run(make_job(kind="tests.stumble", times=3))
    assert (job.state, job.result, effects(job)) == ("SUCCEEDED", {"attempts": 4}, [0])


def test_lasting_trouble_fails_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "BACK_OFF_SECONDS", (0.01, 0.01))
    job = run(make_job(kind="tests.stumble", times=99))
    assert job.error is not None
    assert (job.state, job.error["code"], effects(job)) == ("FAILED", "unavailable", [])


def test_careless_bookkeeping_does_not_keep_a_failed_job_alive() -> None:
    job = run(make_job(kind="tests.crash", is_careless=True))
    assert job.state == "FAILED"


def test_an_older_attempt_is_fenced_out() -> None:
    job = make_job()
    older = working.claim_job(job.pk)
    assert older is not None
    Job.objects.filter(pk=job.pk).update(attempt=older.attempt + 1)

    def work(fresh: Job) -> Step:
        raise AssertionError("not reached")

    with pytest.raises(Fenced):
        working.do_chunk(older, work, eta=lambda done, total: None, is_told=lambda: True)
    for write in (working.renew_lease, working.is_cancel_asked, working.end_cancelled):
        with pytest.raises(Fenced):
            write(older)
    with pytest.raises(Fenced):
        working.fail_job(older, "internal", "no")
    with pytest.raises(Fenced):
        working.show_progress(older, working.Progress(1, 2, ""))


def test_a_chunk_that_is_overtaken_while_it_works_leaves_nothing() -> None:
    job = make_job()
    older = working.claim_job(job.pk)
    assert older is not None

    def work(fresh: Job) -> Step:
        kinds.add_effects(fresh, 0, 10)
        # Another worker takes over, on a connection of its own: the row is not locked.
        takeover = Thread(target=lambda: _elsewhere(job.pk))
        takeover.start()
        takeover.join(5)
        return Step(checkpoint={"next": 10}, done=10, total=30)

    with pytest.raises(Fenced):
        working.do_chunk(older, work, eta=lambda done, total: None, is_told=lambda: True)
    job.refresh_from_db()
    assert (effects(job), job.checkpoint, job.done) == ([], {}, 0)


def _elsewhere(job_id: int) -> None:
    from django.db import connection

    try:
        Job.objects.filter(pk=job_id).update(attempt=99)
    finally:
        connection.close()


def test_a_running_job_stops_within_its_chunk_when_asked() -> None:
    job = make_job(total=30, chunk=10, pause=30)
    worker = Thread(target=_run_elsewhere, args=(job.pk,))
    worker.start()
    _await_state(job, Job.State.RUNNING)
    cancel_job(job.pk, actor=job.owner)
    worker.join(10)
    assert not worker.is_alive()
    job.refresh_from_db()
    assert (job.state, effects(job), job.done) == ("CANCELLED", [], 0)
    assert kinds.ended == [(job.pk, "CANCELLED")]


def _run_elsewhere(job_id: int) -> None:
    from django.db import connection

    try:
        runner.run(job_id)
    finally:
        connection.close()


def _await_state(job: Job, state: str) -> None:
    import time

    deadline = time.monotonic() + 30
    while Job.objects.get(pk=job.pk).state != state:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_cancelled_job_keeps_its_chunks_and_goes_on_when_told_to() -> None:
    job = make_job()
    claimed = working.claim_job(job.pk)
    assert claimed is not None
    reporter = cast(Reporter, None)
    working.do_chunk(
        claimed, lambda fresh: kinds.count(fresh, reporter), eta=lambda *_: None, is_told=lambda: True
    )
    cancel_job(job.pk, actor=job.owner)
    working.end_cancelled(claimed)
    job.refresh_from_db()
    assert (job.state, job.done) == ("CANCELLED", 10)
    retry_job(job.pk, actor=job.owner)
    job = run(job)
    assert (job.state, effects(job)) == ("SUCCEEDED", list(range(30)))
    assert states_of(job) == ["QUEUED", "RUNNING", "RUNNING", "CANCELLED", "QUEUED", "RUNNING", "SUCCEEDED"]


def test_a_kind_may_refuse_to_go_on() -> None:
    job = make_job(is_over=True)
    cancel_job(job.pk, actor=job.owner)
    with pytest.raises(ValidationError) as refusal:
        retry_job(job.pk, actor=job.owner)
    assert refusal.value.code == "too_late"
    job.refresh_from_db()
    assert job.state == "CANCELLED"


def test_a_job_that_kills_its_workers_is_given_up() -> None:
    job = make_job()
    for _attempt in range(working.MAX_LOST_ATTEMPTS):
        assert working.claim_job(job.pk) is not None
        Job.objects.filter(pk=job.pk).update(state=Job.State.QUEUED)
    assert working.claim_job(job.pk) is None
    job.refresh_from_db()
    assert job.error is not None
    assert (job.state, job.error["code"]) == ("FAILED", "lost")


def test_an_unknown_kind_cannot_be_started() -> None:
    with pytest.raises(KeyError):
        start_job("tests.nothing", actor=make_owner(), title="?", params={})


def test_each_chunk_is_prepared_outside_of_its_transaction() -> None:
    job = run(make_job(kind="tests.fetch"))
    assert (job.state, asked(job), counted(job)) == ("SUCCEEDED", [0, 10, 20], list(range(30)))


def test_passing_trouble_while_preparing_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "BACK_OFF_SECONDS", (0.01, 0.01))
    job = run(make_job(kind="tests.fetch", times=2))
    # The first chunk was prepared three times, and done once.
    assert (job.state, asked(job), counted(job)) == ("SUCCEEDED", [0, 0, 0, 10, 20], list(range(30)))


def test_what_is_refused_while_preparing_fails_the_job_and_is_tried_again_when_told_to() -> None:
    job = run(make_job(kind="tests.fetch", is_refused=True))
    assert (job.state, job.error) == ("FAILED", {"code": "refused", "message": "The outside says no."})
    assert (kinds.ended, counted(job)) == ([(job.pk, "FAILED")], [])
    Job.objects.filter(pk=job.pk).update(params=job.params | {"is_refused": False})
    retry_job(job.pk, actor=job.owner)
    job = run(job)
    assert (job.state, asked(job), counted(job)) == ("SUCCEEDED", [0, 0, 10, 20], list(range(30)))


def test_a_job_is_cancelled_while_it_is_prepared() -> None:
    job = make_job(kind="tests.fetch", pause=60)
    worker = Thread(target=_run_elsewhere, args=(job.pk,))
    worker.start()
    _await_state(job, Job.State.RUNNING)
    cancel_job(job.pk, actor=job.owner)
    worker.join(30)
    assert not worker.is_alive()
    job.refresh_from_db()
    assert (job.state, counted(job)) == ("CANCELLED", [])
