"""
ISO 20022 camt.053, "bank to customer statement", of any version from 2 on.

Versions differ in where a party's name and the state of an entry stand; names of elements are compared without their
namespace. Read as a stream: an entry is forgotten once its line is made.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import IO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from apps.payments.statements.facts import (
    MAX_LINES,
    MAX_STATEMENTS,
    Line,
    Notice,
    Statement,
    StatementError,
    complete,
    currency_of,
    day_of,
    minor_of,
    tidy,
)

_NAMESPACE = re.compile(
    r"\{urn:iso:std:iso:20022:tech:xsd:(?P<message>[a-z]{4}\.\d{3})\.\d{3}\."
    r"(?P<version>\d{2})\}Document"
)
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[TZ+-].*)?", re.ASCII)
# A statement is some dozen levels deep; what goes further is made to do harm.
_DEEPEST = 64
# An entry takes some forty elements of thirty bytes: honest files of ten megabytes stay well below.
_MOST_ELEMENTS = 1_000_000
_OPENING, _CLOSING, _BETWEEN = ("OPBD", "PRCD"), ("CLBD",), "ITBD"


def read(file: IO[bytes]) -> Iterator[Statement]:
    """
    Return the statements of a file one by one.

    :raises StatementError: it is no statement, is broken, or does not add up
    """
    count = 0
    try:
        for element in _statements(file):
            count += 1
            if count > MAX_STATEMENTS:
                raise StatementError("too_many_statements", limit=MAX_STATEMENTS)
            yield element
    except DefusedXmlException:
        raise StatementError("forbidden_xml") from None
    except ParseError as error:
        line, column = error.position
        raise StatementError("broken_xml", line=line, column=column + 1) from None
    except (LookupError, UnicodeError, ValueError) as error:
        raise StatementError("broken_xml", line=1, column=1) from error
    if not count:
        raise StatementError("no_statement")


@dataclass
class _Open:
    """A statement of which not all was read yet."""

    lines: list[Line] = field(default_factory=list)
    waiting: int = 0
    currency: str = ""


def _statements(file: IO[bytes]) -> Iterator[Statement]:
    path: list[Element] = []
    made = _Open()
    count = 0
    for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
        if event == "start":
            count += 1
            if count > _MOST_ELEMENTS:
                raise StatementError("forbidden_xml")
            path.append(element)
            _check_place(path)
            if _name(element) == "Stmt":
                made = _Open()
            continue
        path.pop()
        name = _name(element)
        if name == "Ntry":
            _add(made, path[-1], element)
            path[-1].remove(element)
        elif name == "Stmt":
            yield _statement(element, made)
            path[-1].remove(element)


def _check_place(path: list[Element]) -> None:
    if len(path) > _DEEPEST:
        raise StatementError("forbidden_xml")
    if len(path) > 1:
        return
    found = _NAMESPACE.fullmatch(path[0].tag)
    if not found:
        raise StatementError("other_xml", value=_name(path[0])[:60])
    if found["message"] != "camt.053" or int(found["version"]) < 2:
        raise StatementError("other_message", value=f"{found['message']}.001.{found['version']}")


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _all(element: Element | None, *names: str) -> list[Element]:
    """Return what stands at a path below an element."""
    found = [] if element is None else [element]
    for name in names:
        found = [child for each in found for child in each if _name(child) == name]
    return found


def _at(element: Element | None, *names: str) -> Element | None:
    return next(iter(_all(element, *names)), None)


def _text(element: Element | None, *names: str) -> str:
    found = _at(element, *names)
    return "" if found is None else (found.text or "").strip()


def _day(element: Element | None) -> date | None:
    text = _text(element, "Dt") or _text(element, "DtTm")
    if not text:
        return None
    found = _DAY.fullmatch(text)
    if not found:
        raise StatementError("bad_date", value=text[:40])
    return day_of(int(found[1]), int(found[2]), int(found[3]), text=text)


def _sign(element: Element) -> int:
    mark = _text(element, "CdtDbtInd")
    if mark not in {"CRDT", "DBIT"}:
        raise StatementError("bad_mark", value=mark[:20])
    return 1 if mark == "CRDT" else -1


def _money(element: Element) -> tuple[int, str]:
    amount = _at(element, "Amt")
    if amount is None:
        raise StatementError("bad_amount", value="")
    currency = currency_of(amount.get("Ccy", ""))
    return _sign(element) * minor_of(amount.text or "", currency), currency


def _add(made: _Open, statement: Element, entry: Element) -> None:
    """Make lines of an entry, unless it only waits to be booked."""
    state = _text(entry, "Sts", "Cd") or _text(entry, "Sts")
    if state not in {"BOOK", ""}:
        made.waiting += 1
        return
    amount, currency = _money(entry)
    kept = made.currency or _text(statement, "Acct", "Ccy")
    if kept and currency != currency_of(kept):
        raise StatementError("line_currency", value=currency, currency=kept)
    made.currency = currency
    details = _all(entry, "NtryDtls", "TxDtls")
    parts = _parts(details, amount, currency)
    if parts:
        made.lines += [_line(entry, [each], part) for each, part in zip(details, parts, strict=True)]
    else:
        made.lines.append(_line(entry, details, amount))
    if len(made.lines) > MAX_LINES:
        raise StatementError("too_many_lines", limit=MAX_LINES)


def _parts(details: list[Element], amount: int, currency: str) -> list[int]:
    """Return what each payment of a batch comes to; nothing where the file does not say so to the last unit."""
    parts = []
    for each in details if len(details) > 1 else ():
        part = _at(each, "Amt")
        part = _at(each, "AmtDtls", "TxAmt", "Amt") if part is None else part
        if part is None or part.get("Ccy") != currency:
            return []
        mark = _text(each, "CdtDbtInd")
        sign = {"CRDT": 1, "DBIT": -1}.get(mark, 1 if amount > 0 else -1)
        parts.append(sign * minor_of(part.text or "", currency))
    return parts if sum(parts) == amount else []


def _line(entry: Element, details: list[Element], amount: int) -> Line:
    valued = _day(_at(entry, "ValDt"))
    booked = _day(_at(entry, "BookgDt")) or valued
    if booked is None:
        raise StatementError("no_date")
    first = details[0] if details else None
    side = "Dbtr" if amount > 0 else "Cdtr"
    party = _at(first, "RltdPties", side)
    inner = _at(party, "Pty")
    party = party if inner is None else inner
    account = _at(first, "RltdPties", f"{side}Acct", "Id")
    agent = _at(first, "RltdAgts", f"{side}Agt", "FinInstnId")
    return Line(
        amount=amount,
        booked_on=booked,
        valued_on=valued,
        name=tidy(_text(party, "Nm"), 255),
        tax_id=tidy(_tax_id(party), 35),
        account=tidy(_text(account, "IBAN") or _text(account, "Othr", "Id"), 64),
        bank_code=tidy(
            _text(agent, "BIC") or _text(agent, "BICFI") or _text(agent, "ClrSysMmbId", "MmbId"), 35
        ),
        purpose=tidy(_purpose(entry, details), 1000),
        reference=tidy(_reference(first), 70),
        bank_reference=tidy(_text(first, "Refs", "AcctSvcrRef") or _text(entry, "AcctSvcrRef"), 70),
    )


def _tax_id(party: Element | None) -> str:
    """Return the number by which a party pays taxes, or else the first that it is known by."""
    known = [*_all(party, "Id", "OrgId", "Othr"), *_all(party, "Id", "PrvtId", "Othr")]
    taxed = [each for each in known if _text(each, "SchmeNm", "Cd") in {"TXID", "TAXI"}]
    return _text(next(iter([*taxed, *known]), None), "Id")


def _purpose(entry: Element, details: list[Element]) -> str:
    said = []
    for each in details:
        said += [part.text or "" for part in _all(each, "RmtInf", "Ustrd")]
        said += [part.text or "" for part in _all(each, "RmtInf", "Strd", "CdtrRefInf", "Ref")]
        said += [part.text or "" for part in _all(each, "RmtInf", "Strd", "RfrdDocInf", "Nb")]
    said = said or [_text(each, "AddtlTxInf") for each in details if _text(each, "AddtlTxInf")]
    return " ".join(said) or _text(entry, "AddtlNtryInf")


def _reference(details: Element | None) -> str:
    refs = _at(details, "Refs")
    given = [_text(refs, name) for name in ("EndToEndId", "InstrId", "PmtInfId", "MsgId")]
    return next((each for each in given if each and each != "NOTPROVIDED"), "")


def _statement(element: Element, made: _Open) -> Statement:
    account = _at(element, "Acct")
    opening, closing, between = None, None, []
    kept = _text(account, "Ccy") or made.currency
    for balance in _all(element, "Bal"):
        code = _text(balance, "Tp", "CdOrPrtry", "Cd")
        if code not in {*_OPENING, *_CLOSING, _BETWEEN}:
            continue
        amount, currency = _money(balance)
        if kept and currency != currency_of(kept):
            raise StatementError("balance_currency", value=currency, currency=kept)
        kept = currency
        if code in _OPENING and (opening is None or code == "OPBD"):
            opening = amount
        elif code in _CLOSING:
            closing = amount
        elif code == _BETWEEN:
            between.append(amount)
    if not kept:
        raise StatementError("no_currency")
    # A page in the middle of a statement has balances of its own kind.
    if between:
        opening = between[0] if opening is None else opening
        closing = between[-1] if closing is None else closing
    waiting = (Notice("waiting_lines", {"count": made.waiting}),) if made.waiting else ()
    return complete(
        Statement(
            account=tidy(_text(account, "Id", "IBAN") or _text(account, "Id", "Othr", "Id"), 64),
            currency=currency_of(kept),
            lines=tuple(made.lines),
            bank_code=tidy(_bank_code(account), 35),
            number=tidy(_text(element, "Id"), 70),
            opening=opening,
            closing=closing,
            notices=waiting,
        )
    )


def _bank_code(account: Element | None) -> str:
    agent = _at(account, "Svcr", "FinInstnId")
    return _text(agent, "BIC") or _text(agent, "BICFI")
