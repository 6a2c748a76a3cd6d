"""A real worker dies in the middle of an undo: another goes on, and every row is put back once."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from apps.crm.models import Deal, Stage
from apps.history.models import Change, ChangeSet, Conflict
from apps.history.services.undoing import put_back_row, start_undo
from apps.jobs.models import Job
from tests.crm.factories import make_admin
from tests.history.factories import everything, recorded, set_of

if TYPE_CHECKING:
    from tests.support.processes import Processes

# A little more than two chunks.
DEALS = 2_400


def await_job(job: Job, condition: Callable[[Job], bool], within: float = 120) -> None:
    """Wait until the job's row says so."""
    deadline = time.monotonic() + within
    while not condition(job):
        assert time.monotonic() < deadline, f"{job.state} {job.done}/{job.total}, {job.error}"
        time.sleep(0.05)
        job.refresh_from_db()


@pytest.mark.slow
@pytest.mark.parametrize(("place", "kept"), [("job.before_commit:2", 1000), ("job.after_commit:2", 2000)])
def test_an_undo_survives_its_worker(artel_processes: "Processes", place: str, kept: int) -> None:
    admin = make_admin()
    stage = Stage.objects.order_by("pk").first()
    assert stage is not None
    Deal.objects.bulk_create(
        [
            Deal(
                title=f"Deal {n}", pipeline=stage.pipeline, stage=stage, owner=admin, amount=n, currency="RUB"
            )
            for n in range(DEALS)
        ],
        batch_size=500,
    )
    before = everything()
    with recorded(admin) as work:
        Deal.objects.update(amount=Decimal(777_777), next_step="call")
    # Ten were changed by hand since, all over the place.
    by_hand = list(Deal.objects.order_by("pk").values_list("pk", flat=True)[100 : DEALS : DEALS // 10])[:10]
    with recorded(admin):
        Deal.objects.filter(pk__in=by_hand).update(amount=5)
    undo = start_undo(set_of(work).pk, actor=admin)
    job = undo.job
    assert job is not None
    doomed = artel_processes.worker(ARTEL_FAILPOINT=place)
    doomed.await_line("signal 9 (SIGKILL)", within=120)
    doomed.kill()
    left_by_hand = Deal.objects.filter(pk__in=by_hand)
    assert Deal.objects.exclude(amount=777_777).exclude(pk__in=by_hand).count() <= kept
    assert Deal.objects.exclude(next_step="call").count() >= kept - len(by_hand)
    artel_processes.worker()
    artel_processes.beat()
    await_job(job, lambda job: job.is_finished)
    assert (job.state, job.error) == (Job.State.SUCCEEDED, None)
    conflicts = Conflict.objects.filter(undo=undo)
    assert {conflict.row_id for conflict in conflicts} == set(map(str, by_hand))
    assert set(left_by_hand.values_list("amount", "next_step")) == {(Decimal(5), "call")}
    for conflict in conflicts:
        put_back_row(conflict.pk, actor=admin)
    assert everything() == before
    made = ChangeSet.objects.get(uid=undo.uid)
    assert (made.actor, made.job, made.reverts) == (admin, job, set_of(work))
    # Each row once: nothing was put back twice.
    assert Change.objects.filter(change_set=made, model="crm.deal").count() == DEALS
