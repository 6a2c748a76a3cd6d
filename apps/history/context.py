"""
Whose change set a change belongs to: said once by the face, told to the database with each transaction.

The setting ends with its transaction, so that a pooled connection (PgBouncer in transaction mode) carries nothing
from one request into another. It is sent with the transaction's first statement; nothing is sent while nobody has
said what is being done.
"""

import json
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from apps.common.origin import impersonator
from apps.history.models import ChangeSet

Face = ChangeSet.Face

# What may write outside a transaction block; reading there needs no setting. A function may write as well.
_MAY_WRITE = re.compile(r"\s*(insert|update|delete|merge|with|select\s+\w+\s*\()", re.IGNORECASE)
_READS = re.compile(r"\s*select\s+count\s*\(", re.IGNORECASE)
_SET = "select set_config('artel.change_set', %s, true)"


_NAMES = ("uid", "face", "actor", "impersonator", "label", "reason", "request", "job", "reverts")
Facts = tuple[str | int | None, ...]


@dataclass
class Work:
    """What is being done, by whom and why: the change set that the first change will make."""

    face: str
    actor_id: int | Callable[[], int | None] | None = None
    label: str = ""
    reason: str = ""
    request_id: str = ""
    job_id: int | None = None
    reverts_id: int | None = None
    known_uid: uuid.UUID | None = None

    @cached_property
    def uid(self) -> uuid.UUID:
        """The change set's name; one is made when it is asked for, as most requests change nothing."""
        return self.known_uid or uuid.uuid4()

    def facts(self) -> Facts:
        """Return what the database is told, in the order of `_NAMES`."""
        return (
            str(self.uid),
            str(self.face),
            self.actor_id() if callable(self.actor_id) else self.actor_id,
            impersonator.get(),
            self.label[:200],
            self.reason[:500],
            self.request_id[:64],
            self.job_id,
            self.reverts_id,
        )


_current: ContextVar[Work | None] = ContextVar("change_set", default=None)
_of_process: list[Work] = []


def current() -> Work | None:
    """Return what is being done; None where nobody has said."""
    return _current.get() or (_of_process[0] if _of_process else None)


@contextmanager
def change_set(work: Work) -> Iterator[Work]:
    """Put what is changed meanwhile into one change set; within another, into one of its own."""
    token = _current.set(work)
    try:
        yield work
    finally:
        _current.reset(token)


def describe(*, face: str | None = None, label: str | None = None, reason: str | None = None) -> None:
    """Say more about what is being done, where it is known only now; also after the first change."""
    work = current()
    if work is None:
        return
    changes = {"face": face, "label": label, "reason": reason}
    changes = {name: value for name, value in changes.items() if value is not None}
    for name, value in changes.items():
        setattr(work, name, value)
    ChangeSet.objects.filter(uid=work.uid).update(**changes)


def name_command() -> None:
    """Put what a management command changes into one change set, named after it."""
    program, *words = sys.argv
    if Path(program).name == "manage.py" and words and not _of_process:
        _of_process.append(Work(Face.COMMAND, label=words[0]))


# Telling the database


def listen(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Tell a new connection's transactions what is being done; a receiver of `connection_created`."""
    if connection.vendor == "postgresql" and _tell not in connection.execute_wrappers:
        # In front: whoever adds a wrapper for a while takes the last one off again.
        connection.execute_wrappers.insert(0, _tell)


def _tell(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: FBT001
    connection: BaseDatabaseWrapper = context["connection"]
    work = current()
    if work is not None and connection.autocommit and _may_write(sql) and _is_shared(connection):
        with transaction.atomic(using=connection.alias):
            tell(connection)
            return execute(sql, params, many, context)
    if not connection.autocommit:
        tell(connection)
    return execute(sql, params, many, context)


def _is_shared(connection: BaseDatabaseWrapper) -> bool:
    """A connection of somebody's own goes by the same alias, under which a transaction would begin on the other one."""
    return connection in connections.all(initialized_only=True)


def _may_write(sql: Any) -> bool:
    return not isinstance(sql, str) or (_MAY_WRITE.match(sql) is not None and _READS.match(sql) is None)


def tell(connection: BaseDatabaseWrapper) -> None:
    """Make the running transaction's setting what is being done, where it is not yet."""
    raw: Any = connection.connection
    # Not `raw.info`, which is made anew each time: this is asked with every statement.
    status = raw.pgconn.transaction_status
    if status == TransactionStatus.INERROR:
        return
    known: Facts = () if status == TransactionStatus.IDLE else getattr(connection, "history_told", ())
    work = current()
    facts = work.facts() if work else ()
    if facts != known:
        # Past Django's cursor: this is no query of the page's.
        raw.execute(_SET, [_text_of(facts)])
    connection.history_told = facts  # type: ignore[attr-defined]


def _text_of(facts: Facts) -> str:
    if not facts:
        return ""
    named = zip(_NAMES, facts, strict=True)
    return json.dumps({name: fact for name, fact in named if fact not in {None, ""}})
