"""Addresses under which calendars find somebody's tasks."""

from django.db import transaction
from django.utils import timezone

from apps.accounts import access
from apps.accounts.digests import digest, new_secret
from apps.accounts.models import User
from apps.accounts.owned_rows import insert, locked
from apps.accounts.services.in_person import require_in_person
from apps.notifications.models import CalendarFeed

# Says what it is to whoever finds one.
MARK = "artel_cal_"


@transaction.atomic
def create_feed(*, actor: User, name: str = "") -> tuple[CalendarFeed, str]:
    """
    Make an address under which a calendar finds the actor's tasks; return it with its secret, told only now.

    :raises PermissionDenied: the actor may not make one, or does not act in person
    """
    access.require(actor, "add", CalendarFeed)
    require_in_person(actor)
    secret = new_secret(MARK)
    feed = insert(CalendarFeed(owner=actor, name=name.strip(), digest=digest(secret)), actor=actor)
    return feed, secret


@transaction.atomic
def revoke_feed(feed_id: int, *, actor: User) -> CalendarFeed:
    """
    Take an address back: nobody reads by it from now on. Taking it back twice is once.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not take it back
    """
    feed = locked(CalendarFeed, feed_id, actor=actor, action="change")
    if feed.revoked_at is None:
        feed.revoked_at = timezone.now()
        feed.save(update_fields=["revoked_at"])
    return feed


def open_feed(secret: str) -> CalendarFeed:
    """
    Return the address with a secret, and note that it was asked.

    :raises DoesNotExist: there is none, it was taken back, or its owner has left
    """
    feed = CalendarFeed.objects.select_related("owner").get(
        digest=digest(secret), revoked_at=None, owner__is_active=True
    )
    CalendarFeed.objects.filter(pk=feed.pk).update(used_at=timezone.now())
    return feed
