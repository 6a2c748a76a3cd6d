"""What payments say to the apps below: words of the database's refusals, merging, and what has documents."""

from collections.abc import Callable

from django.db.models import Model
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from apps.accounts.keyring import register_resealing
from apps.accounts.rows import write_many
from apps.common.api.problems import register_status
from apps.common.constraints import register_constraint
from apps.crm.models import Company, Person
from apps.crm.services.merge_rules import Merge, MergeRule, register_merge_rule
from apps.documents import belonging
from apps.documents.declarations import Type
from apps.documents.sources import Fact, register_source
from apps.payments.models import Invoice, Payment
from apps.payments.services import provider_accounts
from apps.payments.services.papers import MODEL, invoice_facts

# Triggers, which models do not declare (migration 0002).
_WORDS = {
    "ledger_append_only": _("What is in the books stays there: it is taken back by another entry."),
    "ledger_balanced": _("An entry has two postings or more, which balance in each currency."),
    "ledger_balance_follows": _("Balances follow postings, and are written by nobody."),
    "ledger_period_open": _(
        "The books are closed for this day. Choose a later one, or open the period again."
    ),
    "ledger_account_type_kept": _("An account with postings keeps its type."),
    "invoice_frozen": _("An invoice that was issued is never changed."),
    "invoice_state_order": _("An invoice does not go this way."),
    "payment_frozen": _("What was paid is never changed."),
    "payment_state_order": _("A payment does not go this way."),
    "allocation_frozen": _("An allocation is taken back, and never changed."),
    "refund_frozen": _("A refund that has ended is never changed."),
    "payment_attempt_frozen": _("What a provider was asked for is never changed."),
    "payment_attempt_state_order": _("A charge does not go this way."),
    "dispute_frozen": _("A dispute that has ended is never changed."),
    "money_counted": _("The counters are not the sums of what they count."),
}


_FACTS = (
    Fact("invoice.number", _("number of the invoice")),
    Fact("invoice.issue_date", _("issued"), Type.DATE),
    Fact("invoice.due_date", _("pay by"), Type.DATE),
    Fact("invoice.deal", _("title of the deal")),
    Fact("invoice.purpose", _("what to write on the transfer")),
    Fact("invoice.note", _("note")),
    Fact("invoice.total", _("what it comes to"), Type.MONEY),
    Fact("invoice.due", _("what is still to be paid"), Type.MONEY),
    Fact("company.name", _("company")),
    Fact("company.full_name", _("its full legal name")),
    Fact("company.tax_id", _("its tax id")),
    Fact("company.address", _("its country and city")),
    Fact("company.phone", _("its phone")),
    Fact("company.email", _("its e-mail")),
)


def declare() -> None:
    """Declare it; called when the app is ready."""
    register_resealing(provider_accounts.seal_anew)
    register_status(
        409,
        *(
            "attempt_ended",
            "cannot_cancel",
            "receipt_not_registered",
            "receipt_corrected",
            "receipt_not_failed",
        ),
        *("message_not_failed", "provider_kept", "series_not_active", "series_not_paused", "series_ended"),
    )
    register_source(MODEL, _("invoice"), facts=_FACTS, resolve=invoice_facts, has_lines=True)
    belonging.register(MODEL, icon="receipt_long")
    for name, words in _WORDS.items():
        register_constraint(name, words)
    for model in (Company, Person):
        column = str(model._meta.model_name)
        register_merge_rule(
            MergeRule(
                model,
                f"payments.Invoice.{column}",
                _moves(Invoice, column),
                rows=lambda row, actor, at=column: Invoice.objects.visible_to(actor).filter(**{at: row.pk}),  # type: ignore[misc]
                counted=lambda count: (
                    ngettext("%(count)d invoice", "%(count)d invoices", count) % {"count": count}
                ),
            )
        )
        register_merge_rule(
            MergeRule(
                model,
                f"payments.Payment.{column}",
                _moves(Payment, column),
                rows=lambda row, actor, at=column: Payment.objects.visible_to(actor).filter(**{at: row.pk}),  # type: ignore[misc]
                counted=lambda count: (
                    ngettext("%(count)d payment", "%(count)d payments", count) % {"count": count}
                ),
            )
        )


def _moves(model: type[Model], column: str) -> Callable[[Merge], None]:
    def move(merge: Merge) -> None:
        rows = list(model._base_manager.filter(**merge.at_loser(column)).order_by("pk"))
        for row in rows:
            setattr(row, f"{column}_id", merge.winner.pk)
        write_many([(row, [f"{column}_id"]) for row in rows], actor=merge.actor)

    return move
