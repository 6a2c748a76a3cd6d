"""The state of the fake, and what happens to it: every effect is here once, whoever causes it."""

import pickle
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.fakes.drive.clock import Clock
from tests.fakes.drive.model import (
    FOLDER,
    ROLES,
    Account,
    Blob,
    BlobStore,
    Channel,
    Entry,
    Item,
    Revision,
    Session,
    SharedDrive,
    new_id,
)

# Google forgets a content that long after a newer one came.
REVISION_LIFE = timedelta(days=30)
# Where logs begin; a token is a number as text, and nobody should count on it.
_FIRST = 1000


class Log:
    """What changed in one shared drive, or in one person's own: the last change of each item, the oldest first."""

    def __init__(self) -> None:
        self.head = _FIRST
        self._entries: dict[str, Entry] = {}
        self._held: list[Entry] | None = None

    def add(self, entry: Entry) -> None:
        if self._held is not None:
            self._held.append(entry)
            return
        self.head += 1
        entry.seq = self.head
        key = entry.file_id or f"drive {entry.drive_id}"
        # A later change of the same item takes the place of the earlier one.
        self._entries.pop(key, None)
        self._entries[key] = entry

    def after(self, seq: int) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.seq > seq]

    def forget(self, file_id: str) -> None:
        self._entries.pop(file_id, None)

    def hold(self) -> None:
        """Let nobody see what changes from now on, until `release`."""
        self._held = self._held or []

    def release(self) -> None:
        held, self._held = self._held or [], None
        for entry in held:
            self.add(entry)


class Store:
    """Everything that one Drive knows; whoever reads or writes holds `lock`."""

    def __init__(self, clock: Clock, blobs: BlobStore) -> None:
        self.clock = clock
        self.blobs = blobs
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self.drives: dict[str, SharedDrive] = {}
        self.items: dict[str, Item] = {}
        self.children: dict[str, dict[str, None]] = {}
        self.reserved: set[str] = set()
        self.logs: dict[str, Log] = {}
        self.channels: dict[str, Channel] = {}
        self.sessions: dict[str, Session] = {}
        # Where items go when a folder above is trashed: whether each of them also stands in the log.
        self.trash_cascades = False
        # Of a new item: how many lists do not show it yet.
        self.search_lag = 0
        # Heard after each change, with the log's name and the item's id.
        self.listeners: list[Callable[[str, str], None]] = []

    # People and drives

    def account(self, email: str, name: str = "", **more: Any) -> Account:
        """Return an account, made if there is none yet."""
        if email not in self.accounts:
            account = Account(email, name or email.partition("@")[0].title(), new_id("0", 19), **more)
            self.accounts[email] = account
            now = self.clock.now()
            root = Item(account.root_id, "My Drive", FOLDER, None, now, now, email, owner=email)
            self.items[root.id] = root
        return self.accounts[email]

    def add_drive(self, name: str, members: dict[str, str], drive_id: str = "") -> SharedDrive:
        now = self.clock.now()
        drive = SharedDrive(drive_id or new_id("0", 19), name, now, dict(members))
        self.drives[drive.id] = drive
        # Its root is a folder of the same id that is named after what it is.
        first = next(iter(members), "nobody@example.com")
        self.items[drive.id] = Item(drive.id, "Drive", FOLDER, None, now, now, first, drive_id=drive.id)
        for email in members:
            self.record_drive(drive, email, removed=False)
        return drive

    def set_member(self, drive: SharedDrive, email: str, role: str | None) -> None:
        """Give somebody a role in a shared drive, or take them out of it with None."""
        if role is None:
            drive.members.pop(email, None)
        else:
            drive.members[email] = role
        self.record_drive(drive, email, removed=role is None)

    def remove_drive(self, drive: SharedDrive) -> None:
        for email in list(drive.members):
            self.record_drive(drive, email, removed=True)
        del self.drives[drive.id]
        for item in [one for one in self.items.values() if one.drive_id == drive.id]:
            self._forget(item)

    def record_drive(self, drive: SharedDrive, email: str, *, removed: bool) -> None:
        """Say in somebody's own log that a shared drive came, changed or went: one entry, not one per item."""
        self.log(f"user:{email}").add(Entry(0, self.clock.now(), None, removed=removed, drive_id=drive.id))

    # Who sees what

    def role(self, item: Item, email: str) -> str | None:
        """Return the best role that somebody has on an item, None when they do not see it."""
        if email in item.hidden_from:
            return None
        roles = [self._own_role(one, email) for one in [item, *self.above(item)]]
        return max((role for role in roles if role), key=ROLES.index, default=None)

    def _own_role(self, item: Item, email: str) -> str | None:
        if item.drive_id is not None and item.id == item.drive_id:
            return self.drives[item.drive_id].members.get(email)
        if item.drive_id is None and item.owner == email:
            return "owner"
        granted = [
            one["role"] for one in item.permissions.values() if one.get("emailAddress") in {email, None}
        ]
        return max(granted, key=ROLES.index, default=None)

    def may(self, item: Item, email: str, least: str) -> bool:
        role = self.role(item, email)
        return role is not None and ROLES.index(role) >= ROLES.index(least)

    def above(self, item: Item) -> Iterator[Item]:
        """Walk up from an item to its root."""
        while item.parent is not None and item.parent in self.items:
            item = self.items[item.parent]
            yield item

    def below(self, item: Item) -> Iterator[Item]:
        """Walk through everything within a folder."""
        for child_id in list(self.children.get(item.id, ())):
            child = self.items[child_id]
            yield child
            yield from self.below(child)

    def is_trashed(self, item: Item) -> bool:
        return item.explicitly_trashed or any(one.explicitly_trashed for one in self.above(item))

    def usage(self, *, drive_id: str | None = None, owner: str | None = None) -> int:
        """Return the bytes that a shared drive, or one person's own, takes."""
        return sum(
            item.blob.size
            for item in self.items.values()
            if item.blob is not None and item.drive_id == drive_id and (drive_id or item.owner == owner)
        )

    # Changes to items

    def add(self, item: Item, blob: Blob | None = None) -> Item:
        self.items[item.id] = item
        self.reserved.discard(item.id)
        if item.parent is not None:
            self.children.setdefault(item.parent, {})[item.id] = None
        if blob is not None:
            item.revisions.append(self._revision(item, blob, item.by))
        item.unlisted_for = self.search_lag
        self.record(item)
        return item

    def set_content(self, item: Item, blob: Blob, by: str, mime: str | None = None) -> None:
        now = self.clock.now()
        if item.head is not None:
            item.head.superseded = now
        item.mime = mime or item.mime
        item.revisions.append(self._revision(item, blob, by))
        self.changed(item, by, modified=now)

    def _revision(self, item: Item, blob: Blob, by: str) -> Revision:
        return Revision(new_id("0B", 52), self.clock.now(), by, item.mime, blob, item.name)

    def revisions(self, item: Item) -> list[Revision]:
        """Return the contents of a file that Google still remembers."""
        now = self.clock.now()
        item.revisions = [
            one
            for one in item.revisions
            if one.superseded is None or one.keep_forever or now < one.superseded + REVISION_LIFE
        ]
        return item.revisions

    def changed(self, item: Item, by: str | None, modified: datetime | None = None) -> None:
        """Count a change of an item; without `modified` its time of modification stays, as it does in the trash."""
        item.version += 1
        if modified is not None:
            item.modified = modified
            item.by = by or item.by
        self.record(item)

    def set_trashed(self, item: Item, by: str, *, trashed: bool) -> None:
        item.explicitly_trashed = trashed
        item.trashed_at = self.clock.now() if trashed else None
        item.trashed_by = by if trashed else None
        self.changed(item, by)
        for child in self.below(item):
            child.version += 1
            if self.trash_cascades:
                self.record(child)

    def move(self, item: Item, parent: Item, by: str) -> None:
        """Put an item into another folder; its time of modification stays."""
        old_log = self.log_of(item)
        if item.parent is not None:
            self.children.get(item.parent, {}).pop(item.id, None)
        item.parent = parent.id
        self.children.setdefault(parent.id, {})[item.id] = None
        for one in [item, *self.below(item)]:
            one.drive_id, one.owner = parent.drive_id, parent.owner
            if self.log_of(one) != old_log:
                # Who watches the place that it left sees it go.
                self._tell(old_log, one.id, removed=True)
                if one is not item:
                    self.changed(one, by)
        self.changed(item, by)

    def delete(self, item: Item) -> None:
        """Delete an item and all within forever; the log keeps no more than the ids."""
        for one in [*self.below(item), item]:
            log = self.log_of(one)
            self._forget(one)
            self._tell(log, one.id, removed=True)

    def _forget(self, item: Item) -> None:
        self.items.pop(item.id, None)
        self.children.pop(item.id, None)
        if item.parent is not None:
            self.children.get(item.parent, {}).pop(item.id, None)

    # The logs

    def log(self, name: str) -> Log:
        return self.logs.setdefault(name, Log())

    def log_of(self, item: Item) -> str:
        return f"drive:{item.drive_id}" if item.drive_id else f"user:{item.owner}"

    def record(self, item: Item) -> None:
        self._tell(self.log_of(item), item.id, removed=False)

    def _tell(self, log: str, file_id: str, *, removed: bool) -> None:
        self.log(log).add(Entry(0, self.clock.now(), file_id, removed=removed))
        for listener in self.listeners:
            listener(log, file_id)

    # Kept in a file

    def save(self, file: Path) -> None:
        names = ("accounts", "drives", "items", "children", "reserved", "logs", "channels", "sessions")
        with self.lock:
            state = pickle.dumps({name: getattr(self, name) for name in names})
        draft = file.with_name(file.name + ".new")
        draft.write_bytes(state)
        draft.replace(file)

    def load(self, file: Path) -> None:
        # Written by `save`, on this machine, for this program.
        vars(self).update(pickle.loads(file.read_bytes()))  # noqa: S301
