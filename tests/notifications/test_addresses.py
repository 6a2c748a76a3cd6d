"""Facts go to the open internet alone, whatever an address looks like and wherever its name leads by then."""

import ipaddress
import socket
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from apps.notifications.webhooks.addresses import RefusedAddress, UnknownName, check_url, is_open, look_up
from apps.notifications.webhooks.calling import call
from tests.fakes import receiver as fake

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - nothing is bound here
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16",
    "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.2.1", "203.0.113.7",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "fe80::1", "fec0::1", "fc00::1",
    "fd00:ec2::254", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1",
    "2001::1", "2001:db8::1", "3fff::1", "5f00::1",
]  # fmt: skip
OPEN = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001:81c::200e"]
HOSTILE_URLS = [
    "", "example.com", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
    "javascript:alert(1)", "https://", "https:///hook", "https://:443/", "https://example.com:0/",
    "https://example.com:99999/", "https://example.com:x/", "https://user:secret@example.com/",
    "https://user@example.com/", "https://@example.com/", "https://example.com/#part", "https://exa mple.com/",
    "https://example.com/\r\nHost: other", "https://example.com/\tx", "https://example.com\\@127.0.0.1/",
    "https://exämple.com/", "https://example.com/ü", "https://[::1", "https://[zz]/", "https://" + "a" * 254 + ".com/",
    " https://example.com/", "https://example.com/\x00", "HTTPS://example.com/a b", "https://ⓔxample.com/",
]  # fmt: skip
HOSTILE_HOSTS = [
    "127.0.0.1", "127.1", "0", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "0x7f.1", "[::1]", "[::]",
    "[::ffff:7f00:1]", "[::ffff:127.0.0.1]", "169.254.169.254", "[fd00:ec2::254]", "10.1.2.3", "192.168.0.1:8080",
    "[64:ff9b::7f00:1]", "[fe80::1]",
]  # fmt: skip


@pytest.mark.parametrize("text", PRIVATE)
def test_private_machines_are_closed(text: str) -> None:
    assert not is_open(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", OPEN)
def test_machines_of_the_internet_are_open(text: str) -> None:
    assert is_open(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_an_address_is_as_closed_in_every_disguise(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    assert is_open(mapped) == is_open(address)
    assert not is_open(ipaddress.IPv6Address(f"64:ff9b::{address}"))
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not is_open(address)


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_what_is_no_plain_address_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        check_url(url)


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_a_private_machine_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        check_url(f"https://{host}/hook")
    assert refusal.value.code == "refused_address"


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_the_same_is_refused_when_a_connection_is_made(host: str) -> None:
    outcome = call(f"https://{host}/hook", {}, b"{}")
    assert outcome.error in {"REFUSED_ADDRESS", "NO_ADDRESS", "BROKEN"}


def test_plain_http_is_refused_unless_allowed(settings: Settings) -> None:
    with pytest.raises(ValidationError) as refusal:
        check_url("http://example.com/")
    assert refusal.value.code == "needs_https"
    settings.WEBHOOK_ALLOW_HTTP = True
    check_url("http://example.com/")


def test_ordinary_addresses_are_taken() -> None:
    for url in (
        "https://example.com/hook?x=1&y=%20",
        "https://example.com:8443/",
        "https://[2606:4700::1111]/a",
    ):
        check_url(url)


def _names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names lead to these addresses, one list for each look-up; returns the names that were looked up."""
    asked: list[str] = []

    look_up_really = socket.getaddrinfo

    def look(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host[0].isdigit():
            return look_up_really(host, port, *args, **kwargs)
        asked.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
            for text in answers[min(len(asked), len(answers)) - 1]
        ]

    monkeypatch.setattr("apps.notifications.webhooks.addresses.socket.getaddrinfo", look)
    return asked


def test_a_name_that_leads_to_a_private_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _names(monkeypatch, ["169.254.169.254"])
    assert call("https://metadata.example/", {}, b"{}").error == "REFUSED_ADDRESS"
    _names(monkeypatch, ["1.1.1.1", "10.0.0.1"])
    with pytest.raises(RefusedAddress):
        look_up("both.example", 443)


def test_the_connection_goes_to_the_address_that_was_looked_at(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """A name that leads to an open machine first and to a private one a moment later finds nobody to ask again."""
    settings.WEBHOOK_ALLOW_HTTP = True
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    with fake.running() as good, fake.running() as metadata:
        # What may be called answers first; a second look-up would lead to what may not.
        asked = _names(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
        outcome = call(f"http://rebinding.example:{good.port}/", {}, b"{}")
        assert (outcome.error, asked) == ("", ["rebinding.example"])
        assert good.requests[0].headers["host"] == f"rebinding.example:{good.port}"
        assert metadata.requests == []


def test_what_is_allowed_is_allowed_alone(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = ["10.1.0.0/16"]
    assert is_open(ipaddress.ip_address("10.1.2.3"))
    assert is_open(ipaddress.ip_address("::ffff:10.1.2.3"))
    assert not is_open(ipaddress.ip_address("10.2.0.1"))
    assert not is_open(ipaddress.ip_address("169.254.169.254"))


def test_a_name_that_leads_nowhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*args: Any, **kwargs: Any) -> None:
        raise socket.gaierror

    monkeypatch.setattr("apps.notifications.webhooks.addresses.socket.getaddrinfo", nowhere)
    with pytest.raises(UnknownName):
        look_up("nowhere.example", 443)
    assert call("https://nowhere.example/", {}, b"{}").error == "NO_ADDRESS"
