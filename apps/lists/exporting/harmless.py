"""Text that no spreadsheet executes."""

import re

# What a spreadsheet takes for the beginning of a formula, with the forms that some turn into it on the way in.
_SIGNS = "=+\\-@＝＋－＠﹦﹢﹣﹫−"
# What may stand before it and is dropped by one or the other: blanks, quotes, and what cannot be seen.
_INVISIBLE = (
    "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\u00ad\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2064\\ufeff"
)
_BEFORE = f"(?:[^\\S\\t\\r\\n]|[\"'`{_INVISIBLE}])*"
# Whoever opens the file with another separator than it was written with begins a cell there.
_SEPARATORS = ";,\\t|\\r\\n"
_RISK = re.compile(f"(^|[{_SEPARATORS}])({_BEFORE})([{_SIGNS}])([^{_SEPARATORS}]*)")
_NUMBER = re.compile(r"\d[\d\u00a0\u202f ]*(?:[.,]\d+)?%?")
_PHONE = re.compile(r"[\d() \-\u2011\u00a0]+")
_CONTROLS = ("\t", "\r", "\n")


def harmless(text: str) -> str:
    """
    Return a text of a CSV cell with an apostrophe before whatever would begin a formula there.

    Numbers and telephone numbers with a sign stay what they are: digits execute nothing.
    """
    if _RISK.search(text):
        text = _RISK.sub(_defuse, text)
    return f"'{text}" if text.startswith(_CONTROLS) else text


def is_risky(text: str) -> bool:
    """Tell whether a cell that is text would turn into a formula once it is edited by hand."""
    if text[:1].isalnum():
        return False
    found = _RISK.match(text)
    return found is not None and not _is_plain(found)


def _defuse(found: re.Match[str]) -> str:
    if _is_plain(found):
        return found.group()
    start, before, sign, rest = found.groups()
    return f"{start}'{before}{sign}{rest}"


def _is_plain(found: re.Match[str]) -> bool:
    _start, before, sign, rest = found.groups()
    if before.strip(" "):
        return False
    shape = _PHONE if sign == "+" else _NUMBER
    return sign in "+-" and (shape.fullmatch(rest) is not None or _NUMBER.fullmatch(rest) is not None)
