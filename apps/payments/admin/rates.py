"""Published rates in the admin: the list, a chart of a currency, and rates that people write."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter

from apps.common.templatetags.artel import number
from apps.lists.admin.rows import ServiceAdmin, UnversionedForm, marked
from apps.payments.models import ExchangeRate, Provider, RateSource
from apps.payments.services import rates

# What one look takes in: a year of working days.
_CHART_DAYS = 365
_TROUBLE = {
    "unreachable": _("does not answer"),
    "answered": _("answers that it cannot"),
    "too_large": _("answers far too much"),
    "not_rates": _("answers something else than rates"),
    "broken": _("answers a damaged file"),
    "bad_rate": _("answers a rate that is none"),
    "bad_day": _("answers a day that cannot be"),
}


class RateForm(UnversionedForm):
    """A rate as people write it."""

    def clean_base(self) -> str:
        return str(self.cleaned_data["base"]).upper()

    def clean_quote(self) -> str:
        return str(self.cleaned_data["quote"]).upper()


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ServiceAdmin):
    """What currencies were worth; nothing here is changed, only followed."""

    form = RateForm
    add_label = _("Write a rate")
    create = staticmethod(rates.write_rate)
    empty_title = _("No rates yet")
    empty_text = _(
        "The Bank of Russia and the European Central Bank are asked every hour. A rate that a contract sets is written"
        " here by hand, with the reason."
    )
    empty_action = _("Write a rate")
    ordering = ("-valid_on", "-id")
    list_display = ("pair_cell", "rate_cell", "valid_on", "provider", "reason")
    list_display_links = ("pair_cell",)
    list_filter = (
        ("provider", ChoicesDropdownFilter),
        "base",
        "quote",
        ("valid_on", RangeDateFilter),
    )
    actions = None
    fields = (("base", "quote"), ("nominal", "rate"), "valid_on", "reason")

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {
            "all": ("css/rows.css", "css/payments.css", "css/bank.css")
        }

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @admin.display(description=_("currencies"), ordering="base")
    def pair_cell(self, rate: ExchangeRate) -> str:
        return (
            f"{rate.nominal} {rate.base} → {rate.quote}"
            if rate.nominal != 1
            else f"{rate.base} → {rate.quote}"
        )

    @admin.display(description=_("rate"), ordering="rate")
    def rate_cell(self, rate: ExchangeRate) -> SafeString:
        return marked("crm-amount", number(rate.rate.normalize()))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_GET(self.chart_view))
        return [path("chart/", view, name="payments_rate_chart"), *super().get_urls()]

    def chart_view(self, request: HttpRequest) -> HttpResponse:
        """Draw a currency over a year, and say how asking the banks went."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_queryset(request)
        known = sorted(set(rows.order_by().values_list("base", "quote", "provider").distinct()))
        wanted = request.GET.get("of", "")
        chosen = next((each for each in known if "-".join(each) == wanted), known[0] if known else None)
        points = _points(rows, chosen) if chosen else []
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Rates over a year"),
            "chosen": "-".join(chosen) if chosen else "",
            "pairs": [
                ("-".join(each), f"{each[0]} → {each[1]} · {Provider(each[2]).label}") for each in known
            ],
            "line": _line(points),
            "points": points,
            "sources": [
                {"row": row, "trouble": str(_TROUBLE.get(row.error, row.error))}
                for row in RateSource.objects.order_by("provider")
            ],
            "may_add": self.has_add_permission(request),
        }
        return TemplateResponse(request, "admin/payments/bank/rates.html", context)


def _points(rows: Any, chosen: tuple[str, str, str]) -> list[dict[str, Any]]:
    base, quote, provider = chosen
    since = timezone.localdate() - timedelta(days=_CHART_DAYS)
    found = rows.filter(base=base, quote=quote, provider=provider, valid_on__gte=since)
    last: dict[Any, ExchangeRate] = {row.valid_on: row for row in found.order_by("valid_on", "revision")}
    return [{"day": day, "value": row.rate / row.nominal} for day, row in last.items()]


def _line(points: list[dict[str, Any]]) -> str:
    """Return the points of a polyline in a box of 100 by 40; higher is more."""
    if len(points) < 2:
        return ""
    values = [Decimal(each["value"]) for each in points]
    first, days = points[0]["day"], max((points[-1]["day"] - points[0]["day"]).days, 1)
    least, span = min(values), (max(values) - min(values)) or Decimal(1)
    return " ".join(
        f"{100 * (each['day'] - first).days / days:.2f},{38 - 36 * float((value - least) / span):.2f}"
        for each, value in zip(points, values, strict=True)
    )
