"""API keys: made, rotated and revoked by people, and looked up with every request that a program makes."""

import re
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, events, rows
from apps.accounts.digests import digest, new_secret
from apps.accounts.models import ApiKey, User
from apps.accounts.scopes import ALL, unknown
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.in_person import require_in_person
from apps.accounts.trust import Trusted
from apps.common.plans import kept_plans
from apps.events.services import publish

# Says what a string is to whoever finds one, people and scanners.
_MARK = "artel_"
_SHOWN = len(_MARK) + 6
_TOKEN = re.compile(rf"{_MARK}[\w-]{{43}}", re.ASCII)
# So long the old key goes on after a rotation, while programs are given the new one.
OVERLAP = timedelta(days=1)
LONGEST_OVERLAP = timedelta(days=30)

_FIELDS = [f for f in User._meta.concrete_fields if f.name not in {"password", "last_login"}]
# What is read of whoever a secret lets in, and the columns of `accounts_user u`.
NAMES = [f.attname for f in _FIELDS]
COLUMNS = ", ".join(f'u."{f.column}"' for f in _FIELDS)
# Seconds of `last_used_at` that are not worth a write.
_LOOK_UP = (
    "select k.id, k.scopes, coalesce(k.last_used_at < now() - interval '60 s', true), "
    + COLUMNS
    + " from accounts_apikey k join accounts_user u on u.id = k.owner_id and u.is_active"
    " where k.revoked_at is null and (k.expires_at is null or k.expires_at > statement_timestamp()) and "
)
_BY_SECRET = f"{_LOOK_UP} k.digest = %s"
_BY_KEY = f"{_LOOK_UP} k.id = %s"
# By the hash of a key.
_trusted = Trusted()
# Whoever is at it already writes the same.
_NOTE_USE = (
    "update accounts_apikey set last_used_at = now() where id in"
    " (select id from accounts_apikey where id = %s for no key update skip locked)"
)


@transaction.atomic
def create_api_key(
    name: str, *, scopes: Iterable[str], actor: User, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """
    Make a key by which programs act for `actor`; return it with its secret, which nobody can tell again.

    :raises PermissionDenied: the actor may not, or came with a key themselves
    :raises ValidationError: a scope means nothing ("unknown_scope"), or it would have expired ("expired")
    """
    _require_person(actor)
    access.require(actor, "add", ApiKey)
    chosen = sorted(set(scopes))
    strange = unknown(chosen, access.all_permissions())
    if strange:
        text = _("There is no such scope: %(name)s.")
        raise rows.refusal("scopes", text, code="unknown_scope", name=", ".join(strange))
    if expires_at is not None and expires_at <= timezone.now():
        raise rows.refusal("expires_at", _("This is in the past."), code="expired")
    key, secret = _insert(ApiKey(owner=actor, name=name, scopes=chosen, expires_at=expires_at), actor=actor)
    publish(events.API_KEY_CREATED, key.pk, events.api_key_data(key), actor_id=actor.pk)
    record_auth_event("api_key_made", user=actor, actor=actor, data=_told(key) | {"scopes": key.scopes})
    return key, secret


@transaction.atomic
def rotate_api_key(key_id: int, *, actor: User, overlap: timedelta = OVERLAP) -> tuple[ApiKey, str]:
    """
    Make another key for the same purpose, and let the old one end after `overlap`; return the new with its secret.

    :raises DoesNotExist: the actor does not see such a key
    :raises PermissionDenied: the actor may not, or came with a key themselves
    :raises ValidationError: it is somebody else's ("not_owner"), does not open anything any more ("not_live"), or the
        overlap is too long ("overlap")
    """
    _require_person(actor)
    key = rows.locked(ApiKey, key_id, actor=actor, action="change")
    if key.owner_id != actor.pk:
        raise ValidationError(_("Only its owner learns the secret of a key."), code="not_owner")
    now = timezone.now()
    if not key.is_live(now):
        raise ValidationError(_("This key is no longer in use."), code="not_live")
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise rows.refusal("overlap", _("The old key may go on for 30 days at most."), code="overlap")
    # A key that was to live for a year lives for another.
    expires_at = None if key.expires_at is None else now + (key.expires_at - key.created_at)
    fresh = ApiKey(owner=actor, name=key.name, scopes=key.scopes, expires_at=expires_at)
    fresh, secret = _insert(fresh, actor=actor)
    rows.write(key, {"expires_at": min(filter(None, [key.expires_at, now + overlap]))}, actor=actor)
    data = events.api_key_data(key) | {"replaced_by_id": fresh.pk}
    publish(events.API_KEY_ROTATED, key.pk, data, actor_id=actor.pk)
    publish(events.API_KEY_CREATED, fresh.pk, events.api_key_data(fresh), actor_id=actor.pk)
    record_auth_event(
        "api_key_rotated", user=actor, actor=actor, data=_told(key) | {"replaced_by_id": fresh.pk}
    )
    return fresh, secret


@transaction.atomic
def revoke_api_key(key_id: int, *, actor: User) -> ApiKey:
    """
    End a key: writing with it is refused at once, reading within `API_KEY_TRUST_SECONDS`.

    :raises DoesNotExist: the actor does not see such a key
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it was revoked before (code "not_live")
    """
    require_in_person(actor)
    key = rows.locked(ApiKey, key_id, actor=actor, action="change")
    if key.revoked_at is not None:
        raise ValidationError(_("This key is no longer in use."), code="not_live")
    rows.write(key, {"revoked_at": timezone.now()}, actor=actor)
    publish(events.API_KEY_REVOKED, key.pk, events.api_key_data(key), actor_id=actor.pk)
    record_auth_event("api_key_revoked", user=key.owner, actor=actor, data=_told(key))
    return key


def is_key(secret: str) -> bool:
    """Tell whether something is meant as an API key, be it right or wrong."""
    return secret.startswith(_MARK)


def _told(key: ApiKey) -> dict[str, Any]:
    """Name a key on record: never its secret, nor the hash of it."""
    return {"key_id": key.pk, "name": key.name, "prefix": key.prefix}


def authenticate_key(secret: str, *, is_reading: bool = False) -> User | None:
    """
    Return the user for whom a key acts, who may do no more than it lets them; None where it opens nothing.

    One indexed look-up with each request: a key that was revoked, or whose owner was turned off, ends at once. Who only
    reads is taken at their last word for half a second (API_KEY_TRUST_SECONDS).
    """
    if not _TOKEN.fullmatch(secret):
        return None
    name = digest(secret)
    # Within a transaction everything is asked, for it may have changed what others are told.
    if not is_reading or connection.in_atomic_block:
        return _user_by(_BY_SECRET, name)
    user = _trusted.recall(name)
    if user is None:
        asked_at = time.monotonic()
        user = _user_by(_BY_SECRET, name)
        if user is not None:
            _trusted.keep(name, user, asked_at=asked_at)
    return user


def user_of_key(key_id: int) -> User | None:
    """Return the same for a key that was shown before, as by whoever opened a socket with it."""
    return _user_by(_BY_KEY, key_id)


def _user_by(sql: str, value: str | int) -> User | None:
    with connection.cursor() as cursor:
        with kept_plans(connection):
            cursor.execute(sql, [value])
            found = cursor.fetchone()
        if found is None:
            return None
        key_id, scopes, is_use_worth_noting, *columns = found
        if is_use_worth_noting:
            cursor.execute(_NOTE_USE, [key_id])
    user = User.from_db(connection.alias, NAMES, columns)
    user.key_id = key_id
    user.key_scopes = None if ALL in scopes else frozenset(scopes)
    return user


def _insert(key: ApiKey, *, actor: User) -> tuple[ApiKey, str]:
    secret = new_secret(_MARK)
    key.prefix, key.digest = secret[:_SHOWN], digest(secret)
    return rows.insert(key, actor=actor), secret


def _require_person(actor: User) -> None:
    """A stolen key must not be able to make itself heirs."""
    require_in_person(actor)
    if actor.key_id is not None or actor.claims is not None:
        raise PermissionDenied(_("Keys are made by people, not with keys."))
