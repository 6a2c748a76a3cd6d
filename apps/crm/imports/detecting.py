"""Guessing how dates and numbers are written, from the values of columns; says when the values do not decide."""

import re
from collections import Counter
from collections.abc import Iterable

_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})[./-](\d{1,4})(?:[ T]\d{1,2}:\d{2}(?::\d{2})?)?")
_GROUPED = re.compile(r"-?\d{1,3}(?:([.,])\d{3})+(?:([.,])\d+)?")
_PLAIN = re.compile(r"-?\d+([.,])(\d+)")


def date_format_of(columns: Iterable[set[str]]) -> tuple[str, bool]:
    """Return the format that most date columns are in, and whether day and month could also be the other way round."""
    votes: Counter[str] = Counter()
    for values in columns:
        votes.update(_votes(values))
    if not votes:
        return "%Y-%m-%d", False
    sure = {name: count for name, count in votes.items() if name != "slash"}
    if sure:
        return max(sure, key=lambda name: sure[name]), False
    return "%d/%m/%Y", True


def _votes(values: set[str]) -> Counter[str]:
    """Count for which format the values of one column speak; "slash" for those that leave day and month open."""
    matches = [match for value in values if value and (match := _DATE.fullmatch(value))]
    filled = sum(1 for value in values if value)
    # A column in which few values look like dates is no column of dates.
    if not matches or len(matches) < 0.8 * filled:
        return Counter()
    if all(len(match[1]) == 4 for match in matches):
        return Counter({"%Y-%m-%d": len(matches)})
    if all(match[2] == "." for match in matches):
        return Counter({"%d.%m.%Y": len(matches)})
    firsts = max(int(match[1]) for match in matches if len(match[1]) <= 2)
    seconds = max(int(match[3]) for match in matches)
    if firsts > 12 >= seconds:
        return Counter({"%d/%m/%Y": len(matches)})
    if seconds > 12 >= firsts:
        return Counter({"%m/%d/%Y": len(matches)})
    return Counter({"slash": len(matches)})


def decimal_of(columns: Iterable[set[str]]) -> tuple[str, bool]:
    """Return the decimal mark, and whether "1,234" could also be 1.234."""
    votes: Counter[str] = Counter()
    open_ones = 0
    for values in columns:
        for value in values:
            mark = _mark_of(value.replace(" ", "").replace("\u00a0", "").replace("\u202f", ""))
            if mark == "?":
                open_ones += 1
            elif mark:
                votes[mark] += 1
    if votes:
        return votes.most_common(1)[0][0], False
    return ".", open_ones > 0


def _mark_of(value: str) -> str:
    """Return the decimal mark of one number, "?" where one mark may be either, "" for what is no such number."""
    grouped = _GROUPED.fullmatch(value)
    if grouped:
        first, last = grouped.group(1), grouped.group(2)
        if last and last != first:
            return last
        if value.count(first) > 1:
            return "," if first == "." else "."
        return "?" if first == "," else "."
    plain = _PLAIN.fullmatch(value)
    return plain.group(1) if plain else ""
