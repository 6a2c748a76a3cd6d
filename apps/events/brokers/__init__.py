"""
Ways out to other systems: brokers that are told facts, each from an outbox of its own.

A broker that is away keeps its own facts waiting and nobody else: receivers and webhooks go on. In its outbox stands what
it is still to be told, in order; a process of its own (`manage.py relay --to NAME`) tells it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from apps.events.models import Event


class Broker(Protocol):
    """One broker, over connections that are made when they are needed."""

    def send(self, events: Sequence[Event]) -> None:
        """
        Hand events over in the order given, and return once the broker has confirmed each of them.

        :raises apps.events.enqueue.NotSent: it has not; some may have been taken all the same
        """

    def close(self) -> None:
        """Let go of the connections."""


@dataclass(frozen=True)
class Route:
    """
    Which facts a broker is told.

    :ivar path: names the class of the broker, which only the process that talks to it imports
    :ivar setting: names the setting with its address; without one the route is closed
    :ivar prefix: what the types of its facts begin with; "" for all
    """

    name: str
    path: str
    setting: str
    prefix: str = ""

    @property
    def is_open(self) -> bool:
        return bool(getattr(settings, self.setting, ""))

    def wants(self, event: Event) -> bool:
        return event.type.startswith(self.prefix)

    def broker(self) -> Broker:
        made: Broker = import_string(self.path)()
        return made


_routes: dict[str, Route] = {}
_topology: list[Callable[[Any], None]] = []


def register(route: Route) -> None:
    """Add a way out; called from the ready() of the app that knows the broker."""
    _routes[route.name] = route


def open_routes() -> list[Route]:
    """List the ways out that have an address."""
    return [route for route in _routes.values() if route.is_open]


def register_topology(declare: Callable[[Any], None]) -> None:
    """Have `declare_topology` make more; called from the ready() of an app that has queues of its own in RabbitMQ."""
    if declare not in _topology:
        _topology.append(declare)


def topology() -> list[Callable[[Any], None]]:
    """List what apps have to make, each given a channel."""
    return list(_topology)


def route_named(name: str) -> Route:
    """Return a way out. :raises LookupError: there is none of this name, or it has no address"""
    route = _routes.get(name)
    if route is None:
        raise LookupError(f"There is no broker {name}; there are: {', '.join(sorted(_routes)) or 'none'}.")
    if not route.is_open:
        raise LookupError(f"{name} has no address: set {route.setting}.")
    return route
