"""How and when somebody logged in, as their session says, and whether they have to show again who they are."""

import hashlib
import time
from datetime import UTC, datetime

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from apps.accounts.digests import digest
from apps.accounts.models import User
from apps.accounts.services import Login

_ASKED = "oauth_asked"
_MOST_ASKED = 10


def login_of(request: HttpRequest, user: User) -> Login:
    """Return how somebody is logged in."""
    records = get_authentication_records(request, user)
    at = records[-1].get("at") if records else None
    return Login(
        datetime.fromtimestamp(at, UTC) if at is not None else None,
        digest(request.session.session_key) if request.session.session_key else "",
    )


def has_shown_since_asked(request: HttpRequest, login: Login) -> bool:
    """Tell whether somebody has logged in since the very request was first made that wants them to."""
    asked_at = request.session.get(_ASKED, {}).get(_name(request))
    return asked_at is not None and login.auth_time is not None and login.auth_time.timestamp() >= asked_at


def ask(request: HttpRequest) -> None:
    """Remember when a request was made that wants somebody to log in anew, so that it wants it once."""
    asked = request.session.get(_ASKED, {})
    asked.setdefault(_name(request), time.time())
    request.session[_ASKED] = dict([*asked.items()][-_MOST_ASKED:])


def forget(request: HttpRequest) -> None:
    """Want it again the next time."""
    asked = request.session.get(_ASKED, {})
    if asked.pop(_name(request), None) is not None:
        request.session[_ASKED] = asked


def can_show_again(user: User) -> bool:
    """Tell whether somebody has anything to show again who they are."""
    return bool(get_reauthentication_flows(user))


def place_to_show_again(request: HttpRequest) -> str:
    """Return where they do, coming back here afterwards."""
    return f"{reverse('account_reauthenticate')}?{urlencode({'next': request.get_full_path()})}"


def _name(request: HttpRequest) -> str:
    return hashlib.sha256(request.META.get("QUERY_STRING", "").encode()).hexdigest()[:32]
