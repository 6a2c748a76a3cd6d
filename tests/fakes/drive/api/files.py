"""Files and folders: find, read, make, change, move, trash, delete."""

import secrets
from collections.abc import Callable
from typing import Any

from tests.fakes.drive import query, rendering, schema
from tests.fakes.drive.api import metadata, uploads
from tests.fakes.drive.api.context import Context, answer, answer_file, find, mask, media, wrong_body
from tests.fakes.drive.exchange import Reply, Request
from tests.fakes.drive.model import Item, new_id
from tests.fakes.drive.refusals import Refusal, drive_not_found, forbidden, invalid, not_permitted

_PAGE = 100
_SORTS: dict[str, Callable[[Item], Any]] = {
    "createdTime": lambda item: item.created,
    "folder": lambda item: not item.is_folder,
    "modifiedTime": lambda item: item.modified,
    "name": lambda item: item.name.lower(),
    "name_natural": lambda item: item.name.lower(),
    "quotaBytesUsed": lambda item: item.blob.size if item.blob else 0,
}


def generate_ids(context: Context, request: Request) -> Reply:
    count = int(request.params.get("count", 10))
    ids = [new_id() for _ in range(count)]
    with context.store.lock:
        context.store.reserved.update(ids)
    return answer(request, {"kind": "drive#generatedIds", "space": "drive", "ids": ids})


def get(context: Context, request: Request) -> Reply:
    with context.store.lock:
        item = find(context, request)
        if request.params.get("alt") != "media":
            return answer_file(context, request, item)
        if item.blob is None:
            raise forbidden(
                "fileNotDownloadable",
                "Only files with binary content can be downloaded. Use Export with Docs Editors files.",
            )
        blob, mime = item.blob, item.mime
    return media(request, blob, mime)


def export(context: Context, request: Request) -> Reply:
    with context.store.lock:
        item = find(context, request)
        if not item.is_native or item.head is None or item.head.blob is None:
            raise forbidden("fileNotExportable", "Export only supports Docs Editors files.")
        blob = item.head.blob
    if "mimeType" not in request.params:
        raise invalid("mimeType", "Required parameter: mimeType", reason="required")
    if request.params["mimeType"] not in {"application/pdf", "text/plain", "application/zip"}:
        raise invalid("convertTo", "The requested conversion is not supported.", reason="badRequest")
    if blob.size > context.largest_export:
        raise forbidden("exportSizeLimitExceeded", "This file is too large to be exported.")
    return Reply(200, headers={"Content-Type": request.params["mimeType"]}, data=blob.bytes())


def list_files(context: Context, request: Request) -> Reply:
    wanted = mask(request)
    with context.store.lock:
        token = request.params.get("pageToken")
        if token is None:
            ids = [item.id for item in _found(context, request)]
        elif token in context.snapshots:
            ids = context.snapshots[token]
        else:
            raise invalid("pageToken")
        size = int(request.params.get("pageSize", _PAGE))
        told: dict[str, Any] = {"kind": "drive#fileList", "incompleteSearch": False}
        if len(ids) > size:
            told["nextPageToken"] = "~!!~" + secrets.token_urlsafe(24)
            context.snapshots[told["nextPageToken"]] = ids[size:]
        shown = [context.store.items[one] for one in ids[:size] if one in context.store.items]
        names = wanted.get("files", {}) or {"*": {}}
        told["files"] = [rendering.file(context.view(item, request.viewer), names) for item in shown]
    return Reply(value=schema.picked(told, wanted))


def _found(context: Context, request: Request) -> list[Item]:
    store, viewer = context.store, request.viewer
    condition = query.parse(request.params.get("q") or "", store, viewer)
    candidates = _candidates(context, request)
    found = []
    for item in candidates:
        if item.parent is None or store.role(item, viewer) is None or not condition(item):
            continue
        if item.unlisted_for > 0:
            item.unlisted_for -= 1
            continue
        found.append(item)
    for key in reversed([one for one in request.params.get("orderBy", "").split(",") if one.strip()]):
        name, _, direction = key.strip().partition(" ")
        if name not in _SORTS:
            raise invalid("orderBy")
        found.sort(key=_SORTS[name], reverse=direction == "desc")
    return found


def _candidates(context: Context, request: Request) -> list[Item]:
    store = context.store
    drive_id, corpora = request.params.get("driveId"), request.params.get("corpora", "user")
    shows_drives = request.is_set("includeItemsFromAllDrives") and request.is_set("supportsAllDrives")
    if corpora not in {"user", "drive", "allDrives", "domain"}:
        raise invalid("corpora")
    if (drive_id is not None) != (corpora == "drive"):
        raise invalid(
            "driveId", "The driveId parameter must be specified if and only if corpora is set to drive."
        )
    if corpora in {"drive", "allDrives"} and not shows_drives:
        raise forbidden(
            "teamDrivesIncludeItemsRequired",
            "The corpora need includeItemsFromAllDrives and supportsAllDrives to be true.",
        )
    if drive_id is not None:
        if drive_id not in store.drives or request.viewer not in store.drives[drive_id].members:
            raise drive_not_found(drive_id)
        return [item for item in store.items.values() if item.drive_id == drive_id]
    return [item for item in store.items.values() if shows_drives or item.drive_id is None]


def create(context: Context, request: Request) -> Reply:
    if request.is_upload:
        return uploads.begin(context, request)
    said = metadata.check(request.json())
    with context.store.lock:
        item = metadata.prepare(context, request, said, None, 0)
        # A file without a content has an empty one.
        context.store.add(item, None if item.is_native else context.store.blobs.blob(b""))
        return answer_file(context, request, item)


def update(context: Context, request: Request) -> Reply:
    if request.is_upload:
        return uploads.begin(context, request)
    said = metadata.check(request.json())
    with context.store.lock:
        item = find(context, request)
        change(context, request, item, said)
        return answer_file(context, request, item)


def change(context: Context, request: Request, item: Item, said: dict[str, Any]) -> None:
    """
    Do to an item what an update says beside a content.

    :raises Refusal: it may not be done; then nothing was
    """
    store, viewer = context.store, request.viewer
    if "parents" in said:
        raise Refusal(
            403,
            "fieldNotWritable",
            "The parents field is not directly writable in update requests."
            " Use the addParents and removeParents parameters instead.",
        )
    if "id" in said and said["id"] != item.id:
        raise wrong_body("id")
    check_may_edit(context, item, viewer)
    target = _target(context, request, item)
    may_trash = store.may(item, viewer, "fileOrganizer" if item.drive_id else "owner")
    trashes = "trashed" in said and said["trashed"] != item.explicitly_trashed
    if trashes and not may_trash:
        raise not_permitted()
    if metadata.set_texts(item, said, viewer):
        store.changed(item, viewer, modified=store.clock.now())
    if target is not None:
        store.move(item, target, viewer)
    if trashes:
        store.set_trashed(item, viewer, trashed=said["trashed"])


def check_may_edit(context: Context, item: Item, viewer: str) -> None:
    if not context.store.may(item, viewer, "writer"):
        raise not_permitted()


def _target(context: Context, request: Request, item: Item) -> Item | None:
    """Return where an update moves an item, None where it does not."""
    add = [one for one in request.params.get("addParents", "").split(",") if one and one != item.parent]
    remove = [one for one in request.params.get("removeParents", "").split(",") if one]
    if not add:
        if item.parent in remove:
            raise forbidden("cannotRemoveParent", "A file must have exactly one parent.")
        return None
    if len(add) > 1 or item.parent not in remove:
        raise forbidden("cannotAddParent", "Increasing the number of parents is not allowed")
    target = find(context, request, add[0])
    if not context.store.may(target, request.viewer, "writer"):
        raise not_permitted("insufficientParentPermissions")
    if not target.is_folder or target is item or item in context.store.above(target):
        raise invalid("addParents", "The item cannot be moved there.")
    leaves = target.drive_id != item.drive_id
    if leaves and not context.store.may(item, request.viewer, "organizer" if item.drive_id else "owner"):
        raise not_permitted()
    if item.drive_id and not context.store.may(item, request.viewer, "fileOrganizer"):
        raise not_permitted()
    return target


def copy(context: Context, request: Request) -> Reply:
    said = metadata.check(request.json())
    with context.store.lock:
        source = find(context, request)
        if source.is_folder:
            raise forbidden("cannotCopyFile", "This file cannot be copied by the user.")
        said = {"name": f"Copy of {source.name}", "mimeType": source.mime, "parents": [source.parent], **said}
        size = source.blob.size if source.blob else 0
        item = metadata.prepare(context, request, said, None, size)
        item.properties = {**source.properties, **item.properties}
        item.app_properties = {**source.app_properties, **item.app_properties}
        context.store.add(item, source.head.blob if source.head else None)
        return answer_file(context, request, item)


def delete(context: Context, request: Request) -> Reply:
    with context.store.lock:
        item = find(context, request)
        if not context.store.may(item, request.viewer, "organizer" if item.drive_id else "owner"):
            raise not_permitted()
        if item.parent is None:
            raise forbidden("cannotDeleteRoot", "The root folder cannot be deleted.")
        context.store.delete(item)
    return Reply(204)


def empty_trash(context: Context, request: Request) -> Reply:
    drive_id = request.params.get("driveId")
    with context.store.lock:
        items = context.store.items
        if drive_id is not None and drive_id not in context.store.drives:
            raise drive_not_found(drive_id)
        if drive_id is not None and not context.store.may(items[drive_id], request.viewer, "organizer"):
            raise not_permitted()
        for item in list(items.values()):
            is_meant = item.drive_id == drive_id if drive_id else item.owner == request.viewer
            if is_meant and item.explicitly_trashed and item.id in items:
                context.store.delete(item)
    return Reply(204)
