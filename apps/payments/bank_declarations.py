"""What rates and bank statements say to the apps below: history, personal data, words of the database's refusals."""

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.common.api.problems import register_status
from apps.common.constraints import register_constraint
from apps.common.personal import Kept, Place, Subject, declare_place, not_personal
from apps.crm.rates import register_rates
from apps.history.tracking import exempt, track
from apps.payments.models.bank import BankAccount, BankLine, BankMatch, BankStatement, StatementFile
from apps.payments.models.rates import ExchangeRate, RateSource
from apps.payments.rates.knowing import PublishedRates

# Triggers, which models do not declare.
_WORDS = {
    "exchange_rate_immutable": _("A rate that was published never changes. Write another one."),
    "bank_line_immutable": _("What a bank says of a line never changes."),
    "bank_match_frozen": _("A match is taken back, and never changed."),
    "bank_match_counted": _("What is matched of a line is the sum of its matches."),
}


def declare() -> None:
    """Declare it; called when the app is ready."""
    for name, words in _WORDS.items():
        register_constraint(name, words)
    register_status(
        409,
        *("statement_known", "statement_not_read", "statement_not_applied", "lines_matched", "lines_overlap"),
        *("line_matched", "line_set_aside", "line_not_set_aside", "line_outgoing"),
        *("match_released", "payment_matched", "bank_match_once"),
    )
    register_rates(PublishedRates())
    track(BankAccount)
    exempt(ExchangeRate, "It is never changed: another one follows it.")
    exempt(RateSource, "It says how asking went last, and follows by itself.")
    exempt(StatementFile, "Importing and taking back are facts of their own, which its state shows.")
    exempt(BankStatement, "It comes and goes with its file.")
    exempt(BankLine, "What a bank says never changes; what became of it are facts of their own.")
    exempt(BankMatch, "It is taken back by a step of its own, which stays on record.")
    _declare_personal()


def _declare_personal() -> None:
    for model, why in (
        (ExchangeRate, "What currencies are worth."),
        (RateSource, "How asking a bank went."),
        (BankAccount, "Our own accounts."),
        (StatementFile, "Names of files, sums, and how a table is read."),
        (BankStatement, "Balances of our own accounts."),
        (BankMatch, "Which line is which payment, and codes of reasons."),
    ):
        not_personal(model, why)
    not_personal(
        BankLine,
        "A digest, an amount, and why it pays no invoice.",
        *("dedupe_key", "open_minor", "set_aside_reason"),
    )
    declare_place(
        Place(
            BankLine,
            dict.fromkeys(
                [
                    "counterparty_name",
                    "counterparty_tax_id",
                    "counterparty_account",
                    "counterparty_bank_code",
                    "purpose",
                    "reference",
                    "bank_reference",
                ],
                "",
            ),
            lambda subject: BankLine.objects.filter(_named(subject)),
            kept=(
                Kept(
                    "accounting",
                    lambda _subject: Q(),
                    _("Statements of banks are accounting records, which the law wants kept for years."),
                ),
            ),
        )
    )


def _named(subject: Subject) -> Q:
    """Ask for lines by the other side's name, in words that the index of names answers."""
    named = Q(pk__in=[])
    for word in subject.words:
        named |= Q(counterparty_name__iexact=word)
    return named
