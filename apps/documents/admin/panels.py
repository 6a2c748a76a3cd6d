"""
What stands on the page of a document beside its form, and what can be done there.

Each room of the app brings its own panels and commands; the page knows none of them by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise

from apps.documents.models import Document

Context = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """
    A part of a document's page.

    :param template: gets what `context` returns, and `document`
    :param context: tells what to show, within what the policy lets the person see; None shows nothing
    :param order: panels stand from the smallest to the largest; those below 50 above the form, the others under it
    :param is_side: whether it is narrow, and stands beside the others where there is room
    """

    key: str
    title: str | Promise
    template: str
    context: Callable[[HttpRequest, Document], Context | None]
    order: int = 100
    is_side: bool = False


@dataclass(frozen=True)
class Command:
    """
    Something that a button above the form does.

    :param action: what the policy is asked about the document, as in "change"
    :param is_possible: tells whether the document's state lets it, so that the button stands there
    :param run: calls the service with `call_service`, and tells the person
    :param template: asks for what the command needs before it runs; "" for a plain button
    """

    key: str
    label: str | Promise
    action: str
    run: Callable[[HttpRequest, int, int | None], None]
    is_possible: Callable[[Document], bool] = lambda document: document.archived_at is None
    template: str = ""
    order: int = 100


_panels: dict[str, Panel] = {}
_commands: dict[str, Command] = {}


def add_panel(panel: Panel) -> None:
    """Put a part on the page of every document; called where the admin of a room is declared."""
    _panels[panel.key] = panel


def add_command(command: Command) -> None:
    """Put a button on the page of every document."""
    _commands[command.key] = command


def panels() -> list[Panel]:
    """Return the parts of the page in their order."""
    return sorted(_panels.values(), key=lambda panel: panel.order)


def commands() -> dict[str, Command]:
    """Return what can be done, by the name in the address."""
    return {command.key: command for command in sorted(_commands.values(), key=lambda c: c.order)}
