"""What the people of the demo have said and done with their customers, in the installation's language."""

from datetime import datetime, timedelta
from random import Random

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop, override

from apps.accounts.models import User
from apps.crm.models import Deal, DealParticipant
from apps.crm.services.activities import log_activity, pin_activity
from apps.crm.services.participants import add_participant

Role = DealParticipant.Role
# Kind, outcome, minutes, what was written.
SAID = [
    (
        "NOTE",
        "",
        None,
        gettext_noop("They move in March and want everything in one go, before the movers come."),
    ),
    (
        "CALL",
        "REACHED",
        12,
        gettext_noop("The offer is with the director. He asks for another one without the booths."),
    ),
    (
        "MEETING",
        "HELD",
        45,
        gettext_noop("Walked through both floors. No sockets along the windows: our fitter has to look."),
    ),
    ("CALL", "NO_ANSWER", None, gettext_noop("Nobody picked up, wrote a message instead.")),
    ("NOTE", "", None, gettext_noop("Budget is decided on the 15th. Until then only samples, no discounts.")),
    ("CALL", "CALL_BACK", 4, gettext_noop("She is at a fair until Thursday; call her on Friday morning.")),
    (
        "MEETING",
        "POSTPONED",
        None,
        gettext_noop("They postponed: their chief engineer is ill. New date next week."),
    ),
    (
        "NOTE",
        "",
        None,
        gettext_noop("The competitor promises four weeks. We can do five, with assembly included."),
    ),
    (
        "CALL",
        "REACHED",
        8,
        gettext_noop("Agreed on the terms of payment: half in advance, the rest after assembly."),
    ),
    ("NOTE", "", None, gettext_noop("Samples of the fabric went out by courier, grey and sand.")),
    (
        "MEETING",
        "HELD",
        30,
        gettext_noop(
            "They tried all three chairs and chose the middle one. Price is no longer the question."
        ),
    ),
]
ROLES = [Role.DECISION_MAKER, Role.CHAMPION, Role.BILLING, Role.USER]


def make_conversations(deals: list[Deal], *, now: datetime, random: Random) -> int:
    """Write down what was said about deals; return how many activities that are."""
    written = 0
    with override(settings.LANGUAGE_CODE):
        for place, deal in enumerate(deals):
            actor = deal.owner
            if deal.person_id is not None:
                _take_part(deal, place, actor)
            count = 2 + place % 4
            for number in range(count):
                kind, outcome, minutes, text = SAID[(place * 3 + number) % len(SAID)]
                at = _moment(deal, now, (number + random.random()) / count)
                activity = log_activity(
                    about=[("deal", deal.pk)],
                    kind=kind,
                    actor=actor,
                    body=gettext(text),
                    outcome=outcome,
                    duration_minutes=minutes,
                    direction="OUT" if kind == "CALL" else "",
                    occurred_at=at,
                )
                written += 1
                if kind == "NOTE" and place % 5 == 0 and number < 2:
                    pin_activity(activity.pk, actor=actor, is_pinned=True)
    return written


def _take_part(deal: Deal, place: int, actor: User) -> None:
    add_participant(
        deal.pk,
        person_id=deal.person_id or 0,
        role=ROLES[place % len(ROLES)],
        is_primary=True,
        actor=actor,
    )


def _moment(deal: Deal, now: datetime, share: float) -> datetime:
    """Return a moment between the beginning of a deal and its end, or today."""
    began = timezone.make_aware(datetime.combine(deal.opened_date, datetime.min.time())) + timedelta(hours=9)
    deal.refresh_from_db(fields=["closed_at"])
    end = deal.closed_at or now
    return min(began + (end - began) * share, now) if end > began else min(began, now)
