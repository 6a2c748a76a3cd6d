"""
What a fact's data look like: one JSON Schema file per type, in the app that publishes it.

Whoever reads a type may rely on its schema for good: it may grow, and whatever is valid in its later form
must be readable by those who only know the earlier one. Anything else is a new version, ".v2".
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.apps import apps

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_Schema = Mapping[str, Any]

# What only describes may change at will.
_ANNOTATIONS = {"$schema", "$id", "$comment", "title", "description", "examples", "default", "deprecated"}
# A reader ignores what it does not know, whether or not the publisher promises that there is nothing more.
_HANDLED = _ANNOTATIONS | {"type", "enum", "properties", "required", "items", "$defs", "additionalProperties"}


class InvalidData(Exception):
    """Published data do not fit the schema of their fact: a mistake in the publishing service."""


def schema_path(event_type: str) -> Path:
    """Return where the schema of a type of fact is kept. :raises LookupError: no such app is installed"""
    config = apps.get_app_config(event_type.partition(".")[0])
    return Path(config.path) / "schemas" / f"{event_type}.json"


def problems_of_schema(path: Path) -> list[str]:
    """List what keeps a file from being a schema of facts."""
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - not needed in production

    try:
        schema = json.loads(path.read_text())
        Draft202012Validator.check_schema(schema)
    except (ValueError, SchemaError) as error:
        return [str(error).partition("\n")[0]]
    return [] if schema.get("type") == "object" else ["the data of a fact are an object"]


def check_data(event_type: str, data: Any) -> None:
    """
    Hold published data against their schema, where there is one.

    :param data: as it would come out of the database, made of plain JSON values
    :raises InvalidData: they do not fit
    """
    validator = _validator(event_type)
    if validator is None:
        return
    errors = sorted(f"{error.json_path}: {error.message}" for error in validator.iter_errors(data))
    if errors:
        raise InvalidData(f"{event_type}: " + "; ".join(errors))


@cache
def _validator(event_type: str) -> "Draft202012Validator | None":
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - not needed in production

    try:
        path = schema_path(event_type)
    except LookupError:
        return None
    return Draft202012Validator(json.loads(path.read_text())) if path.exists() else None


def breaking_changes(old: _Schema, new: _Schema, at: str = "data") -> list[str]:
    """
    List where `new` allows or leaves out what a reader of `old` could not expect.

    Keywords that are not understood here have to stay as they are.
    """
    found = _narrowed(at, "type", _types(old), _types(new))
    if "enum" in old:
        found += _narrowed(at, "enum", _words(old), _words(new)) if "enum" in new else [f"{at}: enum is gone"]
    found += [f"{at}: {name} is no longer required" for name in _missing(old, new, "required")]
    found += [f"{at}.{name}: is gone" for name in _missing(old, new, "properties")]
    for key in sorted((old.keys() | new.keys()) - _HANDLED):
        if old.get(key) != new.get(key):
            found.append(f"{at}: {key} has changed")
    for inner_at, inner_old, inner_new in _children(old, new, at):
        found += breaking_changes(inner_old, inner_new, inner_at)
    return found


def _children(old: _Schema, new: _Schema, at: str) -> list[tuple[str, _Schema, _Schema]]:
    """Pair the parts that both schemas have."""
    children = []
    for key, mark in [("properties", "."), ("$defs", "#")]:
        both = sorted(old.get(key, {}).keys() & new.get(key, {}).keys())
        children += [(f"{at}{mark}{name}", old[key][name], new[key][name]) for name in both]
    for key in ["items", "additionalProperties"]:
        if isinstance(old.get(key), dict):
            children.append((f"{at}[]", old[key], new[key] if isinstance(new.get(key), dict) else {}))
    return children


def _missing(old: _Schema, new: _Schema, key: str) -> list[str]:
    return sorted(set(old.get(key, ())) - set(new.get(key, ())))


def _narrowed(at: str, key: str, old: set[str] | None, new: set[str] | None) -> list[str]:
    """Say what the new set allows beyond the old one; None allows everything."""
    if old is None:
        return []
    if new is None:
        return [f"{at}: {key} is gone"]
    return [f"{at}: {key} also allows {word}" for word in sorted(new - old)]


def _types(schema: _Schema) -> set[str] | None:
    kinds = schema.get("type")
    if kinds is None:
        return None
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    # Every integer is a number, so a number that becomes an integer surprises nobody.
    return kinds | {"integer"} if "number" in kinds else kinds


def _words(schema: _Schema) -> set[str]:
    return {json.dumps(word) for word in schema["enum"]}
