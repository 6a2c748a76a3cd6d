"""What webhooks keep about people outside: what other systems have answered to facts about them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from apps.common.personal import Place, Subject, Turn, declare_place, not_personal, place_of
from apps.events.personal import subjects_of
from apps.notifications.models import (
    CalendarFeed,
    ChannelAddress,
    Delivery,
    MessageTemplate,
    Notification,
    Preference,
    Task,
    Verdict,
    WebhookDelivery,
    WebhookEndpoint,
)


def declare() -> None:
    """Declare it; called when the app is ready."""
    declare_place(
        Place(
            Task,
            {
                "title": Concat(Value("№ "), Cast("pk", CharField())),
                "description": "",
                "result": "",
                "checklist": [],
            },
            _tasks,
            # Their leads are found by then.
            turn=Turn.FOLLOWING,
        )
    )
    not_personal(
        Task,
        "Whose clock, how it repeats, and what has made it.",
        *("time_zone", "recurrence", "recurrence_start", "cause"),
    )
    not_personal(Notification, "A kind, what it comes of, and keys of rows: words are made when it is read.")
    not_personal(Verdict, "A kind, what it comes of, and a reason from a short list.")
    not_personal(ChannelAddress, "Where a colleague is reached, and what they call that.")
    not_personal(
        Delivery, "A kind, where it goes, and what came of it; what it says is a colleague's, and sealed."
    )
    not_personal(Preference, "What a colleague wants to be told.")
    not_personal(MessageTemplate, "Words for everybody, which name nobody.")
    not_personal(CalendarFeed, "What a colleague calls an address of their own, and its hash.")
    not_personal(WebhookEndpoint, "Addresses and secrets of other systems.")
    not_personal(WebhookDelivery, "Names of kinds, and a key.", "event_type", "subject")
    not_personal(WebhookDelivery, "Made up, about nobody.", "sample")
    not_personal(WebhookDelivery, "When, which message, and its signature.", "sent_headers")
    declare_place(
        Place(
            WebhookDelivery,
            {"response": ""},
            _answered,
            turn=Turn.FOLLOWING,
            erase=_blank_answers,
            keys=lambda subject: place_of("events.event").found(subject),
            is_told=False,
        )
    )


def _tasks(subject: Subject) -> QuerySet[Any]:
    about = Q(target_type__app_label="crm", target_type__model="person", target_id__in=subject.people)
    leads = subject.of("crm.lead")
    about |= Q(target_type__app_label="crm", target_type__model="lead", target_id__in=leads)
    return Task.objects.filter(about)


def _answered(subject: Subject) -> QuerySet[Any]:
    facts = place_of("events.event").rows(subject)
    return WebhookDelivery.objects.filter(event__in=facts).exclude(response="")


def _blank_answers(keys: Sequence[str], context: Mapping[str, Any]) -> None:
    answered = WebhookDelivery.objects.filter(event__subject__in=subjects_of(keys))
    answered.exclude(response="").update(response="")
