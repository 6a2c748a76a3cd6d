"""What is recorded of the apps below, which know nothing of history."""

from apps.accounts.models import (
    AccessGrant,
    ApiKey,
    Application,
    AuthEvent,
    AuthEventHead,
    ConsentGrant,
    ImpersonationSession,
    Invitation,
    KnownDevice,
    Letter,
    Membership,
    Role,
    RoleGrant,
    SigningKey,
    Team,
    TokenCut,
    User,
)
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
    exempt(
        Invitation, "Each step of an invitation is a fact of its own, and an undo must not open one again."
    )
    exempt(KnownDevice, "What people log in with is remembered for them alone.")
    exempt(Letter, "A letter is gone once it is sent.")
    exempt(AccessGrant, "Each step is a fact of its own, and an undo must not bring a revoked one back.")
    exempt(ImpersonationSession, "It is a record itself, and what is done meanwhile names it.")
    for audit in (AuthEvent, AuthEventHead):
        exempt(audit, "A record that only grows, and that the database chains by itself.")
    exempt(SigningKey, "Times of each step stand in the row, and an undo must not bring a retired key back.")
    exempt(TokenCut, "What was ended stays ended, and goes by itself within the hour.")
    exempt(
        Application,
        "Each step is a fact of its own, and an undo must not turn one on again, or its old secret.",
    )
    exempt(
        ConsentGrant,
        "The rows are the record themselves: one is added with each consent, and only ever ended.",
    )
    for model in (Job, JobEvent):
        exempt(model, "A job is the record of its own work and changes with every chunk.")
    for record in (ChangeSet, Change, Creation, Undo, Conflict):
        exempt(record, "History itself.")
