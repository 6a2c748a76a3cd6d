"""Reading what people were sent."""

import re

from django.core import mail

from apps.accounts import services


def delivered() -> list[str]:
    """Send the letters that wait, as a worker does, and return their texts, the oldest first."""
    services.deliver_letters()
    return [str(letter.body) for letter in mail.outbox]


def code_in(text: str) -> str:
    """Return the code that a letter carries."""
    found = re.search(r"^    (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


def link_in(text: str) -> str:
    """Return the address that a letter leads to, without its host."""
    found = re.search(r"https?://[^/\s]+(/\S+)", text)
    assert found is not None, text
    return found[1]
