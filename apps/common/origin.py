"""Where the request being served comes from, for records that say so without knowing a request."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """
    What is known of whoever asks, before anybody has said who they are.

    :param address: the IP address of the caller, past our own proxies
    :param agent: the program as it calls itself ("Mozilla/5.0 …")
    """

    address: str | None = None
    agent: str = ""


NOWHERE = Origin()
# Outside of requests, as in commands and long work, nothing is known.
origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)
# The id of whoever acts in somebody else's name at the moment.
impersonator: ContextVar[int | None] = ContextVar("impersonator", default=None)
