"""Sharing single rows for a while: nobody shares what they may not do themselves, and for good."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts import access, events, rows
from apps.accounts.models import AccessGrant, User
from apps.accounts.scoping import Rule
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.in_person import require_in_person
from apps.accounts.services.limits import tell_watchers
from apps.events.services import Fact, publish


@transaction.atomic
def grant_access(
    user_id: int,
    *,
    label: str,
    row_id: int,
    actions: Iterable[str],
    expires_at: datetime,
    reason: str,
    actor: User,
) -> AccessGrant:
    """
    Share a row with a user until a moment, for them to see and to do `actions` to, whatever their roles.

    :param label: the kind of row ("crm.deal")
    :param actions: as permissions name them ("change", "win"); seeing is always among them
    :raises DoesNotExist: the actor does not see the row or the user
    :raises PermissionDenied: the actor may not share with this user, or not do one of `actions` by their own roles
    :raises ValidationError: such rows are not shared ("not_shareable"), "unknown_action", "own_account", "inactive",
        "required", or the end is past or too far away ("expires_at")
    """
    require_in_person(actor)
    access.require(actor, "add", AccessGrant)
    model = shareable_model(label)
    row = rows.locked(model, row_id, actor=actor, action="view", lets_point=True)
    user = User.objects.visible_to(actor).select_for_update(of=("self",), no_key=True).get(pk=user_id)
    if user.pk == actor.pk:
        raise rows.refusal("user", _("You need not share anything with yourself."), code="own_account")
    if not user.is_active:
        raise rows.refusal("user", _("This person has left."), code="inactive")
    chosen = sorted({"view", *actions})
    _require_own(actor, row, chosen)
    _require_end(expires_at)
    grant = AccessGrant(
        user=user,
        content_type=ContentType.objects.get_for_model(model),
        object_id=row.pk,
        actions=chosen,
        reason=_reason(reason),
        granted_by=actor,
        expires_at=expires_at,
    )
    rows.insert(grant, actor=actor)
    access.require(actor, "add", grant)
    _tell(events.ACCESS_GRANTED, "access_granted", grant, actor)
    return grant


@transaction.atomic
def extend_access(grant_id: int, *, expires_at: datetime, actor: User) -> AccessGrant:
    """
    Let what is shared end at another moment.

    :raises DoesNotExist: the actor does not see such a grant, or not the row
    :raises PermissionDenied: the actor may not, or not do by their own roles what is shared
    :raises ValidationError: it has ended ("not_live"), or the end is past or too far away ("expires_at")
    """
    grant = _locked(grant_id, actor=actor)
    row = rows.locked(grant.row_model, grant.object_id, actor=actor, action="view", lets_point=True)
    _require_own(actor, row, grant.actions)
    _require_end(expires_at)
    rows.write(grant, {"expires_at": expires_at}, actor=actor)
    _tell(events.ACCESS_EXTENDED, "access_extended", grant, actor)
    return grant


@transaction.atomic
def revoke_access(grant_id: int, *, actor: User) -> AccessGrant:
    """
    Take back what is shared; open pages and sockets notice within a second.

    :raises DoesNotExist: the actor does not see such a grant
    :raises PermissionDenied: the actor may not
    :raises ValidationError: it has ended (code "not_live")
    """
    grant = _locked(grant_id, actor=actor)
    rows.write(grant, {"revoked_at": timezone.now()}, actor=actor)
    _tell(events.ACCESS_REVOKED, "access_revoked", grant, actor)
    return grant


@transaction.atomic
def lend_access(
    row: models.Model, *, user: User, actions: Iterable[str], reason: str, actor: User
) -> AccessGrant:
    """
    Share a row with somebody for as long as a piece of work needs them, which the caller's service gives them.

    That the actor may give such work is the caller's to check, in place of `add_accessgrant`. It ends as early as any
    other share, unless :func:`extend_loan` is called before, and with the work, by :func:`end_loans`.

    :raises PermissionDenied: somebody acts as the actor, who gives nothing away then
    """
    require_in_person(actor)
    grant = AccessGrant(
        user=user,
        content_type=ContentType.objects.get_for_model(row),
        object_id=row.pk,
        actions=sorted({"view", *actions}),
        reason=reason,
        granted_by=actor,
        expires_at=timezone.now() + longest(),
    )
    rows.insert(grant, actor=actor)
    _tell(events.ACCESS_GRANTED, "access_granted", grant, actor)
    return grant


@transaction.atomic
def extend_loan(grant: AccessGrant, *, actor: User) -> None:
    """Let what was lent end as late as anything that is lent now: the work is not done yet."""
    rows.write(grant, {"expires_at": timezone.now() + longest()}, actor=actor)
    _tell(events.ACCESS_EXTENDED, "access_extended", grant, actor)


@transaction.atomic
def end_loans(grants: Iterable[AccessGrant], *, actor: User) -> None:
    """Take back what was lent: the work that it was for is over."""
    now = timezone.now()
    for grant in grants:
        if grant.is_live(now):
            rows.write(grant, {"revoked_at": now}, actor=actor)
            _tell(events.ACCESS_REVOKED, "access_revoked", grant, actor)


def shareable_model(label: str) -> type[models.Model]:
    """
    Return the model of a kind of row that can be shared.

    :raises ValidationError: there is none of this name, or its rows follow others (code "not_shareable")
    """
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        model = None
    if (
        model is None
        or not isinstance(getattr(model, "access", None), Rule)
        or not access.shareable_actions(model)
    ):
        raise rows.refusal("model", _("Such rows cannot be shared one by one."), code="not_shareable")
    return model


def _locked(grant_id: int, *, actor: User) -> AccessGrant:
    require_in_person(actor)
    grant = rows.locked(AccessGrant, grant_id, actor=actor, action="change")
    if not grant.is_live(timezone.now()):
        raise ValidationError(_("This has ended already."), code="not_live")
    return grant


def _require_own(actor: User, row: models.Model, actions: Iterable[str]) -> None:
    """Insist that the actor may do all of it by a role: what was shared with them they do not share on."""
    known = access.shareable_actions(type(row))
    for action in actions:
        if action not in known:
            text = _("“%(name)s” cannot be shared.") % {"name": action}
            raise rows.refusal("actions", text, code="unknown_action")
        if not access.can_by_role(actor, action, row):
            permission = access.permission_of(action, type(row))
            text = _("You cannot share “%(permission)s”: no role of yours lets you do it to this row.")
            raise PermissionDenied(text % {"permission": access.label_of(permission)})


def longest() -> timedelta:
    """Return for how long something may be shared."""
    return timedelta(days=settings.ACCESS_GRANT_MAX_DAYS)


def _require_end(expires_at: datetime) -> None:
    now = timezone.now()
    if expires_at <= now:
        raise rows.refusal("expires_at", _("This is in the past."), code="expires_at")
    if expires_at > now + longest():
        days = settings.ACCESS_GRANT_MAX_DAYS
        text = ngettext(
            "Something is shared for %(days)s day at most.",
            "Something is shared for %(days)s days at most.",
            days,
        )
        raise rows.refusal("expires_at", text % {"days": days}, code="expires_at")


def _reason(reason: str) -> str:
    text = reason.strip()
    if not text:
        raise rows.refusal("reason", _("Say why this is shared."), code="required")
    return text


def _tell(fact: Fact, kind: str, grant: AccessGrant, actor: User) -> None:
    access.forget(actor)
    data = {
        "row": f"{grant.row_label}:{grant.object_id}",
        "until": grant.expires_at,
        "actions": grant.actions,
    }
    record_auth_event(kind, user=grant.user, actor=actor, data=data | {"reason": grant.reason})
    tell_watchers([grant.user_id])
    publish(fact, grant.pk, events.access_grant_data(grant), actor_id=actor.pk)
