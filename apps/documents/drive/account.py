"""Who speaks with Drive, how patiently, and what that costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

GOOGLE = "https://www.googleapis.com/"


@dataclass(frozen=True)
class Account:
    """
    Who speaks with Drive, and where it stands.

    :param info: the key file of a service account, parsed
    :param subject: the e-mail of the person that it speaks for by domain-wide delegation; empty for itself
    :param api_root: where Drive stands; nothing goes anywhere else, the login included
    :param timeout: seconds to wait for a connection and for each answer
    """

    info: Mapping[str, str] = field(repr=False)
    subject: str = ""
    api_root: str = GOOGLE
    timeout: float = 60.0


@dataclass(frozen=True)
class Patience:
    """
    How long a call tries on its own before it raises what stood in its way.

    A wait beyond `longest_wait` seconds is not waited for: the error tells it, and a job can come back then.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 32.0


@dataclass(frozen=True, slots=True)
class Usage:
    """
    What one attempt of one call cost.

    :param units: quota units of the profile of 2026
    :param queries: queries of the profile before it
    :param writes: how many writes it was, of which an account has three a second
    :param refusal: why it failed, as the name of an error; empty when it did not
    """

    method: str
    units: int
    queries: int
    writes: int
    refusal: str


# Told after each attempt, also a failed one.
Meter = Callable[[Usage], None]
# Asked before each attempt of a write; returns when it may go, or raises `RateLimited` with the wait.
Pace = Callable[[], None]
