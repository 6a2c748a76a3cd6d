"""Carrying a request out once, however often it comes: what was answered is kept in the transaction of its effect."""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.payments.models import IdempotencyKey

KEPT = timedelta(days=7)
LONGEST = 255
_BATCH = 1000


@dataclass(frozen=True)
class Asked:
    """
    A request under a key.

    :ivar endpoint: method and address
    :ivar body: as it was understood; another order of its names is the same body
    """

    owner: User
    endpoint: str
    key: str
    body: Any

    def digest(self) -> str:
        """Return what tells two bodies under one key apart."""
        text = json.dumps(self.body, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def lock(self) -> int:
        """Return the number of the lock that its twins wait for, of 64 bits with a sign."""
        text = f"{self.owner.pk}\n{self.endpoint}\n{self.key}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)


def claim(asked: Asked) -> IdempotencyKey | None:
    """
    Return what was answered to this request before; None where it is to be carried out now, in this transaction.

    :raises ValidationError: a twin is being carried out ("in_flight"), the key was another request's ("key_reused"), or
        it is too long ("key_too_long")
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("a key is claimed in the transaction of its effect")
    if len(asked.key) > LONGEST:
        raise ValidationError(_("An Idempotency-Key has at most 255 characters."), code="key_too_long")
    with connection.cursor() as cursor:
        # Held until the transaction ends, and let go when its process dies.
        cursor.execute("select pg_try_advisory_xact_lock(%s)", [asked.lock()])
        is_first = bool(cursor.fetchone()[0])
    if not is_first:
        raise ValidationError(
            _("This very request is being carried out. Ask again in a moment."), code="in_flight"
        )
    known = IdempotencyKey.objects.filter(owner=asked.owner, endpoint=asked.endpoint, key=asked.key).first()
    if known is None:
        return None
    if known.request_hash != asked.digest():
        raise ValidationError(_("Another request was sent under this Idempotency-Key."), code="key_reused")
    return known


def keep(asked: Asked, status_code: int, response: Any, *, etag: str = "") -> None:
    """Keep what is answered to a request that was claimed."""
    IdempotencyKey.objects.create(
        owner=asked.owner,
        endpoint=asked.endpoint,
        key=asked.key,
        request_hash=asked.digest(),
        status_code=status_code,
        response=response,
        etag=etag,
        expires_at=timezone.now() + KEPT,
    )


def expire_idempotency_keys() -> int:
    """Forget answers whose time is over; return how many."""
    count = 0
    while True:
        over = IdempotencyKey.objects.filter(expires_at__lt=timezone.now()).order_by("expires_at")
        gone, _by_model = IdempotencyKey.objects.filter(pk__in=over.values("pk")[:_BATCH]).delete()
        count += gone
        if gone < _BATCH:
            return count
