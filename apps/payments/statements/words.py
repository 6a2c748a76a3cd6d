"""What is said to people about files of banks that are refused, or taken with a remark."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.common.amounts import to_decimal
from apps.payments.statements.facts import Notice, StatementError

REFUSALS: dict[str, str | Promise] = {
    "empty": _("The file is empty."),
    "file_lost": _("The file itself is no longer here. Upload it again."),
    "too_large": _("The file is larger than %(limit)s MB. Ask the bank for a shorter period."),
    "not_text": _(
        "This is not a statement that can be read: a PDF, a picture or a spreadsheet. Ask the bank for camt.053, MT940,"
        " 1C or CSV."
    ),
    "broken_xml": _(
        "The file is damaged or cut short: it cannot be read from line %(line)s on. Download it again."
    ),
    "forbidden_xml": _("The file holds what no statement of a bank holds, and was not read any further."),
    "other_xml": _("This is an XML file, but no statement of a bank: it begins with “%(value)s”."),
    "other_message": _(
        "This is a message “%(value)s”. Ask the bank for a statement of the account, camt.053 of version 2 or later."
    ),
    "no_statement": _("There is no statement in this file. Download it from the bank again."),
    "too_many_statements": _(
        "The file holds more than %(limit)s statements. Ask the bank for a shorter period."
    ),
    "too_many_lines": _("The file holds more than %(limit)s lines. Ask the bank for a shorter period."),
    "no_account": _("The file does not say whose account it is."),
    "no_currency": _("The file does not say in which currency the account is kept."),
    "no_date": _("A line has no date."),
    "no_lines": _("There is no line with a date in this table."),
    "bad_amount": _("“%(value)s” is no amount."),
    "bad_mark": _("“%(value)s” does not say whether money came in or went out."),
    "bad_date": _("There is no such day as “%(value)s”."),
    "bad_currency": _("“%(value)s” is no currency."),
    "bad_line": _("This cannot be read as a line of a statement: “%(value)s”."),
    "too_fine": _("“%(value)s” is finer than the smallest coin of %(currency)s."),
    "line_currency": _("A line is in %(value)s, but the account is kept in %(currency)s."),
    "balance_currency": _("A balance is in %(value)s, but the account is kept in %(currency)s."),
    "cut_short": _("The file is cut short: its end is missing. Download it again."),
    "unbalanced": _(
        "The statement of %(account)s does not add up: it begins with %(opening)s, its lines come to %(moved)s, and it"
        " should end with %(closing)s %(currency)s. %(off)s %(currency)s are missing or too much. Download it"
        " again, and ask the bank if it stays so."
    ),
    "gap": _(
        "The statement of %(account)s has a gap: one day ends with %(closing)s, the next begins with %(opening)s"
        " %(currency)s. Ask the bank for all days."
    ),
    "turnover_in": _(
        "The file says that %(said)s %(currency)s came in on %(account)s, but its documents come to %(moved)s."
    ),
    "turnover_out": _(
        "The file says that %(said)s %(currency)s went out from %(account)s, but its documents come to %(moved)s."
    ),
    "onec_encoding": _("This file of 1C is in an encoding that cannot be told. Save it in Windows or DOS."),
    "onec_orders": _(
        "This file of 1C holds payment orders for the bank, and no statement. Export the statement from the bank."
    ),
    "onec_foreign": _("Document %(value)s moves none of the accounts that the file is about."),
    "no_table": _("This is no statement that is known here: neither camt.053, MT940, 1C nor a table."),
    "bad_table": _("The table cannot be read: a quotation mark is not closed, or a cell is too long."),
    "no_columns": _("The table does not show which columns are these: %(value)s. Say which they are."),
    "bad_layout": _("The table cannot be read with “%(value)s”."),
}
NOTICES: dict[str, str | Promise] = {
    "zero_lines": _("Lines of zero, left out: %(count)s."),
    "no_balances": _("The file gives no balances of %(account)s, so that nothing proves it complete."),
    "waiting_lines": _("Lines that the bank has not booked yet, left out: %(count)s."),
    "thirty_days": _("A day was given as %(value)s; it is taken as the last of February, as banks mean it."),
    "alike": _(
        "Lines of the same days and amounts that came from other files: %(count)s. Were these days imported in another"
        " format?"
    ),
    "gap_before": _(
        "The statement begins with %(opening)s, but the one before ended with %(closing)s %(currency)s."
    ),
}
_MONEY = ("opening", "closing", "moved", "said")


def refusal_text(error: StatementError) -> str:
    """Return why a file is refused, in the reader's language, with the line where it was noticed."""
    text = gettext(str(REFUSALS[error.code])) % _told(error.params | {"line": error.line})
    if error.line is None or error.code == "broken_xml":
        return text
    return gettext("Line %(line)s: %(text)s") % {"line": error.line, "text": text}


def notice_text(notice: Notice) -> str:
    """Return a remark on a file in the reader's language."""
    return gettext(str(NOTICES[notice.code])) % _told(notice.params)


def _told(params: Mapping[str, Any]) -> dict[str, Any]:
    """Put amounts as people write them, and what is between them."""
    told = dict(params)
    if "opening" in params and "moved" in params:
        told["off"] = abs(params["closing"] - params["opening"] - params["moved"])
    for key in (*_MONEY, "off"):
        if key in told:
            told[key] = to_decimal(told[key], params["currency"])
    return told
