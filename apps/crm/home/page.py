"""
The home page: which sections a person gets, what stands in each, and which list each figure opens.

What somebody gets follows from what the policy lets them do, and not from what their role is called.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.common.templatetags.artel import age, currency_sign, money, number
from apps.crm.home import figures, kept
from apps.crm.home.periods import Periods, Span, now_periods
from apps.crm.home.worth import Worth
from apps.crm.models import Attention, Deal, Lead, Step

OPEN, WON = Deal.Status.OPEN.value, Deal.Status.WON.value
# More people than this are no table that one reads on a home page.
PEOPLE_SHOWN = 20

# What a section shows, and when it was counted; None while somebody else is counting.
Content = tuple[dict[str, Any], datetime | None]
Read = Callable[[str, Callable[[], Any]], kept.Kept | None]


@dataclass(frozen=True)
class Section:
    """
    One card of the home page.

    :param is_kept: its figures are kept for a while, and arrive after the page where there are none
    """

    name: str
    build: Callable[[User, Periods, Read], Content | None]
    is_kept: bool = True

    @property
    def template(self) -> str:
        return f"admin/home/{self.name}.html"


@dataclass(frozen=True)
class Card:
    """A section in its place: how wide, and what it holds already."""

    name: str
    width: int
    url: str
    body: str
    state: str


# Which list opens


def deals_url(**filters: object) -> str:
    """Return the address of the list of deals under filters."""
    return f"{reverse('admin:crm_deal_changelist')}?{urlencode(filters)}"


def closed_url(span: Span, **filters: object) -> str:
    return deals_url(status__exact=WON, closed_at_from=span.first, closed_at_to=span.last, **filters)


def _stale_url(**filters: object) -> str:
    return deals_url(attention=Attention.STALE.value, **filters)


def _unplanned_url(**filters: object) -> str:
    return deals_url(attention=Attention.UNPLANNED.value, **filters)


# Sections


def _won(actor: User, periods: Periods, read: Read) -> Content | None:
    found = read("won", lambda: figures.count_won(actor, periods))
    if found is None:
        return None
    won = figures.won_of(found.rows, periods)
    so_far = periods.last_month_so_far
    return {
        "won": won,
        "month_url": closed_url(periods.month),
        "so_far_url": closed_url(so_far),
        "so_far_day": day_and_month(so_far.last),
        "last_url": closed_url(periods.last_month),
        "last_name": _month(periods.last_month.first),
        "change": _change(won.this, won.so_far),
        "chart": _chart(won),
        "chart_label": _chart_label(won),
        "months": [
            (_month(each.span.first), closed_url(each.span), each.worth) for each in reversed(won.months)
        ],
    }, found.at


def _change(now: Worth, before: Worth) -> int | None:
    """Return by how many percent more was won than by the same day of last month; None where nothing compares."""
    old, new = (before.main, now.main) if before.main and now.main else (before.count, now.count)
    return round((new - old) * 100 / old) if old else None


def day_and_month(day: date) -> str:
    return date_format(day, pgettext("format of a day and its month", "F j"))


def _month(day: date) -> str:
    return date_format(day, "YEAR_MONTH_FORMAT")


def _chart(won: figures.WonWorth) -> dict[str, Any]:
    """Return what the script draws; every text is written here, so that it reads as the rest of the page."""
    series = [
        {
            "label": currency_sign(currency),
            "values": [float(each.worth.amounts.get(currency, 0)) for each in won.months],
            "texts": [
                f"{money(each.worth.amounts.get(currency, Decimal()), currency)} · {_deals(each.worth.count)}"
                for each in won.months
            ],
        }
        for currency in won.currencies
    ]
    counts = [each.worth.count for each in won.months]
    series.append({"label": _("Deals"), "values": counts, "texts": [_deals(count) for count in counts]})
    return {
        "language": get_language(),
        "series": series,
        "labels": [_short_month(each.span.first) for each in won.months],
        "titles": [_month(each.span.first) for each in won.months],
        "links": [closed_url(each.span) for each in won.months],
    }


def _short_month(day: date) -> str | list[str]:
    """Name a month in as little as it takes; a year is told where it begins."""
    # Not "M": the short name of May is the verb in some translations.
    name = date_format(day, "F")[:3]
    return [name, str(day.year)] if day.month == 1 else name


def _deals(count: int) -> str:
    return ngettext("%(count)s deal", "%(count)s deals", count) % {"count": number(count)}


def _chart_label(won: figures.WonWorth) -> str:
    total = sum(each.worth.count for each in won.months)
    best = max(won.months, key=lambda each: (each.worth.main, each.worth.count))
    if not total:
        return _("Won by month: nothing in the last twelve months.")
    return _("Won by month: %(deals)s in the last twelve months, most in %(month)s: %(sum)s.") % {
        "deals": _deals(total),
        "month": _month(best.span.first),
        "sum": money(best.worth.main, settings.BASE_CURRENCY)
        if best.worth.main
        else _deals(best.worth.count),
    }


def _pipeline(actor: User, periods: Periods, read: Read) -> Content | None:
    found = read("open", lambda: figures.count_open(actor))
    if found is None:
        return None
    funnel = figures.funnel_of(found.rows, actor)
    return {
        "funnel": funnel,
        "stages": [
            {
                "stage": each.stage,
                "worth": each.worth,
                "width": _percent(each.worth.all.count, funnel.fullest),
                "stale_width": _percent(each.worth.stale.count, funnel.fullest),
                "url": deals_url(stage__id__exact=each.stage.pk),
            }
            for each in funnel.stages
        ],
        "open_url": deals_url(status__exact=OPEN),
        "mine_url": deals_url(status__exact=OPEN, owner__id__exact=actor.pk),
        "stale_url": _stale_url(),
        "unplanned_url": _unplanned_url(),
        "is_mine_apart": 0 < funnel.mine.all.count < funnel.total.all.count,
    }, found.at


def _percent(part: int, whole: int) -> str:
    # A bar of something is never of nothing.
    return f"{max(part * 100 / whole, 1.5) if part else 0:.1f}"


def _stale(actor: User, periods: Periods, read: Read) -> Content | None:
    found = read("stale", lambda: figures.count_stale(actor))
    if found is None:
        return None
    now = timezone.now()
    return {
        "deals": [(deal, age(deal.stage_entered_at, now)) for deal in figures.stale_deals(found.rows, actor)],
        "stale_url": _stale_url(),
        "are_owners_shown": access.reaches_others(actor, "view", Deal),
    }, found.at


def _week(actor: User, periods: Periods, read: Read) -> Content | None:
    found = read("week", lambda: figures.count_week(actor, periods))
    latest = read("moves", lambda: figures.count_moves(actor, periods))
    if found is None or latest is None:
        return None
    week = figures.week_of(found.rows)
    words = {
        Step.NEW: _("Began"),
        Step.MOVED: _("Moved on"),
        Step.WON: _("Won"),
        Step.LOST: _("Lost"),
        Step.AMOUNT: _("Amount changed"),
    }
    steps = [(step, words[step], week.steps[step], deals_url(week=step.value)) for step in Step]
    return {
        "week": week,
        "steps": steps,
        "since": day_and_month(periods.week.first),
        "moves": figures.moves_of(latest.rows, actor),
    }, min(found.at, latest.at)


def _team(actor: User, periods: Periods, read: Read) -> Content | None:
    week = read("week", lambda: figures.count_week(actor, periods))
    opened = read("open", lambda: figures.count_open(actor))
    if week is None or opened is None:
        return None
    people = figures.team_of(week.rows, opened.rows, actor)
    rows = [
        {
            "person": each.person,
            "worth": each.open,
            "url": deals_url(status__exact=OPEN, owner__id__exact=each.person.pk),
            "stale_url": _stale_url(owner__id__exact=each.person.pk),
            "unplanned_url": _unplanned_url(owner__id__exact=each.person.pk),
            "steps": [
                (each.steps.get(step, 0), deals_url(week=f"{step.value}-{each.person.pk}"))
                for step in (Step.NEW, Step.MOVED, Step.WON, Step.LOST)
            ],
        }
        for each in people[:PEOPLE_SHOWN]
    ]
    return {"people": rows, "left_out": len(people) - len(rows)}, min(week.at, opened.at)


def _day(actor: User, periods: Periods, read: Read) -> Content:
    day = figures.my_day(actor, periods)
    mine = {"status__exact": OPEN, "owner__id__exact": actor.pk}
    return {
        "day": day,
        "today": periods.today,
        "overdue_url": deals_url(**mine, next_step_date_to=periods.yesterday),
        "today_url": deals_url(**mine, next_step_date_from=periods.today, next_step_date_to=periods.today),
        "week_url": deals_url(
            **mine, next_step_date_from=periods.tomorrow, next_step_date_to=periods.in_a_week
        ),
        "unplanned_url": _unplanned_url(owner__id__exact=actor.pk),
    }, None


def leads_url(**filters: object) -> str:
    """Return the address of the list of leads under filters."""
    return f"{reverse('admin:crm_lead_changelist')}?{urlencode(filters)}"


def _leads(actor: User, periods: Periods, read: Read) -> Content:
    new, working = Lead.Status.NEW.value, Lead.Status.WORKING.value
    mine = {"whose": "mine"}
    return {
        "leads": figures.count_leads(actor),
        "newest": figures.newest_leads(actor),
        "now": timezone.now(),
        "new_url": leads_url(status=new),
        "mine_url": leads_url(status=new, **mine),
        "nobodys_url": leads_url(whose="nobody"),
        "working_url": leads_url(status=working),
        "all_url": leads_url(),
    }, None


def _latest(actor: User, periods: Periods, read: Read) -> Content:
    return {"deals": figures.latest_won(actor), "won_url": deals_url(status__exact=WON)}, None


SECTIONS = {
    section.name: section
    for section in (
        Section("won", _won),
        Section("pipeline", _pipeline),
        Section("stale", _stale),
        Section("week", _week),
        Section("team", _team),
        Section("day", _day, is_kept=False),
        Section("latest", _latest, is_kept=False),
        Section("leads", _leads, is_kept=False),
    )
}
# Of apps above: a section that takes a whole row on top, for whom it is, given what they may.
_FURTHER: list[tuple[str, Callable[[User], bool]]] = []


def register_section(section: Section, is_for: Callable[[User], bool]) -> None:
    """Put a section of an app above on top of the home page of those for whom it is; called from its ready()."""
    SECTIONS[section.name] = section
    if all(name != section.name for name, _is_for in _FURTHER):
        _FURTHER.append((section.name, is_for))


# The widths of a row add up to twelve. Whoever leads works on deals and sees those of others; whoever sells sees
# their own; whoever only reads has to bill, or to check, what was won.
_LEADS = (("won", 7), ("pipeline", 5), ("stale", 7), ("week", 5), ("team", 12))
_SELLS = (("day", 7), ("pipeline", 5), ("won", 7), ("week", 5), ("stale", 12))
# Whoever works on leads has them beside what stands still.
_WITH_LEADS = {("stale", 12): (("stale", 7), ("leads", 5)), ("team", 12): (("leads", 12), ("team", 12))}
_READS = (("won", 7), ("latest", 5), ("pipeline", 7), ("week", 5), ("team", 12))


def sections_of(actor: User) -> tuple[tuple[str, int], ...]:
    """Return the sections a person gets, in their order, with their widths; none who may see no deals."""
    if not access.can_any(actor, "view", Deal):
        return ()
    return (*((name, 12) for name, is_for in _FURTHER if is_for(actor)), *_own_sections(actor))


def _own_sections(actor: User) -> tuple[tuple[str, int], ...]:
    if not access.can_any(actor, "change", Deal):
        return _READS
    if not access.reaches_others(actor, "view", Deal):
        return _with_leads(_SELLS, actor)
    sections = _with_leads(_LEADS, actor)
    # Whoever leads has a day of deals only with deals of their own.
    return (*sections, ("day", 12)) if figures.has_open(actor) else sections


def _with_leads(sections: tuple[tuple[str, int], ...], actor: User) -> tuple[tuple[str, int], ...]:
    if not access.can_any(actor, "change", Lead):
        return sections
    return tuple(each for section in sections for each in _WITH_LEADS.get(section, (section,)))


def cards_of(actor: User) -> list[Card]:
    """Return the cards of a person's home page, with what is known at once: nothing is counted here."""
    periods = now_periods()
    return [_card(SECTIONS[name], width, actor, periods) for name, width in sections_of(actor)]


def _card(section: Section, width: int, actor: User, periods: Periods) -> Card:
    body, state = rendered(section, actor, periods, lambda name, count: kept.peek(name, actor))
    url = reverse("admin:home_section", args=[section.name])
    return Card(section.name, width, url, body, state)


def counted_section(name: str, actor: User) -> tuple[str, str]:
    """Return a section with fresh figures, and whether they are ("fresh"), are older ones or none yet."""
    return rendered(
        SECTIONS[name], actor, now_periods(), lambda part, count: kept.counted(part, actor, count)
    )


def rendered(section: Section, actor: User, periods: Periods, read: Read) -> tuple[str, str]:
    """
    Write a section.

    :return: its HTML, and how it stands: "fresh", "old" (ask again, it is being counted) or "waiting" (nothing yet)
    """
    content = section.build(actor, periods, read)
    if content is None:
        return render_to_string("admin/home/waiting.html", {"name": section.name}), "waiting"
    context, at = content
    is_fresh = at is None or kept.Kept(None, at).is_fresh
    body = render_to_string(section.template, {**context, "at": at, "base_currency": settings.BASE_CURRENCY})
    return body, "fresh" if is_fresh else "old"


def whose_figures(actor: User) -> str:
    """Say in words whose deals the figures are of."""
    if access.reaches_all(actor, "view", Deal):
        return _("All deals")
    if not access.reaches_others(actor, "view", Deal):
        return _("Your deals")
    return _("Your deals and those of your teams")


def has_deals(actor: User) -> bool:
    """Tell whether there is any deal that a person sees."""
    rows: QuerySet[Deal] = Deal.objects.visible_to(actor).active()
    return rows.exists()
