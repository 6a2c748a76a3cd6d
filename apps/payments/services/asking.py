"""When a provider is asked again what it has not told."""

from datetime import datetime, timedelta

from django.utils import timezone

# So old a question is, and so long after this time it is asked again.
_PACE = [
    (timedelta(minutes=10), timedelta(minutes=1)),
    (timedelta(hours=2), timedelta(minutes=5)),
    (timedelta(days=1), timedelta(hours=1)),
    (timedelta(days=10), timedelta(days=1)),
]


def next_ask(since: datetime) -> datetime | None:
    """Return when to ask again what has been open since; None where a person has to look by now."""
    now = timezone.now()
    return next((now + pause for age, pause in _PACE if now - since < age), None)
