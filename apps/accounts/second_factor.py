"""
Who needs a second factor, and what they have to do before anything else opens.

A session that needs nothing more remembers so, together with the `perm_version` for which that was found: asking
costs no query until somebody's rights change.
"""

from enum import StrEnum
from types import SimpleNamespace
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from apps.accounts.models import Membership, User

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
_SETTLED = "second_factor"


class Step(StrEnum):
    """What somebody has to do first."""

    NOTHING = ""
    # They have no second factor.
    ENROL = "enrol"
    # They have one, and this session began without it.
    SHOW = "show"
    # They have not said yet that they keep their recovery codes.
    KEEP_CODES = "keep_codes"


def person_behind(user: object) -> User | None:
    """Return who is logged in: whoever acts as somebody else, in place of them; None for nobody."""
    if not isinstance(user, User):
        return None
    acting = getattr(user, "impersonation", None)
    return user if acting is None else acting.actor


def is_required_of(user: User) -> bool:
    """Tell whether a role of theirs, or being an administrator of everything, requires a second factor of somebody."""
    if user.is_superuser and settings.REQUIRE_MFA_OF_ADMINISTRATORS:
        return True
    places = Membership.objects.filter(user=user.pk, team__archived_at=None)
    return places.filter(role__requires_mfa=True).exists()


def step_before(session: SessionBase, user: User) -> Step:
    """Return what somebody has to do in this session before anything else opens."""
    mark = [user.perm_version, settings.REQUIRE_MFA_OF_ADMINISTRATORS]
    if session.get(_SETTLED) == mark:
        return Step.NOTHING
    step = _find_step(session, user)
    if step is Step.NOTHING:
        session[_SETTLED] = mark
    return step


def unsettle(session: SessionBase) -> None:
    """Ask again at the next request: the person's factors have changed."""
    session.pop(_SETTLED, None)


def _find_step(session: SessionBase, user: User) -> Step:
    if not is_required_of(user):
        return Step.NOTHING
    known = {each.type: each.data for each in Authenticator.objects.filter(user=user.pk)}
    if not known.keys() & set(FACTORS):
        return Step.ENROL
    if not any(record["method"] == "mfa" for record in records_of(session, user)):
        return Step.SHOW
    codes = known.get(Authenticator.Type.RECOVERY_CODES)
    return Step.KEEP_CODES if codes is not None and not codes.get("viewed_at") else Step.NOTHING


def records_of(session: SessionBase, user: User) -> list[dict[str, Any]]:
    """Return how and when somebody has shown who they are in a session, the latest last."""
    request: Any = SimpleNamespace(session=session)
    records: list[dict[str, Any]] = get_authentication_records(request, user)
    return records


def has_factor(user: User) -> bool:
    """Tell whether somebody has a second factor: an app or a passkey."""
    return bool(Authenticator.objects.filter(user=user.pk, type__in=FACTORS).exists())
