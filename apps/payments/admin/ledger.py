"""The books in the admin: accounts with what stands on them, the day-book, closed periods."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter
from unfold.widgets import UnfoldAdminSingleDateWidget, UnfoldAdminTextInputWidget

from apps.accounts import access
from apps.accounts.faces.admin import actor_of, call_service
from apps.accounts.models import User
from apps.common.amounts import to_decimal
from apps.common.templatetags.artel import day, money
from apps.lists.admin.rows import ArchivableAdmin, Command, ServiceAdmin, TrashFilter, UnversionedForm, marked
from apps.payments import selectors
from apps.payments.admin.reports import TrialPages
from apps.payments.models import AccountBalance, JournalEntry, LedgerAccount, PeriodLock, Posting
from apps.payments.services import ledger

# What the page of an account lists; the rest is in the day-book.
SHOWN = 100


@admin.register(LedgerAccount)
class LedgerAccountAdmin(TrialPages, ArchivableAdmin):
    """The chart of accounts."""

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css", "css/payments.css")}

    add_label = _("New account")
    change_form_outer_before_template = "admin/payments/account/page.html"
    create = staticmethod(ledger.create_account)
    change = staticmethod(ledger.change_account)
    archive = staticmethod(ledger.archive_account)
    restore = staticmethod(ledger.restore_account)
    archive_action = "change"
    ordering = ("code",)
    short_list = "As many accounts as a chart has."
    list_display = ("code_cell", "name", "type", "balance_cell")
    list_display_links = ("code_cell",)
    list_filter = (("type", ChoicesDropdownFilter), TrashFilter)
    search_fields = ("code", "name")
    fields = ("code", "name", "type")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerAccount]:
        return super().get_queryset(request).prefetch_related("balances")

    def has_archive_permission(self, request: HttpRequest, obj: object = None) -> bool:
        is_needed = isinstance(obj, LedgerAccount) and bool(obj.purpose)
        return not is_needed and super().has_archive_permission(request, obj)

    @admin.display(description=_("code"), ordering="code")
    def code_cell(self, account: LedgerAccount) -> SafeString:
        return marked("crm-number", account.code)

    @admin.display(description=_("balance"))
    def balance_cell(self, account: LedgerAccount) -> SafeString:
        sign = 1 if account.is_debit else -1
        rows = sorted(account.balances.all(), key=lambda row: row.currency)
        text = " · ".join(money(sign * row.balance, row.currency) for row in rows if row.balance_minor)
        return marked("crm-amount", text)

    def page_context(self, request: HttpRequest, row: LedgerAccount) -> dict[str, Any]:
        return {
            **super().page_context(request, row),
            "may_archive": self.has_archive_permission(request, row),
            "latest": [_latest(each) for each in row.balances.order_by("currency")],
        }


def _latest(balance: AccountBalance) -> dict[str, Any]:
    rows = selectors.latest_postings(balance, count=SHOWN + 1)
    return {
        "currency": balance.currency,
        "balance": balance.balance,
        "rows": [
            {"leg": each.leg, "after": to_decimal(each.after_minor, balance.currency)}
            for each in rows[:SHOWN]
        ],
        "has_more": len(rows) > SHOWN,
    }


@admin.register(JournalEntry)
class JournalEntryAdmin(ArchivableAdmin):
    """The day-book, which is only read; an entry by hand is taken back by another one."""

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css", "css/payments.css")}

    form = UnversionedForm
    create = staticmethod(ledger.post_by_hand)
    change = staticmethod(ledger.post_by_hand)
    archive_action = "view"
    actions = ()
    list_display = ("entry_cell", "date_cell", "kind", "memo", "amount_cell")
    list_display_links = ("entry_cell",)
    list_filter = (("kind", ChoicesDropdownFilter), ("accounting_date", RangeDateFilter))
    search_fields = ("memo",)
    search_help_text = _("Text")
    change_form_outer_before_template = "admin/payments/entry/page.html"
    fields = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[JournalEntry]:
        return super().get_queryset(request).prefetch_related("postings")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_archive_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[JournalEntry], search_term: str
    ) -> tuple[QuerySet[JournalEntry], bool]:
        # Entries do not go to the trash.
        return super(ArchivableAdmin, self).get_search_results(request, queryset, search_term)

    @admin.display(description=_("entry"), ordering="id")
    def entry_cell(self, entry: JournalEntry) -> SafeString:
        return marked("crm-number", f"№ {entry.pk}")

    @admin.display(description=_("date"), ordering="accounting_date")
    def date_cell(self, entry: JournalEntry) -> str:
        return day(entry.accounting_date)

    @admin.display(description=_("amount"))
    def amount_cell(self, entry: JournalEntry) -> SafeString:
        sums: dict[str, Any] = {}
        for leg in entry.postings.all():
            if leg.amount_minor > 0:
                sums[leg.currency] = sums.get(leg.currency, 0) + leg.amount
        return marked("crm-amount", " · ".join(money(total, code) for code, total in sorted(sums.items())))

    def page_context(self, request: HttpRequest, row: JournalEntry) -> dict[str, Any]:
        legs = Prefetch("postings", Posting.objects.select_related("account").order_by("id"))
        entry = JournalEntry.objects.prefetch_related(legs).select_related("actor", "reverses").get(pk=row.pk)
        back = JournalEntry.objects.filter(reverses=row).first()
        is_open = row.kind == JournalEntry.Kind.MANUAL and back is None
        return {
            **super().page_context(request, row),
            "may_archive": False,
            "entry": entry,
            "reversed_by": back,
            "may_reverse": is_open and access.can(actor_of(request), "reverse", row),
        }

    def commands(self) -> dict[str, Command]:
        return {"reverse": self._reverse}

    def _reverse(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {"reason": request.POST.get("reason", "")}
        if call_service(request, ledger.reverse_entry, pk, actor=actor_of(request), **said):
            messages.success(request, gettext("Taken back by another entry."))


class PeriodForm(UnversionedForm):
    """Up to which day, and why."""

    closed_until = forms.DateField(label=_("closed until"), widget=UnfoldAdminSingleDateWidget)
    reason = forms.CharField(label=_("reason"), max_length=300, widget=UnfoldAdminTextInputWidget)


def _never(*_args: Any, **_said: Any) -> Any:
    raise NotImplementedError("the record of closing is only added to")


def _close(*, actor: User, **values: Any) -> PeriodLock:
    return ledger.close_period(actor=actor, **values)


@admin.register(PeriodLock)
class PeriodLockAdmin(ServiceAdmin):
    """Up to which day the books are closed; the latest row counts."""

    form = PeriodForm
    add_label = _("Close a period")
    create = staticmethod(_close)
    change = staticmethod(_never)
    short_list = "As often as books are closed."
    list_display = ("closed_cell", "reason", "created_by", "created_at")
    list_display_links = ("closed_cell",)
    list_select_related = ("created_by",)
    fields = ("closed_until", "reason")

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @admin.display(description=_("closed until"), ordering="closed_until")
    def closed_cell(self, period: PeriodLock) -> str:
        return day(period.closed_until)
