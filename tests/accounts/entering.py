"""People who log in on the pages, as browsers do it, and what their apps would show."""

import re
import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.mfa.utils import decrypt
from django.test import Client

from apps.accounts.models import User
from tests.accounts.factories import PASSWORD, make_member, make_role, make_team

LOGIN, SECURITY, SECOND = "/accounts/login/", "/accounts/security/", "/accounts/security/second-factor/"
APP, CODES, ANSWER = f"{SECURITY}app/add/", f"{SECURITY}codes/", "/accounts/login/second-factor/"


def browser(agent: str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0") -> Client:
    return Client(headers={"user-agent": agent})


def log_in(user: User, client: Client | None = None, **more: Any) -> Client:
    """Log somebody in by their password, up to a second factor if they have one."""
    client = client or browser()
    answer = client.post(LOGIN, {"login": user.email, "password": PASSWORD, **more})
    assert answer.status_code == 302, answer.content
    return client


def code_of(secret: str, *, steps_away: int = 0) -> str:
    """Return what an app with this secret shows."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps_away)))


def code_for(user: User) -> str:
    """Return what somebody's app shows now."""
    row = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP)
    return code_of(decrypt(row.data["secret"]))


def set_up_app(client: Client) -> list[str]:
    """Set up an authenticator app, keep the recovery codes, and return them."""
    page = client.get(APP).content.decode()
    secret = re.search(r"data-secret>([A-Z2-7]+)<", page)
    assert secret is not None, page
    answer = client.post(APP, {"code": code_of(secret[1])})
    assert (answer.status_code, answer["Location"]) == (302, CODES), answer.content
    codes = re.findall(r"<li><code>(\d+)</code></li>", client.get(CODES).content.decode())
    assert client.post(CODES).status_code == 302
    return codes


def careful_member(**grants: str) -> User:
    """Make somebody whose role requires a second factor."""
    role = make_role({"crm.view_deal": "OWN", **grants})
    role.requires_mfa = True
    role.save()
    return make_member(make_team(), role, password=PASSWORD)
