"""Somebody at a browser without a screen: cookies, links, and a form that is answered as they would."""

import re
from html import unescape
from urllib.parse import urljoin

import requests

from tests.accounts.factories import PASSWORD

_FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
_FORM = re.compile(r'<form method="post" action="([^"]*)">(.*?)</form>', re.DOTALL)
_MOST_STEPS = 12


class Person:
    """Goes where an application sends them, and logs in and decides where they are asked."""

    def __init__(self, issuer: str, email: str) -> None:
        self.issuer, self.email = issuer, email
        self.session = requests.Session()
        # The decisions still to be made; whoever has none left allows.
        self.decisions: list[str] = []

    def go(self, address: str) -> str:
        """Open an address of ours and answer each page; return the first address that is not ours, or the last one."""
        answer = self._get(address)
        for _step in range(_MOST_STEPS):
            if answer.is_redirect:
                address = urljoin(answer.url, answer.headers["Location"])
                if not address.startswith(self.issuer):
                    return address
                answer = self._get(address)
                continue
            assert answer.status_code == 200, (answer.url, answer.status_code, answer.text[:2000])
            typed = self._typed(answer.text)
            if typed is None:
                return str(answer.url)
            answer = self._send(answer, typed)
        raise AssertionError(f"{address} leads in a circle")

    def _typed(self, page: str) -> dict[str, str] | None:
        """Return what is typed or pressed on a page; None where nothing is asked."""
        if 'name="password"' in page:
            return {"login": self.email, "password": PASSWORD}
        if 'name="decision"' in page:
            return {"decision": self.decisions.pop(0) if self.decisions else "allow"}
        spoken = re.search(r'name="user_code" value="([\w-]+)"', page)
        return {"user_code": spoken[1]} if spoken else None

    def _send(self, answer: requests.Response, typed: dict[str, str]) -> requests.Response:
        """Send the form of a page that has a field or button of that name."""
        asked = next(iter(typed))
        action, body = next(form for form in _FORM.findall(answer.text) if f'name="{asked}"' in form[1])
        fields = {name: unescape(value) for name, value in _FIELD.findall(body)} | typed
        address = urljoin(answer.url, unescape(action))
        return self.session.post(address, fields, allow_redirects=False, timeout=60)

    def _get(self, address: str) -> requests.Response:
        return self.session.get(address, allow_redirects=False, timeout=60)
