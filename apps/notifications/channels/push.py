"""A browser: encrypted for it alone (RFC 8291) and sent through the service of whoever made it, in our name (VAPID)."""

import json
import time
from functools import cache
from urllib.parse import urlsplit

from django.conf import settings
from py_vapid import Vapid02
from pywebpush import WebPusher, WebPushException

from apps.notifications.channels import Message, Outcome
from apps.notifications.channels.webhook import judged
from apps.notifications.models import ChannelAddress, Delivery
from apps.notifications.webhooks.calling import call

Error = Delivery.Error
# The service keeps it for so long for a browser that is closed: a day.
_TTL_SECONDS = 24 * 3600
# A proof is good for a day at most (RFC 8292).
_PROOF_SECONDS = 12 * 3600
# Browsers take some 4 KB, encrypted.
_LONGEST = 1000
_NOT_THERE = 404


class Push:
    """Sends to the push service that the browser has named, over the network that refuses our own machines."""

    def send(self, message: Message) -> Outcome:
        keys = json.loads(message.secret)
        try:
            sealed = WebPusher({"endpoint": message.address, "keys": keys}).encode(_written(message))
        except (WebPushException, ValueError, TypeError):
            # The keys are none.
            return Outcome(Error.REJECTED, is_final=True, disables=ChannelAddress.Reason.GONE)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "aes128gcm",
            "TTL": str(_TTL_SECONDS),
            "Urgency": "high" if message.is_urgent else "normal",
            "Topic": message.key.replace("-", ""),
            **_vapid().sign(_claims(message.address)),
        }
        called = call(message.address, headers, bytes(sealed["body"]))
        if called.code == _NOT_THERE:
            return Outcome(Error.REJECTED, called.code, is_final=True, disables=ChannelAddress.Reason.GONE)
        return judged(called)


def _written(message: Message) -> bytes:
    told = {
        "title": message.subject,
        "body": message.text[:_LONGEST],
        "url": message.url,
        "tag": message.key,
        "lang": message.language,
    }
    return json.dumps(told, ensure_ascii=False).encode()


def _claims(address: str) -> dict[str, str | int]:
    parts = urlsplit(address)
    return {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int(time.time()) + _PROOF_SECONDS,
        "sub": settings.VAPID_SUBJECT or f"mailto:{settings.DEFAULT_FROM_EMAIL}",
    }


def _vapid() -> Vapid02:
    return _opened(settings.VAPID_PRIVATE_KEY)


@cache
def _opened(key: str) -> Vapid02:
    return Vapid02.from_string(key)
