"""Rules that act by the clock: at what time, on which days, and which rows' time has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_time
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.crm import custom
from apps.crm.automation.words import MODELS, TRIGGERS, aggregate_of
from apps.crm.criteria import Text
from apps.crm.models import AutomationRule, CustomField, Deal, Lead

PREFIX = "schedule."
DAILY = "daily"
# Within a year, as with what is planned.
MOST_DAYS = 365
# As far back as rows are looked for whose day came while nothing ran.
CATCH_UP = timedelta(days=6)
# Deals and leads are looked at while they are open; those that are closed are asked for by their end alone.
SCHEDULES: dict[str, Text] = {
    "schedule.deal.daily": _("each open deal, at a time of day"),
    "schedule.lead.daily": _("each open lead, at a time of day"),
    "schedule.company.daily": _("each company, at a time of day"),
    "schedule.person.daily": _("each person, at a time of day"),
    "schedule.deal.expected_close_date": _("the expected close of an open deal"),
    "schedule.deal.next_step_date": _("the next step of an open deal"),
    "schedule.deal.stage_entered_at": _("an open deal came into its stage"),
    "schedule.deal.last_activity_at": _("the last activity of an open deal"),
    "schedule.deal.closed_at": _("a deal was closed"),
    "schedule.lead.arrived_at": _("an open lead came in"),
    "schedule.lead.assigned_at": _("an open lead was given to somebody"),
    "schedule.lead.next_step_date": _("the next step of an open lead"),
    "schedule.company.last_activity_at": _("the last activity of a company"),
    "schedule.person.last_activity_at": _("the last activity of a person"),
}
_OF_CUSTOM: dict[str, Text] = {
    "deal": _("“%(field)s” of a deal"),
    "lead": _("“%(field)s” of a lead"),
    "company": _("“%(field)s” of a company"),
    "person": _("“%(field)s” of a person"),
}
# Monday is 0.
_WORKDAYS = frozenset(range(5))
ON: dict[str, tuple[Text, frozenset[int]]] = {
    "day": (_("every day"), frozenset(range(7))),
    "workdays": (_("Monday to Friday"), _WORKDAYS),
    "mon": (_("on Mondays"), frozenset({0})),
    "tue": (_("on Tuesdays"), frozenset({1})),
    "wed": (_("on Wednesdays"), frozenset({2})),
    "thu": (_("on Thursdays"), frozenset({3})),
    "fri": (_("on Fridays"), frozenset({4})),
    "sat": (_("on Saturdays"), frozenset({5})),
    "sun": (_("on Sundays"), frozenset({6})),
}
SIDES: dict[str, Text] = {"before": _("before"), "after": _("after")}


@dataclass(frozen=True)
class Span:
    """The days, both of them included, that have come for rows. :ivar last: also the day of what acts daily"""

    first: date
    last: date


def is_scheduled(trigger: str) -> bool:
    """Tell whether a rule acts by the clock, and not on facts."""
    return trigger.startswith(PREFIX)


def is_daily(trigger: str) -> bool:
    """Tell whether a rule acts on all rows alike, and not by a day that each has of its own."""
    return source_of(trigger) == DAILY


def source_of(trigger: str) -> str:
    """Return what a rule that acts by the clock counts from: "expected_close_date", "custom.renewal", "daily"."""
    return trigger.split(".", 2)[2]


def custom_triggers(aggregate: str | None = None) -> dict[str, str]:
    """Return what rules can count from besides: the further fields that hold a day, by trigger, in words."""
    fields = CustomField.objects.filter(kind=CustomField.Kind.DATE, archived_at=None)
    if aggregate is not None:
        fields = fields.filter(model=aggregate)
    return {
        trigger_of(field): str(_OF_CUSTOM[field.model]) % {"field": field.label}
        for field in fields.order_by("model", "position", "id")
    }


def trigger_of(field: CustomField) -> str:
    """Return what the rules are set off by that count from a further field."""
    return f"{PREFIX}{field.model}.{field.name}"


def custom_field_of(trigger: str) -> CustomField | None:
    """Return the further field that a rule counts from; None where it counts from none, or that is not offered."""
    source = source_of(trigger)
    if not source.startswith(custom.PREFIX):
        return None
    fields = CustomField.objects.filter(model=aggregate_of(trigger), kind=CustomField.Kind.DATE)
    return fields.filter(key=source.removeprefix(custom.PREFIX), archived_at=None).first()


def cleaned_schedule(raw: Any, *, trigger: str) -> dict[str, Any]:
    """
    Return a schedule as a rule keeps it: empty for one that acts on facts.

    :param raw: {"at": "09:00"} with {"on": "workdays"} or {"days": 3, "side": "before"}, each of them optional
    :raises ValidationError: there is no such time or day ("invalid_schedule")
    """
    if not is_scheduled(trigger):
        return {}
    given = raw if isinstance(raw, Mapping) else {}
    at = given.get("at", "09:00")
    try:
        moment = at if isinstance(at, time) else parse_time(str(at))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None:
        raise _refused(_("Say at what time, as 09:00."))
    found: dict[str, Any] = {"at": f"{moment:%H:%M}"}
    if is_daily(trigger):
        found["on"] = str(given.get("on", "day"))
        if found["on"] not in ON:
            raise _refused(_("Say on which days."))
        return found
    found["side"], days = str(given.get("side", "after")), str(given.get("days", 0))
    if found["side"] not in SIDES or not days.isdecimal() or len(days) > 3 or int(days) > MOST_DAYS:
        raise _refused(_("Say how many days before or after, from 0 to %(count)s."), count=MOST_DAYS)
    return {**found, "days": int(days)}


def trigger_label(trigger: str) -> str:
    """Say what sets a rule off: a fact, or what it looks at or counts from by the clock."""
    if (known := (TRIGGERS | SCHEDULES).get(trigger)) is not None:
        return str(known)
    field = custom_field_of(trigger) if is_scheduled(trigger) else None
    return trigger if field is None else str(_OF_CUSTOM[field.model]) % {"field": field.label}


def when_label(trigger: str, schedule: Mapping[str, Any]) -> str:
    """Say when a rule acts: "3 days before, at 09:00: the expected close of an open deal"."""
    what = trigger_label(trigger)
    if not is_scheduled(trigger):
        return what
    said = {"at": schedule["at"], "what": what}
    if is_daily(trigger):
        return gettext("%(on)s at %(at)s: %(what)s") % {**said, "on": ON[schedule["on"]][0]}
    days = schedule["days"]
    if days == 0:
        return gettext("on the same day at %(at)s: %(what)s") % said
    if schedule["side"] == "before":
        text = ngettext(
            "%(days)s day before, at %(at)s: %(what)s", "%(days)s days before, at %(at)s: %(what)s", days
        )
    else:
        text = ngettext(
            "%(days)s day after, at %(at)s: %(what)s", "%(days)s days after, at %(at)s: %(what)s", days
        )
    return text % {**said, "days": days}


# The clock of the house, whatever zone a person looks from


def today(now: datetime) -> date:
    """Return the day that it is where the house stands."""
    return timezone.localdate(now, timezone.get_default_timezone())


def moment_of(day: date, schedule: Mapping[str, Any]) -> datetime:
    """Return when a rule acts on a day; a time that the clocks leave out is as much later."""
    at = parse_time(schedule["at"]) or time()
    return datetime.combine(day, at, tzinfo=timezone.get_default_timezone())


def _is_on(day: date, schedule: Mapping[str, Any]) -> bool:
    return day.weekday() in ON[schedule.get("on", "day")][1]


def next_due(schedule: Mapping[str, Any], after: datetime) -> datetime:
    """Return when a rule acts next, later than a moment."""
    return next(moment for moment in _moments(schedule, today(after), 1) if moment > after)


def last_due(schedule: Mapping[str, Any], until: datetime) -> datetime:
    """Return when a rule had to act last, at a moment or before."""
    return next(moment for moment in _moments(schedule, today(until), -1) if moment <= until)


def _moments(schedule: Mapping[str, Any], day: date, step: int) -> list[datetime]:
    # One day of the week comes within eight days, today being over included.
    days = [day + timedelta(days=step * number) for number in range(9)]
    return [moment_of(each, schedule) for each in days if _is_on(each, schedule)]


# Rows whose time has come


def waiting(rule: AutomationRule, span: Span, *, owner: User) -> QuerySet[Any]:
    """Return the rows that a rule looks at within some days, as far as its owner sees them; in no order."""
    model = MODELS[aggregate_of(rule.trigger)]
    rows = model._base_manager.filter(access.scope(owner, "view", model), archived_at=None)
    source = source_of(rule.trigger)
    if source.startswith(custom.PREFIX):
        field = custom_field_of(rule.trigger)
        shift = _shift(rule.schedule)
        if field is None:
            return rows.none()
        low, high = (span.first - shift).isoformat(), (span.last - shift).isoformat()
        found: QuerySet[Any] = custom.bounded(rows, field, low=low, high=high)
        return found
    rows = _in_play(rows, model, source)
    return rows if source == DAILY else rows.filter(**_window(model, source, span, rule.schedule))


def _in_play(rows: QuerySet[Any], model: type[models.Model], source: str) -> QuerySet[Any]:
    if model is Deal:
        is_open = {"status": Deal.Status.OPEN}
        return rows.exclude(**is_open) if source == "closed_at" else rows.filter(**is_open)
    return rows.filter(status__in=Lead.OPEN) if model is Lead else rows


def _shift(schedule: Mapping[str, Any]) -> timedelta:
    return timedelta(days=schedule["days"] if schedule["side"] == "after" else -schedule["days"])


def _window(
    model: type[models.Model], source: str, span: Span, schedule: Mapping[str, Any]
) -> dict[str, Any]:
    low, high = span.first - _shift(schedule), span.last - _shift(schedule)
    if isinstance(model._meta.get_field(source), models.DateTimeField):
        zone = timezone.get_default_timezone()
        begin = datetime.combine(low, time(), tzinfo=zone)
        end = datetime.combine(high + timedelta(days=1), time(), tzinfo=zone)
        return {f"{source}__gte": begin, f"{source}__lt": end}
    return {f"{source}__gte": low, f"{source}__lte": high}


def due_day(rule: AutomationRule, row: Any, span: Span) -> date | None:
    """Return the day on which a rule acts on a row; None where that is not within the span (any more)."""
    source = source_of(rule.trigger)
    if source == DAILY:
        return span.last
    if source.startswith(custom.PREFIX):
        value = parse_date(row.custom.get(source.removeprefix(custom.PREFIX)) or "")
    else:
        value = getattr(row, source)
    if value is None:
        return None
    day = (today(value) if isinstance(value, datetime) else value) + _shift(rule.schedule)
    return day if span.first <= day <= span.last else None


def _refused(message: Any, **params: Any) -> ValidationError:
    return ValidationError({"schedule": ValidationError(message, code="invalid_schedule", params=params)})
