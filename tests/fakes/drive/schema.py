"""Google's own description of Drive v3, as it ships with its Python client: routes, parameters, shapes, fields."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import unquote

from tests.fakes.drive.refusals import Refusal, invalid

PREFIX = "/drive/v3/"
_UPLOAD = re.compile(r"^/(?:resumable/)?upload(?=/drive/v3/)")
_BOOLEANS = {"true": "true", "false": "false", "True": "true", "False": "false"}
Mask = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One thing that can be asked for: `files.get`."""

    name: str
    method: str
    parts: tuple[str, ...]
    parameters: dict[str, dict[str, Any]]
    response: str | None
    takes_upload: bool


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    text = (files("googleapiclient") / "discovery_cache" / "documents" / "drive.v3.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


@lru_cache(maxsize=1)
def _operations() -> dict[tuple[str, int], list[Operation]]:
    found: dict[tuple[str, int], list[Operation]] = {}
    common = document()["parameters"]
    for resource, described in document()["resources"].items():
        for method, told in described["methods"].items():
            parts = tuple(told["path"].split("/"))
            operation = Operation(
                f"{resource}.{method}",
                told["httpMethod"],
                parts,
                {**common, **told.get("parameters", {})},
                told.get("response", {}).get("$ref"),
                "mediaUpload" in told,
            )
            found.setdefault((operation.method, len(parts)), []).append(operation)
    for operations in found.values():
        # "files/trash" before "files/{fileId}".
        operations.sort(key=lambda operation: "".join(operation.parts).count("{"))
    return found


def route(method: str, path: str) -> tuple[Operation, dict[str, str], bool]:
    """
    Return what is asked for, the values in its path, and whether it is an upload.

    :raises Refusal: there is no such thing in Drive v3
    """
    plain, uploads = _UPLOAD.subn("", path)
    if plain.startswith(PREFIX):
        parts = plain.removeprefix(PREFIX).split("/")
        for operation in _operations().get((method, len(parts)), []):
            values = _values(operation.parts, parts)
            if values is not None and (operation.takes_upload or not uploads):
                return operation, values, bool(uploads)
    raise Refusal(404, "notFound", f"The requested URL {path} was not found on this server.")


def _values(template: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    values = {}
    for wanted, part in zip(template, parts, strict=True):
        if wanted.startswith("{"):
            name, _, verb = wanted[1:].partition("}")
            if not part.endswith(verb):
                return None
            values[name] = unquote(part.removesuffix(verb))
        elif wanted != part:
            return None
    return values


def checked(operation: Operation, params: dict[str, str]) -> dict[str, str]:
    """
    Return the parameters of a request, each of them known and of its type.

    :raises Refusal: one is unknown or wrong
    """
    return {
        name: value if operation.parameters.get(name) == {} else _checked(operation, name, value)
        for name, value in params.items()
    }


def _checked(operation: Operation, name: str, value: str) -> str:
    told = operation.parameters.get(name)
    if told is None:
        raise invalid(name, f"Unknown parameter: {name}", reason="invalidParameter")
    if told["type"] == "boolean":
        if value not in _BOOLEANS:
            raise invalid(name, f"Invalid boolean value: '{value}'.", reason="invalidParameter")
        return _BOOLEANS[value]
    if told["type"] == "integer":
        smallest, largest = int(told.get("minimum", -(2**31))), int(told.get("maximum", 2**31))
        if not re.fullmatch(r"-?\d+", value) or not smallest <= int(value) <= largest:
            raise invalid(
                name, f"Invalid value '{value}'. Values must be within the range: [{smallest}, {largest}]"
            )
    if name != "alt" and "enum" in told and value not in told["enum"]:
        raise invalid(name, f"Invalid value '{value}'.", reason="invalidParameter")
    return value


@lru_cache(maxsize=256)
def mask(text: str, schema: str) -> Mask:
    """
    Read what `fields` asks for: "files(id,owners/emailAddress),nextPageToken".

    :raises Refusal: a field is not one of the answer's
    """
    tokens = re.findall(r"[A-Za-z0-9_*-]+|[(),/]", text)
    if "".join(tokens) != re.sub(r"\s", "", text) or not tokens:
        raise _field(text)
    at = 0

    def several() -> Mask:
        nonlocal at
        found: Mask = {}
        while True:
            one(found)
            if at < len(tokens) and tokens[at] == ",":
                at += 1
                continue
            return found

    def one(into: Mask) -> None:
        nonlocal at
        if at >= len(tokens) or tokens[at] in "(),/":
            raise _field(text)
        inner: Mask = into.setdefault(tokens[at], {})
        at += 1
        if at < len(tokens) and tokens[at] == "/":
            at += 1
            one(inner)
        elif at < len(tokens) and tokens[at] == "(":
            at += 1
            inner.update(several())
            if at >= len(tokens) or tokens[at] != ")":
                raise _field(text)
            at += 1

    found = several()
    if at != len(tokens):
        raise _field(text)
    _check_mask(found, {"$ref": schema})
    return found


def _field(name: str) -> Refusal:
    return invalid("fields", f"Invalid field selection {name}", reason="invalidParameter")


def _check_mask(found: Mask, described: dict[str, Any]) -> None:
    described = _resolved(described)
    properties = described.get("properties")
    for name, inner in found.items():
        if name == "*":
            continue
        if properties is None:
            # A map, "appProperties/deal": its keys are anybody's.
            if "additionalProperties" not in described:
                raise _field(name)
            continue
        if name not in properties:
            raise _field(name)
        if inner:
            _check_mask(inner, properties[name])


def _resolved(described: dict[str, Any]) -> dict[str, Any]:
    while True:
        if "$ref" in described:
            described = document()["schemas"][described["$ref"]]
        elif described.get("type") == "array":
            described = described["items"]
        else:
            return described


def picked(value: Any, wanted: Mask) -> Any:
    """Leave of a value what a mask asks for; an empty mask asks for all of it."""
    if not wanted or "*" in wanted:
        return value
    if isinstance(value, list):
        return [picked(one, wanted) for one in value]
    return {name: picked(value[name], inner) for name, inner in wanted.items() if name in value}


def differences(value: Any, described: dict[str, Any], where: str = "") -> list[str]:
    """Say where a value is not what Google's description says; nothing when it is."""
    if "$ref" in described:
        return differences(value, document()["schemas"][described["$ref"]], where)
    kind = described.get("type", "any")
    if kind == "array":
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [
            found
            for n, one in enumerate(value)
            for found in differences(one, described["items"], f"{where}[{n}]")
        ]
    if kind == "object":
        return _object_differences(value, described, where)
    types: dict[str, type] = {"string": str, "boolean": bool, "integer": int, "number": float}
    if kind in types and type(value) is not types[kind]:
        return [f"{where}: {value!r} is no {kind}"]
    return _format_differences(value, described.get("format"), where)


def _object_differences(value: Any, described: dict[str, Any], where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    found = []
    for name, inner in value.items():
        told = described.get("properties", {}).get(name) or described.get("additionalProperties")
        if told is None:
            found.append(f"{where}.{name}: there is no such field")
        else:
            found += differences(inner, told, f"{where}.{name}")
    return found


def _format_differences(value: Any, form: str | None, where: str) -> list[str]:
    try:
        if form in {"int64", "uint64"}:
            int(value)
        elif form == "date-time":
            datetime.fromisoformat(value)
    except ValueError:
        return [f"{where}: {value!r} is no {form}"]
    return []
