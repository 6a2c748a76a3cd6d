"""Recording who came in, who was refused, and who changed what somebody may do."""

import json
from contextlib import closing
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from apps.accounts.auth_kinds import kind_of
from apps.accounts.models import User
from apps.common.logs import request_id
from apps.common.origin import impersonator, origin

_INSERT = """
insert into accounts_authevent
    (at, kind, user_id, actor_id, impersonator_id, address, agent, request_id, data, previous, hash)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, '', '')
"""
# The chain is held for the time of a commit; whoever is refused waits no longer than this for it.
_PATIENCE = "set lock_timeout = '5s'"
# What people type is cut: it may be kilobytes.
_LONGEST_TEXT = 300


def record_auth_event(
    kind: str, *, user: User | None, actor: User | None = None, data: dict[str, Any] | None = None
) -> None:
    """
    Record a fact about access in the caller's transaction; a refusal, whatever becomes of that.

    Address, program, request and impersonator are those of the request being served.

    :param kind: as registered in `auth_kinds`
    :param user: whom it is about; None where nobody knows, as at a login with an address that nobody has
    :param actor: who did it; None for nobody known, and for the platform itself
    :param data: what else is worth knowing, and never a secret
    :raises KeyError: nobody has registered the kind
    """
    is_refusal = kind_of(kind).is_refusal
    came = origin.get()
    identity = request_id.get()
    values = [
        timezone.now(),
        kind,
        user and user.pk,
        actor and actor.pk,
        impersonator.get(),
        came.address,
        came.agent,
        "" if identity == "-" else identity,
        json.dumps(_plain(data or {}), cls=DjangoJSONEncoder),
    ]
    if is_refusal and _may_be_rolled_back():
        with closing(connection.copy()) as beside:
            _insert(beside, values, patience=_PATIENCE)
    else:
        _insert(connection, values)


def _insert(wire: BaseDatabaseWrapper | Any, values: list[Any], *, patience: str = "") -> None:
    with wire.cursor() as cursor:
        if patience:
            cursor.execute(patience)
        cursor.execute(_INSERT, values)


def _may_be_rolled_back() -> bool:
    """Tell whether there is a transaction; that of a test, in which all of its requests run, is none."""
    blocks: list[Any] = connection.atomic_blocks
    return any(not block._from_testcase for block in blocks)


def _plain(value: Any) -> Any:
    """Return data as PostgreSQL takes it, which knows neither NUL nor half a character, with its texts cut."""
    if isinstance(value, str):
        return value[:_LONGEST_TEXT].encode(errors="replace").decode().replace("\0", "")
    if isinstance(value, dict):
        return {str(_plain(str(name))): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value
