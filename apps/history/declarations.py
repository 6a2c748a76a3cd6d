"""What is recorded of the apps below, which know nothing of history."""

from apps.accounts.models import ApiKey, Membership, Role, RoleGrant, Team, User
from apps.history.models import Change, ChangeSet, Conflict, Creation, Undo
from apps.history.tracking import exempt, track
from apps.jobs.models import Job, JobEvent


def declare() -> None:
    """Declare the models of accounts, jobs and history itself."""
    # A hash that no password has: who is restored sets a new one.
    track(User, hidden={"password": "!", "last_login": None, "perm_version": 1}, is_guarded=True)
    track(Team, hidden={"path": ""}, is_guarded=True)
    track(Role, is_guarded=True)
    track(RoleGrant, part_of=("role",), is_guarded=True)
    track(Membership, part_of=("user",), is_guarded=True)
    exempt(ApiKey, "Each step of a key is a fact of its own, and an undo must not bring a revoked one back.")
    for model in (Job, JobEvent):
        exempt(model, "A job is the record of its own work and changes with every chunk.")
    for record in (ChangeSet, Change, Creation, Undo, Conflict):
        exempt(record, "History itself.")
