"""What accountants take away: statements of account as PDF, and payments as a file for 1C."""

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from apps.accounts import access
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.payments.account_papers import statement_paper
from apps.payments.admin.entered import key_of
from apps.payments.models import Payment
from apps.payments.onec_export import onec_file


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def as_file(content: bytes, name: str, content_type: str) -> HttpResponse:
    """Answer with a file that no browser keeps."""
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


class StatementPages(ScopedModelAdmin):
    """Statements of account, among the addresses of invoices."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_GET(self.statement_view))
        return [path("customer-statement/", view, name="payments_customer_statement"), *super().get_urls()]

    def statement_view(self, request: HttpRequest) -> HttpResponse:
        """Answer with what a customer came to owe and has paid, as a paper."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        said = request.GET
        try:
            paper = statement_paper(
                actor_of(request),
                said.get("currency", "")[:3],
                company_id=key_of(said.get("company", "")) or None,
                person_id=key_of(said.get("person", "")) or None,
                first=_day(said.get("first", "")),
                last=_day(said.get("last", "")),
            )
        except ValidationError as refused:
            messages.error(request, " ".join(refused.messages))
            return HttpResponseRedirect(reverse("admin:payments_aged_receivables"))
        return as_file(paper, f"statement-{timezone.localdate():%Y-%m-%d}.pdf", "application/pdf")


class OneCPages(ScopedModelAdmin):
    """The file for 1C, among the addresses of payments."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_GET(self.onec_view))
        return [path("1c-exchange/", view, name="payments_onec_exchange"), *super().get_urls()]

    def onec_view(self, request: HttpRequest) -> HttpResponse:
        """Ask of which days, and answer with the file."""
        actor = actor_of(request)
        if not access.can_any(actor, "export", Payment):
            raise PermissionDenied
        first, last = _day(request.GET.get("first", "")), _day(request.GET.get("last", ""))
        refused = ""
        if first and last:
            try:
                content = onec_file(actor, first=first, last=last)
                return as_file(content, f"kl_to_1c-{last:%Y-%m-%d}.txt", "text/plain; charset=windows-1251")
            except ValidationError as error:
                refused = " ".join(error.messages)
        today = timezone.localdate()
        month = today.replace(day=1) - timedelta(days=1)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Export to 1C"),
            "refused": refused,
            "first": (first or month.replace(day=1)).isoformat(),
            "last": (last or month).isoformat(),
            "today": today.isoformat(),
        }
        template = "admin/payments/reports/onec.html"
        return TemplateResponse(request, template, context, status=422 if refused else 200)
