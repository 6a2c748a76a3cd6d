"""What every kind of file comes to: statements of accounts with their lines, or a refusal that says where."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any

from babel.numbers import list_currencies

from apps.common.amounts import places_of

# What one file may hold: a busy shop has some thousands of lines a month.
MAX_LINES = 100_000
MAX_STATEMENTS = 5_000
# Fourteen digits before the point: with three places (KWD) well below what a column of 64 bits holds.
_AMOUNT = re.compile(r"0*([0-9]{1,14})(?:[.,]([0-9]{0,10}))?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_ODD = re.compile(r"[^0-9A-Za-z]")
# The rouble before 1998, which banks go on writing.
_FORMER = {"RUR": "RUB"}
_DIGITS = 60
_FIRST, _LAST = date(1980, 1, 1), date(2100, 1, 1)


class StatementError(Exception):
    """
    A file that is refused; `code` and `params` make a sentence in :mod:`apps.payments.statements.words`.

    :param line: where in the file, counted from 1; None where it is about all of it
    """

    def __init__(self, code: str, *, line: int | None = None, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.line = line
        self.params = params


@dataclass(frozen=True)
class Notice:
    """Something that a person had better know of a file that is taken."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """
    One movement on an account.

    :ivar amount: in minor units; what comes in is above zero
    :ivar booked_on: the day on which it counts in the account's balance
    :ivar valued_on: the day from which it bears interest
    :ivar tax_id: of the other side, as the bank writes it
    :ivar reference: what the payer gave it: the number of a payment order, an end-to-end id
    """

    amount: int
    booked_on: date
    valued_on: date | None = None
    name: str = ""
    tax_id: str = ""
    account: str = ""
    bank_code: str = ""
    purpose: str = ""
    reference: str = ""
    bank_reference: str = ""


@dataclass(frozen=True)
class Statement:
    """
    What a file says of one account over some days.

    :ivar opening: the balance before the first line in minor units; None where the file does not say
    """

    account: str
    currency: str
    lines: tuple[Line, ...]
    bank_code: str = ""
    number: str = ""
    first_day: date | None = None
    last_day: date | None = None
    opening: int | None = None
    closing: int | None = None
    notices: tuple[Notice, ...] = ()


def complete(statement: Statement) -> Statement:
    """
    Return a statement as it is taken: without lines of nothing, its days known.

    :raises StatementError: the balances differ by something else than the lines ("unbalanced"), or there is no account
    """
    if not statement.account:
        raise StatementError("no_account")
    if len(statement.lines) > MAX_LINES:
        raise StatementError("too_many_lines", limit=MAX_LINES)
    notices = list(statement.notices)
    lines = tuple(line for line in statement.lines if line.amount)
    if len(lines) < len(statement.lines):
        notices.append(Notice("zero_lines", {"count": len(statement.lines) - len(lines)}))
    if statement.opening is None or statement.closing is None:
        notices.append(Notice("no_balances", {"account": statement.account}))
    elif statement.opening + sum(line.amount for line in lines) != statement.closing:
        raise StatementError(
            "unbalanced",
            account=statement.account,
            currency=statement.currency,
            opening=statement.opening,
            closing=statement.closing,
            moved=sum(line.amount for line in lines),
            number=statement.number,
        )
    days = [line.booked_on for line in lines]
    return replace(
        statement,
        lines=lines,
        notices=tuple(notices),
        first_day=min([*days, *_known(statement.first_day)], default=None),
        last_day=max([*days, *_known(statement.last_day)], default=None),
    )


def _known(day: date | None) -> Iterable[date]:
    return () if day is None else (day,)


def minor_of(text: str, currency: str, *, line: int | None = None) -> int:
    """
    Return an amount without a sign in minor units of its currency.

    :raises StatementError: it is no amount ("bad_amount"), or finer than the currency ("too_fine")
    """
    found = _AMOUNT.fullmatch(text.strip())
    if not found:
        raise StatementError("bad_amount", line=line, value=text[:40])
    with localcontext(prec=_DIGITS):
        scaled = Decimal(f"{found[1]}.{found[2] or 0}").scaleb(places_of(currency))
        whole = int(scaled)
        if scaled != whole:
            raise StatementError("too_fine", line=line, value=text[:40], currency=currency)
    return whole


@lru_cache(maxsize=512)
def currency_of(text: str) -> str:
    """Return the code of a currency. :raises StatementError: there is none of this name ("bad_currency")"""
    code = _FORMER.get(text.strip().upper(), text.strip().upper())
    if not _CURRENCY.fullmatch(code) or code not in list_currencies():
        raise StatementError("bad_currency", value=text[:20])
    return code


def day_of(year: int, month: int, day: int, *, text: str, line: int | None = None) -> date:
    """Return a day. :raises StatementError: there is no such day, or it is long ago or far ahead ("bad_date")"""
    try:
        found = date(year, month, day)
    except ValueError:
        raise StatementError("bad_date", line=line, value=text[:40]) from None
    if not _FIRST <= found < _LAST:
        raise StatementError("bad_date", line=line, value=text[:40])
    return found


def tidy(text: str | None, limit: int) -> str:
    """Return a text in one line without what no column can hold, cut at `limit` characters."""
    if not text:
        return ""
    kept = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(kept.split())[:limit]


def plain_account(text: str) -> str:
    """Return the number of an account as it is compared: letters and digits alone."""
    return _ODD.sub("", text).upper()[:64]
