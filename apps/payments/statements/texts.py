"""Bytes of old files to text: encodings that nobody declares, or declares wrongly."""

from apps.payments.statements.facts import StatementError

_EIGHT_BIT = ("cp1251", "cp1252")


def decoded(data: bytes) -> str:
    """
    Return the text of a file in whatever encoding it is: UTF-8, UTF-16 with its mark, or eight bits.

    :raises StatementError: it holds bytes that are no text ("not_text")
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _strict(data, "utf-16")
    if b"\0" in data:
        raise StatementError("not_text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Cyrillic letters come in words, western letters with accents stand alone.
        return data.decode(_EIGHT_BIT[0] if _in_words(data) else _EIGHT_BIT[1], errors="replace")


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError:
        raise StatementError("not_text") from None


def _in_words(data: bytes) -> bool:
    high = [byte > 127 for byte in data[: 1 << 18]]
    near = sum(
        here and (before or after)
        for before, here, after in zip([False, *high], high, [*high[1:], False], strict=False)
    )
    return near * 2 > sum(high)


def decoded_by(data: bytes, word: str, encodings: tuple[str, ...]) -> str | None:
    """Return the text in the encoding in which it holds a word that has to stand there; None where it never does."""
    for encoding in encodings:
        if word.encode(encoding) in data:
            text = _strict(data, encoding) if encoding.startswith("utf") else data.decode(encoding, "replace")
            return text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    return None
