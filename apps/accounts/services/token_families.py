"""
Codes and refresh tokens: each is swapped once, and whoever tries it twice ends all that came of it.

All that descends from one login of an application is a family. A row lock decides who is first; the others are refused,
and never with a fault.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts import cuts
from apps.accounts.digests import digest, new_secret
from apps.accounts.models import Application, AuthorizationCode, RefreshToken, TokenFamily, User
from apps.accounts.scopes import OFFLINE
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.in_person import require_in_person

_REFRESH_MARK = "artel_refresh_"


@dataclass(frozen=True)
class Login:
    """How and when somebody was logged in when they let an application in."""

    auth_time: datetime | None = None
    # The hash of the key of their session.
    browser_session: str = ""


def new_refresh_token() -> str:
    """Return a refresh token that is not anybody's yet."""
    return new_secret(_REFRESH_MARK)


def issue_code(
    code: str,
    *,
    application: Application,
    actor: User,
    redirect_uri: str,
    scopes: Iterable[str],
    code_challenge: str,
    nonce: str,
    login: Login,
) -> AuthorizationCode:
    """
    Keep the hash of a code, and what it stands for, until the application comes with it.

    :raises PermissionDenied: somebody acts as the actor just now, which the tokens would outlast
    """
    require_in_person(actor)
    issued: AuthorizationCode = AuthorizationCode.objects.create(
        digest=digest(code),
        application=application,
        user=actor,
        redirect_uri=redirect_uri,
        scopes=list(scopes),
        code_challenge=code_challenge,
        nonce=nonce,
        auth_time=login.auth_time,
        browser_session=login.browser_session,
        expires_at=timezone.now() + timedelta(seconds=settings.OAUTH_CODE_SECONDS),
    )
    return issued


@transaction.atomic
def redeem_code(
    code: str, *, application: Application, family_id: uuid.UUID, refresh_token: str | None = None
) -> TokenFamily | None:
    """
    Swap a code for a family of tokens; None where it is no longer worth anything.

    A code that comes a second time may have been stolen: what came of it the first time ends.

    :param family_id: the one that access tokens already carry
    :param refresh_token: the first of the family, where there is to be one
    """
    found = AuthorizationCode.objects.select_for_update().filter(digest=digest(code), application=application)
    row = found.first()
    if row is None or row.expires_at <= timezone.now():
        return None
    if row.used_at is not None:
        if row.family_id is not None:
            _end_for_reuse(row.family_id, "code")
        return None
    login = Login(row.auth_time, row.browser_session)
    family = start_family(
        family_id,
        application=application,
        user_id=row.user_id,
        scopes=row.scopes,
        login=login,
        refresh_token=refresh_token,
    )
    row.used_at, row.family = timezone.now(), family
    row.save(update_fields=["used_at", "family"])
    return family


def start_family(
    family_id: uuid.UUID,
    *,
    application: Application,
    user_id: int,
    scopes: Iterable[str],
    login: Login,
    refresh_token: str | None = None,
) -> TokenFamily:
    """Begin a family, with its first refresh token where there is to be one."""
    lifetime = settings.OAUTH_REFRESH_SECONDS if refresh_token else settings.OAUTH_ACCESS_SECONDS
    family: TokenFamily = TokenFamily.objects.create(
        id=family_id,
        application=application,
        user_id=user_id,
        scopes=list(scopes),
        auth_time=login.auth_time,
        browser_session=login.browser_session,
        expires_at=timezone.now() + timedelta(seconds=lifetime),
    )
    if refresh_token:
        RefreshToken.objects.create(digest=digest(refresh_token), family=family)
    return family


def find_refresh_token(token: str, *, application: Application) -> RefreshToken | None:
    """Return a refresh token of an application, whether it is still worth anything or not."""
    found = RefreshToken.objects.filter(digest=digest(token), family__application=application)
    row: RefreshToken | None = found.select_related("family__user").first()
    return row


def is_live(family: TokenFamily) -> bool:
    """Tell whether tokens of a family, whose user was read with it, are still worth anything."""
    return family.revoked_at is None and family.expires_at > timezone.now() and family.user.is_active


@transaction.atomic
def rotate_refresh_token(token: str, *, application: Application, successor: str) -> TokenFamily | None:
    """
    Swap a refresh token for the next one; None where it is no longer worth anything.

    One that was swapped before may have been stolen: its family ends. Not so while its swap is a moment ago
    (settings.OAUTH_REFRESH_RACE_SECONDS): two windows of an honest application renew at once, and nobody gains by it.
    """
    # Whoever waits for the lock has asked before it was theirs.
    asked_at = timezone.now()
    found = RefreshToken.objects.filter(digest=digest(token), family__application=application)
    # The family first, for that is what a revocation locks.
    family = (
        TokenFamily.objects.select_for_update(of=("self",))
        .select_related("user")
        .filter(pk__in=found.values("family"))
        .first()
    )
    if family is None or not is_live(family):
        return None
    row = found.get()
    if row.used_at is not None:
        is_race = asked_at - row.used_at < timedelta(seconds=settings.OAUTH_REFRESH_RACE_SECONDS)
        if not is_race:
            _end_for_reuse(family.pk, "refresh_token")
        return None
    row.used_at = timezone.now()
    row.save(update_fields=["used_at"])
    RefreshToken.objects.create(digest=digest(successor), family=family)
    return family


@transaction.atomic
def revoke_family(family_id: uuid.UUID) -> bool:
    """End a family: its refresh token at once, its access tokens within a second. Tell whether it was alive."""
    is_ended = TokenFamily.objects.filter(pk=family_id, revoked_at=None).update(revoked_at=timezone.now())
    if is_ended:
        cuts.cut_session(str(family_id))
    return bool(is_ended)


def revoke_family_of(claims: Mapping[str, Any]) -> None:
    """End the family that an access token belongs to; that of a program which acts for itself belongs to none."""
    named = TokenFamily.objects.filter(
        user=claims["sub"], application__client_id=claims["client_id"], revoked_at=None
    )
    for pk in named.values_list("pk", flat=True):
        if cuts.session_name(str(pk)) == claims.get("sid"):
            revoke_family(pk)


@transaction.atomic
def revoke_families(*, user_id: int, application_id: int | None = None) -> int:
    """End all families of a user, or those of one application; return how many."""
    # An access token may outlive its family by its own life.
    ended = timezone.now() - timedelta(seconds=settings.OAUTH_ACCESS_SECONDS)
    families = TokenFamily.objects.filter(user=user_id, revoked_at=None, expires_at__gt=ended)
    if application_id is not None:
        families = families.filter(application=application_id)
    return sum(revoke_family(pk) for pk in families.values_list("pk", flat=True))


@transaction.atomic
def end_browser_session(browser_session: str) -> int:
    """End what applications were given in a session that ends, but for what they may do when the person is away."""
    families = TokenFamily.objects.filter(browser_session=browser_session, revoked_at=None)
    here = families.filter(~Q(scopes__contains=[OFFLINE])) if browser_session else families.none()
    return sum(revoke_family(pk) for pk in here.values_list("pk", flat=True))


def _end_for_reuse(family_id: uuid.UUID, what: str) -> None:
    family = TokenFamily.objects.select_related("user", "application").get(pk=family_id)
    about = {"application": family.application.name, "what": what, "family": str(family_id)}
    if revoke_family(family_id):
        record_auth_event("token_reused", user=family.user, data=about)
        record_auth_event("family_revoked", user=family.user, data=about)


# Rows of one delete: short enough that nobody waits for it.
_BATCH = 5_000
# Families take nothing along: what points at them goes first, and nothing points at one that outlives it.
_CLEARED = (
    ("accounts_devicecode", "expires_at < %s"),
    ("accounts_authorizationcode", "expires_at < %s"),
    ("accounts_refreshtoken", "family_id in (select id from accounts_tokenfamily where expires_at < %s)"),
    ("accounts_tokenfamily", "expires_at < %s"),
)


def clear_tokens() -> int:
    """
    Delete what expired more than a day ago, in short transactions of some thousand rows; return how many rows went.

    Used refresh tokens stay as long as their family can live, for that is how a second use is noticed.
    """
    moment = timezone.now() - timedelta(days=1)
    return sum(_clear(table, condition, moment) for table, condition in _CLEARED)


def _clear(table: str, condition: str, moment: datetime) -> int:
    # Names and conditions of our own.
    statement = (
        f"delete from {table} where ctid = any(array("  # noqa: S608
        f"select ctid from {table} where {condition} limit {_BATCH}))"
    )
    gone = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, [moment])
            deleted = int(cursor.rowcount)
        gone += deleted
        if deleted < _BATCH:
            return gone
