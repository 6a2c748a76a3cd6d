"""Who: the asker, the shared drives they are in, and who may see what."""

from typing import Any

from tests.fakes.drive import rendering
from tests.fakes.drive.api.context import Context, answer, find, page
from tests.fakes.drive.exchange import Reply, Request
from tests.fakes.drive.model import ROLES, Item, SharedDrive
from tests.fakes.drive.refusals import Refusal, drive_not_found, forbidden, invalid, not_permitted

LARGEST_UPLOAD = 5 * 1024**4


def about(context: Context, request: Request) -> Reply:
    if "fields" not in request.params:
        raise invalid("fields", "The 'fields' parameter is required for this method.", reason="required")
    store = context.store
    with store.lock:
        account = store.accounts[request.viewer]
        used = store.usage(owner=account.email)
        quota = {"usage": str(used), "usageInDrive": str(used), "usageInDriveTrash": "0"}
        if account.limit is not None:
            quota["limit"] = str(account.limit)
        told = {
            "kind": "drive#about",
            "user": rendering.user(account.email, request.viewer, store),
            "storageQuota": quota,
            "maxUploadSize": str(LARGEST_UPLOAD),
            "canCreateDrives": not account.is_service,
            "appInstalled": True,
        }
    return answer(request, told)


def _drive(context: Context, request: Request, least: str = "reader") -> SharedDrive:
    found = context.store.drives.get(request.values["driveId"])
    if found is None or request.viewer not in found.members:
        raise drive_not_found(request.values["driveId"])
    if ROLES.index(found.members[request.viewer]) < ROLES.index(least):
        raise not_permitted()
    return found


def drive(context: Context, request: Request) -> Reply:
    with context.store.lock:
        return answer(request, rendering.drive(_drive(context, request), request.viewer, context.store))


def drives(context: Context, request: Request) -> Reply:
    store = context.store
    with store.lock:
        mine = [one for one in store.drives.values() if request.viewer in one.members]
        found, more = page(request, mine, 10)
        told: dict[str, Any] = {
            "kind": "drive#driveList",
            "drives": [rendering.drive(one, request.viewer, store) for one in found],
        }
    return answer(request, told if more is None else {**told, "nextPageToken": more})


def create_drive(context: Context, request: Request) -> Reply:
    said, store = request.json(), context.store
    name, asked = said.get("name"), request.params.get("requestId")
    if not name or not asked:
        raise invalid("name" if asked else "requestId", reason="required")
    with store.lock:
        # The same request twice makes one drive, and says so.
        if any(one.request_id == asked for one in store.drives.values()):
            raise Refusal(409, "alreadyExists", "A shared drive was already created by this request.")
        made = store.add_drive(name, {request.viewer: "organizer"})
        made.request_id = asked
        return answer(request, rendering.drive(made, request.viewer, store))


def update_drive(context: Context, request: Request) -> Reply:
    said = request.json()
    with context.store.lock:
        found = _drive(context, request, "organizer")
        found.name = said.get("name", found.name)
        for email in found.members:
            context.store.record_drive(found, email, removed=False)
        return answer(request, rendering.drive(found, request.viewer, context.store))


def hide(context: Context, request: Request) -> Reply:
    with context.store.lock:
        found = _drive(context, request)
        (found.hidden_by.add if request.name == "drives.hide" else found.hidden_by.discard)(request.viewer)
        return answer(request, rendering.drive(found, request.viewer, context.store))


def delete_drive(context: Context, request: Request) -> Reply:
    with context.store.lock:
        found = _drive(context, request, "organizer")
        if any(item.drive_id == found.id and item.id != found.id for item in context.store.items.values()):
            raise forbidden("cannotDeleteNonEmptySharedDrive", "The shared drive is not empty.")
        context.store.remove_drive(found)
    return Reply(204)


def permissions(context: Context, request: Request) -> Reply:
    with context.store.lock:
        found, more = page(request, rendering.permissions(find(context, request), context.store), 100)
        told: dict[str, Any] = {"kind": "drive#permissionList", "permissions": found}
    return answer(request, told if more is None else {**told, "nextPageToken": more})


def _permission(context: Context, request: Request) -> tuple[Item, dict[str, Any]]:
    item = find(context, request)
    for one in rendering.permissions(item, context.store):
        if one["id"] == request.values["permissionId"]:
            return item, one
    name = request.values["permissionId"]
    raise Refusal(404, "notFound", f"Permission not found: {name}.", location=("parameter", "permissionId"))


def permission(context: Context, request: Request) -> Reply:
    with context.store.lock:
        return answer(request, _permission(context, request)[1])


def create_permission(context: Context, request: Request) -> Reply:
    said = request.json()
    role, kind = said.get("role"), said.get("type")
    if role not in ROLES or kind not in {"user", "group", "domain", "anyone"}:
        raise invalid("permission.role" if role not in ROLES else "permission.type")
    with context.store.lock:
        item = find(context, request)
        _check_may_share(context, request, item)
        if kind == "user" and not said.get("emailAddress"):
            raise invalid("permission.emailAddress", reason="required")
        return answer(request, _granted(context, item, role, kind, said.get("emailAddress")))


def _granted(context: Context, item: Item, role: str, kind: str, email: str | None) -> dict[str, Any]:
    store = context.store
    if item.id == item.drive_id and email is not None:
        store.set_member(store.drives[item.id], email, role)
        return rendering.permission(store, email, role)
    told = rendering.permission(store, email, role) if email else _for_all(role, kind)
    item.permissions[told["id"]] = told
    store.changed(item, None)
    return told


def _for_all(role: str, kind: str) -> dict[str, Any]:
    return {"kind": "drive#permission", "id": "anyoneWithLink", "type": kind, "role": role, "deleted": False}


def update_permission(context: Context, request: Request) -> Reply:
    role = request.json().get("role")
    if role not in ROLES:
        raise invalid("permission.role")
    with context.store.lock:
        item, found = _permission(context, request)
        _check_may_share(context, request, item)
        return answer(request, _granted(context, item, role, found["type"], found.get("emailAddress")))


def delete_permission(context: Context, request: Request) -> Reply:
    with context.store.lock:
        item, found = _permission(context, request)
        _check_may_share(context, request, item)
        if item.id == item.drive_id:
            context.store.set_member(context.store.drives[item.id], found["emailAddress"], None)
        elif item.permissions.pop(found["id"], None) is None:
            raise forbidden("cannotRemoveOwner", "The owner of a file cannot be removed.")
        else:
            context.store.changed(item, None)
    return Reply(204)


def _check_may_share(context: Context, request: Request, item: Item) -> None:
    least = "organizer" if item.id == item.drive_id else "fileOrganizer" if item.drive_id else "owner"
    if not context.store.may(item, request.viewer, least):
        raise not_permitted()
