"""
How sure it is that a bank line pays an invoice, and why. No Django here.

Each reason is evidence by itself; together they leave the doubt that each alone would leave: a reason of weight w leaves
1 - w of it. What contradicts (another tax number) takes most of the rest away. The weights were set so that what names
itself (number and amount, or tax number and amount) is above SURE and what may be chance (an amount alone, a name alone)
is well below.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

SURE = 85
# What is less likely is not worth a line on the screen.
LEAST = 15
_MOST_TOGETHER = 4
_MOST_OF_CUSTOMER = 14
_WEIGHTS = {
    "number": 0.85,
    "short_number": 0.55,
    "tax_id": 0.65,
    "amount": 0.6,
    "total": 0.35,
    "name": 0.5,
    "near": 0.1,
}
_TOKEN = re.compile(r"[0-9A-Za-zА-Яа-яЁё]+(?:[-/_][0-9A-Za-zА-Яа-яЁё]+)*")
_WORDS_BEFORE = re.compile(
    r"(?:сч[её]т[а-я-]*|сч|инвойс[а-я]*|inv(?:oice)?|bill|rechnung|factuur|no|nr|№|#|n)\s*[.:#№]*\s*(?:№|no|n)?\s*$",
    re.IGNORECASE,
)
_LEGAL = re.compile(
    r"\b(?:ооо|зао|оао|пао|ао|ип|нко|ано|тоо|llc|ltd|inc|gmbh|ag|bv|nv|sarl|sa|oy|ab|as|plc|co|corp"
    r"|общество с ограниченной ответственностью|индивидуальный предприниматель|акционерное общество)\b",
    re.IGNORECASE,
)
_ODD = re.compile(r"[^0-9a-zа-яё]+")
_DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class Came:
    """What a bank says of money that came; `amount` is what of it is not matched yet, in minor units."""

    amount: int
    day: date
    name: str = ""
    tax_id: str = ""
    purpose: str = ""


@dataclass(frozen=True)
class Owed:
    """An invoice that is not paid yet, in the currency of the line."""

    invoice_id: int
    number: str
    due: int
    total: int
    issued: date
    due_date: date
    customer: str = ""
    tax_id: str = ""
    customer_key: str = ""


@dataclass(frozen=True)
class Candidate:
    """
    What a line may be.

    :ivar parts: how much of it pays which invoice
    :ivar reasons: codes, what speaks most first
    :ivar confidence: 0 to 99; nothing is certain until a person says so
    """

    parts: tuple[tuple[Owed, int], ...]
    reasons: tuple[str, ...]
    confidence: int

    @property
    def amount(self) -> int:
        return sum(amount for _owed, amount in self.parts)


def candidates(came: Came, owed: Sequence[Owed], *, most: int = 8) -> list[Candidate]:
    """Return what a line may be, the likeliest first: single invoices, and several of one customer together."""
    numbers = _numbers_in(came.purpose)
    found = [each for invoice in owed if (each := _single(came, invoice, numbers)).confidence >= LEAST]
    found += _together(came, found, owed)
    return sorted(found, key=_order)[:most]


def _order(candidate: Candidate) -> tuple[int, date, int]:
    first = candidate.parts[0][0]
    return -candidate.confidence, first.due_date, first.invoice_id


def _single(came: Came, invoice: Owed, numbers: "_Numbers") -> Candidate:
    reasons = _about_customer(came, invoice)
    if _plain(invoice.number) in numbers.whole:
        reasons["number"] = _WEIGHTS["number"]
    elif _tail(invoice.number) in numbers.after_word:
        reasons["short_number"] = _WEIGHTS["short_number"]
    if came.amount == invoice.due:
        reasons["amount"] = _WEIGHTS["amount"]
    elif came.amount == invoice.total:
        reasons["total"] = _WEIGHTS["total"]
    if reasons and invoice.issued <= came.day <= invoice.due_date + timedelta(days=30):
        reasons["near"] = _WEIGHTS["near"]
    confidence = _together_sure(reasons)
    told = [code for code, _weight in sorted(reasons.items(), key=lambda pair: -pair[1])]
    if came.amount < invoice.due:
        told.append("part")
    elif came.amount > invoice.due:
        told.append("more")
    if _contradicts(came, invoice):
        confidence, told = confidence * 0.35, ["other_tax_id", *told]
    return Candidate(
        ((invoice, min(came.amount, invoice.due)),), tuple(told), min(99, round(confidence * 100))
    )


def _about_customer(came: Came, invoice: Owed) -> dict[str, float]:
    reasons: dict[str, float] = {}
    if _digits(came.tax_id) and _digits(came.tax_id) == _digits(invoice.tax_id):
        reasons["tax_id"] = _WEIGHTS["tax_id"]
    likeness = similarity(plain_name(came.name), plain_name(invoice.customer))
    if likeness >= 0.5:
        reasons["name"] = _WEIGHTS["name"] * likeness
    return reasons


def _contradicts(came: Came, invoice: Owed) -> bool:
    ours, theirs = _digits(invoice.tax_id), _digits(came.tax_id)
    return bool(ours and theirs and ours != theirs)


def _together_sure(reasons: dict[str, float]) -> float:
    doubt = 1.0
    for weight in reasons.values():
        doubt *= 1 - weight
    return 1 - doubt


def _together(came: Came, singles: Iterable[Candidate], owed: Sequence[Owed]) -> list[Candidate]:
    """Return invoices of one customer that come to the line together, where something speaks for this customer."""
    known: dict[str, Candidate] = {}
    for each in singles:
        invoice = each.parts[0][0]
        speaks = {"tax_id", "name", "number", "short_number"} & set(each.reasons)
        if invoice.customer_key and speaks and "other_tax_id" not in each.reasons:
            best = known.get(invoice.customer_key)
            if best is None or each.confidence > best.confidence:
                known[invoice.customer_key] = each
    found = []
    for key, best in known.items():
        theirs = sorted(
            (invoice for invoice in owed if invoice.customer_key == key and invoice.due < came.amount),
            key=lambda invoice: (invoice.due_date, invoice.invoice_id),
        )[:_MOST_OF_CUSTOMER]
        group = _adding_up(came.amount, theirs)
        if group:
            reasons = {code: _WEIGHTS[code] for code in best.reasons if code in _WEIGHTS and code != "total"}
            confidence = _together_sure(reasons | {"together": 0.55})
            told = ("together", *(code for code in best.reasons if code in reasons))
            parts = tuple((invoice, invoice.due) for invoice in group)
            found.append(Candidate(parts, told, min(99, round(confidence * 100))))
    return found


def _adding_up(amount: int, owed: Sequence[Owed]) -> tuple[Owed, ...]:
    """Return the fewest invoices that come to an amount, the oldest first among equals; none where none do."""
    for size in range(2, _MOST_TOGETHER + 1):
        for group in combinations(owed, size):
            if sum(invoice.due for invoice in group) == amount:
                return group
    return ()


@dataclass(frozen=True)
class _Numbers:
    whole: frozenset[str]
    after_word: frozenset[str]


def _numbers_in(purpose: str) -> _Numbers:
    """Return what may be the number of an invoice: every word with a digit, and those that stand after "invoice"."""
    whole, after = set(), set()
    for found in _TOKEN.finditer(purpose):
        token = found[0]
        if not _DIGITS.search(token):
            continue
        whole.add(_plain(token))
        if _WORDS_BEFORE.search(purpose[: found.start()]):
            after.add(_tail(token))
    return _Numbers(frozenset(whole), frozenset(after - {""}))


def _plain(number: str) -> str:
    return _ODD.sub("", number.casefold())


def _tail(number: str) -> str:
    """Return the last digits of a number without zeros before them: "INV-2026-00017" is number 17 to people."""
    runs = _DIGITS.findall(number)
    return runs[-1].lstrip("0") if runs else ""


def _digits(text: str) -> str:
    return _ODD.sub("", text.casefold())


def plain_name(name: str) -> str:
    """Return a name as it is compared: without its legal form, marks and case."""
    return " ".join(_ODD.sub(" ", _LEGAL.sub(" ", name.casefold())).split())


def similarity(one: str, other: str) -> float:
    """Return how many of the three-letter pieces two names share, from 0 to 1, as pg_trgm counts it."""
    first, second = _trigrams(one), _trigrams(other)
    if not first or not second:
        return 0.0
    return len(first & second) / len(first | second)


def _trigrams(text: str) -> set[str]:
    found = set()
    for word in text.split():
        padded = f"  {word} "
        found |= {padded[at : at + 3] for at in range(len(padded) - 2)}
    return found
