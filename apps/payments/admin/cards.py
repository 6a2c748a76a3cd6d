"""What is to be paid, on the pages of deals, companies and people."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.faces.admin import actor_of
from apps.common.amounts import to_decimal
from apps.crm.admin.cards import register_card, render_card
from apps.crm.models import Company, Deal, Person
from apps.payments.admin.invoices import state_of
from apps.payments.models import Invoice, Payment
from apps.payments.selectors import customer_balances

# What a card lists; the rest is a click away.
SHOWN = 6


def _money_card(name: str) -> Any:
    """Return the card of the invoices of a deal, company or person, and of what it has paid."""

    def make(row: Deal | Company | Person, request: HttpRequest) -> SafeString | None:
        actor = actor_of(request)
        if not access.can_any(actor, "view", Invoice):
            return None
        whose = {name: row.pk}
        found = list(Invoice.objects.visible_to(actor).filter(**whose).order_by("-id")[: SHOWN + 1])
        paid = (
            []
            if name == "deal"
            else list(Payment.objects.visible_to(actor).filter(**whose).order_by("-id")[:SHOWN])
        )
        is_active = row.archived_at is None
        context = {
            "invoices": [_shown(each) for each in found[:SHOWN]],
            "payments": [
                {"payment": each, "url": reverse("admin:payments_payment_change", args=[each.pk])}
                for each in paid
            ],
            "balances": [
                {
                    "currency": each.currency,
                    "owed": to_decimal(each.owed_minor, each.currency),
                    "overdue": to_decimal(each.overdue_minor, each.currency),
                    "advance": to_decimal(each.advance_minor, each.currency),
                    "statement_url": ""
                    if name == "deal"
                    else reverse("admin:payments_customer_statement")
                    + "?"
                    + urlencode({name: row.pk, "currency": each.currency}),
                }
                for each in customer_balances(actor, **whose)
            ],
            "has_more": len(found) > SHOWN,
            "list_url": reverse("admin:payments_invoice_changelist")
            + "?"
            + urlencode({f"{name}__id__exact": row.pk}),
            "add_url": _add_url(name, row) if is_active and access.can_any(actor, "add", Invoice) else "",
            "is_deal": name == "deal",
        }
        return render_card(request, "admin/payments/cards/money.html", context)

    return make


def _shown(invoice: Invoice) -> dict[str, Any]:
    label, tone = state_of(invoice)
    return {
        "invoice": invoice,
        "state": label,
        "tone": {"WON": "good", "LOST": "bad", "OPEN": "live"}.get(tone, "quiet"),
        "url": reverse("admin:payments_invoice_change", args=[invoice.pk]),
    }


def _add_url(name: str, row: Deal | Company | Person) -> str:
    if name == "deal":
        return reverse("admin:payments_invoice_of_deal", args=[row.pk])
    return reverse("admin:payments_invoice_add") + "?" + urlencode({name: row.pk})


for _page, _name in ((Deal, "deal"), (Company, "company"), (Person, "person")):
    register_card(_page, "money", _money_card(_name), order=55, title=_("Money"), is_deferred=True)
