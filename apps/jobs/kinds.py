"""Kinds of long work: each app registers what it can do in chunks."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from django.utils.functional import Promise

if TYPE_CHECKING:
    from apps.jobs.models import Job


@dataclass(frozen=True)
class Step:
    """
    What one chunk did.

    :param checkpoint: where the next chunk goes on; committed together with the chunk's effect
    :param done: how much is done in all, in the same unit as `total`
    :param total: how much there is in all; None while unknown
    :param message: one line for the watcher, in their language where the kind can tell
    :param log: lines to keep in the job's log
    :param result: set with the last chunk; what the job came to
    """

    checkpoint: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    total: int | None = None
    message: str = ""
    log: list[str] = field(default_factory=list)
    result: dict[str, Any] | None = None

    @property
    def is_last(self) -> bool:
        return self.result is not None


class Reporter(Protocol):
    """What a chunk that takes long may say while it is at it, on a connection of its own."""

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Show progress within the chunk, at most twice a second; never raises."""

    def is_cancelled(self) -> bool:
        """Tell whether somebody asked to cancel; the chunk may raise :class:`JobCancelled` to roll back."""


class JobCancelled(Exception):
    """Raised by a chunk to roll its own work back because the job is being cancelled."""


class JobRefused(Exception):
    """Raised by a chunk when the job cannot go on, with a text for the owner; it fails at once."""


@dataclass(frozen=True)
class JobKind:
    """
    A kind of long work.

    :param key: "<app>.<what>", as in "crm.apply_import"
    :param step: does the next chunk inside a transaction that also commits its checkpoint and progress
    :param prepare: done before each chunk outside of any transaction, for what calls the outside; the step is given
        what it returns as a third argument. It may be done again: nothing of it counts until the chunk commits.
    :param ended: called in the transaction in which the job fails or is cancelled, for bookkeeping
    :param resumed: called in the transaction in which such a job is told to go on, to take `ended` back;
        a ValidationError refuses
    :param page: the address of the page where the result is seen, given the job; "" for none
    """

    key: str
    label: str | Promise
    step: "Callable[..., Step]"
    ended: "Callable[[Job], None] | None" = None
    resumed: "Callable[[Job], None] | None" = None
    page: "Callable[[Job], str] | None" = None
    prepare: "Callable[[Job, Reporter], Any] | None" = None


_kinds: dict[str, JobKind] = {}


def register(kind: JobKind) -> None:
    """Make a kind of work known; called from an AppConfig's ready()."""
    _kinds[kind.key] = kind


def kind_of(key: str) -> JobKind:
    """Return a registered kind. :raises KeyError: no app does such work"""
    return _kinds[key]


_surroundings: "list[Callable[[Job], AbstractContextManager[object]]]" = []


def surround(enter: "Callable[[Job], AbstractContextManager[object]]") -> None:
    """Have every job's work done inside a context; called from the ready() of an app that jobs know nothing of."""
    _surroundings.append(enter)


@contextmanager
def surroundings(job: "Job") -> Iterator[None]:
    """Enter what the apps have put around a job's work."""
    with ExitStack() as stack:
        for enter in _surroundings:
            stack.enter_context(enter(job))
        yield
