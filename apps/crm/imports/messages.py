"""
What is said about rows and files that cannot be taken as they are.

Errors are stored by their code, and said to each reader in their language.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

MESSAGES: dict[str, str | Promise] = {
    "required": _("A value is missing."),
    "ragged": _("The row has %(cells)s cells, the header %(columns)s."),
    "too_long": _("The text is longer than %(limit)s characters."),
    "nul": _("The text holds a character that cannot be stored."),
    "bad_number": _("“%(value)s” is not a number."),
    "not_whole": _("“%(value)s” is not a whole number."),
    "negative": _("The number is negative."),
    "too_large": _("The number is larger than %(limit)s."),
    "bad_date": _("“%(value)s” is not a date written as %(format)s."),
    "no_such_date": _("There is no such day as %(value)s (read as %(format)s)."),
    "odd_year": _("The year of “%(value)s” is not between 1900 and 2200."),
    "bad_email": _("“%(value)s” is not an e-mail address."),
    "bad_phone": _("“%(value)s” is not a phone number."),
    "bad_telegram": _("“%(value)s” is not a Telegram name."),
    "bad_domain": _("“%(value)s” is not a domain."),
    "bad_currency": _("“%(value)s” is not a currency code."),
    "bad_flag": _("“%(value)s” is neither yes nor no."),
    "unknown": _("There is no “%(value)s”."),
    "ambiguous": _("There are several “%(value)s”."),
    "ambiguous_row": _("The row fits several known ones."),
    "in_trash": _("It is in the trash; restore it first."),
    "duplicate_in_file": _("“%(value)s” is in line %(line)s already."),
    "same_target": _("The row is the same known one as that in line %(line)s."),
    "taken": _("“%(value)s” belongs to somebody else already."),
    "exists": _("It exists already, and only new rows are to be created."),
    "not_found": _("It is not known, and only known rows are to be updated."),
    "not_allowed": _("You may not change this one."),
    "not_assignable": _("You may not give rows to %(value)s."),
    "stage_not_allowed": _("You may not move deals to “%(value)s”."),
    "closed_date_missing": _("A closed deal needs the date on which it was closed."),
    "closed_date_of_open": _("An open deal has no closing date."),
    "closed_before_opened": _("The deal would be closed before it was opened."),
    "amount_follows": _("The amount follows the lines of the deal, or the quote that was accepted."),
    "lost_reason_not_lost": _("Only a lost deal has a reason for it."),
    "parent_itself": _("A company cannot be part of itself."),
    "parent_refused": _("“%(value)s” is in this file, in a row that has errors."),
    "lead_decided": _("It is decided about this lead already; it was left as it is."),
    "refused": _("The database refuses the row: %(reason)s"),
    "changed_meanwhile": _("Somebody has changed it since the rehearsal; it was left as it is."),
    "created_meanwhile": _("Somebody has created it since the rehearsal; it was left as it is."),
}
NOTICES: dict[str, str | Promise] = {
    "guessed_encoding": _("The file is not in UTF-8; it is read as %(encoding)s."),
    "ambiguous_dates": _(
        "The dates do not show whether the day or the month comes first; they are read as %(format)s."
    ),
    "ambiguous_numbers": _(
        "Numbers such as 1,234 could also be decimals; “%(decimal)s” is taken for the decimal mark."
    ),
    "duplicate_header": _(
        "Two columns are called “%(column)s”, or one has no name; one is shown as “%(name)s”."
    ),
    "formulas_without_value": _(
        "Some formulas were saved without their results and are read as empty cells."
        " Open and save the file in a spreadsheet program first."
    ),
    "odd_tax_ids": _(
        "%(count)s tax ids are none of their country, “%(example)s” for one. They are taken as they are; a company that"
        " has one is changed by hand only once it is right."
    ),
    "several_sheets": _("The file has %(count)s sheets; “%(sheet)s” is read."),
}
_FORMATS: dict[str, str | Promise] = {
    "%Y-%m-%d": _("year-month-day"),
    "%d.%m.%Y": _("day.month.year"),
    "%d/%m/%Y": _("day/month/year"),
    "%m/%d/%Y": _("month/day/year"),
}


def render(
    code: str, *, value: str = "", suggestion: str = "", params: Mapping[str, Any] | None = None
) -> str:
    """Say an error of a row in the reader's language."""
    message = _fill(MESSAGES.get(code, code), {"value": value, **(params or {})})
    if suggestion:
        question = gettext("Is “%(suggestion)s” meant?") % {"suggestion": suggestion}
        return f"{message} {question}"
    return message


def render_notice(code: str, params: Mapping[str, Any]) -> str:
    """Say what was noticed of a file in the reader's language."""
    return _fill(NOTICES.get(code, code), params)


def _fill(text: str | Promise, params: Mapping[str, Any]) -> str:
    filled = {
        key: _FORMATS.get(str(value), value) if key == "format" else value for key, value in params.items()
    }
    return str(text) % filled if filled else str(text)
