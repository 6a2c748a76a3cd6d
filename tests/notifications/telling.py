"""What the tests of webhooks share: endpoints, facts, and a turn of the process that sends them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from apps.accounts.models import User
from apps.crm.models import Deal, StageTransition
from apps.crm.services.deals import create_deal
from apps.events.models import Event
from apps.notifications.models import WebhookEndpoint
from apps.notifications.services import webhook_sending, webhooks
from apps.notifications.webhooks.calling import call
from apps.notifications.webhooks.sender import Sender


def make_deal(title: str, *, owner: User) -> Deal:
    """Open a deal as its owner does, so that the fact is told."""
    return create_deal(title=title, actor=owner, face=StageTransition.Face.SYSTEM)


def make_webhook(owner: User, url: str, *event_types: str, **fields: Any) -> tuple[WebhookEndpoint, str]:
    """Have facts about deals, unless others are named, sent to an address; return it with its secret."""
    return webhooks.create_webhook(
        actor=owner, url=url, event_types=list(event_types) or ["crm.deal.*"], **fields
    )


def relay() -> int:
    """Write all facts that there are down for whoever is to be told, as the relay does with each batch."""
    return webhook_sending.fan_out(list(Event.objects.order_by("id")))


def send() -> int:
    """Send what is due, one after the other, and return how much it was."""
    calls = webhook_sending.claim_due(100)
    for each in calls:
        webhook_sending.record_outcome(
            each.delivery_id, each.attempt, call(each.url, each.headers, each.body)
        )
    return len(calls)


def turn_until(condition: Callable[[], object], *, turns: int = 400) -> Sender:
    """Let the loop of the sending process turn, with its threads, until something is so."""
    sender = Sender()
    with ThreadPoolExecutor(8) as pool:
        for _turn in range(turns):
            sender.turn(pool)
            if condition():
                return sender
    raise AssertionError("it never came to that")
