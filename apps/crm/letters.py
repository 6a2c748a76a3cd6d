"""What customers are written."""

from datetime import date

from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from apps.accounts.letters import Words, add_kinds

QUOTE = "crm/quote"

_KINDS = {
    QUOTE: Words(
        _("%(sender)s has a quote for you: %(number)s"),
        (
            _(
                "Hello, %(name)s. %(sender)s has written a quote for you, %(number)s. It is valid until %(until)s."
            ),
            _("By the link you read it, keep it as a PDF, and accept or reject it. Do not pass it on."),
        ),
        button=_("Read and answer"),
        minutes=3 * 24 * 60,
    ),
}


def day(value: date) -> str:
    """Write a day as letters do, in the language of the moment."""
    return date_format(value, "DATE_FORMAT")


def declare() -> None:
    """Make these letters known."""
    add_kinds(_KINDS)
