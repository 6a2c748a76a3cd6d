"""What the books say, as pages: the trial balance, and who owes how much for how long."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.common.amounts import to_decimal
from apps.payments import selectors
from apps.payments.selectors import AgedRow, TrialRow


class TrialPages(ScopedModelAdmin):
    """The trial balance, among the addresses of accounts."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_GET(self.trial_view))
        return [path("trial-balance/", view, name="payments_trial_balance"), *super().get_urls()]

    def trial_view(self, request: HttpRequest) -> HttpResponse:
        """Show what stands on each account, today or on a day."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        given = request.GET.get("until", "")
        until = _day(given)
        rows = selectors.trial_balance(until=until)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Trial balance"),
            "until": given if until else "",
            "groups": [_trial_group(code, rows) for code in sorted({row.currency for row in rows})],
        }
        return TemplateResponse(request, "admin/payments/reports/trial_balance.html", context)


def _day(text: str) -> Any:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _trial_group(currency: str, rows: list[TrialRow]) -> dict[str, Any]:
    own = [row for row in rows if row.currency == currency]
    largest = max((abs(row.balance_minor) for row in own), default=0) or 1

    def said(minor: int) -> Any:
        return to_decimal(minor, currency) if minor else None

    return {
        "currency": currency,
        "rows": [
            {
                "account": row.account,
                "url": reverse("admin:payments_journalentry_changelist"),
                "debit": said(row.debit_minor),
                "credit": said(row.credit_minor),
                "balance": to_decimal(row.balance_minor, currency),
                "share": 100 * abs(row.balance_minor) / largest,
                "is_debit": row.balance_minor >= 0,
            }
            for row in own
        ],
        "debit": said(sum(row.debit_minor for row in own)),
        "credit": said(sum(row.credit_minor for row in own)),
        "balance": to_decimal(sum(row.balance_minor for row in own), currency),
    }


class AgedPages(ScopedModelAdmin):
    """Aged receivables, among the addresses of invoices."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_GET(self.aged_view))
        return [path("aged-receivables/", view, name="payments_aged_receivables"), *super().get_urls()]

    def aged_view(self, request: HttpRequest) -> HttpResponse:
        """Show who owes how much, as far as the reader sees invoices."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = selectors.aged_receivables(actor_of(request))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Aged receivables"),
            "heads": [_("Not due yet"), _("1–30 days"), _("31–60 days"), _("61–90 days"), _("Longer")],
            "groups": [_aged_group(code, rows) for code in sorted({row.currency for row in rows})],
        }
        return TemplateResponse(request, "admin/payments/reports/aged_receivables.html", context)


def _aged_group(currency: str, rows: list[AgedRow]) -> dict[str, Any]:
    own = [row for row in rows if row.currency == currency]
    sums = [sum(row.buckets[at] for row in own) for at in range(len(selectors.BUCKETS) + 1)]
    largest = max(sums, default=0) or 1

    def said(minor: int) -> Any:
        return to_decimal(minor, currency) if minor else None

    return {
        "currency": currency,
        "rows": [
            {
                "name": row.name,
                "url": _customer_url(row),
                "buckets": [said(each) for each in row.buckets],
                "total": said(row.total_minor),
                "advance": said(row.advance_minor),
            }
            for row in own
        ],
        "sums": [said(each) for each in sums],
        "bars": [
            {
                "amount": to_decimal(each, currency),
                "share": 100 * each / largest,
                "above": 100 - 100 * each / largest,
            }
            for each in sums
        ],
        "total": said(sum(sums)),
        "advance": said(sum(row.advance_minor for row in own)),
    }


def _customer_url(row: AgedRow) -> str:
    kind, pk = ("company", row.company_id) if row.company_id else ("person", row.person_id)
    return reverse(f"admin:crm_{kind}_change", args=[pk]) if pk else ""
