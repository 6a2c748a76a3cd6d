"""Both sides of a sync, and time that passes when a test says so."""

import json
from typing import Any

from django.db.models import Q

from apps.accounts.models import User
from apps.crm.models import Deal
from apps.documents.models import (
    ChangeCursor,
    Document,
    DocumentVersion,
    DriveAccount,
    DriveBinding,
    DriveConflict,
    DriveRoot,
    SyncTask,
)
from apps.documents.receivers import bring_in_step
from apps.documents.services import blobs, documents
from apps.documents.services.documents import Target
from apps.documents.services.drive import queue, roots, working
from apps.events.models import Event
from tests.crm.factories import make_company, make_deal
from tests.documents.factories import kind, make_content
from tests.fakes.drive import FakeDrive, Item
from tests.fakes.drive.model import FOLDER

# Rounds of work after which everything has come to rest, or never will.
_ROUNDS = 40


class World:
    """
    A root of a shared drive, and the platform.

    :ivar folder: the folder in Drive that is kept in step
    """

    def __init__(self, fake: FakeDrive, admin: User, **fields: Any) -> None:
        self.fake = fake
        self.admin = admin
        self.drive = fake.create_drive()
        self.folder = fake.person.create_folder(self.drive.id, "Artel")
        key = json.dumps(fake.service_account())
        self.account: DriveAccount = roots.add_account(actor=admin, name="Robot", key=key)
        root = roots.add_root(
            actor=admin,
            account_id=self.account.pk,
            **{
                "name": "Company",
                "drive_id": self.drive.id,
                "folder_id": self.folder.id,
                "takes": "ALL",
                **fields,
            },
        )
        self.root_id = root.pk
        self._heard = 0
        self.settle()
        assert self.root.state == DriveRoot.State.ACTIVE, self.root.note or self.root.probe_error
        fake.journal.clear()

    # The platform

    @property
    def root(self) -> DriveRoot:
        return DriveRoot.objects.get(pk=self.root_id)

    def write(
        self, content: bytes = b"one", title: str = "Notes", file_name: str = "notes.txt", **fields: Any
    ) -> Document:
        """Write a document down, as somebody does."""
        return documents.create_document(
            actor=self.admin,
            type_id=kind().pk,
            title=title,
            content=make_content(content, file_name),
            **fields,
        )

    def edit(self, document: Document, content: bytes) -> DocumentVersion:
        return documents.add_version(document.pk, make_content(content), actor=self.admin)

    def rename(self, document: Document, title: str) -> None:
        documents.change_document(document.pk, actor=self.admin, title=title)

    def trash(self, document: Document) -> None:
        documents.archive_document(document.pk, actor=self.admin)

    def restore(self, document: Document) -> None:
        documents.restore_document(document.pk, actor=self.admin)

    def deal(self) -> Deal:
        return make_deal(owner=self.admin, company=make_company("Vesna", owner=self.admin))

    def write_for(self, deal: Deal, content: bytes = b"brief", title: str = "Brief") -> Document:
        return self.write(content, title, targets=[Target("crm.deal", deal.pk)])

    def content(self, document: Document) -> bytes:
        """Read what a document holds now."""
        version = Document.objects.get(pk=document.pk).current_version
        assert version is not None
        with blobs.open_blob(version.blob) as file:
            return file.read()

    def contents(self) -> set[bytes]:
        """Read everything that any version of any document holds."""
        found = set()
        for version in DocumentVersion.objects.select_related("blob"):
            with blobs.open_blob(version.blob) as file:
                found.add(file.read())
        return found

    def binding(self, document: Document) -> DriveBinding:
        return DriveBinding.objects.get(document=document)

    def conflicts(self) -> list[DriveConflict]:
        return list(DriveConflict.objects.order_by("pk"))

    # Drive

    def item(self, document: Document) -> Item:
        """Return the file of a document in Drive, in the trash or not."""
        return self.fake.person.file(str(self.binding(document).drive_file_id))

    def live(self) -> list[Item]:
        """Return the files in Drive that are documents' or to become some."""
        return [item for item in self.fake.live(self.drive.id) if item.name != ".artel"]

    def folders(self, name: str) -> list[Item]:
        """Return the folders of a name, wherever they lie."""
        return [one for one in self.fake.store.items.values() if one.mime == FOLDER and one.name == name]

    # Time

    def hear(self) -> None:
        """Let the platform hear the facts that it has told since."""
        facts = Event.objects.filter(type__startswith="documents.document.", pk__gt=self._heard)
        for event in facts.order_by("pk"):
            bring_in_step(event)
            self._heard = event.pk

    def poll(self) -> None:
        """Have the log of the drive read."""
        for cursor in ChangeCursor.objects.all():
            queue.want_pull(cursor)

    def reconcile(self) -> None:
        roots.want_reconciliation(self.root_id, actor=self.admin)
        self.settle()

    def work(self) -> int:
        """Do what is due."""
        return working.drain(60.0)

    def forget_leases(self) -> None:
        """Let the time come at which a worker that died is given up."""
        SyncTask.objects.filter(state="RUNNING").update(lease_until="2000-01-01T00:00Z")

    def skip_waits(self) -> None:
        """Let the time come for everything that was put off."""
        SyncTask.objects.filter(state="QUEUED").update(next_run_at="2000-01-01T00:00Z")
        DriveAccount.objects.update(resting_until=None)

    def settle(self, *, polls: bool = True) -> None:
        """Let both sides come to rest, as far as they do."""
        for _round in range(_ROUNDS):
            self.hear()
            if polls:
                self.poll()
            self.skip_waits()
            self.work()
            self.hear()
            waiting = SyncTask.objects.filter(state__in=["QUEUED", "RUNNING"])
            unproven = Q(error_code="not_proven") | Q(error_code="checked_out")
            if not waiting.exclude(unproven).exclude(root__state__in=["PAUSED", "BLOCKED"]).exists():
                return
        raise AssertionError([(task.kind, task.error_code, task.error) for task in waiting])

    def assert_in_step(self, document: Document) -> None:
        """See that both sides of a document hold the same, and that each of them knows."""
        document.refresh_from_db()
        item, binding = self.item(document), self.binding(document)
        assert binding.state == DriveBinding.State.SYNCED, (binding.state, binding.note)
        assert item.blob is not None
        assert item.blob.bytes() == self.content(document)
        assert item.name == binding.base_name == binding.remote_name
        assert item.parent == binding.base_parent_id == binding.parent_id
        assert not self.fake.store.is_trashed(item)
        assert document.archived_at is None

    def assert_quiet(self) -> None:
        """See that nothing more is written, however often both sides are looked at."""
        self.settle()
        self.fake.journal.clear()
        for _cycle in range(2):
            self.settle()
            self.reconcile()
        assert self.fake.journal.writes() == []
