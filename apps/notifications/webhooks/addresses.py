"""
Which machines may be called: those of the open internet, and nobody's own network.

What is written in an address decides nothing: a name may lead anywhere, and elsewhere the next time. So names are looked
up when a connection is made, and the connection goes to exactly the address that was looked at.
"""

import ipaddress
import re
import socket
from functools import cache
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# What Python's `is_global` of some version lets through.
_FORBIDDEN = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # behind carriers' NAT; a cloud keeps its metadata there
        "168.63.129.16/32",  # a cloud's machine for its own guests, at a public address
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "2001::/23",
        "2002::/16",  # IPv4 within IPv6
        "64:ff9b::/96",  # the same, by NAT64
        "64:ff9b:1::/48",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)
# No space, control character, quotation mark, or anything that some program takes for a slash.
_PLAIN = re.compile(r"https?://[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+", re.ASCII)
_LONGEST_NAME = 253


class RefusedAddress(Exception):
    """A name leads to a machine that must not be called."""


class UnknownName(Exception):
    """A name leads nowhere."""


def check_url(url: str) -> None:
    """
    Look at what can be told of an address without asking anybody.

    :raises ValidationError: "bad_url", "needs_https", "refused_address"
    """
    parts = _parsed(url)
    if parts.scheme != "https" and not settings.WEBHOOK_ALLOW_HTTP:
        raise ValidationError(_("The address has to begin with https://."), code="needs_https")
    literal = _literal(parts.hostname or "")
    if literal is not None and not is_open(literal):
        raise ValidationError(
            _("This address belongs to a private network or to this machine: nothing is sent there."),
            code="refused_address",
        )


def _parsed(url: str) -> SplitResult:
    bad = ValidationError(
        _("This is no complete address of the web, such as https://example.com/hook."), "bad_url"
    )
    if not _PLAIN.fullmatch(url):
        raise bad
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise bad from error
    host = parts.hostname or ""
    if not host or len(host) > _LONGEST_NAME or port == 0:
        raise bad
    if parts.username is not None or parts.password is not None:
        raise ValidationError(
            _("An address must not hold a name or a password: put them into a header."), code="bad_url"
        )
    if parts.fragment:
        raise bad
    return parts


def _literal(host: str) -> _Ip | None:
    """Return the address that a host stands for by itself, in any of the ways in which they are written."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        # "2130706433", "0x7f.1" and "0177.0.0.1", as the C library reads them.
        return ipaddress.ip_address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def is_open(address: _Ip) -> bool:
    """Tell whether a machine may be called: it is on the open internet, or the installation says so."""
    if any(address in network for network in _allowed() if network.version == address.version):
        return True
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return is_open(address.ipv4_mapped)
    if any(address in network for network in _FORBIDDEN if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _allowed() -> tuple[_Network, ...]:
    return _networks(tuple(settings.WEBHOOK_ALLOWED_NETWORKS))


@cache
def _networks(texts: tuple[str, ...]) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def look_up(host: str, port: int) -> list[str]:
    """
    Return the addresses that a name leads to, each of which may be called.

    One that may not makes all of them suspect: a name that leads to the internet and to our own network is no mistake.

    :raises RefusedAddress: one must not be called
    :raises UnknownName: there is none
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnknownName(host) from error
    # The part behind "%" names an interface of this machine.
    texts = list(dict.fromkeys(str(address[0]) for *_kind, address in found))
    for text in texts:
        if "%" in text or not is_open(ipaddress.ip_address(text)):
            raise RefusedAddress(text)
    if not texts:
        raise UnknownName(host)
    return texts
