"""Fetching letters from a mailbox over IMAP."""

import imaplib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

# A server that does not answer is not waited for longer.
TIMEOUT_SECONDS = 30
# As many letters are fetched in one go; the rest comes with the next.
MOST = 200


@dataclass(frozen=True)
class Fetched:
    """A letter in the mailbox; None where it is larger than is taken in."""

    uid: str
    raw: bytes | None


class Mailbox:
    """The unseen letters of one folder."""

    def __init__(self, client: imaplib.IMAP4) -> None:
        self._client = client

    def unseen(self, *, most_bytes: int) -> Iterator[Fetched]:
        """Yield unseen letters without marking them as seen."""
        _state, found = self._client.uid("SEARCH", "UNSEEN")
        for uid in found[0].decode("ascii").split()[:MOST] if found and found[0] else []:
            yield Fetched(uid, self._content(uid) if self._size(uid) <= most_bytes else None)

    def mark_seen(self, uid: str) -> None:
        """Remember in the mailbox itself that a letter was dealt with."""
        self._client.uid("STORE", uid, "+FLAGS", r"(\Seen)")

    def _size(self, uid: str) -> int:
        _state, found = self._client.uid("FETCH", uid, "(RFC822.SIZE)")
        line = found[0] if found else b""
        text = (line[0] if isinstance(line, tuple) else line or b"").decode("ascii", "replace")
        size = text.rpartition("RFC822.SIZE")[2].strip(" )")
        return int(size) if size.isdecimal() else 0

    def _content(self, uid: str) -> bytes:
        _state, found = self._client.uid("FETCH", uid, "(BODY.PEEK[])")
        return next((part[1] for part in found if isinstance(part, tuple)), b"")


@contextmanager
def opened(url: str) -> Iterator[Mailbox]:
    """
    Open a mailbox.

    :param url: imaps://name:password@host:993/INBOX, or imap:// without encryption
    :raises ValueError: it is no such address
    :raises imaplib.IMAP4.error: the server refuses
    """
    parts = urlsplit(url)
    if parts.scheme not in {"imap", "imaps"} or not parts.hostname:
        raise ValueError("MAIL_IMAP_URL is imaps://name:password@host/INBOX")
    if parts.scheme == "imaps":
        client: imaplib.IMAP4 = imaplib.IMAP4_SSL(parts.hostname, parts.port or 993, timeout=TIMEOUT_SECONDS)
    else:
        client = imaplib.IMAP4(parts.hostname, parts.port or 143, timeout=TIMEOUT_SECONDS)
    with client:
        client.login(unquote(parts.username or ""), unquote(parts.password or ""))
        client.select(unquote(parts.path.lstrip("/")) or "INBOX")
        yield Mailbox(client)
