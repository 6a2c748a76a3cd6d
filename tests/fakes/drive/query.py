"""The language of `q` in `files.list`: a condition as text becomes a function."""

import re
from collections.abc import Callable
from datetime import datetime

from tests.fakes.drive.model import Item
from tests.fakes.drive.refusals import Refusal, invalid
from tests.fakes.drive.store import Store

Condition = Callable[[Item], bool]
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>'(?:\\.|[^'\\])*') | (?P<symbol>!=|<=|>=|[=<>(){}]) | (?P<word>[A-Za-z]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ORDERS: dict[str, Callable[[datetime, datetime], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def parse(text: str, store: Store, viewer: str) -> Condition:
    """
    Return the condition that a query says.

    :raises Refusal: Drive does not understand it
    """
    return _Parser(text, store, viewer).parse() if text.strip() else lambda item: True


class _Parser:
    def __init__(self, text: str, store: Store, viewer: str) -> None:
        self.store = store
        self.viewer = viewer
        self.tokens = self._tokens(text)
        self.at = 0

    def parse(self) -> Condition:
        condition = self._expression()
        if self.at != len(self.tokens):
            raise self._wrong()
        return condition

    def _tokens(self, text: str) -> list[tuple[str, str]]:
        tokens, at = [], 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise self._wrong()
            value = found[found.lastgroup]
            if found.lastgroup == "text":
                # Within quotes a backslash only speaks for itself and for a quote.
                value = re.sub(r"\\(['\\])", r"\1", value[1:-1])
            tokens.append((found.lastgroup, value))
            at = found.end()
        return tokens

    def _wrong(self) -> Refusal:
        return invalid("q")

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _next(self, kind: str | None = None, value: str | None = None) -> str:
        found = self._peek()
        if (kind and found[0] != kind) or (value and found[1] != value):
            raise self._wrong()
        self.at += 1
        return found[1]

    def _expression(self) -> Condition:
        left = self._term()
        # "and" and "or" are read from left to right, none binds closer.
        while self._peek() in {("word", "and"), ("word", "or")}:
            word = self._next()
            left = _join(word, left, self._term())
        return left

    def _term(self) -> Condition:
        if self._peek() == ("word", "not"):
            self._next()
            inner = self._term()
            return lambda item: not inner(item)
        if self._peek() == ("symbol", "("):
            self._next()
            inner = self._expression()
            self._next("symbol", ")")
            return inner
        if self._peek()[0] == "text":
            return self._membership(self._next())
        return self._comparison(self._next("word"))

    def _membership(self, value: str) -> Condition:
        self._next("word", "in")
        collection = self._next("word")
        if collection == "parents":
            parent = self.store.accounts[self.viewer].root_id if value == "root" else value
            return lambda item: item.parent == parent
        if collection == "owners":
            return lambda item: item.owner == value
        if collection in {"writers", "readers"}:
            return lambda item: self.store.role(item, value) is not None
        raise self._wrong()

    def _comparison(self, name: str) -> Condition:
        if name in {"properties", "appProperties"}:
            return self._property(name)
        operator = self._next()
        kind, value = self._peek()
        self._next()
        if name in {"trashed", "starred"} and operator in {"=", "!="} and value in {"true", "false"}:
            wanted = (value == "true") == (operator == "=")
            if name == "trashed":
                return lambda item: self.store.is_trashed(item) == wanted
            return lambda item: (self.viewer in item.starred_by) == wanted
        if kind != "text":
            raise self._wrong()
        if name in {"name", "fullText", "mimeType"}:
            return self._text(name, operator, value)
        if name in {"modifiedTime", "createdTime"} and operator in _ORDERS:
            return self._time(name, operator, value)
        raise self._wrong()

    def _text(self, name: str, operator: str, value: str) -> Condition:
        read: Callable[[Item], str] = (
            (lambda item: item.mime) if name == "mimeType" else (lambda item: item.name)
        )
        if operator == "=" and name != "fullText":
            return lambda item: read(item) == value
        if operator == "!=" and name != "fullText":
            return lambda item: read(item) != value
        if operator != "contains":
            raise self._wrong()
        if name == "name":
            # It looks for beginnings of words only.
            pattern = re.compile(rf"(?:^|\W|_){re.escape(value)}", re.IGNORECASE)
            return lambda item: bool(pattern.search(item.name))
        return lambda item: value.lower() in read(item).lower()

    def _time(self, name: str, operator: str, value: str) -> Condition:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise self._wrong() from None
        if moment.tzinfo is None:
            moment = moment.astimezone()
        order = _ORDERS[operator]
        if name == "modifiedTime":
            return lambda item: order(item.modified, moment)
        return lambda item: order(item.created, moment)

    def _property(self, name: str) -> Condition:
        self._next("word", "has")
        self._next("symbol", "{")
        self._next("word", "key")
        self._next("symbol", "=")
        key = self._next("text")
        self._next("word", "and")
        self._next("word", "value")
        self._next("symbol", "=")
        value = self._next("text")
        self._next("symbol", "}")
        if name == "appProperties":
            return lambda item: item.app_properties.get(key) == value
        return lambda item: item.properties.get(key) == value


def _join(word: str, left: Condition, right: Condition) -> Condition:
    if word == "and":
        return lambda item: left(item) and right(item)
    return lambda item: left(item) or right(item)
