"""
What stands in a letter that came, whatever its sender meant by it.

Everything has a limit, and what is over it is left out and said so; nothing here fails but for a letter that is none.
"""

import hashlib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

import nh3
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

# Parts of all kinds that are looked at, and how deep they lie in each other.
MOST_PARTS = 1_000
DEEPEST = 30
MOST_ATTACHMENTS = 20
MOST_ADDRESSES = 100
MOST_REFERENCES = 50
LONGEST_TEXT = 100_000
LONGEST_HTML = 400_000
# What an address book may hold in all, in characters of one header.
_LONGEST_HEADER = 20_000
_ID = re.compile(r"<([^<>\s]{1,480})>")
# Pictures would tell their sender who reads; forms, styles and frames have no business in a letter.
_TAGS = nh3.ALLOWED_TAGS - {"img", "map", "area", "details", "summary"}


@dataclass(frozen=True)
class Attachment:
    """A file that came with a letter."""

    name: str
    content_type: str
    content: bytes


@dataclass
class Letter:
    """
    A letter, with everything as text that can be stored and shown.

    :ivar message_id: without angle brackets; made of the content where the sender gave none
    :ivar html: sanitised
    :ivar left_out: what came with it and was not taken, as a name and a reason each
    """

    message_id: str
    sender: str
    sender_name: str
    to: list[str]
    cc: list[str]
    subject: str
    text: str
    html: str
    at: datetime
    in_reply_to: str = ""
    references: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)


def parse(raw: bytes, *, most_bytes: int) -> Letter:
    """
    Read a letter.

    :raises ValidationError: it is too large ("mail_too_large"), nested too deeply ("mail_too_deep"), or says of
        nobody that they sent it ("mail_no_sender")
    """
    if len(raw) > most_bytes:
        raise ValidationError(
            _("The letter is larger than %(most)s megabytes."),
            code="mail_too_large",
            params={"most": most_bytes // 2**20},
        )
    try:
        message = message_from_bytes(raw)
        parts = list(_parts(message))
    except RecursionError as error:
        raise _too_deep() from error
    (sender_name, sender), *_others = _addresses(message, "From") or [("", "")]
    if not sender:
        raise ValidationError(_("The letter does not say who sent it."), code="mail_no_sender")
    letter = Letter(
        message_id=_first_id(message, "Message-ID") or f"{hashlib.sha256(raw).hexdigest()}@unidentified",
        sender=sender,
        sender_name=sender_name[:200],
        to=[address for _name, address in _addresses(message, "To", "Delivered-To", "X-Original-To")],
        cc=[address for _name, address in _addresses(message, "Cc")],
        subject=_header(message, "Subject")[:300],
        text="",
        html="",
        at=_moment(message),
        in_reply_to=_first_id(message, "In-Reply-To"),
        references=_ID.findall(_header(message, "References"))[-MOST_REFERENCES:],
    )
    _fill(letter, parts)
    return letter


def text_of(markup: str) -> str:
    """Return the words of HTML, with its paragraphs as lines."""
    lines = re.sub(r"(?i)<(br|/p|/div|/tr|/li|/h[1-6])\b[^>]*>", "\n", markup)
    plain = html.unescape(
        nh3.clean(lines, tags=set(), clean_content_tags={"script", "style", "title", "head"})
    )
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t\xa0]+", " ", plain)).strip()


def harmless(markup: str) -> str:
    """Return HTML that does nothing and fetches nothing."""
    attributes: dict[str, set[str]] = {
        "a": {"href", "title"},
        "td": {"colspan", "rowspan"},
        "th": {"colspan"},
    }
    return nh3.clean(
        markup,
        tags=set(_TAGS),
        attributes=attributes,
        url_schemes={"http", "https", "mailto", "tel"},
        clean_content_tags={"script", "style", "title"},
        link_rel="noopener noreferrer nofollow",
    )


def _parts(message: Message, depth: int = 0) -> Iterator[Message]:
    if depth > DEEPEST:
        raise _too_deep()
    yield message
    payload: Any = message.get_payload()
    if message.is_multipart() and isinstance(payload, list):
        for part in payload:
            yield from _parts(part, depth + 1)


def _too_deep() -> ValidationError:
    return ValidationError(_("The parts of the letter lie too deep in each other."), code="mail_too_deep")


def _fill(letter: Letter, parts: list[Message]) -> None:
    texts, markups = [], []
    for number, part in enumerate(parts):
        if part.is_multipart():
            continue
        name, kind = _file_name(part), part.get_content_type()
        is_file = bool(name) or part.get_content_disposition() == "attachment"
        if not is_file and kind == "text/plain":
            texts.append(_text(part))
        elif not is_file and kind == "text/html":
            markups.append(_text(part))
        elif number > MOST_PARTS or len(letter.attachments) >= MOST_ATTACHMENTS:
            _leave_out(letter, name or kind, _("more came than are kept"))
        elif isinstance(content := part.get_payload(decode=True), bytes) and content:
            letter.attachments.append(Attachment(name or "attachment", kind, content))
    markup = "\n".join(markups)[:LONGEST_HTML]
    letter.html = _storable(harmless(markup)) if markup else ""
    letter.text = _storable("\n".join(texts).strip() or text_of(markup))[:LONGEST_TEXT]


def _leave_out(letter: Letter, name: str, reason: str) -> None:
    # A letter with ten thousand files is told of in short.
    if len(letter.left_out) < MOST_ATTACHMENTS:
        letter.left_out.append({"name": name[:200], "reason": reason})


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        charset = part.get_content_charset() or "utf-8"
        return content.decode(charset, "replace")
    except (LookupError, ValueError):
        # Named in a way that nobody knows.
        return content.decode("utf-8", "replace")


def _file_name(part: Message) -> str:
    try:
        given = part.get_filename() or ""
    except (LookupError, ValueError, TypeError):
        given = "attachment"
    name = _decoded(given).replace("\\", "/").rpartition("/")[2]
    return re.sub(r"[\x00-\x1f\x7f]", "", name).strip()[:200]


def _header(message: Message, name: str) -> str:
    return _decoded(str(message.get(name, ""))[:_LONGEST_HEADER])


def _decoded(value: str) -> str:
    """Return the text of a header, each encoded word as well as it can be read."""
    try:
        pieces = decode_header(value)
    except (ValueError, LookupError, TypeError):
        pieces = [(value, None)]
    found = [text if isinstance(text, str) else _bytes_text(text, charset) for text, charset in pieces]
    return " ".join(_storable("".join(found)).split())


def _bytes_text(text: bytes, charset: str | None) -> str:
    try:
        return text.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return text.decode("utf-8", "replace")


def _storable(text: str) -> str:
    """Return text without what a database does not take: zeros, and halves of characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _addresses(message: Message, *names: str) -> list[tuple[str, str]]:
    values = [
        str(value)[:_LONGEST_HEADER] for name in names for value in message.get_all(name, [])[:MOST_ADDRESSES]
    ]
    found: dict[str, str] = {}
    for name, address in getaddresses(values):
        plain = _storable(address).strip().lower()
        if "@" in plain and len(plain) <= 320 and plain.isprintable() and " " not in plain:
            found.setdefault(plain, _decoded(name))
    return [(name, address) for address, name in list(found.items())[:MOST_ADDRESSES]]


def _first_id(message: Message, name: str) -> str:
    found = _ID.search(_header(message, name))
    return found.group(1) if found else ""


def _moment(message: Message) -> datetime:
    """Return when the letter says it was sent; now where it says nothing that can be, or lies in the future."""
    now = timezone.now()
    try:
        at = parsedate_to_datetime(_header(message, "Date"))
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return now
    return at if at.year >= 1990 and at <= now else now
