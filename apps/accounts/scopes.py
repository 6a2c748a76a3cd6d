"""
What a key or an application lets its owner do: their own rights, as far as its scopes reach.

A scope is "all" (whatever the owner may), "read" (whatever the owner may see), or one permission ("crm.win_deal").
Applications may ask for those of OpenID Connect as well, which are about the person and give no right to anything.
"""

from collections.abc import Iterable

ALL = "all"
READ = "read"
OPENID = "openid"
OFFLINE = "offline_access"
OPENID_SCOPES = frozenset({OPENID, "profile", "email", OFFLINE})


def allows(scopes: Iterable[str], permission: str) -> bool:
    """Tell whether one of `scopes` covers a permission."""
    is_reading = permission.partition(".")[2].startswith("view_")
    return permission in scopes or ALL in scopes or (is_reading and READ in scopes)


def unknown(scopes: Iterable[str], permissions: Iterable[str]) -> list[str]:
    """List the scopes that mean nothing."""
    return sorted(set(scopes) - {ALL, READ, *permissions})
