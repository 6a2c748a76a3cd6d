"""A real worker dies while it writes a file: another goes on, and each row is in the file once."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.core.files.storage import default_storage

from apps.crm.models import Deal, Stage
from apps.jobs.models import Job
from apps.jobs.services import cancel_job
from apps.lists.models import Export, ExportPart
from tests.crm.factories import make_admin
from tests.lists.export_files import ask, csv_rows, xlsx_rows

if TYPE_CHECKING:
    from apps.accounts.models import User
    from tests.support.processes import Processes

pytestmark = pytest.mark.slow
DEALS = 500
CHUNK = "100"


def await_job(export: Export, condition: Callable[[Job], bool], within: float = 60) -> Export:
    """Wait until the row of the export's job says so."""
    deadline = time.monotonic() + within
    while True:
        found = Export.objects.select_related("job").get(pk=export.pk)
        job = found.job
        assert job is not None
        if condition(job):
            return found
        assert time.monotonic() < deadline, f"{job.state} {job.done}/{job.total}, {job.error}"
        time.sleep(0.05)


def make_deals(admin: "User", count: int = DEALS) -> None:
    stage = Stage.objects.order_by("pk").first()
    assert stage is not None
    Deal.objects.bulk_create(
        Deal(title=f"Deal {n}", pipeline=stage.pipeline, stage=stage, owner=admin, amount=n, currency="RUB")
        for n in range(count)
    )


# In the middle of the rows, before and after a commit; and at the end, when the file is stored and nobody knows yet.
@pytest.mark.parametrize(
    ("place", "kept"),
    [("job.before_commit:3", 200), ("job.after_commit:3", 300), ("export.after_keeping:1", DEALS)],
)
@pytest.mark.parametrize("format_", ["csv", "xlsx"])
def test_an_export_survives_its_worker(
    artel_processes: "Processes", place: str, kept: int, format_: str
) -> None:
    admin = make_admin()
    make_deals(admin)
    export = ask(Deal.objects.order_by("-pk"), admin, ["title", "amount"], format=format_, style="machine")
    doomed = artel_processes.worker(ARTEL_FAILPOINT=place, EXPORT_CHUNK_ROWS=CHUNK)
    doomed.await_line("signal 9 (SIGKILL)", within=60)
    doomed.kill()
    export = await_job(export, lambda job: job.done_committed == kept)
    assert export.parts.count() == kept // 100
    assert not export.storage_name, "nobody sees half a file"
    artel_processes.worker(EXPORT_CHUNK_ROWS=CHUNK)
    artel_processes.beat()
    export = await_job(export, lambda job: job.is_finished)
    assert export.job is not None
    assert (export.job.state, export.job.error, export.job.attempt) == ("SUCCEEDED", None, 2)
    rows = csv_rows(export) if format_ == "csv" else xlsx_rows(export)
    assert [row[0] for row in rows[1:]] == [f"Deal {n}" for n in reversed(range(DEALS))]
    assert export.rows == DEALS
    assert not ExportPart.objects.exists()
    directory = export.storage_name.rpartition("/")[0]
    assert len(default_storage.listdir(directory)[1]) == 1, "what the dead worker stored is gone"


def test_an_export_is_cancelled_while_it_is_written(artel_processes: "Processes") -> None:
    admin = make_admin()
    make_deals(admin)
    export = ask(Deal.objects.order_by("pk"), admin, ["title"], format="csv")
    artel_processes.worker(EXPORT_CHUNK_ROWS="1")
    await_job(export, lambda job: job.done_committed >= 5)
    assert export.job is not None
    cancel_job(export.job.pk, actor=admin)
    export = await_job(export, lambda job: job.is_finished, within=20)
    assert export.job is not None
    assert export.job.state == "CANCELLED"
    assert export.finished_at is not None
    assert not export.storage_name
