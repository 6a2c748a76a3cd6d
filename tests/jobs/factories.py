"""Users and jobs of the tests."""

from itertools import count
from typing import Any

from apps.accounts.models import Membership, Role, RoleGrant, Team, User
from apps.jobs.models import Job
from apps.jobs.services import start_job

_numbers = count(1)


def make_user(
    *permissions: str, reach: str = RoleGrant.Reach.OWN, team: Team | None = None, **fields: Any
) -> User:
    """Make a user whose one role grants `permissions`."""
    number = next(_numbers)
    user = User.objects.create_user(f"user{number}@example.com", "pass", name=f"User {number}", **fields)
    role = Role.objects.create(name=f"Role {number}")
    RoleGrant.objects.bulk_create(
        RoleGrant(role=role, permission=permission, reach=reach) for permission in permissions
    )
    team = team or Team.objects.create(name=f"Team {number}")
    Membership.objects.create(user=user, team=team, role=role)
    return user


def make_owner(**fields: Any) -> User:
    """Make a user who may do everything to own jobs."""
    return make_user("jobs.view_job", "jobs.cancel_job", "jobs.retry_job", **fields)


def make_job(
    *, kind: str = "tests.count", actor: User | None = None, title: str = "Counting", **params: Any
) -> Job:
    """Start a job that nobody picks up by itself: counting to 30 in three chunks, unless told otherwise."""
    params = {"total": 30, "chunk": 10} | params
    return start_job(kind, actor=actor or make_owner(), title=title, params=params, total=params["total"])
