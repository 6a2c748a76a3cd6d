"""Setting a paper with Typst: PDF/A-3b of a source, its data and our layout."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import segno

from apps.documents.rendering.apart import copy_into, run, workplace

_SHIPPED = Path(__file__).parents[1] / "typst"
FONTS = _SHIPPED / "fonts"
# What every source may import.
_LAYOUT = _SHIPPED / "layout.typ"


def set_paper(
    source: str,
    data: Mapping[str, Any],
    *,
    at: datetime,
    images: Mapping[str, bytes] | None = None,
    seconds: float | None = None,
) -> bytes:
    """
    Return the PDF of a source; the same source, data and time give the same bytes.

    The data are read by the source as JSON and never become part of it: whatever stands in them is text.

    :param at: when the paper says it was made
    :param images: pictures by file name, beside the source
    :raises ValidationError: the source is refused ("template_typst"), or took too long ("template_too_heavy")
    """
    files: dict[str, bytes | Path] = {
        "main.typ": source.encode(),
        "layout.typ": _LAYOUT,
        "data.json": json.dumps(data, ensure_ascii=False).encode(),
        **(images or {}),
    }
    with workplace() as place:
        copy_into(place / "root", files)
        return run("typst", place, seconds=seconds, fonts=str(FONTS), timestamp=int(at.timestamp())).result


def shipped_source(code: str, language: str) -> str:
    """Return the source of one of the platform's own papers. :raises FileNotFoundError: there is none"""
    own = _SHIPPED / f"{code}.{language}.typ"
    return (own if own.is_file() else _SHIPPED / f"{code}.typ").read_text()


def qr_svg(content: str) -> bytes:
    """Return a QR code as a picture."""
    return bytes(segno.make(content, error="m", micro=False).svg_inline(border=0).encode())


@cache
def renderer() -> str:
    """Return what a paper's look depends on besides its template and data: compiler, layout and fonts."""
    digest = hashlib.sha256(_LAYOUT.read_bytes())
    for font in sorted(FONTS.glob("*.otf")):
        digest.update(font.name.encode())
    return f"typst {version('typst')} {digest.hexdigest()[:12]}"
