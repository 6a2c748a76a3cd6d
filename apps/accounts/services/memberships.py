"""Memberships: who is in which team, in which role."""

from typing import Any

from django.db import transaction

from apps.accounts import access, events, rows
from apps.accounts.models import Membership, Role, Team, User
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.in_person import require_in_person
from apps.accounts.services.limits import require_over, require_within, tell_watchers
from apps.events.services import publish


@transaction.atomic
def grant_membership(
    user_id: int, team_id: int, role_id: int, *, actor: User, is_new: bool = False
) -> Membership:
    """
    Give a user a place in a team.

    :param is_new: the user has just been made, by somebody who may add users
    :raises DoesNotExist: the actor does not see the user, the team or the role
    :raises PermissionDenied: the role gives more than the actor holds, or the team is beyond them
    :raises ValidationError: the user has this place already (code "membership_unique")
    """
    require_in_person(actor)
    access.require(actor, "add", Membership)
    known = User.objects.all() if is_new else User.objects.visible_to(actor)
    user = known.select_for_update(of=("self",)).get(pk=user_id)
    team = Team.objects.visible_to(actor).active().get(pk=team_id)
    role = Role.objects.visible_to(actor).get(pk=role_id)
    require_over(actor, user)
    require_within(actor, role, team)
    membership = rows.insert(Membership(user=user, team=team, role=role), actor=actor)
    access.require(actor, "add", membership)
    access.forget(actor)
    tell_watchers([user.pk])
    publish(events.MEMBERSHIP_GRANTED, membership.pk, events.membership_data(membership), actor_id=actor.pk)
    record_auth_event("membership_granted", user=user, actor=actor, data=_place(membership))
    return membership


def _place(membership: Membership) -> dict[str, Any]:
    """Name a team and a role as they are called now: either may be called something else, or be gone, later."""
    team, role = membership.team, membership.role
    return {"team": team.name, "team_id": team.pk, "role": role.name, "role_id": role.pk}


@transaction.atomic
def revoke_membership(membership_id: int, *, actor: User) -> None:
    """
    Take a user's place in a team away; open pages and sockets notice within a second.

    :raises DoesNotExist: there is no such membership for the actor
    :raises PermissionDenied: the actor may not, or the user holds more than they do
    """
    require_in_person(actor)
    membership = rows.locked(Membership, membership_id, actor=actor, action="delete")
    require_over(actor, membership.user)
    data, place, user = events.membership_data(membership), _place(membership), membership.user
    membership.delete()
    access.forget(actor)
    tell_watchers([user.pk])
    publish(events.MEMBERSHIP_REVOKED, data["id"], data, actor_id=actor.pk)
    record_auth_event("membership_revoked", user=user, actor=actor, data=place)
