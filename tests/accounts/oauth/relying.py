"""An application of somebody else's, which lets people in through us, and the browser of one of them."""

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

from django.test import Client

from apps.accounts import services, tokens
from apps.accounts.models import Application, User
from tests.accounts.factories import PASSWORD, make_superuser, make_user

REDIRECT = "https://app.example.org/callback"
AFTER_LOGOUT = "https://app.example.org/bye"
FORM = "application/x-www-form-urlencoded"
EVERYTHING = ["openid", "profile", "email", "offline_access", "read"]
AUTHORIZE, TOKEN, USERINFO = "/o/authorize/", "/o/token/", "/o/userinfo/"
LOGOUT, REVOKE, INTROSPECT = "/o/logout/", "/o/revoke_token/", "/o/introspect/"


@dataclass
class Relying:
    """An application that was registered with us, with its secret (empty, if it keeps none)."""

    application: Application
    secret: str
    redirect: str = REDIRECT
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def client_id(self) -> str:
        return str(self.application.client_id)

    def question(self, **changes: str | None) -> dict[str, str]:
        """Return the parameters that people are sent to us with; None takes one away."""
        asked: dict[str, str | None] = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect,
            "scope": "openid",
            "state": "st4te",
            "nonce": "n0nce",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (asked | changes).items() if value is not None}

    def swap(self, code: str, /, **changes: str | None) -> Any:
        """Swap a code for tokens."""
        asked: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "code_verifier": self.verifier,
        }
        return self.ask(TOKEN, **(asked | changes))

    def refresh(self, token: str, /, **changes: str | None) -> Any:
        return self.ask(TOKEN, grant_type="refresh_token", refresh_token=token, **changes)

    def ask(self, path: str, **asked: str | None) -> Any:
        """Call an address for programs, with the secret in the header or the name in the body."""
        headers = {"Authorization": basic(self.client_id, self.secret)} if self.secret else {}
        named: dict[str, str | None] = {} if self.secret else {"client_id": self.client_id}
        given = {name: value for name, value in (named | asked).items() if value is not None}
        return post(path, given, headers)


def post(path: str, asked: dict[str, str], headers: dict[str, str] | None = None) -> Any:
    """Send a form as programs do."""
    body = "&".join(f"{name}={_quoted(value)}" for name, value in asked.items())
    # A fault is answered as a fault, not raised.
    return Client(raise_request_exception=False).post(path, body, content_type=FORM, headers=headers or {})


def _quoted(value: str) -> str:
    return quote(value, safe="")


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{_quoted(client_id)}:{_quoted(secret)}".encode()).decode()


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def register(**fields: Any) -> Relying:
    """Register an application, by an administrator."""
    chosen = {
        "name": "Calendar",
        "redirect_uris": REDIRECT,
        "post_logout_redirect_uris": AFTER_LOGOUT,
        "scopes": EVERYTHING,
    } | fields
    application, secret = services.register_application(actor=make_superuser("Registrar"), **chosen)
    return Relying(application, secret)


def register_public(**fields: Any) -> Relying:
    return register(kind=Application.Kind.PUBLIC, **fields)


def register_program(role_id: int | None = None, **fields: Any) -> Relying:
    chosen = {"redirect_uris": "", "scopes": ["read"], "grant": Application.Grant.PROGRAM} | fields
    return register(role_id=role_id, **chosen)


def register_device(**fields: Any) -> Relying:
    chosen = {
        "redirect_uris": "",
        "grant": Application.Grant.DEVICE,
        "kind": Application.Kind.PUBLIC,
    } | fields
    return register(**chosen)


class Browser:
    """What somebody sits at; a page that comes is answered as they would."""

    def __init__(self, user: User | None = None) -> None:
        self.user = user or make_user("Vera", password=PASSWORD, locale="en", time_zone="Europe/Moscow")
        self.client = Client(raise_request_exception=False)

    def log_in(self) -> "Browser":
        """Log in on our page, with the password."""
        answer = self.client.post("/accounts/login/", {"login": self.user.email, "password": PASSWORD})
        assert answer.status_code == 302, answer.content
        return self

    def open(self, question: dict[str, str]) -> Any:
        """Open the address that an application sends people to."""
        return self.client.get(AUTHORIZE, question)

    def agree(self, question: dict[str, str], decision: str = "allow") -> Any:
        """Press a button of the page that asks."""
        address = self.open(question).wsgi_request.get_full_path()
        return self.client.post(address, {"decision": decision})

    def show_again(self, place: str) -> str:
        """Type the password on the page that one was sent to; return where that leads."""
        path, _sign, query = place.partition("?")
        shown = {"recent-how": "password", "recent-answer": PASSWORD, "recent-was-reading": "1"}
        answer = self.client.post(path, shown | {"next": dict(parse_qsl(query))["next"]})
        assert answer.status_code == 302, answer.content
        return str(answer["Location"])

    def code(self, relying: Relying, **changes: str | None) -> str:
        """Let an application in; return its code."""
        answer = self.agree(relying.question(**changes))
        return told(answer)["code"]

    def tokens(
        self, relying: Relying, scope: str = "openid offline_access", **changes: str | None
    ) -> dict[str, Any]:
        """Let an application in; return its tokens."""
        answer = relying.swap(self.code(relying, scope=scope, **changes))
        assert answer.status_code == 200, answer.content
        body: dict[str, Any] = answer.json()
        return body


def told(answer: Any) -> dict[str, str]:
    """Return what an application is told when people are sent back to it."""
    assert answer.status_code == 302, (answer.status_code, answer.content)
    parts = urlsplit(answer["Location"])
    assert not parts.fragment
    return {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def claims_of(token: str) -> dict[str, Any]:
    """Read what a token says without believing it."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def believed(id_token: str, relying: Relying) -> dict[str, Any]:
    """Return what an ID token says to the application that it was made for."""
    return tokens.verify(id_token, typ="JWT", audience=relying.client_id)


def bearer(token: str) -> Client:
    return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})


def rotate_keys() -> None:
    """Let the next key sign, and the one that has signed so far only verify."""
    services.rotate_now(actor=make_superuser())


def csrf_of(page: Any) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    assert found is not None
    return found[1]
