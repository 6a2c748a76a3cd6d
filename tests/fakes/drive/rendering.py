"""How the things of the store look in Google's answers, to the one who asks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.fakes.drive.clock import rfc3339
from tests.fakes.drive.model import SHORTCUT, Channel, Entry, Item, Revision, SharedDrive
from tests.fakes.drive.store import Store


@dataclass(frozen=True)
class View:
    """An item as one account sees it."""

    item: Item
    store: Store
    viewer: str
    base: str

    def may(self, least: str) -> bool:
        return self.store.may(self.item, self.viewer, least)


def user(email: str, viewer: str, store: Store) -> dict[str, Any]:
    account = store.account(email)
    return {
        "kind": "drive#user",
        "displayName": account.name,
        "me": email == viewer,
        "permissionId": account.permission_id,
        "emailAddress": email,
    }


def _user(view: View, email: str) -> dict[str, Any]:
    return user(email, view.viewer, view.store)


def _bytes(view: View, name: str) -> Any:
    blob = view.item.blob
    return None if blob is None else getattr(blob, name)


def _trashed_by(view: View) -> dict[str, Any] | None:
    return _user(view, view.item.trashed_by) if view.item.trashed_by else None


def _extension(view: View) -> str | None:
    return view.item.name.rpartition(".")[2] if view.item.blob is not None else None


def _parents(view: View) -> list[str] | None:
    parent = view.store.items.get(view.item.parent or "")
    if parent is None or view.store.role(parent, view.viewer) is None:
        return None
    return [parent.id]


def _capabilities(view: View) -> dict[str, bool]:
    in_drive = view.item.drive_id is not None
    trash = view.may("fileOrganizer" if in_drive else "owner")
    return {
        "canAddChildren": view.item.is_folder and view.may("writer"),
        "canDelete": view.may("organizer" if in_drive else "owner"),
        "canDownload": view.item.blob is not None,
        "canEdit": view.may("writer"),
        "canListChildren": view.item.is_folder,
        "canModifyContent": view.may("writer"),
        "canMoveItemWithinDrive": view.may("writer"),
        "canReadRevisions": view.may("writer"),
        "canRename": view.may("writer"),
        "canShare": view.may("fileOrganizer"),
        "canTrash": trash,
        "canTrashChildren": view.item.is_folder and trash,
        "canUntrash": trash,
    }


def _permissions(view: View) -> list[dict[str, Any]] | None:
    # Of items in shared drives they are only told by `permissions.list`.
    return None if view.item.drive_id else permissions(view.item, view.store)


def permissions(item: Item, store: Store) -> list[dict[str, Any]]:
    """Return who has which role on an item itself: members on the root of a drive, the owner of what is owned."""
    found = list(item.permissions.values())
    if item.drive_id == item.id and item.drive_id in store.drives:
        found += [
            permission(store, email, role) for email, role in store.drives[item.drive_id].members.items()
        ]
    elif item.owner:
        found.append(permission(store, item.owner, "owner"))
    return found


def permission(store: Store, email: str, role: str) -> dict[str, Any]:
    account = store.account(email)
    return {
        "kind": "drive#permission",
        "id": account.permission_id,
        "type": "user",
        "emailAddress": email,
        "displayName": account.name,
        "role": role,
        "deleted": False,
        "pendingOwner": False,
    }


def _link(view: View) -> str:
    kind = "folders" if view.item.is_folder else "file"
    return f"{view.base}/{kind}/{view.item.id}"


def _shortcut(view: View) -> dict[str, str] | None:
    if view.item.mime != SHORTCUT or view.item.target_id is None:
        return None
    target = view.store.items.get(view.item.target_id)
    told = {"targetId": view.item.target_id}
    return told if target is None else {**told, "targetMimeType": target.mime}


def _md5(view: View) -> str | None:
    found: str | None = None if view.item.without_md5 else _bytes(view, "md5")
    return found


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


# None is a field that the answer does not have.
_FIELDS: dict[str, Callable[[View], Any]] = {
    "kind": lambda view: "drive#file",
    "id": lambda view: view.item.id,
    "name": lambda view: view.item.name,
    "mimeType": lambda view: view.item.mime,
    "description": lambda view: view.item.description,
    "starred": lambda view: view.viewer in view.item.starred_by,
    "trashed": lambda view: view.store.is_trashed(view.item),
    "explicitlyTrashed": lambda view: view.item.explicitly_trashed,
    "trashedTime": lambda view: rfc3339(view.item.trashed_at) if view.item.trashed_at else None,
    "trashingUser": _trashed_by,
    "parents": _parents,
    "properties": lambda view: view.item.properties or None,
    "appProperties": lambda view: view.item.app_properties or None,
    "spaces": lambda view: ["drive"],
    "version": lambda view: str(view.item.version),
    "webViewLink": _link,
    "webContentLink": lambda view: f"{_link(view)}?download" if view.item.blob else None,
    "createdTime": lambda view: rfc3339(view.item.created),
    "modifiedTime": lambda view: rfc3339(view.item.modified),
    "modifiedByMe": lambda view: view.item.by == view.viewer,
    "owners": lambda view: [_user(view, view.item.owner)] if view.item.owner else None,
    "ownedByMe": lambda view: view.item.owner == view.viewer if view.item.owner else None,
    "driveId": lambda view: view.item.drive_id,
    "teamDriveId": lambda view: view.item.drive_id,
    "lastModifyingUser": lambda view: _user(view, view.item.by),
    "shared": lambda view: len(view.item.permissions) > 0 if view.item.owner else None,
    "capabilities": _capabilities,
    "permissions": _permissions,
    "permissionIds": lambda view: [one["id"] for one in permissions(view.item, view.store)],
    "viewedByMe": lambda view: view.item.by == view.viewer,
    "writersCanShare": lambda view: True,
    "copyRequiresWriterPermission": lambda view: False,
    "originalFilename": lambda view: view.item.head.name if view.item.blob and view.item.head else None,
    "fullFileExtension": _extension,
    "fileExtension": _extension,
    "md5Checksum": _md5,
    "sha1Checksum": lambda view: None if view.item.without_md5 else _bytes(view, "sha1"),
    "sha256Checksum": lambda view: None if view.item.without_md5 else _bytes(view, "sha256"),
    "size": lambda view: _text(_bytes(view, "size")),
    "quotaBytesUsed": lambda view: _text(_bytes(view, "size") or 0),
    "headRevisionId": lambda view: view.item.head.id if view.item.blob and view.item.head else None,
    "shortcutDetails": _shortcut,
    "isAppAuthorized": lambda view: True,
}


def file(view: View, names: Iterable[str]) -> dict[str, Any]:
    """Return a file as a resource; `names` are the fields asked for, "*" for all."""
    wanted = _FIELDS if "*" in names else names
    told = ((name, _FIELDS[name](view)) for name in wanted if name in _FIELDS)
    return {name: value for name, value in told if value is not None}


def change(
    entry: Entry, seen: View | None, drive: dict[str, Any] | None, names: Iterable[str]
) -> dict[str, Any]:
    """Return an entry of a log; `seen` is the item as it is now, None where the asker sees none."""
    told: dict[str, Any] = {"kind": "drive#change", "time": rfc3339(entry.time)}
    if entry.file_id is None:
        told |= {"changeType": "drive", "type": "drive", "removed": entry.removed}
        told |= {"driveId": entry.drive_id, "teamDriveId": entry.drive_id}
        return told if drive is None else {**told, "drive": drive}
    told |= {"changeType": "file", "type": "file", "fileId": entry.file_id, "removed": seen is None}
    return told if seen is None else {**told, "file": file(seen, names)}


def revision(found: Revision, item: Item, viewer: str, store: Store) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": "drive#revision",
        "id": found.id,
        "mimeType": found.mime,
        "modifiedTime": rfc3339(found.modified),
        "published": False,
        "lastModifyingUser": user(found.by, viewer, store),
    }
    if found.blob is not None and not item.is_native:
        told |= {
            "keepForever": found.keep_forever,
            "originalFilename": found.name,
            "md5Checksum": found.blob.md5,
            "size": str(found.blob.size),
        }
    return told


def drive(found: SharedDrive, viewer: str, store: Store) -> dict[str, Any]:
    root = store.items[found.id]
    organizes = store.may(root, viewer, "organizer")
    manages = store.may(root, viewer, "fileOrganizer")
    writes = store.may(root, viewer, "writer")
    return {
        "kind": "drive#drive",
        "id": found.id,
        "name": found.name,
        "createdTime": rfc3339(found.created),
        "hidden": viewer in found.hidden_by,
        "capabilities": {
            "canAddChildren": writes,
            "canComment": store.may(root, viewer, "commenter"),
            "canCopy": True,
            "canDeleteChildren": organizes,
            "canDeleteDrive": organizes,
            "canDownload": True,
            "canEdit": writes,
            "canListChildren": True,
            "canManageMembers": organizes,
            "canReadRevisions": True,
            "canRename": writes,
            "canRenameDrive": organizes,
            "canShare": manages,
            "canTrashChildren": manages,
        },
    }


def channel(found: Channel) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": "api#channel",
        "id": found.id,
        "resourceId": found.resource_id,
        "resourceUri": found.resource_uri,
        "expiration": str(int(found.expires.timestamp() * 1000)),
    }
    return told if found.token is None else {**told, "token": found.token}
