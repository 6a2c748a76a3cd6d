"""How Drive says no, in the shapes that Google's client and its users look into."""

from typing import Any


class Refusal(Exception):
    """An answer of 4xx or 5xx, with the reason that programs decide by."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        domain: str = "global",
        location: tuple[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.headers = headers or {}
        error: dict[str, Any] = {"message": message, "domain": domain, "reason": reason}
        if location is not None:
            error["locationType"], error["location"] = location
        self.body = {"error": {"code": status, "message": message, "errors": [error]}}


def invalid(parameter: str, message: str = "Invalid Value", *, reason: str = "invalid") -> Refusal:
    return Refusal(400, reason, message, location=("parameter", parameter))


def not_found(file_id: str) -> Refusal:
    return Refusal(404, "notFound", f"File not found: {file_id}.", location=("parameter", "fileId"))


def drive_not_found(drive_id: str) -> Refusal:
    return Refusal(404, "notFound", f"Shared drive not found: {drive_id}", location=("parameter", "driveId"))


def forbidden(reason: str, message: str) -> Refusal:
    return Refusal(403, reason, message)


def not_permitted(reason: str = "insufficientFilePermissions") -> Refusal:
    return forbidden(reason, "The user does not have sufficient permissions for this file.")


def rate_limited(
    reason: str = "userRateLimitExceeded", *, status: int = 403, wait: int | None = None
) -> Refusal:
    headers = {} if wait is None else {"Retry-After": str(wait)}
    words = {"dailyLimitExceeded": "Daily Limit Exceeded", "rateLimitExceeded": "Rate Limit Exceeded"}
    return Refusal(
        status, reason, words.get(reason, "User Rate Limit Exceeded"), domain="usageLimits", headers=headers
    )
