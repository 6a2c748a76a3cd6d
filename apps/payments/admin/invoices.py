"""Invoices in the admin: the list, and the page that looks like the paper."""

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RangeDateFilter
from unfold.widgets import UnfoldAdminSelectWidget

from apps.accounts import access
from apps.accounts.faces.admin import ScopedTabularInline, actor_of, call_service
from apps.common.amounts import to_decimal, to_minor
from apps.common.templatetags.artel import day, money
from apps.crm.models import Deal
from apps.documents.amounts import LANGUAGES
from apps.documents.models import Document
from apps.lists.admin.rows import ArchivableAdmin, Command, VersionedForm, badge, marked
from apps.payments.admin.entered import decimal_of, key_of
from apps.payments.admin.following import FollowingCommands
from apps.payments.admin.papers import StatementPages
from apps.payments.admin.providers import LinkCommands
from apps.payments.admin.reports import AgedPages
from apps.payments.models import Allocation, Invoice, InvoiceLine, JournalEntry, Payment, Posting
from apps.payments.services import allocations, credit_notes, invoices, papers, payments
from apps.payments.services.invoices import NewLine
from apps.payments.services.payments import Received

Status = Invoice.Status
_TONES = {Status.PAID: "WON", Status.UNCOLLECTIBLE: "LOST", Status.OPEN: "OPEN"}


def state_of(invoice: Invoice) -> tuple[str, str]:
    """Say in a word how an invoice stands, and in which tone."""
    if invoice.is_overdue(timezone.localdate()):
        return gettext("overdue"), "LOST"
    if invoice.status == Status.OPEN and invoice.paid_minor:
        return gettext("partly paid"), "OPEN"
    return invoice.get_status_display(), _TONES.get(Status(invoice.status), "")


class OverdueFilter(DropdownFilter):
    """What should have been paid by now."""

    title = _("overdue")
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Overdue"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> QuerySet[Invoice]:
        if self.value() != "1":
            return queryset
        return queryset.filter(status=Status.OPEN, due_date__lt=timezone.localdate())


class InvoiceForm(VersionedForm):
    """A draft as people write it."""

    locale = forms.ChoiceField(label=_("language"), widget=UnfoldAdminSelectWidget, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "locale" in self.fields:
            names = {"ru": _("Russian"), "en": _("English")}
            self.fields["locale"].choices = [(code, names[code]) for code in LANGUAGES]  # type: ignore[attr-defined]


class LineInline(ScopedTabularInline):
    """What is to be paid for."""

    model = InvoiceLine
    fields = ("name", "quantity", "unit", "unit_price", "discount_percent", "tax_rate", "is_tax_included")
    extra = 0
    min_num = 1
    ordering = ("position",)


@admin.register(Invoice)
class InvoiceAdmin(LinkCommands, FollowingCommands, StatementPages, AgedPages, ArchivableAdmin):
    """Invoices: drafts are written, and what was issued is paid, credited, declared void or given up."""

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css", "css/payments.css")}

    form = InvoiceForm
    add_label = _("New invoice")
    create = staticmethod(invoices.create_invoice)
    change = staticmethod(invoices.change_invoice)
    archive_action = "change"
    actions = ()
    list_display = (
        *("number_cell", "customer_cell", "state_cell", "issued_cell", "due_cell", "total_cell", "left_cell"),
    )
    list_display_links = ("number_cell",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        OverdueFilter,
        ("issue_date", RangeDateFilter),
        ("due_date", RangeDateFilter),
    )
    search_fields = ("number", "customer_name")
    search_help_text = _("Number, customer")
    list_select_related = ("company", "person")
    change_form_outer_before_template = "admin/payments/invoice/page.html"
    autocomplete_fields = ("company", "person")
    fields = (
        ("company", "person"),
        ("legal_entity", "series"),
        ("currency", "locale"),
        ("issue_date", "due_date"),
        ("customer_name", "customer_tax_id"),
        "customer_address",
        "note",
    )
    inlines = (LineInline,)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **invoices.first_values(actor=actor_of(request)),
            **super().get_changeform_initial_data(request),
        }

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        # What was issued stands on the paper above.
        return super().get_inlines(request, obj) if obj is None or obj.is_draft else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj is None or obj.is_draft else ()

    def has_archive_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        is_draft = not isinstance(obj, Invoice) or obj.is_draft
        return is_draft and super().has_change_permission(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Invoice], search_term: str
    ) -> tuple[QuerySet[Invoice], bool]:
        # Invoices do not go to the trash.
        return super(ArchivableAdmin, self).get_search_results(request, queryset, search_term)

    def initial_values(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value not in ("", None)}

    def save_parts(self, request: HttpRequest, row: Any, formset: Any) -> None:
        """Give all lines of the form to the service, in the order in which they stand there."""
        gone = {form.instance.pk for form in formset.deleted_forms}
        said = [
            form.cleaned_data
            for form in formset.forms
            if form.cleaned_data and form.cleaned_data.get("name") and not form.cleaned_data.get("DELETE")
        ]
        lines = [
            NewLine(
                **{name: one[name] for name in LineInline.fields},
                product_id=one["id"].product_id if one.get("id") and one["id"].pk not in gone else None,
            )
            for one in said
        ]
        invoices.change_invoice(row.pk, actor=actor_of(request), lines=lines)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.of_deal_view))
        return [path("of-deal/<int:deal_id>/", view, name="payments_invoice_of_deal"), *super().get_urls()]

    def of_deal_view(self, request: HttpRequest, deal_id: int) -> HttpResponse:
        """Draft an invoice of what a deal is about, and go to its page."""
        actor = actor_of(request)
        if not Deal.objects.visible_to(actor).filter(pk=deal_id).exists():
            raise Http404
        made = call_service(request, invoices.create_invoice, actor=actor, deal_id=deal_id)
        if made is None:
            return HttpResponseRedirect(reverse("admin:crm_deal_change", args=[deal_id]))
        return HttpResponseRedirect(reverse("admin:payments_invoice_change", args=[made.pk]))

    # Cells

    @admin.display(description=_("number"), ordering="id")
    def number_cell(self, invoice: Invoice) -> SafeString:
        return marked("crm-number", str(invoice))

    @admin.display(description=_("customer"), ordering="customer_name")
    def customer_cell(self, invoice: Invoice) -> str:
        return invoice.customer_name or str(invoice.company or invoice.person or "")

    @admin.display(description=_("status"), ordering="status")
    def state_cell(self, invoice: Invoice) -> SafeString:
        return badge(*state_of(invoice))

    @admin.display(description=_("issued"), ordering="issue_date")
    def issued_cell(self, invoice: Invoice) -> str:
        return day(invoice.issue_date)

    @admin.display(description=_("due"), ordering="due_date")
    def due_cell(self, invoice: Invoice) -> str:
        return day(invoice.due_date)

    @admin.display(description=_("total"), ordering="total_minor")
    def total_cell(self, invoice: Invoice) -> SafeString:
        return marked("crm-amount", money(invoice.total, invoice.currency))

    @admin.display(description=_("to be paid"))
    def left_cell(self, invoice: Invoice) -> SafeString:
        left = invoice.due if invoice.status == Status.OPEN else None
        return marked("crm-amount", money(left, invoice.currency))

    # The page

    def page_context(self, request: HttpRequest, row: Invoice) -> dict[str, Any]:
        actor = actor_of(request)
        is_open, is_draft = row.status == Status.OPEN, row.is_draft
        label, tone = state_of(row)
        return {
            **super().page_context(request, row),
            **self.link_context(request, row),
            **self.following_context(request, row),
            "may_archive": False,
            "state": badge(label, tone),
            "invoice_lines": row.lines.select_related("invoice").order_by("position"),
            "taxes": [each for each in row.tax_rows() if each["rate"] is not None],
            "allocations": _allocations(row),
            "notes": row.credit_notes.select_related("invoice").order_by("id"),
            "entries": entries_of(row, request) if access.can_any(actor, "view", JournalEntry) else None,
            "free_payments": _free_payments(row, request) if is_open else [],
            "today": timezone.localdate().isoformat(),
            "deal_url": reverse("admin:crm_deal_change", args=[row.deal_id]) if row.deal_id else "",
            "paper_url": _paper_url(row, request),
            "may_make_paper": not is_draft
            and row.document_id is None
            and access.can_any(actor, "add", Document),
            "due_text": to_decimal(row.left_minor, row.currency),
            "may_issue": is_draft and row.total_minor > 0 and access.can(actor, "issue", row),
            "may_discard": is_draft and access.can(actor, "change", row),
            "may_void": is_open
            and not row.paid_minor
            and not row.credited_minor
            and access.can(actor, "void", row),
            "may_credit": is_open and access.can(actor, "credit", row),
            "may_write_off": is_open and access.can(actor, "writeoff", row),
            "may_reinstate": row.status == Status.UNCOLLECTIBLE and access.can(actor, "writeoff", row),
            "may_record": is_open and access.can_any(actor, "add", Payment),
            "may_allocate": access.can_any(actor, "allocate", Payment),
        }

    def commands(self) -> dict[str, Command]:
        return {
            "issue": self._issue,
            "discard": self._discard,
            "void": self._void,
            "credit": self._credit,
            "write-off": self._write_off,
            "reinstate": self._reinstate,
            "record-payment": self._record,
            "allocate": self._allocate,
            "release": self._release,
            "paper": self._paper,
            **self.link_commands(),
            **self.following_commands(),
        }

    def _paper(self, request: HttpRequest, pk: int, version: int | None) -> None:
        if call_service(request, papers.make_paper, pk, actor=actor_of(request)):
            messages.success(request, gettext("The PDF is being made. It is here within seconds."))

    def _issue(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {"actor": actor_of(request), "expected_version": version}
        done = call_service(request, invoices.issue_invoice, pk, **said)
        if done:
            messages.success(request, gettext("Issued as %(number)s.") % {"number": done.number})

    def _discard(self, request: HttpRequest, pk: int, version: int | None) -> None:
        def discard(pk: int, **said: Any) -> bool:
            invoices.discard_invoice(pk, **said)
            return True

        if call_service(request, discard, pk, actor=actor_of(request), expected_version=version):
            messages.success(request, gettext("The draft is thrown away."))

    def _with_reason(
        self, request: HttpRequest, pk: int, version: int | None, service: Any, done: str
    ) -> None:
        said: dict[str, Any] = {"reason": request.POST.get("reason", ""), "expected_version": version}
        if call_service(request, service, pk, actor=actor_of(request), **said):
            messages.success(request, done)

    def _void(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._with_reason(request, pk, version, invoices.void_invoice, gettext("Declared void."))

    def _write_off(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._with_reason(request, pk, version, invoices.write_off_invoice, gettext("Written off."))

    def _reinstate(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {"actor": actor_of(request), "expected_version": version}
        if call_service(request, invoices.reinstate_invoice, pk, **said):
            messages.success(request, gettext("Its money is waited for again."))

    def _credit(self, request: HttpRequest, pk: int, version: int | None) -> None:
        """Credit what was entered beside the lines, or all that is owed where nothing was."""
        invoice = Invoice.objects.get(pk=pk)
        parts = {}
        for line in invoice.lines.all():
            entered = decimal_of(request.POST.get(f"line-{line.pk}", ""))
            if entered:
                parts[line.pk] = to_minor(entered, invoice.currency)
        said: dict[str, Any] = {
            "reason": request.POST.get("reason", ""),
            "parts": parts or None,
            "expected_version": version,
        }
        note = call_service(request, credit_notes.credit_invoice, pk, actor=actor_of(request), **said)
        if note:
            messages.success(request, gettext("Credited by %(number)s.") % {"number": note.number})

    def _record(self, request: HttpRequest, pk: int, version: int | None) -> None:
        """Record money that came for this invoice."""
        invoice = Invoice.objects.get(pk=pk)
        amount = decimal_of(request.POST.get("amount", "")) or Decimal()
        received = Received(
            to_minor(amount, invoice.currency),
            invoice.currency,
            received_date=parse_date(request.POST.get("date", "")),
            invoice_id=pk,
            method=request.POST.get("method") or Payment.Method.TRANSFER,
            reference=request.POST.get("reference", "")[:500],
        )
        payment = call_service(request, payments.record_payment, received, actor=actor_of(request))
        if payment:
            messages.success(request, gettext("Recorded."))

    def _allocate(self, request: HttpRequest, pk: int, version: int | None) -> None:
        payment_id = key_of(request.POST.get("payment", ""))
        said: dict[str, Any] = {"actor": actor_of(request), "invoice_id": pk}
        if call_service(request, allocations.allocate_payment, payment_id, **said):
            messages.success(request, gettext("Allocated."))

    def _release(self, request: HttpRequest, pk: int, version: int | None) -> None:
        key = key_of(request.POST.get("allocation", ""))
        allocation = Allocation.objects.filter(invoice=pk, pk=key).first()
        if allocation is None:
            messages.error(request, gettext("This allocation was taken back already."))
        elif call_service(request, allocations.release_allocation, allocation.pk, actor=actor_of(request)):
            messages.success(request, gettext("Taken back: the money is the customer's again."))


def _paper_url(row: Invoice, request: HttpRequest) -> str:
    """Return where the PDF is, for whoever may see it."""
    document = row.document
    if (
        document is None
        or not document.current_version_id
        or not access.can(actor_of(request), "view", document)
    ):
        return ""
    return reverse("documents:content", args=[document.current_version_id])


def _allocations(row: Invoice) -> QuerySet[Allocation]:
    found = row.allocations.filter(released_at=None).select_related("payment", "invoice")
    return found.order_by("id")


def _free_payments(row: Invoice, request: HttpRequest) -> list[Payment]:
    """Return what the customer has paid ahead, in the currency of the invoice."""
    whose = {"company": row.company_id} if row.company_id else {"person": row.person_id}
    found = Payment.objects.visible_to(actor_of(request), "allocate").filter(
        **whose, currency=row.currency, free_minor__gt=0
    )
    return list(found.order_by("id")[:20])


def entries_of(row: Invoice | Payment, request: HttpRequest) -> list[JournalEntry]:
    """Return the entries that an invoice or payment is in, with their legs, the first one first."""
    name = "invoice" if isinstance(row, Invoice) else "payment"
    keys = Posting.objects.filter(**{name: row.pk}).values("entry")
    legs = Prefetch("postings", Posting.objects.select_related("account").order_by("id"))
    found = JournalEntry.objects.visible_to(actor_of(request)).filter(pk__in=keys)
    return list(found.prefetch_related(legs).order_by("id")[:100])
