"""What changed: the logs of drives, channels that tell of it, the earlier contents of files."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.drive import rendering, schema
from tests.fakes.drive.api.context import Context, answer, find, mask, media, page
from tests.fakes.drive.exchange import Reply, Request
from tests.fakes.drive.model import Channel, Entry, Item, Revision
from tests.fakes.drive.refusals import Refusal, drive_not_found, forbidden, invalid, not_permitted
from tests.fakes.drive.webhooks import LOOPBACK

USUAL_LIFE = timedelta(hours=1)
LONGEST_LIFE = {"changes": timedelta(days=7), "files": timedelta(days=1)}
_PAGE = 100


def start_page_token(context: Context, request: Request) -> Reply:
    with context.store.lock:
        head = context.store.log(_log(context, request)).head
    return answer(request, {"kind": "drive#startPageToken", "startPageToken": str(head)})


def _log(context: Context, request: Request) -> str:
    """
    Return the name of the log that is asked for: that of a shared drive, or the asker's own.

    :raises Refusal: the asker is no member, or does not say that they know shared drives
    """
    drive_id = request.params.get("driveId")
    if drive_id is None:
        return f"user:{request.viewer}"
    if not request.is_set("supportsAllDrives"):
        raise invalid("driveId", "The driveId parameter needs supportsAllDrives to be true.")
    drive = context.store.drives.get(drive_id)
    if drive is None or request.viewer not in drive.members:
        raise drive_not_found(drive_id)
    return f"drive:{drive_id}"


def changes(context: Context, request: Request) -> Reply:
    wanted = mask(request)
    size = int(request.params.get("pageSize", _PAGE))
    with context.store.lock:
        log = context.store.log(_log(context, request))
        if "driveId" in request.params and not request.is_set("includeItemsFromAllDrives"):
            raise invalid("driveId", "The driveId parameter needs includeItemsFromAllDrives to be true.")
        entries = log.after(_token(request, log.head))
        told: dict[str, Any] = {"kind": "drive#changeList"}
        if len(entries) > size:
            entries = entries[:size]
            told["nextPageToken"] = str(entries[-1].seq)
        else:
            told["newStartPageToken"] = str(log.head)
        shown = [_change(context, request, entry, wanted) for entry in entries]
    told["changes"] = [one for one in shown if one is not None]
    return Reply(value=schema.picked(told, wanted))


def _token(request: Request, head: int) -> int:
    if "pageToken" not in request.params:
        raise invalid("pageToken", "Required parameter: pageToken", reason="required")
    token = request.params["pageToken"]
    if not token.isdigit() or int(token) > head:
        raise invalid("pageToken")
    return int(token)


def _change(context: Context, request: Request, entry: Entry, wanted: schema.Mask) -> dict[str, Any] | None:
    store = context.store
    seen: rendering.View | None = None
    if entry.file_id is None:
        found = store.drives.get(entry.drive_id or "")
        told = rendering.drive(found, request.viewer, store) if found and not entry.removed else None
        return rendering.change(entry, None, told, ())
    item = store.items.get(entry.file_id)
    if item is not None and not entry.removed and store.role(item, request.viewer) is not None:
        seen = context.view(item, request.viewer)
    if seen is None and request.params.get("includeRemoved") == "false":
        return None
    return rendering.change(entry, seen, None, wanted.get("changes", {}).get("file", {}) or {"*": {}})


def watch_changes(context: Context, request: Request) -> Reply:
    said = request.json()
    with context.store.lock:
        log = context.store.log(_log(context, request))
        _token(request, log.head)
        resource = f"changes of {_log(context, request)}"
        where = f"{context.base}/drive/v3/changes?pageToken={request.params['pageToken']}&alt=json"
        return _watch(context, request, said, _log(context, request), None, (resource, where))


def watch_file(context: Context, request: Request) -> Reply:
    said = request.json()
    with context.store.lock:
        item = find(context, request)
        where = f"{context.base}/drive/v3/files/{item.id}?alt=json"
        return _watch(context, request, said, context.store.log_of(item), item.id, (item.id, where))


def _watch(
    context: Context,
    request: Request,
    said: dict[str, Any],
    log: str,
    file_id: str | None,
    resource: tuple[str, str],
) -> Reply:
    channel_id, address = said.get("id"), str(said.get("address") or "")
    if not channel_id or not isinstance(channel_id, str) or len(channel_id) > 64:
        raise invalid("resource.id", reason="required")
    if said.get("type") not in {"web_hook", "webhook"}:
        raise Refusal(400, "invalidChannelType", "Unknown channel type.")
    if channel_id in context.store.channels:
        raise Refusal(400, "channelIdNotUnique", f"Channel id {channel_id} not unique")
    _check_address(address)
    channel = Channel(
        id=channel_id,
        # The same for every channel of one resource.
        resource_id=_resource_id(resource[0]),
        resource_uri=resource[1],
        address=address,
        token=said.get("token"),
        expires=_expiry(context, said, "changes" if file_id is None else "files"),
        log=log,
        file_id=file_id,
        by=request.viewer,
        payload=bool(said.get("payload")),
    )
    context.store.channels[channel.id] = channel
    # The greeting may arrive before this answer does.
    context.webhooks.greet(channel)
    return answer(request, rendering.channel(channel))


def _check_address(address: str) -> None:
    where = urlsplit(address)
    if where.scheme != "https" and not (where.scheme == "http" and where.hostname in LOOPBACK):
        raise Refusal(400, "push.webhookUrlNotHttps", f"WebHook callback must be HTTPS: {address}")


def _resource_id(name: str) -> str:
    return "R" + name.encode().hex()[-26:]


def _expiry(context: Context, said: dict[str, Any], kind: str) -> datetime:
    now = context.store.clock.now()
    until = now + USUAL_LIFE
    if "expiration" in said:
        until = datetime.fromtimestamp(int(said["expiration"]) / 1000, UTC)
    elif "ttl" in said.get("params", {}):
        until = now + timedelta(seconds=int(said["params"]["ttl"]))
    if until <= now:
        raise Refusal(400, "channelExpirationInvalid", "The expiration of the channel is in the past.")
    return min(until, now + LONGEST_LIFE[kind])


def stop(context: Context, request: Request) -> Reply:
    said = request.json()
    with context.store.lock:
        channel = context.store.channels.get(str(said.get("id")))
        is_open = channel is not None and channel.expires > context.store.clock.now()
        if channel is None or not is_open or channel.resource_id != said.get("resourceId"):
            raise Refusal(404, "notFound", f"Channel '{said.get('id')}' not found for project.")
        # Its id is used up: it stays known and is open no more.
        channel.expires = context.store.clock.now()
    return Reply(204)


def revisions(context: Context, request: Request) -> Reply:
    with context.store.lock:
        item = _of_file(context, request)
        found, more = page(request, context.store.revisions(item), 200)
        told: dict[str, Any] = {
            "kind": "drive#revisionList",
            "revisions": [rendering.revision(one, item, request.viewer, context.store) for one in found],
        }
    return answer(request, told if more is None else {**told, "nextPageToken": more})


def _of_file(context: Context, request: Request) -> Item:
    item = find(context, request)
    if item.is_folder:
        raise forbidden("revisionsNotSupported", "The file does not support revisions.")
    if not context.store.may(item, request.viewer, "writer"):
        raise not_permitted()
    return item


def _revision(context: Context, request: Request) -> tuple[Item, Revision]:
    item = _of_file(context, request)
    for one in context.store.revisions(item):
        if one.id == request.values["revisionId"]:
            return item, one
    name = request.values["revisionId"]
    raise Refusal(404, "notFound", f"Revision not found: {name}.", location=("parameter", "revisionId"))


def revision(context: Context, request: Request) -> Reply:
    with context.store.lock:
        item, found = _revision(context, request)
        if request.params.get("alt") != "media":
            return answer(request, rendering.revision(found, item, request.viewer, context.store))
        if found.blob is None or item.is_native:
            raise forbidden("fileNotDownloadable", "Only files with binary content can be downloaded.")
    return media(request, found.blob, found.mime)


def update_revision(context: Context, request: Request) -> Reply:
    said = request.json()
    with context.store.lock:
        item, found = _revision(context, request)
        if "keepForever" in said:
            found.keep_forever = bool(said["keepForever"])
        return answer(request, rendering.revision(found, item, request.viewer, context.store))


def delete_revision(context: Context, request: Request) -> Reply:
    with context.store.lock:
        item, found = _revision(context, request)
        if len(item.revisions) == 1:
            raise forbidden("cannotDeleteOnlyRevision", "The only revision of a file cannot be deleted.")
        item.revisions.remove(found)
        context.store.changed(item, request.viewer)
    return Reply(204)
