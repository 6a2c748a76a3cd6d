"""What every operation needs, and the rules that several of them share."""

from dataclasses import dataclass, field
from typing import Any

from tests.fakes.drive import rendering, schema
from tests.fakes.drive.exchange import Reply, Request
from tests.fakes.drive.model import Blob, BlobWriter, Item
from tests.fakes.drive.refusals import Refusal, invalid, not_found
from tests.fakes.drive.store import Store
from tests.fakes.drive.webhooks import Webhooks

BRIEF_FILE = "kind,id,name,mimeType"
# What an answer holds when nobody says what they want.
_DEFAULTS = {
    "FileList": f"kind,incompleteSearch,nextPageToken,files({BRIEF_FILE},driveId,teamDriveId)",
    "File": f"{BRIEF_FILE},driveId,teamDriveId",
    "ChangeList": (
        "kind,nextPageToken,newStartPageToken,changes(kind,removed,fileId,changeType,type,time,driveId,teamDriveId,"
        f"drive(kind,id,name),file({BRIEF_FILE},driveId,teamDriveId))"
    ),
    "Drive": "kind,id,name",
    "DriveList": "kind,nextPageToken,drives(kind,id,name)",
    "Permission": "kind,id,type,role",
    "PermissionList": "kind,nextPageToken,permissions(kind,id,type,role)",
    "Revision": "kind,id,mimeType,modifiedTime",
    "RevisionList": "kind,nextPageToken,revisions(kind,id,mimeType,modifiedTime)",
}


@dataclass
class Context:
    """The parts of the fake that operations work with."""

    store: Store
    webhooks: Webhooks
    base: str
    # Contents of uploads that are not finished, by the id of their session.
    uploading: dict[str, BlobWriter] = field(default_factory=dict)
    # Lists whose next page somebody may ask for: the ids that are left.
    snapshots: dict[str, list[str]] = field(default_factory=dict)
    largest_export: int = 10 * 1024 * 1024

    def view(self, item: Item, viewer: str) -> rendering.View:
        return rendering.View(item, self.store, viewer, self.base)


def mask(request: Request) -> schema.Mask:
    """Return what a request wants of its answer."""
    assert request.operation is not None
    described = request.operation.response
    if described is None:
        return {}
    wanted = request.params.get("fields")
    if wanted is None:
        return schema.mask(_DEFAULTS[described], described) if described in _DEFAULTS else {}
    return schema.mask(wanted, described)


def answer(request: Request, value: Any) -> Reply:
    """Answer with what the request wants of a value."""
    return Reply(value=schema.picked(value, mask(request)))


def answer_file(context: Context, request: Request, item: Item) -> Reply:
    wanted = mask(request)
    return Reply(value=schema.picked(rendering.file(context.view(item, request.viewer), wanted), wanted))


def find(context: Context, request: Request, file_id: str | None = None) -> Item:
    """
    Return the item that is asked for.

    :raises Refusal: the asker does not see it, or does not say that they know shared drives
    """
    file_id = file_id or request.values["fileId"]
    if file_id == "root":
        file_id = context.store.accounts[request.viewer].root_id
    item = context.store.items.get(file_id)
    if item is None or context.store.role(item, request.viewer) is None:
        raise not_found(file_id)
    # Operations that cannot say it need not.
    can_say = request.operation is not None and "supportsAllDrives" in request.operation.parameters
    if item.drive_id is not None and can_say and not request.is_set("supportsAllDrives"):
        raise not_found(file_id)
    return item


def media(request: Request, blob: Blob, mime: str) -> Reply:
    """Answer with bytes, all or the range that is asked for."""
    headers = {"Content-Type": mime, "Accept-Ranges": "bytes"}
    wanted = request.headers.get("range", "")
    if not wanted:
        return Reply(200, headers=headers, blob=blob, start=0, stop=blob.size)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    if not (first + last).isdigit() or "," in wanted:
        return Reply(200, headers=headers, blob=blob, start=0, stop=blob.size)
    start = int(first) if first else max(0, blob.size - int(last))
    stop = min(int(last) + 1, blob.size) if first and last else blob.size
    if start >= blob.size:
        return Reply(416, headers={"Content-Range": f"bytes */{blob.size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{blob.size}"
    return Reply(206, headers=headers, blob=blob, start=start, stop=stop)


def page(request: Request, found: list[Any], usual: int) -> tuple[list[Any], str | None]:
    """Return the page of a short list that is asked for, and the token of the next one."""
    size = int(request.params.get("pageSize", usual))
    if size < 1:
        raise invalid("pageSize")
    token = request.params.get("pageToken", "0")
    if not token.isdigit():
        raise invalid("pageToken")
    start = int(token)
    more = str(start + size) if start + size < len(found) else None
    return found[start : start + size], more


def wrong_body(name: str) -> Refusal:
    return Refusal(
        403,
        "fieldNotWritable",
        "The resource body includes fields which are not directly writable.",
        location=("parameter", name),
    )
