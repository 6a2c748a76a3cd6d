"""Acting as somebody else: for an hour at most, with a reason, never upward, and both are named for what is done."""

from datetime import timedelta

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access, events, rows
from apps.accounts.models import ImpersonationSession, User
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.in_person import require_in_person
from apps.accounts.services.limits import require_over, tell_watchers
from apps.events.services import publish

LONGEST = timedelta(hours=1)


@transaction.atomic
def start_impersonation(
    target_id: int, *, reason: str, actor: User, lasts: timedelta = LONGEST, is_read_only: bool = True
) -> ImpersonationSession:
    """
    Begin to act as a user; the face remembers it in the session, and asks `who_acts` with each request.

    :raises DoesNotExist: the actor does not see the user
    :raises PermissionDenied: the actor may not, came with a key, acts as somebody already, or the user holds more
    :raises ValidationError: it is the actor ("own_account"), a program ("service"), turned off ("inactive"), or cannot
        open the admin ("not_staff"); no reason ("required"), or more than an hour ("too_long")
    """
    require_in_person(actor)
    if actor.key_id is not None or actor.claims is not None:
        raise PermissionDenied(_("A program with a key acts for its owner and nobody else."))
    target = rows.locked(User, target_id, actor=actor, action="impersonate", lets_point=True)
    require_over(actor, target)
    _require_suitable(target, actor)
    if not reason.strip():
        raise rows.refusal("reason", _("Say why you act as somebody else."), code="required")
    if not timedelta(0) < lasts <= LONGEST:
        raise rows.refusal("lasts", _("Nobody acts as somebody else for more than an hour."), code="too_long")
    _end(ImpersonationSession.objects.filter(actor=actor), actor_id=actor.pk)
    session = ImpersonationSession(
        actor=actor,
        target=target,
        reason=reason.strip(),
        is_read_only=is_read_only,
        expires_at=timezone.now() + lasts,
    )
    rows.insert(session, actor=actor)
    tell_watchers([actor.pk])
    data = {"reason": session.reason, "until": session.expires_at, "is_read_only": session.is_read_only}
    record_auth_event("impersonation_started", user=target, actor=actor, data=data)
    publish(events.IMPERSONATION_STARTED, session.pk, events.impersonation_data(session), actor_id=actor.pk)
    return session


def _require_suitable(target: User, actor: User) -> None:
    if target.pk == actor.pk:
        raise ValidationError(_("You are this person."), code="own_account")
    if target.kind != User.Kind.HUMAN:
        raise ValidationError(_("A program is nobody to act as."), code="service")
    if not target.is_active:
        raise ValidationError(_("This account is turned off."), code="inactive")
    if not target.is_staff:
        raise ValidationError(_("This account opens no pages that you could look at."), code="not_staff")


@transaction.atomic
def stop_impersonation(session_id: int, *, actor: User) -> None:
    """
    Stop acting as somebody else; open sockets end within a second. Stopping again changes nothing.

    :param actor: who acts, in person
    :raises DoesNotExist: it is not theirs to stop
    """
    session = ImpersonationSession.objects.filter(actor=actor.pk).get(pk=session_id)
    _end(ImpersonationSession.objects.filter(pk=session.pk), actor_id=actor.pk)


def who_acts(session_id: int, *, actor: User) -> User | None:
    """
    Return the user as whom `actor` acts, who knows it; None once that is over, or would not be let begin any more.

    :param actor: who is logged in
    """
    live = ImpersonationSession.objects.live().select_related("actor", "target")
    session = live.filter(pk=session_id, actor=actor.pk).first()
    if session is None:
        return None
    target = session.target
    try:
        access.require(actor, "impersonate", target)
        require_over(actor, target)
    except PermissionDenied:
        return None
    target.impersonation = session
    return target


@transaction.atomic
def end_impersonations_of(user_id: int, *, actor_id: int) -> None:
    """End every time in which a user acts as somebody, or somebody as them."""
    _end(ImpersonationSession.objects.filter(Q(actor=user_id) | Q(target=user_id)), actor_id=actor_id)


def _end(sessions: models.QuerySet[ImpersonationSession], *, actor_id: int) -> None:
    going_on = (
        sessions.filter(ended_at=None).select_for_update(of=("self",)).select_related("actor", "target")
    )
    for session in going_on.order_by("pk"):
        session.ended_at = min(timezone.now(), session.expires_at)
        session.save(update_fields=["ended_at"])
        tell_watchers([session.actor_id, session.target_id])
        record_auth_event("impersonation_ended", user=session.target, actor=session.actor)
        publish(events.IMPERSONATION_ENDED, session.pk, events.impersonation_data(session), actor_id=actor_id)
