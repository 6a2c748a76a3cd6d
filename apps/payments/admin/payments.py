"""Payments in the admin: the list, and the page of one."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.validators import MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RangeDateFilter
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from apps.accounts import access
from apps.accounts.faces.admin import actor_of, call_service
from apps.accounts.models import User
from apps.common.amounts import to_minor
from apps.common.templatetags.artel import day, money
from apps.lists.admin.rows import ArchivableAdmin, Command, VersionedForm, badge, marked
from apps.payments.admin.entered import decimal_of, key_of
from apps.payments.admin.invoices import entries_of
from apps.payments.admin.papers import OneCPages
from apps.payments.admin.providers import ProviderCommands
from apps.payments.models import Allocation, Invoice, JournalEntry, Payment
from apps.payments.services import allocations, payments, refunds
from apps.payments.services.payments import Received

Status = Payment.Status
_TONES = {Status.SUCCEEDED: "WON", Status.CANCELED: "LOST", Status.UNKNOWN: "LOST"}


class FreeFilter(DropdownFilter):
    """Money of which nobody has said what it is for."""

    title = _("allocation")
    parameter_name = "free"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Not allocated"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        return queryset.filter(free_minor__gt=0) if self.value() == "1" else queryset


class PaymentForm(VersionedForm):
    """Money that came, as people write it down."""

    amount = forms.DecimalField(
        label=_("amount"),
        max_digits=18,
        decimal_places=4,
        validators=[MinValueValidator(0)],
        widget=UnfoldAdminDecimalFieldWidget,
    )
    fee = forms.DecimalField(
        label=_("fee"),
        required=False,
        max_digits=18,
        decimal_places=4,
        validators=[MinValueValidator(0)],
        widget=UnfoldAdminDecimalFieldWidget,
    )

    class Meta:
        model = Payment
        fields = ("currency",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            # What was paid stays.
            for name in ("amount", "fee"):
                self.fields.pop(name, None)


def _record(*, actor: User, **values: Any) -> Payment:
    """Record what the form says."""
    amount, fee = values.pop("amount"), values.pop("fee", None)
    currency = values.pop("currency")
    received = Received(
        to_minor(amount, currency),
        currency,
        fee_minor=to_minor(fee, currency) if fee else 0,
        **values,
    )
    return payments.record_payment(received, actor=actor)


@admin.register(Payment)
class PaymentAdmin(ProviderCommands, OneCPages, ArchivableAdmin):
    """Payments: recorded by hand or come from elsewhere, allocated, given back."""

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css", "css/payments.css")}

    form = PaymentForm
    add_label = _("Record a payment")
    create = staticmethod(_record)
    change = staticmethod(payments.change_payment)
    archive_action = "change"
    actions = ()
    list_display = ("payment_cell", "payer_cell", "received_cell", "status_cell", "amount_cell", "free_cell")
    list_display_links = ("payment_cell",)
    list_select_related = ("company", "person")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        FreeFilter,
        ("provider", ChoicesDropdownFilter),
        ("received_date", RangeDateFilter),
    )
    search_fields = ("payer_name", "reference")
    search_help_text = _("Payer, reference")
    change_form_outer_before_template = "admin/payments/payment/page.html"
    autocomplete_fields = ("company", "person")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        kept = (("company", "person"), ("payer_name", "method"), "reference")
        return kept if obj else (("amount", "currency"), ("received_date", "fee"), *kept)

    def has_archive_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Payment], search_term: str
    ) -> tuple[QuerySet[Payment], bool]:
        # Payments do not go to the trash.
        return super(ArchivableAdmin, self).get_search_results(request, queryset, search_term)

    def initial_values(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value not in ("", None)}

    @admin.display(description=_("payment"), ordering="id")
    def payment_cell(self, payment: Payment) -> SafeString:
        return marked("crm-number", str(payment))

    @admin.display(description=_("payer"), ordering="payer_name")
    def payer_cell(self, payment: Payment) -> str:
        return str(payment.company or payment.person or payment.payer_name)

    @admin.display(description=_("received"), ordering="received_date")
    def received_cell(self, payment: Payment) -> str:
        return day(payment.received_date)

    @admin.display(description=_("status"), ordering="status")
    def status_cell(self, payment: Payment) -> SafeString:
        return badge(payment.get_status_display(), _TONES.get(Status(payment.status), ""))

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount_cell(self, payment: Payment) -> SafeString:
        return marked("crm-amount", money(payment.amount, payment.currency))

    @admin.display(description=_("not allocated"))
    def free_cell(self, payment: Payment) -> SafeString:
        free = payment.free if payment.left_minor else None
        return marked("crm-amount", money(free, payment.currency))

    def page_context(self, request: HttpRequest, row: Payment) -> dict[str, Any]:
        actor = actor_of(request)
        has_come = row.status == Status.SUCCEEDED
        may_allocate = has_come and row.left_minor > 0 and access.can(actor, "allocate", row)
        return {
            **super().page_context(request, row),
            **self.provider_context(request, row),
            "may_archive": False,
            "state": badge(row.get_status_display(), _TONES.get(Status(row.status), "")),
            "allocations": row.allocations.filter(released_at=None).select_related("payment", "invoice"),
            "refunds": row.refunds.select_related("payment").order_by("id"),
            "entries": entries_of(row, request) if access.can_any(actor, "view", JournalEntry) else None,
            "owed": _owed(row, request) if may_allocate else [],
            "has_customer": bool(row.company_id or row.person_id),
            "may_allocate": may_allocate,
            "may_release": access.can(actor, "allocate", row),
            "may_refund": has_come and row.left_minor > 0 and access.can(actor, "refund", row),
            "may_cancel": has_come
            and row.left_minor == row.captured_minor
            and row.provider in (Payment.Provider.MANUAL, Payment.Provider.BANK)
            and access.can(actor, "cancel", row),
        }

    def commands(self) -> dict[str, Command]:
        return {
            "allocate": self._allocate,
            "allocate-by-due-date": self._by_due_date,
            "release": self._release,
            "refund": self._refund,
            "cancel": self._cancel,
            **self.provider_commands(),
        }

    def _amount(self, request: HttpRequest, pk: int) -> int | None:
        """Return the amount that was entered, in minor units of the payment's currency; None where none was."""
        entered = decimal_of(request.POST.get("amount", ""))
        currency = Payment.objects.values_list("currency", flat=True).get(pk=pk)
        return None if entered is None else to_minor(entered, currency)

    def _allocate(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {
            "invoice_id": key_of(request.POST.get("invoice", "")),
            "amount_minor": self._amount(request, pk),
            "expected_version": version,
        }
        if call_service(request, allocations.allocate_payment, pk, actor=actor_of(request), **said):
            messages.success(request, gettext("Allocated."))

    def _by_due_date(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {"actor": actor_of(request), "expected_version": version}
        made = call_service(request, allocations.allocate_by_due_date, pk, **said)
        if made:
            messages.success(request, gettext("Allocated, the oldest due first."))
        elif made is not None:
            messages.info(request, gettext("This customer owes nothing in this currency."))

    def _release(self, request: HttpRequest, pk: int, version: int | None) -> None:
        known = Allocation.objects.filter(payment=pk, pk=key_of(request.POST.get("allocation", ""))).first()
        if known is None:
            messages.error(request, gettext("This allocation was taken back already."))
        elif call_service(request, allocations.release_allocation, known.pk, actor=actor_of(request)):
            messages.success(request, gettext("Taken back: the money is the customer's again."))

    def _refund(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {
            "reason": request.POST.get("reason", ""),
            "amount_minor": self._amount(request, pk),
            "expected_version": version,
        }
        if call_service(request, refunds.refund_payment, pk, actor=actor_of(request), **said):
            messages.success(request, gettext("Given back."))

    def _cancel(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {"reason": request.POST.get("reason", ""), "expected_version": version}
        if call_service(request, payments.cancel_payment, pk, actor=actor_of(request), **said):
            messages.success(request, gettext("Taken back: it was entered by mistake."))


def _owed(row: Payment, request: HttpRequest) -> list[Invoice]:
    """Return what the payer owes, the oldest due first."""
    if row.company_id is None and row.person_id is None:
        return []
    whose = {"company": row.company_id} if row.company_id else {"person": row.person_id}
    found = Invoice.objects.visible_to(actor_of(request)).owed().filter(**whose, currency=row.currency)
    return list(found.order_by("due_date", "id")[:50])
