"""The numbers of a sales team: their pages, the lists behind each figure, and where plans and rates are written."""

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_date
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_GET
from unfold.contrib.filters.admin import DropdownFilter

from apps.accounts import access
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.accounts.models import Team, User
from apps.common.templatetags.artel import money, number
from apps.crm.models import CurrencyRate, Deal, LostReason, Pipeline, SalesPlan, Stage, StageTransition
from apps.crm.reports import changes, outcomes
from apps.crm.reports.all import REPORTS
from apps.crm.reports.choices import CHANGES_BACK, CLOSINGS, PERIODS, Choice, choice_of
from apps.crm.reports.files import FORMATS, write_table
from apps.crm.reports.tables import Kind, Report, Table, month_name
from apps.crm.services import forecasts, rates
from apps.lists.admin.rows import DeletableAdmin, UnversionedForm, marked

# More people than these are looked for by name, in the list.
MOST_PEOPLE = 300
TABS = (
    ("funnel", gettext_lazy("Funnel")),
    ("forecast", gettext_lazy("Forecast")),
    ("outcomes", gettext_lazy("Won and lost")),
    ("changes", gettext_lazy("Changes")),
    ("plan", gettext_lazy("Plan")),
)
_PERIOD_NAMES = {
    "month": gettext_lazy("This month"),
    "last_month": gettext_lazy("Last month"),
    "quarter": gettext_lazy("This quarter"),
    "last_quarter": gettext_lazy("Last quarter"),
    "year": gettext_lazy("This year"),
    "last_year": gettext_lazy("Last year"),
    "twelve_months": gettext_lazy("Twelve months"),
    "everything": gettext_lazy("All the time"),
}
_CLOSING_NAMES = {
    "": gettext_lazy("Whenever"),
    "month": gettext_lazy("This month"),
    "quarter": gettext_lazy("This quarter"),
    "next_quarter": gettext_lazy("Next quarter"),
}


# The pages


class ReportPages(ScopedModelAdmin):
    """The addresses of the numbers, among those of deals."""

    def get_urls(self) -> list[URLPattern]:
        pages: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("numbers/", self.numbers_start, "start"),
            ("numbers/<slug:report>/", self.numbers_view, "page"),
            ("numbers/<slug:report>/export/", self.numbers_export, "export"),
        ]
        own = [
            path(route, self.admin_site.admin_view(require_GET(view)), name=f"crm_deal_numbers_{name}")
            for route, view, name in pages
        ]
        return [*own, *super().get_urls()]

    def numbers_start(self, request: HttpRequest) -> HttpResponse:
        """Lead to the first of the numbers."""
        return HttpResponseRedirect(_page_url(TABS[0][0], {}))

    def numbers_view(self, request: HttpRequest, report: str) -> HttpResponse:
        """Show one report, as far as the reader sees deals."""
        choice, made = self._made(request, report)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Numbers"),
            "tabs": [
                {"title": title, "url": _page_url(name, choice.params), "is_here": name == report}
                for name, title in TABS
            ],
            "report": made,
            "tables": [_shown(table, report, choice) for table in made.tables],
            "choice": choice,
            "choices": _choices(actor_of(request), choice, report),
            "here": _page_url(report, {}),
            "may_export": self.has_export_permission(request),
            "plan_url": reverse("admin:crm_salesplan_add"),
            "may_plan": access.can_any(actor_of(request), "add", SalesPlan),
            "plans_url": reverse("admin:crm_salesplan_changelist"),
            "rates_url": reverse("admin:crm_currencyrate_changelist"),
            "may_see_rates": access.can_any(actor_of(request), "view", CurrencyRate),
        }
        return TemplateResponse(request, "admin/crm/reports/page.html", context)

    def numbers_export(self, request: HttpRequest, report: str) -> HttpResponse:
        """Give a table of a report as a file, to whoever may take deals away."""
        if not self.has_export_permission(request):
            raise PermissionDenied(_("You may not take deals away as a file."))
        _choice, made = self._made(request, report)
        wanted, form = request.GET.get("table", ""), request.GET.get("format", "")
        table = next((each for each in made.tables if each.key == wanted), None)
        if table is None or form not in FORMATS:
            raise Http404
        file = io.BytesIO()
        write_table(table, form, file)
        return HttpResponse(
            file.getvalue(),
            content_type=FORMATS[form],
            headers={
                "Content-Disposition": f'attachment; filename="{report}-{table.key}.{form}"',
                "Cache-Control": "no-store",
            },
        )

    def _made(self, request: HttpRequest, report: str) -> tuple[Choice, Report]:
        if report not in REPORTS:
            raise Http404
        actor = actor_of(request)
        access.require(actor, "view", Deal)
        choice = choice_of(request.GET.dict())
        return choice, REPORTS[report](actor, choice)


def _page_url(report: str, params: dict[str, str]) -> str:
    url = reverse("admin:crm_deal_numbers_page", args=[report])
    return f"{url}?{urlencode(params)}" if params else url


def _shown(table: Table, report: str, choice: Choice) -> dict[str, Any]:
    """Return a table as its template takes it: every value written."""
    export = reverse("admin:crm_deal_numbers_export", args=[report])
    return {
        "table": table,
        "columns": [(column.label, column.kind is not Kind.TEXT) for column in table.columns],
        "has_bars": any(row.share is not None for row in table.rows),
        "rows": [
            {
                "row": row,
                "cells": [
                    {
                        "text": figure.text(column.kind),
                        "url": figure.url,
                        "count": figure.count,
                        "is_number": column.kind is not Kind.TEXT,
                    }
                    for column, figure in zip(table.columns, row.figures, strict=True)
                ],
            }
            for row in table.rows
        ],
        "files": [
            (form.upper(), f"{export}?{urlencode({**choice.params, 'table': table.key, 'format': form})}")
            for form in FORMATS
        ],
    }


def _choices(actor: User, choice: Choice, report: str) -> dict[str, Any]:
    """Return what the filters offer: names that the reader may see."""
    pipelines = Pipeline.objects.visible_to(actor).active().order_by("-is_default", "name")
    teams = Team.objects.visible_to(actor).filter(archived_at=None).order_by("name")
    people = User.objects.visible_to(actor).filter(kind=User.Kind.HUMAN, is_active=True).order_by("name")
    months = choice.period == "months"
    return {
        "pipelines": list(pipelines.values_list("pk", "name")),
        "teams": list(teams.values_list("pk", "name")[:MOST_PEOPLE]),
        "people": [(person.pk, str(person)) for person in people[:MOST_PEOPLE]],
        "periods": [(name, _PERIOD_NAMES[name]) for name in PERIODS] if report in _BY_PERIOD else [],
        "months": month_name(choice.first) + " – " + month_name(choice.last) if months else "",
        "closings": [(name, _CLOSING_NAMES[name]) for name in CLOSINGS] if report == "changes" else [],
        "since_least": choice.since - CHANGES_BACK,
    }


_BY_PERIOD = {"funnel", "outcomes", "plan"}


# The lists behind figures


class NumbersFilter(DropdownFilter):
    """
    What a figure of the numbers is about, where no column says it: "entered-3", "changed-new-20261123".

    It stands in the addresses that figures have, and is offered only there.
    """

    title = gettext_lazy("numbers")
    parameter_name = "numbers"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        given = request.GET.get(self.parameter_name, "")
        label = _label(given)
        return [(given, label)] if label else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Deal]) -> QuerySet[Deal]:
        kind, _dash, rest = (self.value() or "").partition("-")
        narrow = _NARROWED.get(kind)
        return queryset if narrow is None else narrow(queryset, rest, actor_of(request))


def _label(given: str) -> str:
    kind, _dash, rest = given.partition("-")
    if kind in {"entered", "onward"}:
        stage = _stage(rest)
        if stage is None:
            return ""
        words = _("Entered %(stage)s") if kind == "entered" else _("Went on from %(stage)s")
        return words % {"stage": stage.name}
    if kind == "changed":
        parsed = _parsed_step(rest)
        return changes.step_name(parsed[0]) if parsed else ""
    if kind == "size":
        is_known, size = _parsed_size(rest)
        return outcomes.size_name(size) if is_known else ""
    return _("No day of expected close") if kind == "unexpected" else ""


def _stage(text: str) -> Stage | None:
    is_key = text.isascii() and text.isdecimal() and len(text) < 19
    return Stage.objects.filter(pk=int(text)).first() if is_key else None


def _parsed_step(text: str) -> tuple[str, Choice] | None:
    """Read "new-20261123-quarter"; None for what is no step."""
    step, _dash, rest = text.partition("-")
    day, _dash, closing = rest.partition("-")
    try:
        since = parse_date(f"{day[:4]}-{day[4:6]}-{day[6:8]}")
    except ValueError:
        since = None
    if step not in changes.STEPS or since is None:
        return None
    return step, choice_of({"since": since.isoformat(), "closing": closing})


def _parsed_size(text: str) -> tuple[bool, int | None]:
    if text == "unknown":
        return True, None
    is_class = text.isdecimal() and len(text) < 3 and int(text) <= len(outcomes.SIZES)
    return is_class, int(text) if is_class else None


def _entered(rows: QuerySet[Deal], rest: str, _actor: User) -> QuerySet[Deal]:
    stage = _stage(rest)
    if stage is None:
        return rows
    steps = StageTransition.objects.filter(deal=OuterRef("pk"), to_stage=stage)
    return rows.filter(Exists(steps), pipeline=stage.pipeline_id)


def _onward(rows: QuerySet[Deal], rest: str, actor: User) -> QuerySet[Deal]:
    stage = _stage(rest)
    if stage is None:
        return rows
    later = Stage.objects.filter(
        pipeline=stage.pipeline_id, kind=Stage.Kind.OPEN, position__gt=stage.position
    )
    further = StageTransition.objects.filter(deal=OuterRef("pk"), to_stage__in=list(later))
    return _entered(rows, rest, actor).filter(Q(status=Deal.Status.WON) | Exists(further))


def _changed(rows: QuerySet[Deal], rest: str, actor: User) -> QuerySet[Deal]:
    parsed = _parsed_step(rest)
    if parsed is None:
        return rows
    step, choice = parsed
    return rows.filter(pk__in=changes.ids_of(actor, choice, step))


def _of_size(rows: QuerySet[Deal], rest: str, _actor: User) -> QuerySet[Deal]:
    is_known, size = _parsed_size(rest)
    if not is_known:
        return rows
    if size is None:
        return rows.filter(company__employee_count=None)
    if size:
        rows = rows.filter(company__employee_count__gt=outcomes.SIZES[size - 1])
    if size < len(outcomes.SIZES):
        rows = rows.filter(company__employee_count__lte=outcomes.SIZES[size])
    return rows


def _unexpected(rows: QuerySet[Deal], _rest: str, _actor: User) -> QuerySet[Deal]:
    return rows.filter(expected_close_date=None)


_NARROWED: dict[str, Callable[[QuerySet[Deal], str, User], QuerySet[Deal]]] = {
    "entered": _entered,
    "onward": _onward,
    "changed": _changed,
    "size": _of_size,
    "unexpected": _unexpected,
}


class LostReasonFilter(DropdownFilter):
    """Why deals were lost."""

    title = gettext_lazy("lost reason")
    parameter_name = "lost_reason__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        reasons = LostReason.objects.visible_to(actor_of(request)).order_by("name")
        return [(str(pk), name) for pk, name in reasons.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Deal]) -> QuerySet[Deal]:
        given = str(self.value() or "")
        is_key = given.isascii() and given.isdecimal() and len(given) < 19
        return queryset.filter(lost_reason=int(given)) if is_key else queryset


# Plans and rates


class PlanForm(UnversionedForm):
    """A plan as people write it; any day of the month means the month."""

    def clean_month(self) -> Any:
        return self.cleaned_data["month"].replace(day=1)


@admin.register(SalesPlan)
class SalesPlanAdmin(DeletableAdmin):
    """What people and teams mean to win, month by month."""

    add_label = gettext_lazy("New plan")
    form = PlanForm
    create = staticmethod(forecasts.create_plan)
    change = staticmethod(forecasts.change_plan)
    delete = staticmethod(forecasts.delete_plan)
    ordering = ("-month", "id")
    list_display = ("whose_cell", "month_cell", "amount_cell")
    list_filter = ("owner", "team")
    list_select_related = ("owner", "team")
    fields = (("owner", "team"), ("month", "amount"))

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "month":
            field.help_text = _("Any day of it.")
            # The day is made the first of its month.
            field.validators = []
        if field is not None and db_field.name == "owner":
            field.help_text = _("Leave it empty for the team as a whole.")
        if field is not None and db_field.name == "amount":
            field.label = f"{field.label}, {settings.BASE_CURRENCY}"
        return field

    @admin.display(description=gettext_lazy("whose"))
    def whose_cell(self, plan: SalesPlan) -> str:
        return str(plan.owner or plan.team)

    @admin.display(description=gettext_lazy("month"), ordering="month")
    def month_cell(self, plan: SalesPlan) -> str:
        return month_name(plan.month)

    @admin.display(description=gettext_lazy("amount"), ordering="amount")
    def amount_cell(self, plan: SalesPlan) -> SafeString:
        return marked("crm-amount", money(plan.amount, settings.BASE_CURRENCY))


class RateForm(UnversionedForm):
    """A rate as people write it."""

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()


@admin.register(CurrencyRate)
class CurrencyRateAdmin(DeletableAdmin):
    """What other currencies are worth in the one of the books."""

    add_label = gettext_lazy("New rate")
    form = RateForm
    create = staticmethod(rates.create_rate)
    change = staticmethod(rates.change_rate)
    delete = staticmethod(rates.delete_rate)
    ordering = ("-date", "currency")
    list_display = ("currency", "date", "rate_cell", "source_cell")
    list_filter = ("currency",)
    fields = (("currency", "date", "rate"),)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "rate":
            field.help_text = _("%(currency)s for one unit of it.") % {"currency": settings.BASE_CURRENCY}
        return field

    @admin.display(description=gettext_lazy("rate"), ordering="rate")
    def rate_cell(self, rate: CurrencyRate) -> SafeString:
        return marked("crm-amount", f"{number(rate.rate.normalize())} {settings.BASE_CURRENCY}")

    @admin.display(description=gettext_lazy("source"))
    def source_cell(self, rate: CurrencyRate) -> str:
        return (
            str(pgettext_lazy("source of a rate", "by hand")) if rate.source == rates.MANUAL else rate.source
        )
