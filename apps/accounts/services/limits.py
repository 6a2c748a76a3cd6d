"""Nobody gives away, or lays hands on, more than they hold themselves."""

from collections.abc import Iterable

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import Role, RoleGrant, Team, User
from apps.events.wakeup import poke_stream


def require_within(actor: User, role: Role, team: Team) -> None:
    """
    Insist that `actor` holds all that `role` would give in `team`.

    :raises PermissionDenied: some of it is beyond them
    """
    if access.is_everything(actor):
        return
    held = access.grants_of(actor)
    below = set(Team.objects.filter(path__startswith=team.path).values_list("pk", flat=True))
    for permission, reach in role.grants.values_list("permission", "reach"):
        if not _covers(held.get(permission), permission, reach, team, below):
            raise PermissionDenied(
                _("The role “%(role)s” gives more than you hold yourself.") % {"role": role.name}
            )


def _covers(held: access.Reaches | None, permission: str, reach: str, team: Team, below: set[int]) -> bool:
    if held is None:
        return False
    if held.is_all or access.is_shared(permission):
        return True
    if reach == RoleGrant.Reach.ALL:
        return False
    wanted = below if reach == RoleGrant.Reach.SUBTREE else {team.pk}
    return wanted <= held.team_ids


def require_over(actor: User, user: User) -> None:
    """
    Insist that the powers of `user` do not exceed the actor's, so that taking over their account gains
    nothing.

    :raises PermissionDenied: they do
    """
    if access.is_everything(actor) or actor.pk == user.pk:
        return
    if user.is_superuser:
        raise PermissionDenied(_("Only an administrator of everything may do this to another one."))
    for membership in user.memberships.select_related("role", "team"):
        require_within(actor, membership.role, membership.team)


def require_everywhere(actor: User, permissions: Iterable[str]) -> None:
    """
    Insist that `actor` holds permissions with the reach "all", since a role may be given in any team.

    :raises PermissionDenied: one of them is beyond them
    """
    if access.is_everything(actor):
        return
    held = access.grants_of(actor)
    for permission in permissions:
        reaches = held.get(permission)
        if reaches is None or not (reaches.is_all or access.is_shared(permission)):
            raise PermissionDenied(
                _("You cannot give “%(permission)s”, which you do not hold everywhere.")
                % {"permission": access.label_of(permission)}
            )


def tell_watchers(user_ids: Iterable[int]) -> None:
    """Let the open sockets of these users ask again what they may see, right after the commit."""
    for pk in user_ids:
        poke_stream(f"access:{pk}")


def tell_team_watchers(*paths: str) -> None:
    """The same for everybody whose reach includes a place in the tree of teams."""
    ancestors = {int(pk) for path in paths for pk in path.split("/") if pk}
    users = User.objects.filter(memberships__team_id__in=ancestors).values_list("pk", flat=True)
    tell_watchers(users.distinct())
