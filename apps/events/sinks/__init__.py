"""Where facts go from the outbox."""

from collections.abc import Sequence
from typing import Protocol

from apps.events.models import Event


class Sink(Protocol):
    """One way out. A batch that any of them did not take is offered again to all of them."""

    def send(self, events: Sequence[Event]) -> None:
        """
        Hand events over in the order given, and return once all of them are safe there.

        :raises apps.events.enqueue.NotSent: they may not be; some may have been taken all the same
        """
