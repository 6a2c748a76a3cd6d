"""How webhooks are doing, and what they may be told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, TruncHour
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.events.registry import all_facts
from apps.notifications.models import WebhookDelivery, WebhookEndpoint
from apps.notifications.webhooks.samples import schema_of

State = WebhookDelivery.State
_HOURS = 24


@dataclass(frozen=True)
class Health:
    """
    What became of what an endpoint was told in the last 24 hours.

    :ivar share: taken at once or later, of all that has ended, in percent; None where nothing has
    """

    taken: int = 0
    given_up: int = 0
    waiting: int = 0
    share: int | None = None


@dataclass(frozen=True)
class Hour:
    """What was told in one hour, for a chart."""

    at: datetime
    taken: int
    others: int


@dataclass(frozen=True)
class EventType:
    """A type of facts that may be told."""

    type: str
    app: str
    description: str
    schema: dict[str, Any]


def with_health(endpoints: QuerySet[WebhookEndpoint]) -> QuerySet[WebhookEndpoint]:
    """Add how each endpoint did in 24 hours (`taken`, `given_up`), and its last failure (`last_error`, `last_code`)."""
    mine = WebhookDelivery.objects.filter(endpoint=OuterRef("pk")).order_by()
    lately = mine.filter(created_at__gte=timezone.now() - timedelta(hours=_HOURS))
    failed = mine.exclude(error="").exclude(attempted_at=None).order_by("-attempted_at")
    return endpoints.annotate(
        taken=_count(lately.filter(state=State.DELIVERED)),
        given_up=_count(lately.filter(state=State.FAILED)),
        last_error=Subquery(failed.values("error")[:1]),
        last_code=Subquery(failed.values("code")[:1]),
    )


def _count(deliveries: QuerySet[WebhookDelivery]) -> Any:
    return Coalesce(Subquery(deliveries.values("endpoint").annotate(n=Count("pk")).values("n")), 0)


def health_of(endpoint: WebhookEndpoint) -> Health:
    """Return how an endpoint that was read with its health is doing, and how much waits."""
    taken, given_up = cast(Any, endpoint).taken, cast(Any, endpoint).given_up
    ended = taken + given_up
    waiting = endpoint.deliveries.pending().count()
    return Health(taken, given_up, waiting, 100 * taken // ended if ended else None)


def hours_of(endpoint: WebhookEndpoint) -> list[Hour]:
    """Return what an endpoint was told in each of the last 24 hours, the earliest first."""
    last = timezone.now().replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=_HOURS - 1)
    rows = (
        endpoint.deliveries.filter(created_at__gte=first)
        .order_by()
        .annotate(at=TruncHour("created_at"))
        .values("at")
        .annotate(
            taken=Count("id", filter=Q(state=State.DELIVERED)),
            others=Count("id", filter=~Q(state=State.DELIVERED)),
        )
    )
    found = {row["at"]: (row["taken"], row["others"]) for row in rows}
    moments = [first + timedelta(hours=number) for number in range(_HOURS)]
    return [Hour(at, *found.get(at, (0, 0))) for at in moments]


def last_trouble(endpoint: WebhookEndpoint) -> str:
    """Say what went wrong last with an endpoint that was read with its health; empty once it has taken something."""
    found = cast(Any, endpoint)
    return _sentence(found.last_error, found.last_code) if endpoint.failures and found.last_error else ""


def sentence_of(delivery: WebhookDelivery) -> str:
    """Say what went wrong with a delivery, for people."""
    return _sentence(delivery.error, delivery.code) if delivery.error else ""


def _sentence(error: str, code: int | None) -> str:
    said = str(WebhookDelivery.Error(error).label)
    return said if code is None else _("%(what)s (%(code)s)") % {"what": said, "code": code}


def was_sent(delivery: WebhookDelivery) -> bool:
    """Tell whether what it says has left by now: what its owner may not be told is not read in the record either."""
    return delivery.attempts > 0 and delivery.state != State.WITHHELD


def event_types() -> list[EventType]:
    """List the types of facts there are, in order, each with the schema of its data."""
    found = [
        EventType(fact.type, str(config.verbose_name), str(schema.get("description", "")), schema)
        for config, fact in all_facts()
        if (schema := schema_of(fact.type))
    ]
    return sorted(found, key=lambda each: each.type)
