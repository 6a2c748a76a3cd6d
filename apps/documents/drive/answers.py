"""What Google's answers mean: errors as kinds, resources as values."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

from apps.documents.drive.errors import (
    Collision,
    DailyLimit,
    DriveError,
    Forbidden,
    Gone,
    Invalid,
    LoginRefused,
    QuotaFull,
    RateLimited,
    Transient,
)
from apps.documents.drive.remote import About, Change, Channel, RemoteFile, Revision, SharedDrive

FILE_FIELDS = (
    "id,name,mimeType,parents,version,trashed,explicitlyTrashed,md5Checksum,size,headRevisionId,appProperties,driveId,"
    "createdTime,modifiedTime,lastModifyingUser(displayName,emailAddress),webViewLink,shortcutDetails(targetId)"
)
REVISION_FIELDS = (
    "id,modifiedTime,md5Checksum,size,mimeType,keepForever,lastModifyingUser(displayName,emailAddress)"
)
DRIVE_FIELDS = "id,name,hidden,capabilities(canAddChildren,canTrashChildren,canDeleteChildren)"

_RATE = {"userRateLimitExceeded", "rateLimitExceeded"}
_DAY = {"dailyLimitExceeded", "dailyLimitExceededUnreg"}
_FULL = {
    "activeItemCreationLimitExceeded",
    "numChildrenInNonRootLimitExceeded",
    "quotaExceeded",
    "storageQuotaExceeded",
    "teamDriveFileLimitExceeded",
    "teamDriveHierarchyTooDeep",
}
_TAKEN = {"channelIdNotUnique"}
# Where Google's days begin.
_PACIFIC = ZoneInfo("America/Los_Angeles")


def error_of(status: int, content: bytes, headers: Mapping[str, str]) -> DriveError:
    """Return what an answer that is no success means."""
    reason, message = _told(content)
    if status == 403:
        return _refused(reason, message, headers)
    if status == 429:
        return RateLimited(message, reason=reason, status=status, wait=_wait(headers))
    if status == 408 or status >= 500 or 300 <= status < 400:
        return Transient(message or f"status {status}", reason=reason, status=status, wait=_wait(headers))
    if status == 409 or reason in _TAKEN:
        return Collision(message, reason=reason, status=status)
    kinds: dict[int, type[DriveError]] = {401: LoginRefused, 404: Gone, 410: Gone}
    return kinds.get(status, Invalid)(message or f"status {status}", reason=reason, status=status)


def _refused(reason: str, message: str, headers: Mapping[str, str]) -> DriveError:
    if reason in _RATE:
        return RateLimited(message, reason=reason, status=403, wait=_wait(headers))
    if reason in _DAY:
        return DailyLimit(message, reason=reason, status=403, wait=until_tomorrow())
    if reason in _FULL:
        return QuotaFull(message, reason=reason, status=403)
    if not reason:
        # A page of a proxy or a guard in front of Drive: Drive itself gives a reason.
        return Transient(message or "status 403 without a reason", status=403, wait=_wait(headers))
    return Forbidden(message, reason=reason, status=403)


def _told(content: bytes) -> tuple[str, str]:
    """Return the reason and the words of an error; empty where the body is none of Google's."""
    try:
        error = json.loads(content)["error"]
        first = (error.get("errors") or [{}])[0]
        return str(first.get("reason") or error.get("status") or ""), str(error.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ""


def _wait(headers: Mapping[str, str]) -> float:
    """Return the seconds that an answer asks to wait; 0 where it asks for none."""
    text = headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def until_tomorrow() -> float:
    """Return the seconds until limits of a day begin anew."""
    now = datetime.now(_PACIFIC)
    tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), _PACIFIC)
    return (tomorrow - now).total_seconds()


def remote_file(told: Mapping[str, Any]) -> RemoteFile:
    return RemoteFile(
        id=told["id"],
        name=told["name"],
        mime=told["mimeType"],
        parents=tuple(told.get("parents", ())),
        version=int(told["version"]),
        trashed=told["trashed"],
        is_explicitly_trashed=told["explicitlyTrashed"],
        md5=told.get("md5Checksum"),
        size=_number(told.get("size")),
        head_revision_id=told.get("headRevisionId"),
        app_properties=told.get("appProperties", {}),
        drive_id=told.get("driveId"),
        created_time=_moment(told.get("createdTime")),
        modified_time=_moment(told.get("modifiedTime")),
        last_modifying_user=_person(told.get("lastModifyingUser")),
        web_view_link=told.get("webViewLink", ""),
        shortcut_target_id=told.get("shortcutDetails", {}).get("targetId"),
    )


def change(told: Mapping[str, Any]) -> Change:
    file = told.get("file")
    return Change(
        file_id=told.get("fileId"),
        removed=told["removed"],
        file=None if file is None else remote_file(file),
        time=_moment(told.get("time")),
        drive_id=told.get("driveId"),
    )


def revision(told: Mapping[str, Any]) -> Revision:
    return Revision(
        id=told["id"],
        modified_time=_moment(told.get("modifiedTime")),
        md5=told.get("md5Checksum"),
        size=_number(told.get("size")),
        mime=told["mimeType"],
        keep_forever=told.get("keepForever", False),
        last_modifying_user=_person(told.get("lastModifyingUser")),
    )


def shared_drive(told: Mapping[str, Any]) -> SharedDrive:
    may = told["capabilities"]
    return SharedDrive(
        id=told["id"],
        name=told["name"],
        can_add_children=may.get("canAddChildren", False),
        can_trash_children=may.get("canTrashChildren", False),
        can_delete_children=may.get("canDeleteChildren", False),
        is_hidden=told.get("hidden", False),
    )


def channel(told: Mapping[str, Any]) -> Channel:
    return Channel(
        id=told["id"],
        resource_id=told["resourceId"],
        resource_uri=told["resourceUri"],
        expires_at=datetime.fromtimestamp(int(told["expiration"]) / 1000, UTC),
    )


def about(told: Mapping[str, Any]) -> About:
    quota = told["storageQuota"]
    return About(
        email=told["user"]["emailAddress"],
        display_name=told["user"]["displayName"],
        limit=_number(quota.get("limit")),
        usage=int(quota["usage"]),
        largest_upload=int(told["maxUploadSize"]),
    )


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _person(told: Mapping[str, str] | None) -> str:
    return (told or {}).get("displayName") or (told or {}).get("emailAddress") or ""
