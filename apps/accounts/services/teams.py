"""Teams: growing and pruning the tree."""

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access, events, rows
from apps.accounts.models import Team, User
from apps.accounts.services.limits import tell_team_watchers
from apps.events.services import publish


@transaction.atomic
def create_team(name: str, *, parent_id: int | None, actor: User) -> Team:
    """
    Found a team below another, or at the top.

    :raises DoesNotExist: the actor does not see the parent
    :raises PermissionDenied: the actor may not add teams there
    :raises ValidationError: there is one of this name there already (code "team_parent_name_unique")
    """
    access.require(actor, "add", Team)
    parent = _place(actor, parent_id)
    team = rows.insert(Team(name=name, parent=parent), actor=actor)
    team.refresh_from_db(fields=["path"])
    access.forget(actor)
    tell_team_watchers(team.path)
    publish(events.TEAM_CREATED, team.pk, events.team_data(team), actor_id=actor.pk)
    return team


def _place(actor: User, parent_id: int | None) -> Team | None:
    """
    Return the team below which the actor may put teams; none for the top. :raises PermissionDenied: not there
    """
    if parent_id is None:
        if not access.reaches_all(actor, "add", Team):
            raise PermissionDenied(_("You may put teams only below your own."))
        return None
    parent = Team.objects.visible_to(actor).active().get(pk=parent_id)
    access.require(actor, "change", parent)
    return parent


@transaction.atomic
def rename_team(team_id: int, name: str, *, actor: User, expected_version: int | None = None) -> Team:
    """
    Give a team another name.

    :raises ValidationError: there is one of this name there already (code "team_parent_name_unique")
    """
    team = rows.locked(Team, team_id, actor=actor, action="change", expected_version=expected_version)
    if team.name != name:
        rows.write(team, {"name": name}, actor=actor)
        publish(events.TEAM_CHANGED, team.pk, events.team_data(team), actor_id=actor.pk)
    return team


@transaction.atomic
def move_team(
    team_id: int, *, parent_id: int | None, actor: User, expected_version: int | None = None
) -> Team:
    """
    Put a team, and all below it, under another one or to the top.

    :raises PermissionDenied: the actor may not change the team or its new place
    :raises ValidationError: it would be part of itself (code "team_cycle")
    """
    team = rows.locked(Team, team_id, actor=actor, action="change", expected_version=expected_version)
    if team.parent_id == parent_id:
        return team
    parent = _place(actor, parent_id)
    before = team.path
    rows.write(team, {"parent": parent}, actor=actor)
    team.refresh_from_db(fields=["path"])
    access.forget(actor)
    tell_team_watchers(before, team.path)
    publish(events.TEAM_CHANGED, team.pk, events.team_data(team), actor_id=actor.pk)
    return team


@transaction.atomic
def archive_team(team_id: int, *, actor: User) -> Team:
    """
    Put a team into the trash, once nobody and no other team is in it.

    :raises ValidationError: it is not empty (code "team_not_empty"), or there already (code "archived")
    """
    team = rows.locked(Team, team_id, actor=actor, action="delete")
    if team.archived_at is not None:
        raise ValidationError(_("This team is in the trash already."), code="archived")
    if team.memberships.exists() or team.children.filter(archived_at=None).exists():
        raise ValidationError(_("There are still people or teams in this team."), code="team_not_empty")
    rows.write(team, {"archived_at": timezone.now()}, actor=actor)
    access.forget(actor)
    tell_team_watchers(team.path)
    publish(events.TEAM_CHANGED, team.pk, events.team_data(team), actor_id=actor.pk)
    return team


@transaction.atomic
def restore_team(team_id: int, *, actor: User) -> Team:
    """
    Take a team out of the trash, to where it was.

    :raises PermissionDenied: the actor may not do this to the team
    :raises ValidationError: it is not there (code "not_archived"), or the team above it is (code "parent_archived")
    """
    team = rows.locked(Team, team_id, actor=actor, action="delete")
    if team.archived_at is None:
        raise ValidationError(_("This team is not in the trash."), code="not_archived")
    if team.parent_id is not None:
        above = Team.objects.select_for_update().get(pk=team.parent_id)
        if above.archived_at is not None:
            raise ValidationError(_("Take the team above it out of the trash first."), code="parent_archived")
    rows.write(team, {"archived_at": None}, actor=actor)
    access.forget(actor)
    tell_team_watchers(team.path)
    publish(events.TEAM_CHANGED, team.pk, events.team_data(team), actor_id=actor.pk)
    return team
