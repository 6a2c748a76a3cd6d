"""Made-up data of a type of facts, after its schema: what a test delivery carries, and the catalogue shows."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from apps.events.schemas import schema_path

_PLAIN: dict[str, Any] = {"string": "text", "integer": 1, "number": 1, "boolean": True, "null": None}
_BY_FORMAT = {"date-time": "2026-01-31T12:00:00Z", "date": "2026-01-31", "email": "somebody@example.com"}
_DEEPEST = 8
# A digest, the one kind of pattern that schemas ask of a text.
_DIGITS = re.compile(r"\^\[0-9a-f\]\{(\d+)\}\$")


@cache
def schema_of(event_type: str) -> dict[str, Any]:
    """Return the JSON Schema of a type's data. :raises OSError: there is none"""
    schema: dict[str, Any] = json.loads(schema_path(event_type).read_text())
    return schema


def sample_of(event_type: str) -> dict[str, Any]:
    """Return data as a fact of this type would carry them."""
    schema = schema_of(event_type)
    found: dict[str, Any] = _value(schema, schema, _DEEPEST)
    return found


def _value(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _value(root.get("$defs", {}).get(name, {}), root, depth - 1)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _value(schema[key][0], root, depth - 1)
    return _of_kind(schema, root, depth)


def _of_kind(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kinds = schema.get("type", "null")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if depth <= 0:
        return None
    if kind == "object":
        return {name: _value(part, root, depth - 1) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_value(schema["items"], root, depth - 1)] if "items" in schema else []
    digits = _DIGITS.fullmatch(schema.get("pattern", ""))
    if digits is not None:
        return "0" * int(digits[1])
    return _BY_FORMAT.get(schema.get("format", ""), _PLAIN.get(kind))
