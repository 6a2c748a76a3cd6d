"""What the accounts asked of Drive, against what they may."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from apps.documents.models import ApiUsage, DriveAccount

# What one account may ask for in a minute, by its profile: units, or queries.
LIMITS = {
    DriveAccount.Profile.UNITS_2026.value: 325_000,
    DriveAccount.Profile.LEGACY_12K.value: 12_000,
}


@dataclass(frozen=True)
class Minute:
    """What an account asked for in one minute; `spent` in units or queries, as its profile counts."""

    at: datetime
    spent: int
    calls: int
    writes: int
    refusals: int


def minutes_of(account: DriveAccount, *, minutes: int = 60) -> list[Minute]:
    """Return the last minutes of an account, the oldest first, those without calls too."""
    last = timezone.now().replace(second=0, microsecond=0)
    first = last - timedelta(minutes=minutes - 1)
    known = {row.minute: row for row in ApiUsage.objects.filter(account=account, minute__gte=first)}
    every = [first + timedelta(minutes=number) for number in range(minutes)]
    return [_minute(account, at, known.get(at)) for at in every]


def _minute(account: DriveAccount, at: datetime, row: ApiUsage | None) -> Minute:
    if row is None:
        return Minute(at, 0, 0, 0, 0)
    is_units = account.profile == DriveAccount.Profile.UNITS_2026
    return Minute(at, row.units if is_units else row.calls, row.calls, row.writes, sum(row.errors.values()))


def limit_of(account: DriveAccount) -> int:
    """Return what an account may ask for in a minute."""
    return LIMITS[account.profile]


def expire_usage() -> int:
    """Forget what was asked long ago; return how many minutes."""
    old = timezone.now() - timedelta(days=settings.GOOGLE_DRIVE_USAGE_DAYS)
    return ApiUsage.objects.filter(minute__lt=old).delete()[0]
