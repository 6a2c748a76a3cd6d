"""What may be said of a file when it is made or changed, and whether it may be done."""

import json
from datetime import datetime
from typing import Any

from tests.fakes.drive import schema
from tests.fakes.drive.api.context import Context, find, wrong_body
from tests.fakes.drive.exchange import Request
from tests.fakes.drive.model import FOLDER, NATIVE, SHORTCUT, Item, new_id
from tests.fakes.drive.refusals import Refusal, forbidden, invalid, not_permitted

_WRITABLE = {
    "appProperties", "contentHints", "copyRequiresWriterPermission", "createdTime", "description", "folderColorRgb",
    "id", "kind", "mimeType", "modifiedTime", "name", "originalFilename", "parents", "properties", "shortcutDetails",
    "starred", "trashed", "viewedByMeTime", "writersCanShare",
}  # fmt: skip
# Bytes of a key and its value together.
_LONGEST_PROPERTY = 124
_MOST_PROPERTIES = 30


def check(said: dict[str, Any]) -> dict[str, Any]:
    """
    Return what was said of a file, when all of it may be said.

    :raises Refusal: a field is unknown, not to be written, or of the wrong shape
    """
    known = schema.document()["schemas"]["File"]["properties"]
    for name in said:
        if name not in known:
            raise Refusal(400, "badRequest", f'Invalid JSON payload received. Unknown name "{name}"')
        if name not in _WRITABLE:
            raise wrong_body(name)
    for name in ("properties", "appProperties"):
        _check_properties(name, said.get(name) or {})
    for name, value in said.items():
        is_cleared = value is None or name in {"properties", "appProperties"}
        if not is_cleared and schema.differences(value, known[name]):
            raise Refusal(400, "badRequest", f"Invalid value for {name}: {json.dumps(value)}")
    return said


def _check_properties(name: str, given: dict[str, Any]) -> None:
    if len(given) > _MOST_PROPERTIES:
        raise invalid(name, "Too many properties.")
    for key, value in given.items():
        if value is not None and not isinstance(value, str):
            raise invalid(name)
        if len(key.encode()) + len((value or "").encode()) > _LONGEST_PROPERTY:
            raise invalid(name, f"The property {key} is too long: key and value together have 124 bytes.")


def prepare(context: Context, request: Request, said: dict[str, Any], mime: str | None, size: int) -> Item:
    """
    Return the item that a request is to make, not yet in the store.

    :raises Refusal: it may not be made
    """
    store, now = context.store, context.store.clock.now()
    parent = _parent(context, request, said)
    kind = said.get("mimeType") or mime or "application/octet-stream"
    check_room(context, request, parent, size, kind)
    item = Item(
        id=_id(context, said, kind, has_content=mime is not None),
        name=said.get("name") or "Untitled",
        mime=kind,
        parent=parent.id,
        created=_time(said, "createdTime", now),
        modified=_time(said, "modifiedTime", now),
        by=request.viewer,
        drive_id=parent.drive_id,
        owner=None if parent.drive_id else request.viewer,
        description=said.get("description"),
    )
    if kind == SHORTCUT:
        item.target_id = said.get("shortcutDetails", {}).get("targetId")
        if item.target_id not in store.items:
            raise invalid("shortcutDetails.targetId")
    set_texts(item, said, request.viewer)
    return item


def _parent(context: Context, request: Request, said: dict[str, Any]) -> Item:
    parents = said.get("parents") or ["root"]
    if len(parents) > 1:
        raise forbidden("multipleParentsInsertForbidden", "A file must have exactly one parent.")
    parent = find(context, request, parents[0])
    if not parent.is_folder:
        raise forbidden("parentNotAFolder", "The specified parent is not a folder.")
    if not context.store.may(parent, request.viewer, "writer"):
        raise not_permitted("insufficientParentPermissions")
    return parent


def _id(context: Context, said: dict[str, Any], kind: str, *, has_content: bool) -> str:
    given = said.get("id")
    if given is None:
        return new_id()
    if given in context.store.items:
        raise Refusal(409, "fileIdInUse", "A file already exists with the provided ID.")
    # What has no content of its own or gets another by conversion cannot take a reserved id.
    if kind.startswith(NATIVE) and (kind != FOLDER or has_content):
        raise invalid("file.id", "Generated IDs are not supported for files of this type.")
    if given not in context.store.reserved:
        raise invalid("file.id", "The provided file ID is not usable.")
    return str(given)


def check_room(
    context: Context, request: Request, parent: Item, size: int, kind: str, grows: int = 1
) -> None:
    """
    See that there is room for so many bytes, and for one item more.

    :raises Refusal: there is none
    """
    store = context.store
    if parent.drive_id is not None:
        drive = store.drives[parent.drive_id]
        count = (
            sum(one.drive_id == drive.id for one in store.items.values()) if drive.item_limit < 500_000 else 0
        )
        if count + grows > drive.item_limit:
            raise forbidden(
                "teamDriveFileLimitExceeded", "The file limit for this shared drive has been exceeded."
            )
        full = drive.limit is not None and store.usage(drive_id=drive.id) + size > drive.limit
        words = "The shared drive's storage quota has been exceeded."
    else:
        account = store.accounts[parent.owner or request.viewer]
        is_free = kind in {FOLDER, SHORTCUT}
        full = (
            not is_free
            and account.limit is not None
            and (account.limit == 0 or store.usage(owner=account.email) + size > account.limit)
        )
        words = "The user's Drive storage quota has been exceeded."
        if account.is_service:
            words = (
                "Service Accounts do not have storage quota. Leverage shared drives "
                "(https://developers.google.com/workspace/drive/api/guides/about-shareddrives), "
                "or use OAuth delegation instead."
            )
    if full:
        raise forbidden("storageQuotaExceeded", words)


def set_texts(item: Item, said: dict[str, Any], viewer: str) -> bool:
    """Write on an item what is said of it beside place, trash and content; return whether anything was."""
    before = (item.name, item.description, {**item.properties}, {**item.app_properties}, {*item.starred_by})
    if "name" in said:
        item.name = said["name"] or "Untitled"
    if "description" in said:
        item.description = said["description"]
    for held, name in ((item.properties, "properties"), (item.app_properties, "appProperties")):
        for key, value in (said.get(name) or {}).items():
            if value is None:
                held.pop(key, None)
            else:
                held[key] = value
    if "starred" in said:
        (item.starred_by.add if said["starred"] else item.starred_by.discard)(viewer)
    return before != (item.name, item.description, item.properties, item.app_properties, item.starred_by)


def _time(said: dict[str, Any], name: str, now: datetime) -> datetime:
    return datetime.fromisoformat(said[name]) if said.get(name) else now
