"""What a person does in Drive's own pages, beside the programs that use its API."""

from tests.fakes.drive.model import FOLDER, SHORTCUT, Blob, Item, new_id
from tests.fakes.drive.store import Store

PERSON = "anna@example.com"


class Person:
    """Somebody who may do everything; the log tells of what they do as of anything else."""

    def __init__(self, store: Store, email: str = PERSON) -> None:
        self.store = store
        self.email = email

    def file(self, file_id: str) -> Item:
        """Return an item as it stands, without asking who looks."""
        return self.store.items[file_id]

    def find(self, parent_id: str, name: str) -> list[Item]:
        """Return what of that name lies in a folder, in the trash or not."""
        children = self.store.children.get(parent_id, ())
        return [self.store.items[one] for one in children if self.store.items[one].name == name]

    def upload(self, parent_id: str, name: str, data: bytes, mime: str = "text/plain") -> Item:
        return self._add(parent_id, name, mime, self.store.blobs.blob(data))

    def create_folder(self, parent_id: str, name: str) -> Item:
        return self._add(parent_id, name, FOLDER, None)

    def create_document(self, parent_id: str, name: str, exported: bytes = b"A document") -> Item:
        """Create a Google Doc; `exported` is what an export of it gives."""
        kind = "application/vnd.google-apps.document"
        return self._add(parent_id, name, kind, self.store.blobs.blob(exported))

    def create_shortcut(self, parent_id: str, name: str, target_id: str) -> Item:
        with self.store.lock:
            item = self._new(parent_id, name, SHORTCUT)
            item.target_id = target_id
            return self.store.add(item)

    def _add(self, parent_id: str, name: str, mime: str, blob: Blob | None) -> Item:
        with self.store.lock:
            return self.store.add(self._new(parent_id, name, mime), blob)

    def _new(self, parent_id: str, name: str, mime: str) -> Item:
        parent, now = self.store.items[parent_id], self.store.clock.now()
        self.store.account(self.email)
        item = Item(new_id(), name, mime, parent.id, now, now, self.email)
        item.drive_id, item.owner = parent.drive_id, parent.owner
        return item

    def edit(self, file_id: str, data: bytes) -> Item:
        """Upload another version of a file."""
        with self.store.lock:
            item = self.file(file_id)
            self.store.account(self.email)
            self.store.set_content(item, self.store.blobs.blob(data), self.email)
            return item

    def read(self, file_id: str) -> bytes:
        blob = self.file(file_id).blob
        assert blob is not None
        return blob.bytes()

    def rename(self, file_id: str, name: str) -> Item:
        with self.store.lock:
            item = self.file(file_id)
            item.name = name
            self.store.changed(item, self.email, modified=self.store.clock.now())
            return item

    def set_app_properties(self, file_id: str, **properties: str) -> Item:
        """Claim a file for a program, as another installation of the platform would."""
        with self.store.lock:
            item = self.file(file_id)
            item.app_properties.update(properties)
            self.store.changed(item, self.email)
            return item

    def touch(self, file_id: str) -> Item:
        """Let something change that nobody sees but by the version."""
        with self.store.lock:
            item = self.file(file_id)
            self.store.changed(item, None)
            return item

    def move(self, file_id: str, parent_id: str) -> Item:
        with self.store.lock:
            item = self.file(file_id)
            self.store.move(item, self.file(parent_id), self.email)
            return item

    def trash(self, file_id: str) -> Item:
        with self.store.lock:
            item = self.file(file_id)
            self.store.set_trashed(item, self.email, trashed=True)
            return item

    def restore(self, file_id: str) -> Item:
        with self.store.lock:
            item = self.file(file_id)
            self.store.set_trashed(item, self.email, trashed=False)
            return item

    def delete_forever(self, file_id: str) -> None:
        with self.store.lock:
            self.store.delete(self.file(file_id))

    # The administration of drives

    def set_role(self, drive_id: str, email: str, role: str) -> None:
        with self.store.lock:
            self.store.set_member(self.store.drives[drive_id], email, role)

    def take_away_drive(self, drive_id: str, email: str) -> None:
        """Take an account out of a shared drive: it sees nothing of it any more."""
        with self.store.lock:
            self.store.set_member(self.store.drives[drive_id], email, None)

    def take_away_access(self, file_id: str, email: str) -> None:
        """Hide one file or folder with all in it from an account that sees the drive."""
        with self.store.lock:
            item = self.file(file_id)
            for one in [item, *self.store.below(item)]:
                one.hidden_from.add(email)
                self.store.changed(one, None)

    def give_back_access(self, file_id: str, email: str) -> None:
        with self.store.lock:
            item = self.file(file_id)
            for one in [item, *self.store.below(item)]:
                one.hidden_from.discard(email)
                self.store.changed(one, None)

    def delete_drive(self, drive_id: str) -> None:
        """Remove a shared drive with everything in it."""
        with self.store.lock:
            self.store.remove_drive(self.store.drives[drive_id])

    def fill(self, drive_id: str, *, bytes_left: int | None = None, items_left: int | None = None) -> None:
        """Leave a shared drive so little room; None is no limit."""
        with self.store.lock:
            drive = self.store.drives[drive_id]
            usage = self.store.usage(drive_id=drive_id)
            drive.limit = None if bytes_left is None else usage + bytes_left
            count = sum(item.drive_id == drive_id for item in self.store.items.values())
            drive.item_limit = 500_000 if items_left is None else count + items_left
