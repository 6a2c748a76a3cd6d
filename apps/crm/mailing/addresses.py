"""Addresses to answer to that say by themselves what the answer is about, and cannot be made by others."""

import re

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

_KINDS = {"d": "deal", "c": "company", "p": "person"}
_LETTERS = {name: letter for letter, name in _KINDS.items()}
# 80 bits of a MAC: nobody guesses it, and the address stays within the 64 characters of a local part.
_MAC_LENGTH = 20
_TOKEN = re.compile(r"\+([dcp])(\d{1,18})-([0-9a-f]{20})@")


def reply_address(name: str, pk: int) -> str:
    """Return the address to which answers about a row come back; empty where none is set up."""
    local, at, domain = str(settings.MAIL_REPLY_ADDRESS).partition("@")
    return f"{local}+{_token(name, pk)}@{domain}" if at else ""


def target_in(addresses: list[str]) -> tuple[str, int] | None:
    """Return what the first address of ours among these is about."""
    for address in addresses:
        found = _TOKEN.search(address.lower())
        if found is None:
            continue
        name, pk = _KINDS[found.group(1)], int(found.group(2))
        if constant_time_compare(found.group(3), _mac(name, pk)):
            return name, pk
    return None


def _token(name: str, pk: int) -> str:
    return f"{_LETTERS[name]}{pk}-{_mac(name, pk)}"


def _mac(name: str, pk: int) -> str:
    return salted_hmac("crm.mail.reply", f"{name}:{pk}", algorithm="sha256").hexdigest()[:_MAC_LENGTH]
