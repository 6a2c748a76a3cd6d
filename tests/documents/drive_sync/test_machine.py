"""
Whatever both sides do in whatever order, whatever fails, whoever dies: in the end they agree, and nothing is lost.

The invariants: what anybody was told is kept can be read (I1); a document has one file (I2); what is settled writes
nothing more (I3) and agrees (I4); the sync deletes nothing here (I6); no change is passed over (I8: the log is enough).
"""

import contextlib
from collections import Counter
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.documents.drive.gate import forget_clients
from apps.documents.models import ChangeCursor, Document, DriveBinding
from apps.documents.services.drive import changes
from apps.events import failpoints
from tests.documents.drive_sync.test_crashes import STEPS, Death
from tests.documents.drive_sync.world import World
from tests.documents.factories import make_folder
from tests.fakes.drive import FakeDrive

MOST_DOCUMENTS = 3
WHICH = st.integers(0, MOST_DOCUMENTS - 1)
TITLES = st.sampled_from(["Plan", "Договор", "a/b", "Same", "x" * 200])
PLACES = sorted({place for _begin, place in STEPS})
KINDS = st.sampled_from(["before", "after", "drop_before", "drop_after", "throttle", "html", "cut"])
State = DriveBinding.State


class DriveMachine(RuleBasedStateMachine):
    """The model: every content that either side was given. The system: the platform, and a Drive of our own."""

    admin: Any
    settings: Any

    def __init__(self) -> None:
        super().__init__()
        # What one example has written is not there in the next.
        self._written = transaction.atomic()
        self._written.__enter__()
        self.fake = FakeDrive().start()
        self.settings.GOOGLE_DRIVE_API_ROOT = self.fake.api_root
        forget_clients()
        self.world = World(self.fake, self.admin)
        self.folders = [make_folder(name) for name in ("One", "Two")]
        self.elsewhere = self.fake.person.create_folder(self.world.folder.id, "Elsewhere")
        self.documents: list[Document] = []
        self.given: set[bytes] = set()
        self.count = 0

    # Words

    def _content(self) -> bytes:
        self.count += 1
        content = f"content {self.count}".encode()
        self.given.add(content)
        return content

    def _document(self, which: int) -> Document | None:
        if which >= len(self.documents):
            return None
        self.documents[which].refresh_from_db()
        return self.documents[which]

    def _active(self, which: int) -> Document | None:
        document = self._document(which)
        return document if document is not None and document.archived_at is None else None

    def _item(self, which: int) -> str | None:
        """Return the file of a document, once it stands there."""
        if which >= len(self.documents):
            return None
        binding = DriveBinding.objects.filter(document=self.documents[which]).first()
        known = binding is not None and str(binding.drive_file_id) in self.fake.store.items
        return str(binding.drive_file_id) if known and binding is not None else None

    # Here

    @precondition(lambda self: len(self.documents) < MOST_DOCUMENTS)
    @rule(title=TITLES, is_in_folder=st.booleans())
    def write(self, title: str, is_in_folder: bool) -> None:
        folder_id = self.folders[0].pk if is_in_folder else None
        self.documents.append(self.world.write(self._content(), title, folder_id=folder_id))

    @rule(which=WHICH)
    def edit(self, which: int) -> None:
        if (document := self._active(which)) is not None:
            self.world.edit(document, self._content())

    @rule(which=WHICH, title=TITLES)
    def rename(self, which: int, title: str) -> None:
        if (document := self._active(which)) is not None:
            self.world.rename(document, title)

    @rule(which=WHICH, place=st.integers(0, 1))
    def move(self, which: int, place: int) -> None:
        from apps.documents.services import documents

        if (document := self._active(which)) is not None:
            documents.change_document(document.pk, actor=self.admin, folder_id=self.folders[place].pk)

    @rule(which=WHICH)
    def trash_or_restore(self, which: int) -> None:
        document = self._document(which)
        if document is not None and document.archived_at is None:
            self.world.trash(document)
        elif document is not None:
            self.world.restore(document)

    # There

    @rule(which=WHICH)
    def edit_there(self, which: int) -> None:
        if (item := self._item(which)) is not None:
            self.fake.person.edit(item, self._content())

    @rule(which=WHICH, title=TITLES)
    def rename_there(self, which: int, title: str) -> None:
        if (item := self._item(which)) is not None:
            self.fake.person.rename(item, f"{title} there.txt")

    @rule(which=WHICH, is_home=st.booleans())
    def move_there(self, which: int, is_home: bool) -> None:
        if (item := self._item(which)) is not None:
            self.fake.person.move(item, self.world.folder.id if is_home else self.elsewhere.id)

    @rule(which=WHICH)
    def trash_or_restore_there(self, which: int) -> None:
        if (item := self._item(which)) is None:
            return
        if self.fake.person.file(item).explicitly_trashed:
            self.fake.person.restore(item)
        else:
            self.fake.person.trash(item)

    @precondition(lambda self: self.count < 12)
    @rule(title=TITLES)
    def put_there(self, title: str) -> None:
        self.fake.person.upload(self.world.folder.id, f"{title}.txt", self._content())

    # In between

    @rule()
    def message(self) -> None:
        for cursor in ChangeCursor.objects.all():
            changes.mark_dirty(cursor.pk)

    @rule()
    def work(self) -> None:
        self._do()

    @rule(place=st.sampled_from(PLACES), nth=st.integers(1, 2))
    def die(self, place: str, nth: int) -> None:
        passed = Counter[str]()

        def die(name: str) -> None:
            passed[name] += 1
            if name == place and passed[place] == nth:
                raise Death

        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Death):
            patch.setattr(failpoints, "_pass", die)
            self._do()
        self.world.forget_leases()

    @rule(
        kind=KINDS, name=st.sampled_from(["files.create", "files.update", "files.get", "changes.list", "*"])
    )
    def fail(self, kind: str, name: str) -> None:
        self.fake.faults.add(kind, name, times=1)

    @rule(is_held=st.booleans())
    def let_the_log_lag(self, is_held: bool) -> None:
        if is_held:
            self.fake.hold_changes(self.world.drive.id)
        else:
            self.fake.release_changes(self.world.drive.id)

    def _do(self) -> None:
        self.world.hear()
        self.world.poll()
        self.world.skip_waits()
        self.world.work()

    # What always holds

    @invariant()
    def a_document_has_one_file(self) -> None:
        live = Counter(
            item.app_properties["doc"] for item in self.world.live() if "doc" in item.app_properties
        )
        assert not live or max(live.values()) == 1, live

    @invariant()
    def nothing_that_was_given_is_lost(self) -> None:
        there = {
            revision.blob.bytes()
            for item in self.fake.store.items.values()
            for revision in item.revisions
            if revision.blob is not None
        }
        lost = self.given - there - self.world.contents()
        assert not lost, lost

    @invariant()
    def nothing_is_deleted_here(self) -> None:
        kept = set(Document.objects.values_list("pk", flat=True))
        assert {document.pk for document in self.documents} <= kept

    def teardown(self) -> None:
        try:
            self._settle()
        finally:
            forget_clients()
            self.fake.stop()
            transaction.set_rollback(True)
            self._written.__exit__(None, None, None)

    def _settle(self) -> None:
        self.fake.faults.clear()
        self.fake.release_changes(self.world.drive.id)
        self.world.forget_leases()
        self.world.settle()
        for document in Document.objects.all():
            binding = DriveBinding.objects.filter(document=document).first()
            if binding is None:
                # It went to the trash before it was ever put there.
                assert document.archived_at is not None
                continue
            if binding.state == State.CONFLICT:
                assert document.drive_conflicts.filter(state="OPEN").exists()
            elif document.archived_at is not None:
                is_away = binding.drive_file_id is None or binding.agreed_at is None
                assert is_away or self.fake.store.is_trashed(self.world.item(document))
            else:
                self.world.assert_in_step(document)
        self.nothing_that_was_given_is_lost()
        self.world.assert_quiet()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.django_db
def test_both_sides_agree_whatever_happens(admin: Any, drive_settings: Any) -> None:
    DriveMachine.admin, DriveMachine.settings = admin, drive_settings
    run_state_machine_as_test(
        DriveMachine,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[*HealthCheck],
            print_blob=True,
        ),
    )
