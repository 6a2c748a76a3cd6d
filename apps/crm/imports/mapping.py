"""Proposing which column is which field: by name, in English and Russian, with a little tolerance for spelling."""

import hashlib
import json
import re
from collections.abc import Iterator

from django.utils import translation
from rapidfuzz import fuzz

from apps.crm.imports.fields import ImportField, ImportKind

# Below it, "Amount" begins to look like "Account".
_NEAR = 88


def propose(kind: ImportKind, header: list[str]) -> dict[str, str]:
    """Return {column: field key} for the columns whose names say what they are; each field once."""
    scored = sorted(_scores(kind, header), key=lambda found: -found[0])
    mapping: dict[str, str] = {}
    for _score, column, key in scored:
        if column not in mapping and key not in mapping.values():
            mapping[column] = key
    return {column: mapping[column] for column in header if column in mapping}


def header_digest(header: list[str]) -> str:
    """Return the SHA-256 of a header, by which its mapping is remembered."""
    return hashlib.sha256(json.dumps(header).encode()).hexdigest()


def _scores(kind: ImportKind, header: list[str]) -> Iterator[tuple[float, str, str]]:
    """Yield score, column and field for each pair that is near enough; earlier aliases weigh more."""
    names = {field.key: _names(field) for field in kind.fields}
    for column in header:
        plain = _plain(column)
        if not plain:
            continue
        for key, known in names.items():
            if plain in known:
                yield 1000 - known.index(plain), column, key
            else:
                near = max(fuzz.ratio(plain, name) for name in known)
                if near >= _NEAR:
                    yield near, column, key


def _names(field: ImportField) -> list[str]:
    labels = []
    for language in ("en", "ru"):
        with translation.override(language):
            labels.append(str(field.label))
    return [_plain(name) for name in (field.key, *field.aliases, *labels)]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
