"""Which facts there are, and who wants to hear them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule

if TYPE_CHECKING:
    from apps.events.models import Event


@dataclass(frozen=True)
class Fact:
    """
    A kind of fact that an app publishes.

    :param type: "<app>.<aggregate>.<fact>.v<version>", as in "crm.deal.won.v1"
    """

    type: str

    @property
    def aggregate(self) -> str:
        return self.type.split(".")[1]


Receiver = Callable[["Event"], None]
_Receiver = TypeVar("_Receiver", bound=Receiver)

_receivers: dict[str, Receiver] = {}
_names_by_type: dict[str, list[str]] = {}


def receiver(*facts: Fact) -> Callable[[_Receiver], _Receiver]:
    """
    Let a function of one event hear these facts.

    It runs in a worker and inside a transaction that is also the record of its having run: what it does in
    the database happens once, however often the message comes. What it does elsewhere may happen again, so it
    only records the intent and leaves the call to a task. Facts of one aggregate may come to it out of order.
    """

    def register(function: _Receiver) -> _Receiver:
        name = f"{function.__module__}.{function.__qualname__}"
        _receivers[name] = function
        for fact in facts:
            names = _names_by_type.setdefault(fact.type, [])
            if name not in names:
                names.append(name)
        return function

    return register


def receivers_of(event_type: str) -> list[str]:
    """List the names of those who hear a type of event."""
    return _names_by_type.get(event_type, [])


def receiver_named(name: str) -> Receiver:
    """Return a receiver. :raises LookupError: it has been renamed or removed since the event was sent"""
    try:
        return _receivers[name]
    except KeyError:
        raise LookupError(f"There is no receiver {name}") from None


def all_facts() -> list[tuple[AppConfig, Fact]]:
    """List the facts that the `events` module of each app declares, with the app."""
    return [
        (config, value)
        for config in apps.get_app_configs()
        if config.module is not None and module_has_submodule(config.module, "events")
        for value in vars(import_module(f"{config.name}.events")).values()
        if isinstance(value, Fact)
    ]
