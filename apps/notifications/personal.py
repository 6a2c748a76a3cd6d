"""What webhooks keep about people outside: what other systems have answered to facts about them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from apps.common.personal import Place, Subject, Turn, declare_place, not_personal, place_of
from apps.events.personal import subjects_of
from apps.notifications.models import WebhookDelivery, WebhookEndpoint


def declare() -> None:
    """Declare it; called when the app is ready."""
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


def _answered(subject: Subject) -> QuerySet[Any]:
    facts = place_of("events.event").rows(subject)
    return WebhookDelivery.objects.filter(event__in=facts).exclude(response="")


def _blank_answers(keys: Sequence[str], context: Mapping[str, Any]) -> None:
    answered = WebhookDelivery.objects.filter(event__subject__in=subjects_of(keys))
    answered.exclude(response="").update(response="")
