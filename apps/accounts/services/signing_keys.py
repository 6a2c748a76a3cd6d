"""
The keys that sign tokens, each in its time: published ahead of its use, in use, only verifying, retired.

One at a time changes them. Tokens go on being signed and believed meanwhile.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, cuts, keyring, rows
from apps.accounts.models import SigningKey, User
from apps.accounts.services.auth_events import record_auth_event

State = SigningKey.State


@transaction.atomic
def rotate_keys(*, actor: User) -> list[SigningKey]:
    """
    Do what is due about the signing keys; return those that were changed.

    The next key is made as soon as there is none, signs once the one before has signed for SIGNING_KEY_DAYS, and goes on
    verifying for SIGNING_KEY_KEPT_DAYS after that. Nothing is done where somebody is at it already.

    :raises PermissionDenied: the actor may not
    """
    access.require(actor, "change", SigningKey)
    if not keyring.try_lock():
        return []
    now = timezone.now()
    changed = _retire_old(now)
    active, following = _in(State.ACTIVE), _in(State.NEXT)
    is_broken = active is None or not keyring.can_open(active)
    if is_broken or (_is_used_up(active, now) and _is_known(following, now)):
        changed += _activate_next(now, actor=actor)
    if _in(State.NEXT) is None:
        changed.append(keyring.make_key(State.NEXT))
    _seal_anew()
    return changed


@transaction.atomic
def rotate_now(*, actor: User) -> SigningKey:
    """
    Sign with the next key from now on, whatever the time; the one before goes on verifying.

    :raises PermissionDenied: the actor may not
    :raises ValidationError: somebody else is changing the keys at this moment (code "busy")
    """
    access.require(actor, "change", SigningKey)
    if not keyring.try_lock():
        raise ValidationError(_("Somebody else is changing the keys at this moment."), code="busy")
    changed = _activate_next(timezone.now(), actor=actor)
    keyring.make_key(State.NEXT)
    return changed[-1]


@transaction.atomic
def revoke_key(key_id: int, *, actor: User) -> SigningKey:
    """
    Believe nothing any more that a key has signed, for somebody else may have it.

    What it has signed is refused within a second; clients get new tokens, signed by the next key.

    :raises DoesNotExist: the actor does not see such a key
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it is retired already (code "retired")
    """
    keyring.lock()
    key = rows.locked(SigningKey, key_id, actor=actor, action="change")
    if key.state == State.RETIRED:
        raise ValidationError(
            _("This key is retired: nothing that it has signed is believed."), code="retired"
        )
    was, now = key.state, timezone.now()
    _retire(key, now, leaked_at=now)
    cuts.cut_key(key.kid)
    record_auth_event("signing_key_leaked", user=None, actor=actor, data={"kid": key.kid, "state": was})
    if was == State.ACTIVE:
        _activate_next(now, actor=actor)
    if _in(State.NEXT) is None:
        keyring.make_key(State.NEXT)
    return key


def _in(state: SigningKey.State) -> SigningKey | None:
    """Return the key in a state that only one may be in."""
    return SigningKey.objects.select_for_update().filter(state=state).first()


def _is_used_up(key: SigningKey | None, now: datetime) -> bool:
    used_since = now - timedelta(days=settings.SIGNING_KEY_DAYS)
    return key is not None and key.activated_at is not None and key.activated_at <= used_since


def _is_known(key: SigningKey | None, now: datetime) -> bool:
    """Tell whether others have had the time to hear of a key: twice as long as they keep what they know."""
    published_ahead = timedelta(seconds=2 * settings.JWKS_MAX_AGE_SECONDS)
    return key is not None and key.published_at <= now - published_ahead


def _retire_old(now: datetime) -> list[SigningKey]:
    kept_since = now - timedelta(days=settings.SIGNING_KEY_KEPT_DAYS)
    old = list(SigningKey.objects.filter(state=State.PASSIVE, passive_at__lte=kept_since))
    for key in old:
        _retire(key, now)
    return old


def _retire(key: SigningKey, now: datetime, *, leaked_at: datetime | None = None) -> None:
    key.state, key.retired_at, key.leaked_at, key.sealed = State.RETIRED, now, leaked_at, ""
    key.save(update_fields=["state", "retired_at", "leaked_at", "sealed"])


def _activate_next(now: datetime, *, actor: User) -> list[SigningKey]:
    """Let the next key sign, or a fresh one where there is none that we can open; return what was changed."""
    before, following = _in(State.ACTIVE), _in(State.NEXT)
    changed = []
    if following is not None and not keyring.can_open(following):
        _retire(following, now)
        changed.append(following)
        following = None
    if before is not None:
        before.state, before.passive_at = State.PASSIVE, now
        before.save(update_fields=["state", "passive_at"])
        changed.append(before)
    if following is None:
        following = keyring.make_key(State.NEXT)
    following.state, following.activated_at = State.ACTIVE, now
    following.save(update_fields=["state", "activated_at"])
    record_auth_event("signing_key_rotated", user=None, actor=actor, data={"kid": following.kid})
    return [*changed, following]


def _seal_anew() -> None:
    """Put all that is sealed under the first of SIGNING_KEYS_SECRET, so that the others can be given up."""
    for key in SigningKey.objects.exclude(state=State.RETIRED):
        if keyring.can_open(key) and not keyring.is_under_first_secret(key):
            key.sealed = keyring.sealed_anew(key)
            key.save(update_fields=["sealed"])
    keyring.seal_others_anew()
