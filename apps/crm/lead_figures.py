"""The numbers of a form: what arrived day by day, and how much of it was worth something."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.models import Lead, LeadArrival, LeadForm

DAYS = 30


@dataclass(frozen=True)
class FormFigures:
    """
    What a form has brought, of the leads that somebody sees.

    :ivar days: the last thirty days with their number of messages, the oldest first
    :ivar decided: how many of its leads were decided about
    """

    days: list[tuple[date, int]]
    leads: int
    qualified: int
    decided: int

    @property
    def messages(self) -> int:
        return sum(count for _day, count in self.days)

    @property
    def qualified_percent(self) -> int | None:
        """Of a hundred that were decided about, how many were qualified; None where none was."""
        return round(100 * self.qualified / self.decided) if self.decided else None


def figures_of(form: LeadForm, *, actor: User) -> FormFigures:
    """Count what a form has brought: two queries."""
    today = timezone.localdate()
    first = today - timedelta(days=DAYS - 1)
    since = timezone.make_aware(datetime.combine(first, time.min))
    arrivals = LeadArrival.objects.visible_to(actor).filter(form=form, at__gte=since)
    by_day = dict(
        arrivals.order_by()
        .annotate(day=TruncDate("at"))
        .values("day")
        .annotate(count=Count("pk"))
        .values_list("day", "count")
    )
    decided = Q(status__in=[Lead.Status.QUALIFIED, Lead.Status.DISQUALIFIED])
    totals = (
        Lead.objects.visible_to(actor)
        .active()
        .filter(form=form)
        .aggregate(
            leads=Count("pk"),
            qualified=Count("pk", filter=Q(status=Lead.Status.QUALIFIED)),
            decided=Count("pk", filter=decided),
        )
    )
    days = [(first + timedelta(days=n), by_day.get(first + timedelta(days=n), 0)) for n in range(DAYS)]
    return FormFigures(days, **totals)
