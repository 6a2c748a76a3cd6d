"""Where a request comes from: one answer for limits, locks, logs and letters."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

# What a household or an office is given; single addresses of it cost nothing.
_IPV6_PREFIX = 64


def client_address(request: HttpRequest) -> str:
    """
    Return the client's address as the last of our own proxies says it (`TRUSTED_PROXY_COUNT`); empty where nobody does.

    Whoever sends `X-Forwarded-For` past the proxies, or with nonsense, is taken at the address of the connection.
    """
    trusted = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    said = hops[-trusted].strip() if 0 < trusted <= len(hops) else ""
    return _clean(said) or _clean(request.META.get("REMOTE_ADDR", ""))


def limited_address(address: str) -> str:
    """Return what limits count an address by: a network of IPv6 is one client."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((found, _IPV6_PREFIX), strict=False).network_address)
    return str(found)


def _clean(text: str) -> str:
    try:
        # PostgreSQL knows no zones of addresses ("fe80::1%eth0").
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
