"""What people want to be told, by which channels, and when: their own business alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.accounts.rows import refusal
from apps.notifications.models import Channel, Preference, QuietTime
from apps.notifications.telling.kinds import Kind, kind_of, kinds
from apps.notifications.telling.words import DIGEST

Mode = Preference.Mode


@dataclass(frozen=True)
class Row:
    """What somebody wants of one kind. :ivar modes: by channel, as they have said or as is usual"""

    kind: str
    label: str | Promise
    modes: Mapping[str, str]


def preferences_of(actor: User) -> list[Row]:
    """List what somebody wants of each kind."""
    said = {(row.kind, row.channel): row.mode for row in Preference.objects.filter(user=actor).order_by("pk")}
    return [
        Row(
            kind.code,
            kind.label,
            {channel: said.get((kind.code, channel), usual(kind)) for channel in Channel},
        )
        for kind in kinds()
    ]


def usual(kind: Kind) -> Mode:
    """Return what is so while somebody has not said otherwise."""
    return Mode.ON if kind.is_sent else Mode.OFF


@transaction.atomic
def set_preferences(said: Mapping[tuple[str, str], str], *, actor: User) -> None:
    """
    Say what one wants: of (kind, channel) at once, once a day, or never; what is not named stays.

    :raises ValidationError: there is no such kind, channel or way ("unknown")
    """
    for (code, channel), mode in said.items():
        if kind_of(code) is None or channel not in Channel or mode not in Mode:
            raise refusal("preferences", _("There is no such kind, channel or way."), code="unknown")
    for (code, channel), mode in sorted(said.items()):
        Preference.objects.update_or_create(user=actor, kind=code, channel=channel, defaults={"mode": mode})


@transaction.atomic
def set_quiet_time(
    *, actor: User, quiet_from: time | None, quiet_until: time | None, digest_at: time
) -> QuietTime:
    """
    Say when one wants to be left in peace, and when one reads what is told once a day.

    :raises ValidationError: quiet hours with a beginning and no end, or the other way round
    """
    row = QuietTime(user=actor, quiet_from=quiet_from, quiet_until=quiet_until, digest_at=digest_at)
    row.full_clean(exclude={"user"}, validate_unique=False)
    values = {"quiet_from": quiet_from, "quiet_until": quiet_until, "digest_at": digest_at}
    saved, _is_new = QuietTime.objects.update_or_create(user=actor, defaults=values)
    return saved


def quiet_time_of(actor: User) -> QuietTime:
    """Return the same as it stands, or as it is where nobody has said anything."""
    return QuietTime.objects.filter(user=actor).first() or QuietTime(user=actor)


@transaction.atomic
def unsubscribe(user_id: int, kind: str, channel: str) -> None:
    """
    Send somebody no more of a kind by a channel, at the word of whoever holds the letter; twice is once.

    Of the digest: no more of what they wanted once a day.
    """
    if not User.objects.filter(pk=user_id).exists():
        return
    if kind == DIGEST:
        daily = Preference.objects.filter(user=user_id, channel=channel, mode=Mode.DIGEST)
        daily.update(mode=Mode.OFF)
        return
    Preference.objects.update_or_create(
        user_id=user_id, kind=kind, channel=channel, defaults={"mode": Mode.OFF}
    )


def label_of(kind: str) -> str:
    """Say what a kind is, for people."""
    found = kind_of(kind)
    if found is not None:
        return str(found.label)
    return str(_DIGEST) if kind == DIGEST else kind


_DIGEST = gettext_lazy("The digest of the day")
