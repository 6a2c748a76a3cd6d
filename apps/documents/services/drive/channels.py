"""
Channels through which Drive says that something changed: a poke, and never more than that.

They are stored before they are opened, verified in constant time, counted once, and replaced before they end.
What they say is only that the log is worth reading; who misses it reads the log a little later.
"""

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.urls import reverse
from django.utils import timezone

from apps.documents.drive.client import Collision, DriveError
from apps.documents.drive.gate import client_of
from apps.documents.models import ChangeCursor, DriveRoot, WatchChannel, WebhookDelivery
from apps.documents.services.drive import changes
from apps.events.failpoints import failpoint

State = WatchChannel.State
# A channel that nobody heard of for so long was never opened.
_OPENING = timedelta(minutes=10)
# A new one is opened when so much of the life of the present one is left.
_RENEWED_AT = 0.4
_KEPT = timedelta(days=8)


@dataclass(frozen=True)
class Message:
    """What Drive posts: all of it stands in headers."""

    channel_id: str
    token: str
    resource_id: str
    number: int
    state: str


def receive(message: Message) -> bool:
    """
    Take a message in; tell whether it came from a channel of ours. What came already changes nothing.
    """
    channel = _channel_of(message)
    if channel is None or not _is_genuine(channel, message):
        return False
    if channel.state not in {State.PENDING, State.ACTIVE, State.STOPPING}:
        # It should be closed by now: it is closed once more.
        WatchChannel.objects.filter(pk=channel.pk).update(state=State.STOPPING)
        return False
    with transaction.atomic():
        _hear(channel, message)
    return True


def _channel_of(message: Message) -> WatchChannel | None:
    try:
        channel_id = uuid.UUID(message.channel_id)
    except ValueError:
        return None
    return WatchChannel.objects.filter(channel_id=channel_id).first()


def _is_genuine(channel: WatchChannel, message: Message) -> bool:
    digest = hashlib.sha256(message.token.encode()).digest()
    is_token = hmac.compare_digest(digest, bytes(channel.token_sha256))
    # Its first message may be quicker than the answer that tells the resource.
    expected = channel.resource_id or message.resource_id
    is_resource = hmac.compare_digest(expected.encode(), message.resource_id.encode())
    return is_token and is_resource


def _hear(channel: WatchChannel, message: Message) -> None:
    deliveries = [WebhookDelivery(channel=channel, number=message.number)]
    is_known = WebhookDelivery.objects.filter(channel=channel, number=message.number).exists()
    WebhookDelivery.objects.bulk_create(deliveries, ignore_conflicts=True)
    if is_known:
        return
    WatchChannel.objects.filter(pk=channel.pk).update(
        last_message_number=Greatest(F("last_message_number"), message.number),
        last_message_at=timezone.now(),
        resource_id=channel.resource_id or message.resource_id[:200],
    )
    if message.state != "sync":
        changes.mark_dirty(channel.cursor_id)


# Opening and closing


def renew_channels() -> int:
    """Open a channel for each drive that needs one, and close what is over; return how many were opened."""
    opened = 0
    if settings.GOOGLE_DRIVE_WEBHOOK_BASE:
        for root in _active_roots():
            cursor = changes.cursor_of(root)
            if _needs_channel(cursor):
                open_channel(cursor)
                opened += 1
    _close_superseded()
    return opened


def _active_roots() -> list[DriveRoot]:
    """Return a root of each drive."""
    roots = DriveRoot.objects.filter(state=DriveRoot.State.ACTIVE).exclude(direction=DriveRoot.Direction.PUSH)
    by_drive = {(root.account_id, root.drive_id): root for root in roots.select_related("account")}
    return list(by_drive.values())


def _needs_channel(cursor: ChangeCursor) -> bool:
    now = timezone.now()
    return not any(
        channel.expires_at is not None
        and channel.expires_at - now > (channel.expires_at - channel.opened_at) * _RENEWED_AT
        for channel in cursor.channels.filter(state=State.ACTIVE)
    )


def open_channel(cursor: ChangeCursor) -> WatchChannel:
    """
    Open a channel: it is stored before Drive hears of it, for its first message may be the quicker one.

    :raises DriveError: Drive does not open it
    """
    token = secrets.token_urlsafe(32)
    channel = WatchChannel.objects.create(cursor=cursor, token_sha256=hashlib.sha256(token.encode()).digest())
    failpoint("drive.channel_stored")
    try:
        opened = client_of(cursor.account).watch(
            cursor.drive_id or None,
            channel_id=str(channel.channel_id),
            page_token=cursor.page_token,
            secret=token,
            address=webhook_address(),
            ttl=timedelta(hours=settings.GOOGLE_DRIVE_CHANNEL_HOURS),
        )
    except Collision:
        # A try that nobody heard of has opened it, and nobody knows until when.
        WatchChannel.objects.filter(pk=channel.pk).update(state=State.STOPPING)
        raise
    failpoint("drive.channel_opened")
    WatchChannel.objects.filter(pk=channel.pk).update(
        state=State.ACTIVE, resource_id=opened.resource_id, expires_at=opened.expires_at
    )
    channel.refresh_from_db()
    return channel


def webhook_address() -> str:
    """Return where Drive posts to."""
    return f"{settings.GOOGLE_DRIVE_WEBHOOK_BASE.rstrip('/')}{reverse('drive-webhook')}"


def _close_superseded() -> None:
    now = timezone.now()
    unsure = WatchChannel.objects.filter(state=State.PENDING, opened_at__lt=now - _OPENING)
    unsure.exclude(resource_id="").update(state=State.STOPPING)
    unsure.filter(resource_id="").update(state=State.EXPIRED)
    active = WatchChannel.objects.filter(state=State.ACTIVE)
    active.filter(expires_at__lte=now).update(state=State.EXPIRED)
    for cursor_id in active.values_list("cursor_id", flat=True).distinct():
        newest = active.filter(cursor_id=cursor_id).order_by("-expires_at", "-pk").values("pk")[:1]
        active.filter(cursor_id=cursor_id).exclude(pk__in=newest).update(state=State.STOPPING)
    idle = Q(cursor__account__roots__state=DriveRoot.State.ACTIVE)
    active.exclude(idle).update(state=State.STOPPING)
    for channel in WatchChannel.objects.filter(state=State.STOPPING).select_related("cursor__account"):
        _close(channel)


def _close(channel: WatchChannel) -> None:
    """Close a channel in Drive; what cannot be closed ends by itself."""
    if channel.resource_id:
        try:
            client_of(channel.cursor.account).stop(str(channel.channel_id), channel.resource_id)
        except DriveError:
            is_over = channel.expires_at is not None and channel.expires_at <= timezone.now()
            if not is_over and channel.opened_at > timezone.now() - _KEPT:
                return
    WatchChannel.objects.filter(pk=channel.pk).update(state=State.STOPPED)


def expire_deliveries() -> int:
    """Forget messages of long ago; return how many."""
    return WebhookDelivery.objects.filter(at__lt=timezone.now() - _KEPT).delete()[0]
