"""Text: whether a file is text, in which encoding, and whether a browser would run it."""

import codecs
import re

# Looked at: what a browser looks at is a quarter of it.
HEAD = 64 * 1024
_MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# Of the single-byte encodings, the one in which most letters of these languages stand together.
_SINGLE_BYTE = ("cp1251", "cp1252")
_BEFORE = re.compile(
    r"\s+|<\?xml.*?\?>|<!--.*?-->|<!doctype\s+(?!html)[^>\[]*(?:\[.*?\])?\s*>", re.DOTALL | re.I
)
_SVG = re.compile(r"<(?:\w+:)?svg[\s>/]", re.I)
# What makes a browser take a text for a page, wherever it looks for it.
_HTML = re.compile(
    r"<(?:!doctype\s+html|html|head|body|script|iframe|style|title|table|div|font|img|br|p|a|b|h[1-6]|form|link|meta"
    r"|object|embed|base|input|video|audio)(?=[\s>/])",
    re.I,
)
_DECLARED = re.compile(r"\s*<\?xml", re.I)
_ELEMENT = re.compile(r"<[A-Za-z_][\w:.-]*(?:\s[^<>]*)?/?>", re.I)
_XHTML = re.compile(r"<(?:\w+:)?(?:html|script)[\s>/]", re.I)
_PHP = re.compile(r"<\?(?:php|=)", re.I)


def decoded(head: bytes) -> tuple[str, str] | None:
    """Return the text of a head, and its encoding; None where it is no text."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return _in(head, encoding)
    if b"\0" in head:
        return None
    found = _in(head, "utf-8")
    if found is not None:
        return found
    guesses = [guess for encoding in _SINGLE_BYTE if (guess := _in(head, encoding)) is not None]
    return max(guesses, key=lambda guess: sum(map(str.isalnum, guess[0])), default=None)


def _in(head: bytes, encoding: str) -> tuple[str, str] | None:
    try:
        # What was cut at the end is no mistake.
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None
    return None if _CONTROLS.search(text) else (text, encoding.removesuffix("-sig"))


def markup_of(text: str) -> str:
    """Return what a browser would take a text for: "image/svg+xml", "text/html", "application/xml", or ""."""
    at = 0
    while match := _BEFORE.match(text, at):
        at = match.end()
    begins, is_xml = text[at : at + 512], _DECLARED.match(text) is not None
    if _SVG.match(begins):
        return "image/svg+xml"
    # Whatever declares itself as XML no browser takes for HTML, unless its elements say that they are.
    if not is_xml and (_HTML.match(begins) or _PHP.match(text)):
        return "text/html"
    if not is_xml and not _ELEMENT.match(begins):
        return ""
    if _SVG.search(text):
        return "image/svg+xml"
    return "text/html" if _XHTML.search(text) else "application/xml"
