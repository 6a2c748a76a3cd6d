"""By which channels somebody is told besides their inbox, and when: decided once, and written down with why."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.keyring import seal
from apps.accounts.models import User
from apps.common.recurrence import zone_named
from apps.notifications.delivering.queues import hand_over_on_commit
from apps.notifications.models import (
    Channel,
    ChannelAddress,
    Delivery,
    Notification,
    Preference,
    QuietTime,
    Verdict,
    Way,
)
from apps.notifications.telling.hours import next_at, quiet_end
from apps.notifications.telling.kinds import Kind

Mode = Preference.Mode
Priority = Delivery.Priority


@dataclass(frozen=True)
class Letter:
    """What is written to somebody without being a notification. :ivar kind: a name of the writer's: "campaign.12" """

    kind: str
    subject: str
    text: str
    url: str = ""


def plan(kind: Kind, rows: Iterable[Notification]) -> None:
    """Write down what goes out besides the inbox about new notifications, and with the verdict of each what does not."""
    for row in rows:
        ways = _planned(kind, row)
        Verdict.objects.filter(user=row.recipient_id, cause=row.cause).update(channels=ways)


def _planned(kind: Kind, row: Notification) -> dict[str, str]:
    user, now = row.recipient, timezone.now()
    modes = modes_of(user, kind.code)
    addresses = _addresses_of(user)
    quiet = QuietTime.objects.filter(user=user).first()
    ways: dict[str, str] = {}
    new: list[Delivery] = []
    for channel in Channel:
        known = addresses.get(channel, [])
        way = _way(kind, modes.get(channel), known, channel)
        if way is None:
            continue
        at = now
        if way == Way.DIGEST:
            at = digest_moment(user, quiet, now)
        elif way == Way.ON and (end := quiet_moment(user, quiet, now)) is not None:
            way, at = Way.QUIET, end
        ways[channel] = way
        if way not in {Way.ON, Way.QUIET, Way.DIGEST}:
            continue
        new += [
            Delivery(
                owner=user,
                notification=row,
                channel=channel,
                address=address,
                kind=kind.code,
                is_digest=way == Way.DIGEST,
                next_attempt_at=at,
            )
            for address in known
            if address.is_on
        ]
    _insert(new)
    return ways


def _way(kind: Kind, mode: str | None, known: Sequence[ChannelAddress], channel: str) -> Way | None:
    """Decide about one channel; None where there is nothing to say of it."""
    if not known:
        # Everybody has an inbox and, as a rule, an address of e-mail: what is missing there is worth a word.
        return Way.NO_ADDRESS if channel == Channel.EMAIL else None
    if mode == Mode.OFF:
        return Way.OFF
    if mode is None and not kind.is_sent:
        return Way.NOT_USUAL
    if not any(address.is_on for address in known):
        return Way.DISABLED
    return Way.DIGEST if mode == Mode.DIGEST else Way.ON


def language_of(user: User) -> str:
    """Return the language in which somebody is written to."""
    return user.locale or settings.LANGUAGE_CODE


def modes_of(user: User, kind: str) -> dict[str, str]:
    """Return what somebody has said about a kind, by channel."""
    return dict(Preference.objects.filter(user=user, kind=kind).values_list("channel", "mode"))


def _addresses_of(user: User) -> Mapping[str, list[ChannelAddress]]:
    email = email_address_of(user)
    found: dict[str, list[ChannelAddress]] = {Channel.EMAIL: [email]} if email is not None else {}
    others = ChannelAddress.objects.filter(owner=user).exclude(channel=Channel.EMAIL)
    for address in others.exclude(disabled_reason=ChannelAddress.Reason.REPLACED).order_by("pk"):
        found.setdefault(address.channel, []).append(address)
    return found


def email_address_of(user: User) -> ChannelAddress | None:
    """Return where somebody reads their e-mail, which is where they log in with; None where they have none."""
    if not user.email:
        return None
    known = ChannelAddress.objects.filter(owner=user, channel=Channel.EMAIL)
    found = known.filter(address=user.email).first()
    if found is not None:
        return found
    now = timezone.now()
    # By another address they do not log in any more.
    known.filter(disabled_at=None).update(disabled_at=now, disabled_reason=ChannelAddress.Reason.REPLACED)
    made, _is_new = ChannelAddress.objects.get_or_create(
        owner=user, channel=Channel.EMAIL, address=user.email, defaults={"verified_at": now}
    )
    return made


def quiet_moment(user: User, quiet: QuietTime | None, now: datetime) -> datetime | None:
    """Return when somebody's quiet hours are over, if this is one of them."""
    if quiet is None:
        return None
    return quiet_end(now, zone_named(user.time_zone), quiet.quiet_from, quiet.quiet_until)


def digest_moment(user: User, quiet: QuietTime | None, now: datetime) -> datetime:
    """Return when somebody reads what is told once a day."""
    clock = QuietTime._meta.get_field("digest_at").get_default() if quiet is None else quiet.digest_at
    return next_at(now, zone_named(user.time_zone), clock)


# What is no notification


@transaction.atomic
def write_to(
    people: Iterable[User],
    letter: Letter,
    *,
    channels: Sequence[str] = (Channel.EMAIL,),
    priority: int = Priority.NORMAL,
    lasts: timedelta | None = None,
) -> list[Delivery]:
    """
    Write to people what is no notification: a one-time code, a campaign. Whoever has turned its kind off gets none.

    :param channels: by each of which it goes to all addresses that are on
    :param lasts: after so long it is of no use any more
    """
    now = timezone.now()
    sealed = seal(json.dumps([letter.subject, letter.text, letter.url]))
    new = []
    for user in people:
        modes, addresses = modes_of(user, letter.kind), _addresses_of(user)
        new += [
            _letter(address, letter.kind, sealed, priority=priority, now=now, lasts=lasts)
            for channel in channels
            if priority == Priority.URGENT or modes.get(channel) != Mode.OFF
            for address in addresses.get(channel, [])
            if address.is_on
        ]
    return _insert(new)


@transaction.atomic
def write_to_address(address: ChannelAddress, letter: Letter, *, lasts: timedelta) -> Delivery:
    """Write at once to one address, be it confirmed or not."""
    sealed = seal(json.dumps([letter.subject, letter.text, letter.url]))
    row = _letter(address, letter.kind, sealed, priority=Priority.URGENT, now=timezone.now(), lasts=lasts)
    return _insert([row])[0]


def _letter(
    address: ChannelAddress, kind: str, sealed: str, *, priority: int, now: datetime, lasts: timedelta | None
) -> Delivery:
    return Delivery(
        owner_id=address.owner_id,
        channel=address.channel,
        address=address,
        kind=kind,
        message=sealed,
        priority=priority,
        next_attempt_at=now,
        expires_at=None if lasts is None else now + lasts,
    )


def _insert(new: list[Delivery]) -> list[Delivery]:
    if not new:
        return []
    now = timezone.now()
    for row in new:
        # What waits for its moment, and what there may be a hundred thousand of, is handed over by whoever sweeps.
        is_next = row.priority > Priority.BULK and not row.is_digest
        row.enqueued_at = (
            now if is_next and row.next_attempt_at is not None and row.next_attempt_at <= now else None
        )
    made = Delivery.objects.bulk_create(new, batch_size=1000)
    hand_over_on_commit([row for row in made if row.enqueued_at is not None])
    return made
