"""JSON that keeps numbers as the database writes them: 1000.10 is neither 1000.1 nor a text."""

import json
import re
from decimal import Decimal
from typing import Any

# PostgreSQL takes no such character in JSON, so that no value can look like a marked number.
_MARK = "\x00"
_MARKED = re.compile(r'"\\u0000([^"]+)"')


class ExactDecoder(json.JSONDecoder):
    """Reads fractions as decimals."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"parse_float": Decimal})


def loads(text: str) -> Any:
    return json.loads(text, cls=ExactDecoder)


def dumps(value: Any) -> str:
    """Write what :func:`loads` has read, digit by digit."""
    return _MARKED.sub(r"\1", json.dumps(value, default=_mark))


def _mark(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{_MARK}{value}"
    raise TypeError(f"{type(value).__name__} does not come out of JSON")
