"""Users, teams and roles, made straight into the tables."""

from itertools import count
from typing import Any

from apps.accounts.models import Membership, Role, RoleGrant, Team, User

_numbers = count(1)
PASSWORD = "correct horse battery"


def make_team(name: str = "", parent: Team | None = None) -> Team:
    team = Team.objects.create(name=name or f"Team {next(_numbers)}", parent=parent)
    team.refresh_from_db()
    return team


def make_user(name: str = "", **fields: Any) -> User:
    number = next(_numbers)
    fields.setdefault("email", f"person{number}@example.org")
    fields.setdefault("is_staff", True)
    password = fields.pop("password", None)
    user = User(name=name or f"Person {number}", **fields)
    if password is None:
        user.set_unusable_password()
    else:
        user.set_password(password)
    user.save()
    return user


def make_superuser(name: str = "Root") -> User:
    return make_user(name, is_superuser=True)


def make_role(grants: dict[str, str], name: str = "") -> Role:
    """Make a role from {permission: reach}."""
    role = Role.objects.create(name=name or f"Role {next(_numbers)}")
    RoleGrant.objects.bulk_create(RoleGrant(role=role, permission=p, reach=r) for p, r in grants.items())
    return role


def make_member(team: Team, role: Role | str, name: str = "", **fields: Any) -> User:
    """Make a user with a place in a team; a role may be named by its key."""
    user = make_user(name, **fields)
    return join(user, team, role)


def join(user: User, team: Team, role: Role | str) -> User:
    """Give a user a place in a team, and return them as they are read anew."""
    known = Role.objects.get(key=role) if isinstance(role, str) else role
    Membership.objects.create(user=user, team=team, role=known)
    return User.objects.get(pk=user.pk)


def member_with(grants: dict[str, str], team: Team | None = None) -> User:
    """Make a user whose only role grants this."""
    return make_member(team or make_team(), make_role(grants))
