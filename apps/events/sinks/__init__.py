"""Where facts go from the outbox."""

from collections.abc import Sequence
from typing import Protocol

from django.utils.module_loading import import_string

from apps.events.models import Event


class Sink(Protocol):
    """One way out. A batch that any of them did not take is offered again to all of them."""

    def send(self, events: Sequence[Event]) -> None:
        """
        Hand events over in the order given, and return once all of them are safe there.

        :raises apps.events.enqueue.NotSent: they may not be; some may have been taken all the same
        """


_registered: list[str] = []


def register(path: str) -> None:
    """
    Have facts handed to one sink more, named by its class; called from the ready() of an app that stands above.

    Only the relay makes it, so that no other process imports what it needs.
    """
    if path not in _registered:
        _registered.append(path)


def registered() -> list[Sink]:
    """Make the sinks of the apps above."""
    return [import_string(path)() for path in _registered]
