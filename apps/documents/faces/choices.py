"""What forms about approval and signing offer."""

from datetime import datetime, timedelta

from django.utils import timezone

from apps.accounts.faces.visible import visible_rows
from apps.accounts.models import User

# As many colleagues as a choice lists.
CHOICES = 300
_USUAL_DAYS = 14


def colleagues_of(actor: User) -> list[User]:
    """Return to whom a person could give a decision."""
    people = visible_rows(actor, User).filter(is_active=True, kind=User.Kind.HUMAN).exclude(pk=actor.pk)
    return list(people.order_by("name")[:CHOICES])


def usual_end() -> datetime:
    """Return until when a document is out to be signed, where nobody says otherwise."""
    return timezone.localtime() + timedelta(days=_USUAL_DAYS)
