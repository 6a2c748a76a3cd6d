"""A webhook of somebody's own: what they are told, as JSON, signed by the scheme of Standard Webhooks."""

import json
import time
from typing import Any

from apps.notifications.channels import Message, Outcome
from apps.notifications.models import ChannelAddress, Delivery
from apps.notifications.webhooks.calling import Outcome as Called
from apps.notifications.webhooks.calling import call
from apps.notifications.webhooks.signing import signatures

Error = Delivery.Error
_TOO_MANY = 429


class Webhook:
    """Calls the address over the network that refuses our own machines."""

    def send(self, message: Message) -> Outcome:
        body = json.dumps(body_of(message), ensure_ascii=False).encode()
        at = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Artel-Notifications/1.0",
            "Webhook-Id": message.key,
            "Webhook-Timestamp": str(at),
            "Webhook-Signature": signatures([message.secret], message.key, at, body),
        }
        return judged(call(message.address, headers, body))


def body_of(message: Message) -> dict[str, Any]:
    """Return what is told."""
    return {
        "id": message.key,
        "type": "notification",
        "kind": message.kind,
        "title": message.subject,
        "text": message.text,
        "url": message.url,
        "language": message.language,
    }


def judged(called: Called) -> Outcome:
    """Return how a call to somebody else's machine ended, as deliveries tell it."""
    if not called.error:
        return Outcome()
    if called.is_gone:
        return Outcome(Error.REJECTED, called.code, is_final=True, disables=ChannelAddress.Reason.GONE)
    if called.code is None:
        return Outcome(Error.UNREACHABLE, is_uncertain=True)
    # What one receiver asks for is no limit of the channel: it is tried again later, as anything that was refused.
    return Outcome(Error.LIMITED if called.code == _TOO_MANY else Error.REFUSED, called.code)
