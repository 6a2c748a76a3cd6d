"""The list of deals laid out by time: as a calendar of days, and as columns of months."""

from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from apps.accounts.faces.admin import ScopedModelAdmin
from apps.common.lists.changelist import COLUMNS_VAR, VIEW_VAR, KeysetChangeList
from apps.common.templatetags.artel import money, number
from apps.crm.board.filters import parse
from apps.crm.models import Deal
from apps.crm.planning.reading import OVERDUE, UNDATED, Slot, read_days, read_months
from apps.crm.planning.spans import By, Scale, Shown, shown_of
from apps.crm.reports.choices import last_of_month
from apps.lists.models import SavedView

Layout = SavedView.Layout
# What an address says of time; it narrows nothing.
_TIME = ("by", "scale", "on")
# So many deals are shown of a day of a month, of a day of a week, of a month.
MOST_OF_DAY, MOST_OF_WEEKDAY, MOST_OF_MONTH = 3, 12, 20
_ICONS = {
    Layout.LIST: "list",
    Layout.BOARD: "view_kanban",
    Layout.CALENDAR: "calendar_month",
    Layout.FORECAST: "trending_up",
}
_LABELS = {
    Layout.LIST: _("List"),
    Layout.BOARD: _("Board"),
    Layout.CALENDAR: _("Calendar"),
    Layout.FORECAST: _("Months"),
}


class _Matching(KeysetChangeList):
    """The rows that the filters of a list let through, without a page of them."""

    time: dict[str, str]

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.time = {name: request.GET[name] for name in _TIME if name in request.GET}
        super().__init__(request, *args, **kwargs)

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        for name in _TIME:
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        # Filters write what they lead to while they are made.
        self.look |= self.time
        return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        self.shows_filters = "_filters" in request.GET
        self.result_list: Any = []


class CalendarPages(ScopedModelAdmin):
    """The addresses of the calendar and of the months, among those of deals."""

    layouts: tuple[str, ...] = (Layout.LIST, Layout.CALENDAR, Layout.FORECAST)

    def get_urls(self) -> list[URLPattern]:
        pages = [
            ("calendar/", self.calendar_view, "calendar"),
            ("months/", self.months_view, "months"),
        ]
        own = [
            path(route, self.admin_site.admin_view(require_GET(view)), name=f"crm_deal_{name}")
            for route, view, name in pages
        ]
        return [*own, *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        if request.__dict__.get("_is_laid_out"):
            return _Matching
        return super().get_changelist(request, **kwargs)

    def layout_url(self, view: SavedView) -> str:
        name = {Layout.CALENDAR: "calendar", Layout.FORECAST: "months"}.get(Layout(view.layout), "changelist")
        return reverse(f"admin:crm_deal_{name}")

    # The pages

    def calendar_view(self, request: HttpRequest) -> HttpResponse:
        """Show open deals on the days on which they are expected to close, or on which something is to be done."""
        shown = shown_of(request.GET.dict(), timezone.localdate())
        return self._laid_out(request, shown, Layout.CALENDAR, "admin/crm/calendar/page.html")

    def months_view(self, request: HttpRequest) -> HttpResponse:
        """Show open deals in the months in which they are expected to close, with what they are worth."""
        shown = shown_of(request.GET.dict(), timezone.localdate(), is_forecast=True)
        return self._laid_out(request, shown, Layout.FORECAST, "admin/crm/calendar/months.html")

    def _laid_out(self, request: HttpRequest, shown: Shown, layout: str, template: str) -> HttpResponse:
        page: Any = self
        if not self.has_view_permission(request):
            raise PermissionDenied
        saved = page.saved_views(request)
        request.__dict__["_is_laid_out"] = True
        try:
            cl: Any = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(request.path)
        writer = _Writer(request, shown, layout)
        slots = writer.weeks(cl.queryset) if layout == Layout.CALENDAR else writer.months(cl.queryset)
        context = {
            **self.admin_site.each_context(request),
            **page.bar_of(request, saved, layout),
            "title": _LABELS[Layout(layout)],
            "opts": self.opts,
            "cl": cl,
            "media": self.media,
            "slots": slots,
            "shown": shown,
            "heading": writer.heading(),
            "weekdays": [str(WEEKDAYS[number]) for number in range(7)],
            "before_url": writer.url(shown.moved(-1)),
            "after_url": writer.url(shown.moved(1)),
            "today_url": writer.url(shown_of({}, timezone.localdate()), keeps=("by", "scale")),
            "by_urls": [(by == shown.by, label, writer.url(_by(shown, by))) for by, label in _BY.items()],
            "scale_urls": [
                (scale == shown.scale, label, writer.url(_scaled(shown, scale)))
                for scale, label in _SCALES.items()
            ],
            "layouts": layout_links(request, layout, writer.list_query),
            "is_empty": not any(slot["count"] for slot in writer.all_slots),
            "has_calendar_keys": True,
        }
        return TemplateResponse(request, template, context)


_BY = {By.CLOSE: _("Expected close"), By.STEP: _("Next step")}
_SCALES = {Scale.MONTH: _("Month"), Scale.WEEK: _("Week")}


def _by(shown: Shown, by: By) -> Shown:
    return Shown(by, shown.scale, shown.anchor)


def _scaled(shown: Shown, scale: Scale) -> Shown:
    # From a month to the week of today, where that lies in it.
    today = timezone.localdate()
    is_near = shown.scale == Scale.MONTH and (today.year, today.month) == (
        shown.anchor.year,
        shown.anchor.month,
    )
    on = today if is_near else shown.anchor
    return shown_of({"by": shown.by, "scale": scale, "on": on.isoformat()}, today)


def layout_links(request: HttpRequest, here: str, query: dict[str, str]) -> list[dict[str, Any]]:
    """Return the ways in which deals are shown, each with the same filters."""
    kept = urlencode(query)
    urls = {
        Layout.LIST: f"{reverse('admin:crm_deal_changelist')}?{kept or 'view=all'}",
        Layout.BOARD: _board_url(query),
        Layout.CALENDAR: f"{reverse('admin:crm_deal_calendar')}?{kept}",
        Layout.FORECAST: f"{reverse('admin:crm_deal_months')}?{kept}",
    }
    return [
        {"icon": _ICONS[each], "label": _LABELS[each], "url": url.rstrip("?"), "is_here": each == here}
        for each, url in urls.items()
    ]


def _board_url(query: dict[str, str]) -> str:
    kept = parse(query).params() | {"everything": "1"}
    given = query.get("pipeline__id__exact", "")
    if given.isdecimal():
        kept["pipeline"] = given
    return f"{reverse('admin:crm_deal_board_start')}?{urlencode(kept)}"


def list_query(request: HttpRequest) -> dict[str, str]:
    """Return the filters of an address, without how it is looked at."""
    passing = {*_TIME, COLUMNS_VAR, VIEW_VAR, "o", "p", "_filters", "e"}
    return {name: str(value) for name, value in request.GET.items() if name not in passing and value}


class _Writer:
    """Writes what a layout by time shows."""

    def __init__(self, request: HttpRequest, shown: Shown, layout: str) -> None:
        self.request = request
        self.shown = shown
        self.today = timezone.localdate()
        self.list_query = list_query(request)
        self.base = reverse(
            "admin:crm_deal_calendar" if layout == Layout.CALENDAR else "admin:crm_deal_months"
        )
        self.list_url = reverse("admin:crm_deal_changelist")
        self.deal_url = reverse("admin:crm_deal_change", args=[0])
        self.all_slots: list[dict[str, Any]] = []

    def url(self, shown: Shown, keeps: tuple[str, ...] = ()) -> str:
        """Return the address of another time, with the filters."""
        here = self.shown.params()
        time = shown.params() | {name: here[name] for name in keeps}
        view = {VIEW_VAR: self.request.GET[VIEW_VAR]} if VIEW_VAR in self.request.GET else {}
        return f"{self.base}?{urlencode(self.list_query | view | time)}"

    def heading(self) -> str:
        if self.shown.scale == Scale.MONTH:
            return date_format(self.shown.anchor, "F Y")
        if self.shown.scale == Scale.WEEK:
            days = self.shown.days()
            return f"{date_format(days[0], 'j E')} – {date_format(days[-1], 'j E Y')}"
        months = self.shown.months()
        return f"{date_format(months[0], 'F Y')} – {date_format(months[-1], 'F Y')}"

    # The calendar

    def weeks(self, deals: Any) -> list[list[dict[str, Any]]]:
        most = MOST_OF_DAY if self.shown.scale == Scale.MONTH else MOST_OF_WEEKDAY
        found = read_days(deals, self.shown, most=most)
        days = [self._day(day, found.get(day, Slot())) for day in self.shown.days()]
        self.all_slots = days
        return [days[start : start + 7] for start in range(0, len(days), 7)]

    def _day(self, day: date, slot: Slot) -> dict[str, Any]:
        return {
            **self._slot(slot, self._list_of(day, day)),
            "day": day,
            "said": date_format(day, "l, j E"),
            "is_today": day == self.today,
            "is_past": day < self.today,
            "is_outside": self.shown.scale == Scale.MONTH and day.month != self.shown.anchor.month,
        }

    # The months

    def months(self, deals: Any) -> list[dict[str, Any]]:
        found = read_months(deals, self.shown, self.today, most=MOST_OF_MONTH)
        columns = []
        if OVERDUE in found:
            late = min(self.shown.months()[0], self.today.replace(day=1))
            last = date.fromordinal(late.toordinal() - 1)
            columns.append(
                self._month(gettext("Overdue"), found[OVERDUE], self._list_of(None, last), is_late=True)
            )
        for month in self.shown.months():
            url = self._list_of(month, last_of_month(month))
            slot = found.get(month.isoformat(), Slot())
            columns.append(self._month(date_format(month, "F Y"), slot, url))
        if UNDATED in found:
            columns.append(self._month(gettext("No day"), found[UNDATED], ""))
        self.all_slots = columns
        return columns

    def _month(self, name: str, slot: Slot, url: str, *, is_late: bool = False) -> dict[str, Any]:
        return {
            **self._slot(slot, url),
            "name": name,
            "weighted": money(round(slot.weighted), settings.BASE_CURRENCY) if slot.count else "",
            "unrated": slot.unrated,
            "is_late": is_late,
        }

    def _slot(self, slot: Slot, url: str) -> dict[str, Any]:
        return {
            "deals": [self._card(deal) for deal in slot.deals],
            "count": slot.count,
            "count_text": number(slot.count),
            "more": slot.more,
            "more_text": number(slot.more),
            "sums": [money(amount, currency) for currency, amount in sorted(slot.amounts.items())],
            "url": url,
        }

    def _card(self, deal: Deal) -> dict[str, Any]:
        day = getattr(deal, self.shown.column)
        return {
            "title": deal.title,
            "url": self.deal_url.replace("/0/", f"/{deal.pk}/"),
            "company": deal.company.name if deal.company else "",
            "amount": money(deal.amount, deal.currency),
            "owner": str(deal.owner.name),
            "stage": deal.stage.name,
            "step": deal.next_step if self.shown.by == By.STEP else "",
            "day": day,
            "is_late": day is not None and day < self.today,
        }

    def _list_of(self, first: date | None, last: date) -> str:
        """Return the list of the open deals of some days."""
        column = self.shown.column
        ends = {f"{column}_to": last.isoformat(), "status__exact": Deal.Status.OPEN.value}
        if first is not None:
            ends[f"{column}_from"] = first.isoformat()
        return f"{self.list_url}?{urlencode(self.list_query | ends)}"
