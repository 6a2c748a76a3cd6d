"""Real workers with connections of their own: each thing is done once, and Drive is called outside of transactions."""

import threading
import time
import uuid
from typing import Any

import pytest
from django.db import connection, connections, transaction

from apps.accounts.models import User
from apps.documents.drive import metering
from apps.documents.drive.account import Usage
from apps.documents.drive.gate import forget_clients
from apps.documents.models import DriveBinding, SyncTask
from apps.documents.services.drive import bindings, channels, pushing, queue, shipping, working
from apps.documents.services.drive.sights import sights_of
from apps.events import failpoints
from tests.documents.drive_sync.world import World
from tests.fakes.drive import ROBOT

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_two_workers_at_once_do_each_thing_once(world: World) -> None:
    documents = [world.write(f"{number}".encode(), f"Paper {number}") for number in range(40)]
    world.hear()
    start = threading.Barrier(2)

    def work() -> None:
        try:
            start.wait()
            working.drain(60)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _worker in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(world.fake.journal.calls("files.create")) == len(documents)
    world.settle()
    for document in documents:
        world.assert_in_step(document)


def test_drive_is_called_outside_of_transactions(
    world: World, monkeypatch: pytest.MonkeyPatch, drive_settings: object
) -> None:
    calls: list[tuple[str, bool]] = []
    count = metering.count

    def watch(account_id: int, usage: Usage) -> None:
        calls.append((usage.method, connection.in_atomic_block))
        count(account_id, usage)

    monkeypatch.setattr(metering, "count", watch)
    forget_clients()
    deal = world.deal()
    document = world.write_for(deal)
    other = world.write(b"other", "Other")
    world.settle()
    world.edit(document, b"two")
    world.rename(document, "Renamed")
    world.fake.person.edit(world.item(other).id, b"theirs")
    world.edit(other, b"ours")
    world.fake.person.upload(world.folder.id, "Plan.txt", b"plan")
    world.settle()
    world.trash(document)
    world.fake.person.trash(world.item(other).id)
    world.settle()
    world.restore(document)
    world.reconcile()
    drive_settings.GOOGLE_DRIVE_WEBHOOK_BASE = "http://127.0.0.1:9"  # type: ignore[attr-defined]
    channels.renew_channels()
    methods = {method for method, _is_within in calls}
    assert methods >= {
        *("files.create", "files.update", "files.get", "files.list", "changes.list", "revisions.list"),
        *("drives.get", "changes.watch"),
    }
    assert [method for method, is_within in calls if is_within] == []


def test_a_role_that_is_taken_away_stops_the_folder_and_not_its_documents(world: World) -> None:
    document = world.write()
    world.fake.person.set_role(world.drive.id, ROBOT, "reader")
    world.hear()
    world.work()
    world.skip_waits()
    world.work()
    assert world.root.state == "BLOCKED"
    world.fake.person.set_role(world.drive.id, ROBOT, "fileOrganizer")
    from apps.documents.services.drive import roots

    roots.want_probes()
    world.settle()
    world.assert_in_step(document)


def test_an_edit_that_the_log_shows_before_ours_is_written_down(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = world.write(b"one")
    world.hear()
    seen: list[str] = []

    def edit_there(name: str) -> None:
        seen.append(name)
        if name == "drive.uploaded" and seen.count(name) == 1:
            [item] = world.live()
            world.fake.person.edit(item.id, b"theirs")
            world.poll()
            [pull] = queue.claim(10)
            working.run_one(pull)

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "_pass", edit_there)
        world.work()
    assert "drive.page_applied" in seen
    assert seen.index("drive.page_applied") < seen.index("drive.recorded")
    # The log tells of it no second time.
    world.settle(polls=False)
    world.assert_in_step(document)
    assert world.content(document) == b"theirs"


@pytest.fixture
def one_at_a_time(world: World, drive_settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second upload wait until the worker has decided to begin with no more, if it does."""
    drive_settings.GOOGLE_DRIVE_UPLOADS_AT_ONCE = 1
    decided = threading.Event()
    stop = shipping.Shipment.stop

    def stopped(shipment: shipping.Shipment) -> list[shipping.Parcel]:
        left = stop(shipment)
        decided.set()
        return left

    monkeypatch.setattr(shipping.Shipment, "stop", stopped)
    world.fake.faults.add("call", "files.create", nth=2, call=lambda _request: decided.wait(30))
    drive_settings.GOOGLE_DRIVE_TIMEOUT_SECONDS = 60.0


@pytest.mark.usefixtures("one_at_a_time")
def test_a_worker_that_lost_its_leases_writes_nothing_and_sends_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch, drive_settings: Any
) -> None:
    documents = [world.write(f"{number}".encode(), f"Paper {number}") for number in range(6)]
    world.hear()
    other = uuid.uuid4()

    def lose(name: str) -> None:
        if name == "drive.uploaded":
            # A third of the lease is always over.
            drive_settings.GOOGLE_DRIVE_LEASE_SECONDS = 0
            SyncTask.objects.filter(kind="BINDING").update(lease_owner=other)

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "_pass", lose)
        world.work()
    drive_settings.GOOGLE_DRIVE_LEASE_SECONDS = 600
    assert len(world.fake.journal.calls("files.create")) <= 2
    assert not DriveBinding.objects.filter(state=DriveBinding.State.SYNCED).exists()
    assert SyncTask.objects.filter(kind="BINDING", lease_owner=other).count() == len(documents)
    world.forget_leases()
    world.settle()
    for document in documents:
        world.assert_in_step(document)
    assert len(world.live()) == len(documents)


@pytest.mark.parametrize("ask", [bindings.sync_now, lambda pk, actor: put_again(pk, actor=actor)])
def test_who_asks_for_what_is_being_done_waits_and_is_in_nobodys_way(world: World, ask: Any) -> None:
    document = world.write()
    world.hear()
    binding = DriveBinding.objects.get(document=document)
    (task,) = [task for task in queue.claim(10) if task.binding_id == binding.pk]
    failed: list[Exception] = []

    def asking() -> None:
        try:
            ask(binding.pk, actor=User.objects.system())
        except Exception as error:  # noqa: BLE001 - whatever it is, it fails the test
            failed.append(error)
        finally:
            connections.close_all()

    asker = threading.Thread(target=asking)
    with transaction.atomic():
        queue.hold(task)
        asker.start()
        await_waiting()
        DriveBinding.objects.filter(pk=binding.pk).update(note="at work")
    asker.join(30)
    assert failed == []
    assert not asker.is_alive()


def put_again(binding_id: int, *, actor: User) -> None:
    binding = DriveBinding.objects.get(pk=binding_id)
    bindings.put_into_root(binding.document_id, binding.root_id, actor=actor)


def await_waiting() -> None:
    """Wait until somebody waits for a lock in this database."""
    deadline = time.monotonic() + 30
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            # Within a transaction the first look would be remembered.
            cursor.execute("select pg_stat_clear_snapshot()")
            cursor.execute(
                "select count(*) from pg_stat_activity"
                " where datname = current_database() and wait_event_type = 'Lock'"
            )
            if cursor.fetchone() != (0,):
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")


@pytest.mark.usefixtures("one_at_a_time")
def test_what_there_is_no_time_for_goes_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [world.write(f"{number}".encode(), f"Paper {number}") for number in range(6)]
    world.hear()
    tasks = queue.claim(10)
    failures = pushing.Failures()

    def late(name: str) -> None:
        if name == "drive.uploaded":
            patch.setattr(pushing._Journey, "is_over", lambda _journey: True)

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "_pass", late)
        arrived = pushing.push_new(sights_of(tasks), failures)
    assert 1 <= len(arrived) <= 2
    assert failures.by_task == []
    assert len(arrived) + len(failures.left) == len(documents)
    queue.give_back(failures.left)
    waiting = SyncTask.objects.filter(kind="BINDING", state="QUEUED")
    assert set(waiting) == set(failures.left)
    assert set(waiting.values_list("attempts", flat=True)) == {0}
    world.forget_leases()
    world.settle()
    for document in documents:
        world.assert_in_step(document)
