"""What each kind of call takes of Google's quota, in units of the profile of 2026."""

from typing import NamedTuple


class Cost(NamedTuple):
    """What a call takes of Google's quota."""

    name: str
    units: int
    writes: int = 0


def reading(name: str) -> Cost:
    return Cost(name, 5)


def listing(name: str) -> Cost:
    return Cost(name, 100)


def downloading(name: str) -> Cost:
    return Cost(name, 200)


def editing(name: str) -> Cost:
    return Cost(name, 50, 1)


def other(name: str) -> Cost:
    return Cost(name, 5)
