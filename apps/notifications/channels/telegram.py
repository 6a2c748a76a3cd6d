"""Telegram: through the Bot API over HTTP, which knows no way to tell that something was sent already."""

import json
import threading
from functools import cache
from typing import Any

import httpcore
from django.conf import settings

from apps.notifications.channels import Message, Outcome
from apps.notifications.models import ChannelAddress, Delivery

Error = Delivery.Error
# The API refuses more characters in one message.
_LONGEST = 4096
_TIMEOUTS = {"connect": 5.0, "read": 10.0, "write": 10.0, "pool": 10.0}
# What the API says to a bot that may not write there any more.
_NO_CHAT = (
    "chat not found",
    "user not found",
    "peer_id_invalid",
    "have no rights to send a message",
    "bot was kicked",
    "group chat was deleted",
)


class Telegram:
    """Sends as the bot of the settings."""

    def send(self, message: Message) -> Outcome:
        if not settings.TELEGRAM_BOT_TOKEN:
            return Outcome(Error.UNREACHABLE)
        try:
            answer = _client().request(
                "POST",
                f"{settings.TELEGRAM_API_URL}/bot{settings.TELEGRAM_BOT_TOKEN}/sendMessage",
                headers=[("Content-Type", "application/json")],
                content=json.dumps(body_of(message)).encode(),
                extensions={"timeout": _TIMEOUTS},
            )
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout):
            return Outcome(Error.UNREACHABLE)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError):
            # It was on its way by then.
            return Outcome(Error.UNREACHABLE, is_uncertain=True)
        return _judged(answer.status, answer.content)


def body_of(message: Message) -> dict[str, Any]:
    """Return what the method `sendMessage` takes."""
    buttons = [[{"text": deed.label, "url": deed.url}] for deed in message.deeds]
    if message.url:
        buttons.append([{"text": message.button, "url": message.url}])
    text = (
        message.text if message.text.startswith(message.subject) else f"{message.subject}\n\n{message.text}"
    )
    body: dict[str, Any] = {
        "chat_id": int(message.address),
        "text": text.strip()[:_LONGEST],
        "link_preview_options": {"is_disabled": True},
    }
    if buttons:
        body["reply_markup"] = {"inline_keyboard": buttons}
    return body


def _judged(status: int, content: bytes) -> Outcome:
    try:
        said: dict[str, Any] = json.loads(content)
        if status == 200 and said["ok"]:
            return Outcome(provider_id=str(said["result"]["message_id"]))
        description = str(said.get("description", "")).lower()
        parameters: dict[str, Any] = said.get("parameters") or {}
    except (ValueError, KeyError, TypeError, AttributeError):
        # Some machine between has answered: nobody knows what became of it.
        return Outcome(Error.REFUSED, status, is_uncertain=status >= 500 or status == 200)
    if status == 429:
        return Outcome(Error.LIMITED, status, retry_after=float(parameters.get("retry_after") or 1))
    if parameters.get("migrate_to_chat_id"):
        return Outcome(Error.REFUSED, status, moved_to=str(parameters["migrate_to_chat_id"]))
    if status == 403 or (status == 400 and any(sign in description for sign in _NO_CHAT)):
        return Outcome(Error.REJECTED, status, is_final=True, disables=ChannelAddress.Reason.BLOCKED)
    if status >= 500:
        return Outcome(Error.REFUSED, status, is_uncertain=True)
    # Our token, or what we write: no fault of the address.
    return Outcome(Error.REJECTED, status, is_final=status == 400)


_lock = threading.Lock()


def _client() -> httpcore.ConnectionPool:
    with _lock:
        return _pool()


@cache
def _pool() -> httpcore.ConnectionPool:
    return httpcore.ConnectionPool(max_connections=40, keepalive_expiry=30.0)
