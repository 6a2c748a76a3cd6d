"""Access events in sentences: "Anna logged in from 10.1.2.3 with Firefox on Linux"."""

from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.utils.translation import gettext as _

from apps.accounts.auth_kinds import AuthKind, known_kind
from apps.accounts.models import AuthEvent

# What programs call themselves, the narrower name first: nearly all claim to be several others as well.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("YaBrowser/", "Yandex"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


class _Words(dict[str, str]):
    """What stands in a sentence; an ellipsis for what its event does not say."""

    def __missing__(self, key: str) -> str:
        return "…"


def sentence_of(event: AuthEvent) -> str:
    """Tell an event; its people should be fetched with it."""
    kind = known_kind(event.kind)
    told = event.kind if kind is None else str(_pattern(event, kind)) % _words(event)
    if event.impersonator_id is not None:
        told = _("%(what)s, as %(impersonator)s acting in their name") % {
            "what": told,
            "impersonator": name_of(event, "impersonator"),
        }
    if event.address:
        told = _("%(what)s from %(address)s") % {"what": told, "address": event.address}
    program = program_of(event.agent)
    return _("%(what)s with %(program)s") % {"what": told, "program": program} if program else told


def _pattern(event: AuthEvent, kind: AuthKind) -> Any:
    is_by_other = event.actor_id is not None and event.actor_id != event.user_id
    return kind.by_other if is_by_other and kind.by_other is not None else kind.sentence


def _words(event: AuthEvent) -> _Words:
    texts = {name: str(value) for name, value in event.data.items() if isinstance(value, str | int)}
    user = name_of(event, "user") or texts.get("email") or _("somebody unknown")
    return _Words(texts | {"user": user, "actor": name_of(event, "actor") or _("somebody unknown")})


def name_of(event: AuthEvent, role: str) -> str:
    """Name the person who is `role` ("user", "actor", "impersonator") in an event; nothing where nobody is."""
    pk = getattr(event, f"{role}_id")
    if pk is None:
        return ""
    try:
        person = getattr(event, role)
    except ObjectDoesNotExist:
        person = None
    return _("person no. %(number)s") % {"number": pk} if person is None else str(person)


def program_of(agent: str) -> str:
    """Say what a program calls itself: "Firefox on Linux", "curl"; nothing where it does not."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    if not browser:
        return agent.partition("/")[0][:50].strip()
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return _("%(program)s on %(system)s") % {"program": browser, "system": system} if system else browser
