"""What lists of deals are filtered by beyond their columns: the questions that the home page's figures answer."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from apps.accounts.faces.admin import actor_of
from apps.accounts.models import User
from apps.crm.home.periods import now_periods
from apps.crm.models import Attention, Deal, Step


class AttentionFilter(DropdownFilter):
    """Open deals that wait for somebody."""

    title = _("attention")
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Attention.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Deal]) -> QuerySet[Deal]:
        if self.value() not in Attention.values:
            return queryset
        # What a filter is given is a queryset of the model's own kind.
        deals: Any = queryset
        return deals.waiting(Attention(self.value()), timezone.now())


class WeekFilter(DropdownFilter):
    """
    What has happened to deals since Monday, by anybody ("moved") or by one person ("moved-15").

    A person stands in the addresses that home makes; only who may see them reads their name in the filter.
    """

    title = _("since Monday")
    parameter_name = "week"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        plain: list[tuple[str, Any]] = [(step.value, step.label) for step in Step]
        step, by = _parsed(self.value_in(request))
        if step is None or by is None:
            return plain
        person = User.objects.visible_to(actor_of(request)).filter(pk=by).first()
        label = gettext("%(step)s, by %(person)s") % {
            "step": step.label,
            "person": person or gettext("somebody"),
        }
        return [*plain, (f"{step.value}-{by}", label)]

    def value_in(self, request: HttpRequest) -> str:
        return request.GET.get(self.parameter_name, "")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Deal]) -> QuerySet[Deal]:
        step, by = _parsed(self.value() or "")
        if step is None:
            return queryset
        deals: Any = queryset
        return deals.stepped(step, now_periods().week.begins_at, by=by)


def _parsed(value: str) -> tuple[Step | None, int | None]:
    """Read "moved" or "moved-15"; the amount's changes are nobody's."""
    name, _dash, by = value.partition("-")
    if name not in Step.values:
        return None, None
    is_id = by.isdecimal() and len(by) < 19 and name != Step.AMOUNT
    return Step(name), int(by) if is_id else None
