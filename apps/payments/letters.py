"""What customers are written about their invoices."""

from datetime import date

from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from apps.accounts.letters import Words, add_kinds

INVOICE, DUE_SOON, OVERDUE = "payments/invoice", "payments/due_soon", "payments/overdue"
_LINK = _("By the link you see what it is for, keep it as a PDF, and pay it. Do not pass it on.")
_KINDS = {
    INVOICE: Words(
        _("%(sender)s: invoice %(number)s, %(amount)s"),
        (_("Hello. Here is invoice %(number)s of %(amount)s, to be paid by %(due)s."), _LINK),
        button=_("See and pay"),
        minutes=3 * 24 * 60,
    ),
    DUE_SOON: Words(
        _("%(sender)s: invoice %(number)s is due on %(due)s"),
        (_("Hello. %(amount)s of invoice %(number)s is to be paid by %(due)s."), _LINK),
        button=_("See and pay"),
        minutes=24 * 60,
    ),
    OVERDUE: Words(
        _("%(sender)s: invoice %(number)s is overdue"),
        (
            _("Hello. Invoice %(number)s was to be paid by %(due)s, and %(amount)s of it has not come yet."),
            _("If you have paid it these days, there is nothing more to do."),
            _LINK,
        ),
        button=_("See and pay"),
        minutes=24 * 60,
    ),
}


def day(value: date) -> str:
    """Write a day as letters do, in the language of the moment."""
    return date_format(value, "DATE_FORMAT")


def declare() -> None:
    """Make these letters known."""
    add_kinds(_KINDS)
