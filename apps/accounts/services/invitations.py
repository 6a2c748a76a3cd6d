"""Inviting people: a link by mail that makes an account with a place in a team, once."""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, events, rows
from apps.accounts.models import Invitation, Membership, Role, Team, User
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.letters import send_letter
from apps.accounts.services.limits import require_within
from apps.accounts.services.users import clean_email, create_user
from apps.events.services import publish

_RANDOM_BYTES = 32
_FACTS = {
    "made": events.INVITATION_MADE,
    "revoked": events.INVITATION_REVOKED,
    "accepted": events.INVITATION_ACCEPTED,
}


@transaction.atomic
def invite(
    email: str, *, name: str, team_id: int, role_id: int, actor: User, link: str, locale: str = ""
) -> Invitation:
    """
    Invite somebody by mail to a place in a team.

    :param link: the address where invitations are accepted, up to the secret
    :param locale: the language of the letter and of the page; without it the actor's
    :raises DoesNotExist: the actor does not see the team or the role
    :raises PermissionDenied: the actor may not add users there, or the role gives more than they hold
    :raises ValidationError: there is an account with this address ("email_taken"), or an open invitation
    """
    access.require(actor, "add", Invitation)
    access.require(actor, "add", User)
    access.require(actor, "add", Membership)
    team = Team.objects.visible_to(actor).active().get(pk=team_id)
    role = Role.objects.visible_to(actor).get(pk=role_id)
    require_within(actor, role, team)
    address = clean_email(email)
    if User.objects.filter(email=address).exists():
        raise rows.refusal("email", _("There is an account with this address already."), code="email_taken")
    now = timezone.now()
    # One that nobody can accept any more keeps no place.
    Invitation.objects.filter(email=address, accepted_at=None, revoked_at=None, expires_at__lte=now).update(
        revoked_at=now
    )
    token, digest = _secret()
    invitation = Invitation(
        email=address or "",
        name=name,
        locale=locale,
        team=team,
        role=role,
        invited_by=actor,
        digest=digest,
        sent_at=now,
        expires_at=now + timedelta(days=settings.INVITATION_DAYS),
    )
    rows.insert(invitation, actor=actor)
    access.require(actor, "add", invitation)
    _send(invitation, f"{link}{token}/", actor)
    _record("made", invitation, actor)
    return invitation


@transaction.atomic
def resend_invitation(invitation_id: int, *, actor: User, link: str) -> Invitation:
    """
    Send an invitation again, with another link and as much time as a new one; the earlier link ends.

    :raises DoesNotExist: the actor does not see such an invitation
    :raises PermissionDenied: the actor may not, or the role gives more than they hold
    :raises ValidationError: it was accepted or revoked (code "not_open")
    """
    invitation = rows.locked(Invitation, invitation_id, actor=actor, action="change")
    require_within(actor, invitation.role, invitation.team)
    _require_unsettled(invitation)
    now = timezone.now()
    token, digest = _secret()
    values = {"digest": digest, "sent_at": now, "expires_at": now + timedelta(days=settings.INVITATION_DAYS)}
    rows.write(invitation, values, actor=actor)
    _send(invitation, f"{link}{token}/", actor)
    _record("made", invitation, actor)
    return invitation


@transaction.atomic
def revoke_invitation(invitation_id: int, *, actor: User) -> Invitation:
    """
    Take an invitation back: its link ends at once.

    :raises DoesNotExist: the actor does not see such an invitation
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it was accepted or revoked (code "not_open")
    """
    invitation = rows.locked(Invitation, invitation_id, actor=actor, action="change")
    _require_unsettled(invitation)
    rows.write(invitation, {"revoked_at": timezone.now()}, actor=actor)
    _record("revoked", invitation, actor)
    return invitation


def open_invitation(token: str) -> Invitation:
    """
    Return the invitation behind a link's secret.

    :raises DoesNotExist: there never was one, or it was sent again with another link
    :raises ValidationError: it was accepted ("accepted"), revoked ("revoked"), or is too old ("expired")
    """
    return _require_open(
        Invitation.objects.select_related("team", "role", "invited_by").get(digest=_digest(token))
    )


@transaction.atomic
def accept_invitation(token: str, *, name: str, password: str, locale: str = "") -> User:
    """
    Make the account that somebody was invited to; their address counts as confirmed, for the link was sent there.

    The one who invited answers for it: what they may not give any more, nobody gets by a link they sent before.

    :raises DoesNotExist: there is no such invitation
    :raises ValidationError: it was accepted, revoked or is too old, its inviter may not give this any more ("not_given"),
        or the password is too weak
    """
    invitation = _require_open(Invitation.objects.select_for_update().get(digest=_digest(token)))
    inviter = User.objects.get(pk=invitation.invited_by_id)
    try:
        user = _make_user(invitation, inviter, name=name, password=password, locale=locale)
    except (PermissionDenied, Team.DoesNotExist, Role.DoesNotExist) as refused:
        raise ValidationError(
            _("Whoever invited you may not give you this place any more. Ask them for another invitation."),
            code="not_given",
        ) from refused
    rows.write(invitation, {"accepted_at": timezone.now(), "user": user}, actor=user)
    _record("accepted", invitation, user)
    return user


def _record(what: str, invitation: Invitation, actor: User) -> None:
    publish(_FACTS[what], invitation.pk, events.invitation_data(invitation), actor_id=actor.pk)
    user, data = invitation.user, {"email": invitation.email}
    record_auth_event(f"invitation_{what}", user=user, actor=actor, data={} if user else data)


def _make_user(invitation: Invitation, inviter: User, *, name: str, password: str, locale: str) -> User:
    if not inviter.is_active:
        raise PermissionDenied
    return create_user(
        name,
        email=invitation.email,
        team_id=invitation.team_id,
        role_id=invitation.role_id,
        password=password,
        locale=locale,
        actor=inviter,
    )


def _require_open(invitation: Invitation) -> Invitation:
    state = invitation.state_at(timezone.now())
    words = {
        Invitation.State.ACCEPTED: _("This invitation was accepted already. Log in with your password."),
        Invitation.State.REVOKED: _("This invitation was taken back. Ask whoever invited you."),
        Invitation.State.EXPIRED: _("This invitation is too old. Ask whoever invited you to send it again."),
    }
    if state in words:
        raise ValidationError(words[state], code=state.lower())
    return invitation


def _require_unsettled(invitation: Invitation) -> None:
    if invitation.accepted_at is not None or invitation.revoked_at is not None:
        raise ValidationError(_("This invitation is no longer open."), code="not_open")


def _send(invitation: Invitation, link: str, actor: User) -> None:
    context = {
        "name": invitation.name,
        "inviter": str(actor),
        "team": invitation.team.name,
        "expires_at": invitation.expires_at,
        "link": link,
    }
    send_letter("accounts/invitation", invitation.email, context, language=invitation.locale or actor.locale)


def _secret() -> tuple[str, str]:
    token = secrets.token_urlsafe(_RANDOM_BYTES)
    return token, _digest(token)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
