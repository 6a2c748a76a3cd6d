"""Devices without a keyboard: somebody types their code on another device, and lets them in (RFC 8628)."""

import secrets
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.auth_kinds import AuthKind, register
from apps.accounts.digests import digest, new_secret
from apps.accounts.models import Application, DeviceCode, TokenFamily, User
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.consents import give_consent
from apps.accounts.services.token_families import Login, start_family
from apps.common.limits import Counter, Limit, give_back, take

register(
    AuthKind(
        "device_authorised",
        pgettext_lazy("event", "device let in"),
        _("%(user)s let a device act for them"),
    )
)
# No vowels, which would make words, and nothing that looks like something else: 20^8 is 34 bits.
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH = 8
# Codes that somebody may get wrong: with a thousand devices waiting, one in a million people guesses one in an hour.
_GUESSES = Limit(20, 3600)
# What RFC 8628 adds to the interval of a device that asks too often.
_SLOWER = 5

Outcome = Literal[
    "authorized", "authorization_pending", "slow_down", "expired_token", "access_denied", "unknown"
]


def start_device(application: Application, scopes: Iterable[str]) -> tuple[DeviceCode, str]:
    """Begin to wait for somebody; return what is waited for, with the code that the device keeps to itself."""
    code = new_secret()
    row: DeviceCode = DeviceCode.objects.create(
        digest=digest(code),
        user_code="".join(secrets.choice(_LETTERS) for _n in range(_LENGTH)),
        application=application,
        scopes=list(scopes),
        interval=settings.OAUTH_DEVICE_INTERVAL_SECONDS,
        expires_at=timezone.now() + timedelta(seconds=settings.OAUTH_DEVICE_SECONDS),
    )
    return row, code


def spoken(user_code: str) -> str:
    """Write a code as people read it: BCDF-GHJK."""
    return f"{user_code[:4]}-{user_code[4:]}"


def find_device(typed: str, *, actor: User) -> DeviceCode:
    """
    Return the device whose code somebody typed, with or without a dash, in small letters or capitals.

    :raises ValidationError: no device waits for it (code "unknown_code"), or they have guessed too often ("too_many")
    """
    guesses = Counter("device codes", str(actor.pk), _GUESSES)
    if not take(guesses).is_allowed:
        text = _("You have tried too many codes. Try again in an hour.")
        raise ValidationError({"user_code": ValidationError(text, code="too_many")})
    device = _waiting(typed)
    # Only what was wrong counts.
    give_back(guesses)
    return device


def _waiting(typed: str) -> DeviceCode:
    letters = "".join(letter for letter in typed.upper() if letter in _LETTERS)
    waiting = DeviceCode.objects.filter(state=DeviceCode.State.PENDING, expires_at__gt=timezone.now())
    row: DeviceCode | None = waiting.select_related("application").filter(user_code=letters).first()
    if row is None or row.application.disabled_at is not None:
        text = _("No device waits for this code. Look at it again: codes are valid for some minutes only.")
        raise ValidationError({"user_code": ValidationError(text, code="unknown_code")})
    return row


@transaction.atomic
def answer_device(typed: str, *, is_approved: bool, login: Login, actor: User) -> DeviceCode:
    """
    Let a device in, or refuse it; what it may do is kept on record as what one has agreed to.

    :raises ValidationError: no device waits for this code any more (code "unknown_code"), or they have guessed too often
    :raises PermissionDenied: the actor came with a key or a token themselves, or somebody acts as them
    """
    found = find_device(typed, actor=actor)
    device: DeviceCode = DeviceCode.objects.select_for_update().get(pk=found.pk)
    # Whoever was faster has answered it.
    _waiting(device.user_code)
    device.state = DeviceCode.State.APPROVED if is_approved else DeviceCode.State.DENIED
    device.user, device.auth_time = actor, login.auth_time
    device.save(update_fields=["state", "user", "auth_time"])
    if is_approved:
        give_consent(device.application_id, device.scopes, actor=actor)
        record_auth_event(
            "device_authorised", user=actor, actor=actor, data={"application": device.application.name}
        )
    return device


@transaction.atomic
def poll_device(code: str, *, application: Application) -> tuple[Outcome, DeviceCode | None]:
    """Tell a device how far its person is; one that asks too often is told to wait longer from now on."""
    found = DeviceCode.objects.select_for_update(of=("self",)).select_related("user")
    device = found.filter(digest=digest(code), application=application).first()
    if device is None or device.state == DeviceCode.State.USED:
        return "unknown", None
    now = timezone.now()
    if device.expires_at <= now:
        return "expired_token", device
    before, device.last_polled_at = device.last_polled_at, now
    is_hasty = before is not None and now - before < timedelta(seconds=device.interval)
    if is_hasty and device.state == DeviceCode.State.PENDING:
        device.interval += _SLOWER
    device.save(update_fields=["last_polled_at", "interval"])
    if device.state == DeviceCode.State.DENIED:
        return "access_denied", device
    if device.state == DeviceCode.State.APPROVED:
        return (
            ("authorized", device) if device.user is not None and device.user.is_active else ("unknown", None)
        )
    return ("slow_down" if is_hasty else "authorization_pending"), device


@transaction.atomic
def redeem_device(
    code: str, *, application: Application, family_id: uuid.UUID, refresh_token: str | None = None
) -> TokenFamily | None:
    """Swap the code of a device that was let in for a family of tokens, once; None for whoever comes second."""
    found = DeviceCode.objects.select_for_update().filter(digest=digest(code), application=application)
    device = found.filter(state=DeviceCode.State.APPROVED, expires_at__gt=timezone.now()).first()
    if device is None or device.user_id is None:
        return None
    device.state = DeviceCode.State.USED
    device.save(update_fields=["state"])
    return start_family(
        family_id,
        application=application,
        user_id=device.user_id,
        scopes=device.scopes,
        login=Login(device.auth_time),
        refresh_token=refresh_token,
    )
