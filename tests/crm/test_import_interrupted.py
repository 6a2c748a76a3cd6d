"""Imports that break off half-way: what is in stays in, nothing comes twice, and the rest can be had."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from redis import Redis

from apps.accounts.models import User
from apps.crm.imports import steps
from apps.crm.models import Company, Deal, ImportBatch, Person, StageTransition
from apps.crm.services import imports
from apps.events.models import Event
from apps.jobs import runner
from apps.jobs.models import Job
from apps.jobs.services import cancel_job, retry_job
from tests.crm import factories
from tests.crm.importing import counts, rehearse, take_steps, upload

if TYPE_CHECKING:
    from tests.support.processes import Processes

NAMELESS = "First name,Last name\n" + "".join(f"Anna,Berg{n}\n" for n in range(25))
CALLS: dict[str, Callable[[int, User], Any]] = {
    "correct": lambda pk, actor: imports.correct_import(pk, actor=actor, mode="CREATE"),
    "replace": lambda pk, actor: imports.replace_value(
        pk, actor=actor, field="given_name", old="Anna", new="Eve"
    ),
    "rehearse": lambda pk, actor: imports.rehearse_import(pk, actor=actor),
    "discard": lambda pk, actor: imports.discard_import(pk, actor=actor),
}


@pytest.fixture
def half_applied(admin: User, monkeypatch: pytest.MonkeyPatch) -> ImportBatch:
    """An import of people whom nothing but their row tells apart, broken off after ten of 25."""
    monkeypatch.setattr(steps, "APPLY_CHUNK", 10)
    batch = rehearse(upload("people", NAMELESS, actor=admin), actor=admin)
    _break_off(imports.apply_import(batch.pk, actor=admin), Job.State.FAILED)
    batch.refresh_from_db()
    return batch


def _break_off(job: Job, state: str) -> None:
    take_steps(job, most=1)
    job.state = state
    steps.ended(job)


@pytest.mark.parametrize("name", CALLS)
def test_what_is_partly_in_is_neither_changed_nor_thrown_away(
    name: str, half_applied: ImportBatch, admin: User
) -> None:
    before = ImportBatch.objects.values().get(pk=half_applied.pk)
    with pytest.raises(ValidationError) as refusal:
        CALLS[name](half_applied.pk, admin)
    assert refusal.value.code == "partly_applied"
    assert ImportBatch.objects.values().get(pk=half_applied.pk) == before
    assert Person.objects.count() == 10


def test_going_on_brings_in_the_rest_and_nobody_twice(half_applied: ImportBatch, admin: User) -> None:
    take_steps(imports.apply_import(half_applied.pk, actor=admin))
    half_applied.refresh_from_db()
    assert (half_applied.state, counts(half_applied)) == ("APPLIED", {"rows": 25, "create": 25})
    names = list(Person.objects.order_by("pk").values_list("family_name", flat=True))
    assert names == [f"Berg{n}" for n in range(25)]


def test_it_may_break_off_again_and_again(half_applied: ImportBatch, admin: User) -> None:
    _break_off(imports.apply_import(half_applied.pk, actor=admin), Job.State.CANCELLED)
    assert Person.objects.count() == 20
    with pytest.raises(ValidationError) as refusal:
        imports.rehearse_import(half_applied.pk, actor=admin)
    assert refusal.value.code == "partly_applied"
    take_steps(imports.apply_import(half_applied.pk, actor=admin))
    assert Person.objects.count() == 25
    assert Event.objects.filter(type="crm.import.applied.v1").count() == 1


def test_rows_that_were_left_out_stay_left_out(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "APPLY_CHUNK", 1)
    batch = rehearse(upload("products", "Name,Price\nA,1\nB,x\nC,3\n", actor=admin), actor=admin)
    _break_off(imports.apply_import(batch.pk, actor=admin, skip_errors=True), Job.State.CANCELLED)
    take_steps(imports.apply_import(batch.pk, actor=admin))
    batch.refresh_from_db()
    assert (batch.state, counts(batch)) == ("APPLIED", {"rows": 3, "create": 2, "error": 1})


def test_an_apply_that_wrote_nothing_may_be_corrected(admin: User) -> None:
    batch = rehearse(upload("products", "Name\nA\n", actor=admin), actor=admin)
    job = imports.apply_import(batch.pk, actor=admin)
    job.state = Job.State.CANCELLED
    steps.ended(job)
    imports.correct_import(batch.pk, actor=admin, mode="CREATE")
    assert counts(rehearse(batch, actor=admin)) == {"rows": 1, "create": 1}


@pytest.mark.django_db(transaction=True)
def test_a_cancel_in_the_middle_of_a_chunk_keeps_that_chunk_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = factories.make_admin()
    monkeypatch.setattr(steps, "APPLY_CHUNK", 10)
    text = "Name,Parent\n" + "".join(f"C{n},C{n + 1}\n" for n in range(34)) + "C34,\n"
    batch = upload("companies", text, actor=admin)
    rehearsal = imports.rehearse_import(batch.pk, actor=admin)
    runner.run(rehearsal.pk)
    job = imports.apply_import(batch.pk, actor=admin)

    def cancel(name: str) -> None:
        # Rows of the second chunk are written and not committed.
        if Company.objects.count() == 20:
            _aside(lambda: cancel_job(job.pk, actor=admin))

    with monkeypatch.context() as patch:
        patch.setattr(steps, "failpoint", cancel)
        runner.run(job.pk)
    batch.refresh_from_db()
    job.refresh_from_db()
    assert (job.state, batch.state) == ("CANCELLED", "CANCELLED")
    assert Company.objects.count() == 20
    retry_job(job.pk, actor=admin)
    runner.run(job.pk)
    batch.refresh_from_db()
    assert (batch.state, counts(batch)) == ("APPLIED", {"rows": 35, "create": 35})
    assert Company.objects.count() == 35
    assert Company.objects.get(name="C7").parent == Company.objects.get(name="C8")


def _aside(work: Callable[[], Any]) -> None:
    """Do something on a connection of its own, as another process would."""

    def do() -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(do).result(30)


DEALS = "ID,Deal,Stage\n" + "".join(f"{n},Deal {n},Engaging\n" for n in range(2500))


def _all_deals_are_in_once(batch: ImportBatch) -> None:
    batch.refresh_from_db()
    assert (batch.state, counts(batch)) == ("APPLIED", {"rows": 2500, "create": 2500})
    assert Deal.objects.values("external_id").distinct().count() == Deal.objects.count() == 2500
    assert StageTransition.objects.count() == 2500
    assert Event.objects.filter(type="crm.deal.created.v1").count() == 2500
    assert Event.objects.filter(type="crm.import.applied.v1").count() == 1


@pytest.mark.slow
def test_a_worker_is_killed_and_redis_emptied_and_another_goes_on(
    artel_processes: "Processes", redis_url: str
) -> None:
    admin = factories.make_admin()
    batch = upload("deals", DEALS, actor=admin)
    doomed = artel_processes.worker(ARTEL_FAILPOINT="import.in_chunk:2")
    rehearsal = imports.rehearse_import(batch.pk, actor=admin)
    _await(lambda: Job.objects.get(pk=rehearsal.pk).state == "SUCCEEDED")
    job = imports.apply_import(batch.pk, actor=admin)
    doomed.await_line("signal 9 (SIGKILL)", within=60)
    doomed.kill()
    with Redis.from_url(redis_url) as client:
        client.flushall()
    assert Deal.objects.count() == 1000
    artel_processes.worker()
    artel_processes.beat()
    _await(lambda: Job.objects.get(pk=job.pk).is_finished)
    job.refresh_from_db()
    assert (job.state, job.attempt, job.error) == ("SUCCEEDED", 2, None)
    _all_deals_are_in_once(batch)


@pytest.mark.slow
def test_redis_is_emptied_again_and_again_while_rows_come_in(
    artel_processes: "Processes", redis_url: str
) -> None:
    admin = factories.make_admin()
    batch = upload("deals", DEALS, actor=admin)
    runner.run(imports.rehearse_import(batch.pk, actor=admin).pk)
    artel_processes.worker()
    job = imports.apply_import(batch.pk, actor=admin)
    _await(lambda: Job.objects.get(pk=job.pk).state == "RUNNING")
    flushes = 0
    with Redis.from_url(redis_url) as client:

        def flush() -> bool:
            nonlocal flushes
            client.flushall()
            flushes += 1
            return Job.objects.get(pk=job.pk).is_finished

        _await(flush)
    assert flushes > 1, "it was over before Redis was emptied"
    job.refresh_from_db()
    assert (job.state, job.attempt, job.error) == ("SUCCEEDED", 1, None)
    _all_deals_are_in_once(batch)


def _await(condition: Callable[[], bool], within: float = 120) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
