"""A real worker dies while it erases somebody: another goes on, and in the end nothing is left."""

import time
from typing import TYPE_CHECKING

import pytest

from apps.crm.models import Erasure
from apps.crm.services import erasing
from apps.events.models import Event
from tests.crm.factories import make_admin
from tests.crm.personal import make_known, new_word
from tests.crm.test_erasure import files_with, tables_with

if TYPE_CHECKING:
    from tests.support.processes import Processes

pytestmark = pytest.mark.slow


# Before and after a commit, within a chunk, and between a file and its row.
@pytest.mark.parametrize(
    "place", ["job.before_commit:3", "job.after_commit:4", "erasure.in_chunk:5", "blob.after_deleting:1"]
)
def test_an_erasure_survives_its_worker(artel_processes: "Processes", place: str) -> None:
    admin, word = make_admin(), new_word()
    person = make_known(admin, word)
    erasure = erasing.rehearse_erasure(person.pk, actor=admin)
    erasing.apply_erasure(erasure.pk, actor=admin)
    doomed = artel_processes.worker(ARTEL_FAILPOINT=place)
    doomed.await_line("signal 9 (SIGKILL)", within=60)
    doomed.kill()
    artel_processes.worker()
    artel_processes.beat()
    deadline = time.monotonic() + 60
    while Erasure.objects.get(pk=erasure.pk).state != Erasure.State.APPLIED:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert tables_with(word) == []
    assert files_with(word) == []
    assert Event.objects.filter(type="crm.person.erased.v1").count() == 1
