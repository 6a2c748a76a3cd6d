"""Accounts with providers in the admin, and what pages of invoices and payments show of providers."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget

from apps.accounts import access
from apps.accounts.faces.admin import actor_of, call_service
from apps.accounts.models import User
from apps.lists.admin.rows import ArchivableAdmin, Command, TrashFilter, VersionedForm, badge
from apps.payments.admin.entered import key_of
from apps.payments.models import (
    FiscalReceipt,
    Invoice,
    Payment,
    PaymentAttempt,
    PaymentLink,
    ProviderAccount,
    WebhookMessage,
)
from apps.payments.services import charging, inbox, payment_links, provider_accounts, receipts

Mode = ProviderAccount.Mode
_TONES = {Mode.LIVE: "WON", Mode.TEST: "OPEN", Mode.DEMO: ""}
_SHOWN = 20


class ProviderAccountForm(VersionedForm):
    """An account as people write it; keys go in, and never come out."""

    new_secret = forms.CharField(
        label=_("secret key"), required=False, max_length=300, widget=UnfoldAdminPasswordWidget
    )
    new_webhook_secret = forms.CharField(
        label=_("secret of webhooks"),
        required=False,
        max_length=300,
        widget=UnfoldAdminPasswordWidget,
        help_text=_("Of Stripe: begins with whsec_."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None and "new_secret" in self.fields:
            self.fields["new_secret"].help_text = _("Leave it empty to keep the one that is there.")


def _named(values: dict[str, Any]) -> dict[str, Any]:
    """Return what the form says as the services take it."""
    return {name.removeprefix("new_"): value for name, value in values.items()}


def _create(*, actor: User, **values: Any) -> ProviderAccount:
    return provider_accounts.create_provider_account(actor=actor, **_named(values))


def _change(pk: int, *, actor: User, **values: Any) -> ProviderAccount:
    return provider_accounts.change_provider_account(pk, actor=actor, **_named(values))


@admin.register(ProviderAccount)
class ProviderAccountAdmin(ArchivableAdmin):
    """What customers pay through."""

    form = ProviderAccountForm
    add_label = _("New account with a provider")
    create = staticmethod(_create)
    change = staticmethod(_change)
    archive = staticmethod(provider_accounts.archive_provider_account)
    restore = staticmethod(provider_accounts.restore_provider_account)
    ordering = ("id",)
    short_list = ProviderAccount.short_list
    list_display = ("__str__", "provider", "mode_badge", "legal_entity")
    list_select_related = ("legal_entity",)
    list_filter = (TrashFilter,)
    search_fields = ("name",)
    search_help_text = _("Name")
    empty_title = _("Nobody can pay online yet")
    empty_text = _("Write an account with Stripe or YooKassa down, and send customers links to pay by.")
    empty_action = _("New account with a provider")
    change_form_outer_before_template = "admin/payments/provider/page.html"
    fields = (
        ("provider", "mode"),
        ("name", "legal_entity"),
        ("shop_id", "new_secret"),
        "new_webhook_secret",
        "account",
        ("has_receipts", "tax_system"),
    )

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css", "css/payments.css")}

    @admin.display(description=_("mode"), ordering="mode")
    def mode_badge(self, account: ProviderAccount) -> SafeString:
        return badge(account.get_mode_display(), _TONES[Mode(account.mode)])

    def commands(self) -> dict[str, Command]:
        return {**super().commands(), "reread": self._reread}

    def page_context(self, request: HttpRequest, row: ProviderAccount) -> dict[str, Any]:
        troubled = row.messages.filter(state=WebhookMessage.State.FAILED).order_by("-id")
        return {
            **super().page_context(request, row),
            "webhook_url": request.build_absolute_uri(reverse("provider-webhook", args=[row.webhook_key])),
            "troubled": list(troubled[:_SHOWN]),
            "may_change": self.may("change", request, row),
        }

    def _reread(self, request: HttpRequest, pk: int, version: int | None) -> None:
        key = key_of(request.POST.get("message", ""))
        message = WebhookMessage.objects.filter(account=pk, pk=key).first()
        if message is None:
            messages.error(request, gettext("There is no such message."))
        elif call_service(request, inbox.reread_message, message.pk, actor=actor_of(request)):
            messages.success(request, gettext("It is read again."))


class LinkCommands:
    """Links to pay by, on the page of an invoice."""

    def link_commands(self) -> dict[str, Command]:
        return {"payment-link": self._make_link, "revoke-link": self._revoke_link}

    def link_context(self, request: HttpRequest, row: Invoice) -> dict[str, Any]:
        may = row.status == Invoice.Status.OPEN and access.can(actor_of(request), "change", row)
        return {
            "links": list(PaymentLink.objects.open().filter(invoice=row).order_by("-id")[:_SHOWN]),
            "may_link": may,
        }

    def _make_link(self, request: HttpRequest, pk: int, version: int | None) -> None:
        made = call_service(request, payment_links.make_link, pk, actor=actor_of(request))
        if made:
            address = request.build_absolute_uri(reverse("payments:pay", args=[made[1]]))
            text = gettext("Send this address to the customer; it is shown this once: %(address)s")
            messages.success(request, text % {"address": address})

    def _revoke_link(self, request: HttpRequest, pk: int, version: int | None) -> None:
        link = PaymentLink.objects.filter(invoice=pk, pk=key_of(request.POST.get("link", ""))).first()
        if link is None:
            messages.error(request, gettext("There is no such link."))
        elif call_service(request, payment_links.revoke_link, link.pk, actor=actor_of(request)):
            messages.success(request, gettext("The link is taken back."))


class ProviderCommands:
    """What a provider says of a payment, on its page."""

    def provider_commands(self) -> dict[str, Command]:
        return {
            "settle": self._settle,
            "correct-receipt": self._correct_receipt,
            "retry-receipt": self._retry_receipt,
        }

    def provider_context(self, request: HttpRequest, row: Payment) -> dict[str, Any]:
        attempt = PaymentAttempt.objects.select_related("account").filter(payment=row).first()
        may = access.can(actor_of(request), "change", row)
        return {
            "attempt": attempt,
            "may_settle": attempt is not None and not attempt.has_ended and may,
            "disputes": row.disputes.select_related("payment").order_by("id"),
            "receipts": row.receipts.order_by("id"),
            "may_receipt": may,
        }

    def _settle(self, request: HttpRequest, pk: int, version: int | None) -> None:
        attempt = PaymentAttempt.objects.filter(payment=pk).first()
        if attempt is None:
            messages.error(request, gettext("This payment did not come through a provider."))
            return
        said: dict[str, Any] = {
            "has_come": request.POST.get("outcome") == "come",
            "external_id": request.POST.get("external_id", "")[:128],
        }
        if call_service(request, charging.settle_attempt, attempt.pk, actor=actor_of(request), **said):
            messages.success(request, gettext("Recorded."))

    def _receipt(self, request: HttpRequest, pk: int) -> FiscalReceipt | None:
        key = key_of(request.POST.get("receipt", ""))
        found = FiscalReceipt.objects.filter(payment=pk, pk=key).first()
        if found is None:
            messages.error(request, gettext("There is no such receipt."))
        return found

    def _correct_receipt(self, request: HttpRequest, pk: int, version: int | None) -> None:
        receipt = self._receipt(request, pk)
        said: dict[str, Any] = {"actor": actor_of(request), "reason": request.POST.get("reason", "")}
        if receipt and call_service(request, receipts.correct_receipt, receipt.pk, **said):
            messages.success(request, gettext("A correction is on its way."))

    def _retry_receipt(self, request: HttpRequest, pk: int, version: int | None) -> None:
        receipt = self._receipt(request, pk)
        if receipt and call_service(request, receipts.retry_receipt, receipt.pk, actor=actor_of(request)):
            messages.success(request, gettext("It is sent again."))
