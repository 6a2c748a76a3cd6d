"""
Addresses outside of the access policy say why: whom they are for, in one sentence that the system check
reads.
"""

from collections.abc import Callable
from typing import Any, TypeVar

_View = TypeVar("_View", bound=Callable[..., Any])


def public(reason: str) -> Callable[[_View], _View]:
    """Mark a view that anybody may open."""
    return _mark("public", reason)


def own_only(reason: str) -> Callable[[_View], _View]:
    """Mark a view that shows everybody nothing but what is their own."""
    return _mark("own_only", reason)


def _mark(name: str, reason: str) -> Callable[[_View], _View]:
    def mark(view: _View) -> _View:
        setattr(view, name, reason)
        return view

    return mark


def reason_of(view: object) -> str:
    """Return why a view is outside of the policy; empty when nobody has said."""
    for name in ("public", "own_only"):
        reason = getattr(view, name, "")
        if isinstance(reason, str) and reason:
            return reason
    return ""
