"""
What an import of people asks for: teams and members that are there afterwards, as they may have been before.
"""

from typing import Literal

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts import access, rows
from apps.accounts.models import Membership, Role, Team, User
from apps.accounts.services.memberships import grant_membership
from apps.accounts.services.teams import create_team
from apps.accounts.services.users import change_user, clean_email, create_user

Outcome = Literal["created", "updated", "unchanged"]


@transaction.atomic
def ensure_team(path_names: list[str], *, actor: User) -> Team:
    """
    Return the team at the end of a path of names from the top, founding what is missing.

    :param path_names: ["Sales", "East"]
    :raises PermissionDenied: a team is missing, and the actor may not found it
    :raises ValidationError: the path is empty, or leads through a team out of sight (code
        "team_out_of_sight")
    """
    team: Team | None = None
    for name in path_names:
        found = Team.objects.filter(parent=team, name=name).first()
        if found is None:
            team = create_team(name, parent_id=team.pk if team else None, actor=actor)
        elif found.archived_at is None and access.can(actor, "view", found):
            team = found
        else:
            text = _("The team “%(name)s” is in the trash, or not yours to see.") % {"name": name}
            raise rows.refusal("team", text, code="team_out_of_sight")
    if team is None:
        raise rows.refusal("team", _("A team needs a name."), code="required")
    return team


@transaction.atomic
def ensure_member(
    name: str, *, email: str | None, team: Team, role_key: str, actor: User
) -> tuple[User, Outcome]:
    """
    Return the user of this address, or else of exactly this name, with a place in a team; made where missing.

    :raises DoesNotExist: they are there already, and out of the actor's sight
    :raises PermissionDenied: the actor may not add or change them, or not in this team and role
    :raises ValidationError: several users have this name (code "ambiguous_name"), or there is no such role
    """
    role = Role.objects.visible_to(actor).filter(key=role_key).first()
    if role is None:
        raise ValidationError(_("There is no role “%(key)s”.") % {"key": role_key}, code="unknown_role")
    address = clean_email(email)
    user = _find(name, address)
    if user is None:
        made = create_user(name, email=address, team_id=team.pk, role_id=role.pk, actor=actor)
        return made, "created"
    is_changed = _bring_up_to_date(user, name, address, actor)
    if not Membership.objects.filter(user=user, team=team, role=role).exists():
        grant_membership(user.pk, team.pk, role.pk, actor=actor)
        is_changed = True
    return user, "updated" if is_changed else "unchanged"


def _find(name: str, email: str | None) -> User | None:
    people = User.objects.filter(kind=User.Kind.HUMAN)
    if email is not None:
        known = people.filter(email=email).first()
        if known is not None:
            return known
        # Somebody of this name who has another address is somebody else.
        people = people.filter(email=None)
    found = list(people.filter(name=name).order_by("pk")[:2])
    if len(found) > 1:
        text = _("There are several people called “%(name)s”; say which by e-mail.") % {"name": name}
        raise rows.refusal("name", text, code="ambiguous_name")
    return found[0] if found else None


def _bring_up_to_date(user: User, name: str, email: str | None, actor: User) -> bool:
    if user.name == name and email in {None, user.email}:
        return False
    change_user(user.pk, actor=actor, name=name, email=email or user.email)
    user.refresh_from_db()
    return True
