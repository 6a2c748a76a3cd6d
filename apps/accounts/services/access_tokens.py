"""Whom an access token lets in, asked with each request that shows one."""

import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import connection

from apps.accounts import cuts, tokens
from apps.accounts.models import User
from apps.accounts.scopes import ALL, OPENID_SCOPES
from apps.accounts.services.api_keys import COLUMNS, NAMES, authenticate_key, is_key
from apps.accounts.tokens import ACCESS_TOKEN, InvalidToken
from apps.accounts.trust import Trusted
from apps.common.plans import kept_plans

_USER = (
    f"select {COLUMNS} from accounts_user u where u.id = %s and u.is_active and not exists ("
    " select 1 from unnest(%s::text[], %s::bigint[]) as shown (subject, rank)"
    " join accounts_tokencut c using (subject) where shown.rank < c.below and c.until > statement_timestamp())"
)
# By the name of a token.
_trusted = Trusted()


def authenticate_bearer(secret: str, *, is_reading: bool = False) -> User | None:
    """Return the user for whom whoever shows an API key or an access token acts; None where it opens nothing."""
    if is_key(secret):
        return authenticate_key(secret, is_reading=is_reading)
    try:
        return authenticate_token(secret, is_reading=is_reading)
    except InvalidToken:
        return None


def authenticate_token(token: str, *, is_reading: bool = False) -> User:
    """
    Return the user for whom an access token lets a client act, who may do no more than its scope says.

    The signature costs no statement, and Redis knows of tokens that were ended. The user is read with each request, or
    taken at our last word for half a second where something is only read, and so are cuts that Redis has lost.

    :raises InvalidToken: it is not ours, no access token, too old, or was ended
    """
    kid, claims = tokens.read(token, typ=ACCESS_TOKEN, audience=settings.ACCESS_TOKEN_AUDIENCE)
    claims["kid"] = kid
    if cuts.is_cut(claims):
        raise InvalidToken("ended")
    # Within a transaction everything is asked, for it may have changed what others are told.
    is_trusting = is_reading and not connection.in_atomic_block
    user = _trusted.recall(claims["jti"]) if is_trusting else None
    if user is None:
        asked_at = time.monotonic()
        user = user_of_claims(claims)
        if user is None:
            raise InvalidToken("ended")
        if is_trusting:
            _trusted.keep(claims["jti"], user, asked_at=asked_at)
    return user


def user_of_claims(claims: Mapping[str, Any]) -> User | None:
    """
    Return the same for the claims of a token that was shown before, as by whoever opened a socket with it.

    PostgreSQL is asked, in one statement; None where the token has expired or was ended, or the user is turned off.
    """
    subject, ranks = str(claims.get("sub")), cuts.ranks_of(claims)
    if claims["exp"] <= time.time() or not subject.isdecimal():
        return None
    with connection.cursor() as cursor, kept_plans(connection):
        cursor.execute(_USER, [int(subject), list(ranks), list(ranks.values())])
        found = cursor.fetchone()
    if found is None:
        return None
    user = User.from_db(connection.alias, NAMES, found)
    user.claims = dict(claims)
    scopes = frozenset(str(claims.get("scope", "")).split())
    user.key_scopes = None if ALL in scopes else scopes - OPENID_SCOPES
    return user
