"""Addresses of pages about documents, and the keys that stand in addresses and forms."""

from typing import Any

from django.urls import NoReverseMatch, reverse


def address_of(name: str, *args: Any) -> str:
    """Return the address of a page by its name; empty where no room has such a page."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def key_in(given: str) -> int:
    """Return a key from an address or a form; 0, which is nothing's, where it is none."""
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else 0
