"""The facts that accounts publishes; what they carry is described in `schemas/`."""

from typing import Any

from apps.accounts.models import (
    AccessGrant,
    ApiKey,
    Application,
    ConsentGrant,
    ImpersonationSession,
    Invitation,
    Membership,
    Role,
    Team,
    User,
)
from apps.events.services import Fact

USER_CREATED = Fact("accounts.user.created.v1")
USER_CHANGED = Fact("accounts.user.changed.v1")
USER_DEACTIVATED = Fact("accounts.user.deactivated.v1")
USER_ACTIVATED = Fact("accounts.user.activated.v1")
MEMBERSHIP_GRANTED = Fact("accounts.membership.granted.v1")
MEMBERSHIP_REVOKED = Fact("accounts.membership.revoked.v1")
TEAM_CREATED = Fact("accounts.team.created.v1")
TEAM_CHANGED = Fact("accounts.team.changed.v1")
ROLE_CHANGED = Fact("accounts.role.changed.v1")
ROLE_DELETED = Fact("accounts.role.deleted.v1")
API_KEY_CREATED = Fact("accounts.api_key.created.v1")
API_KEY_ROTATED = Fact("accounts.api_key.rotated.v1")
API_KEY_REVOKED = Fact("accounts.api_key.revoked.v1")
INVITATION_MADE = Fact("accounts.invitation.made.v1")
INVITATION_ACCEPTED = Fact("accounts.invitation.accepted.v1")
INVITATION_REVOKED = Fact("accounts.invitation.revoked.v1")
APPLICATION_REGISTERED = Fact("accounts.application.registered.v1")
APPLICATION_CHANGED = Fact("accounts.application.changed.v1")
CONSENT_GIVEN = Fact("accounts.consent.given.v1")
CONSENT_WITHDRAWN = Fact("accounts.consent.withdrawn.v1")
ACCESS_GRANTED = Fact("accounts.access.granted.v1")
ACCESS_EXTENDED = Fact("accounts.access.extended.v1")
ACCESS_REVOKED = Fact("accounts.access.revoked.v1")
IMPERSONATION_STARTED = Fact("accounts.impersonation.started.v1")
IMPERSONATION_ENDED = Fact("accounts.impersonation.ended.v1")

FACTS = [
    USER_CREATED,
    USER_CHANGED,
    USER_DEACTIVATED,
    USER_ACTIVATED,
    MEMBERSHIP_GRANTED,
    MEMBERSHIP_REVOKED,
    TEAM_CREATED,
    TEAM_CHANGED,
    ROLE_CHANGED,
    ROLE_DELETED,
    API_KEY_CREATED,
    API_KEY_ROTATED,
    API_KEY_REVOKED,
    INVITATION_MADE,
    INVITATION_ACCEPTED,
    INVITATION_REVOKED,
    APPLICATION_REGISTERED,
    APPLICATION_CHANGED,
    CONSENT_GIVEN,
    CONSENT_WITHDRAWN,
    ACCESS_GRANTED,
    ACCESS_EXTENDED,
    ACCESS_REVOKED,
    IMPERSONATION_STARTED,
    IMPERSONATION_ENDED,
]


def user_data(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "email": user.email,
        "name": user.name,
        "kind": user.kind,
        "is_active": user.is_active,
        "version": user.version,
    }


def membership_data(membership: Membership) -> dict[str, Any]:
    return {
        "id": membership.pk,
        "user_id": membership.user_id,
        "team_id": membership.team_id,
        "role_id": membership.role_id,
        "role": membership.role.name,
    }


def team_data(team: Team) -> dict[str, Any]:
    return {
        "id": team.pk,
        "name": team.name,
        "parent_id": team.parent_id,
        "path": team.path,
        "is_archived": team.archived_at is not None,
        "version": team.version,
    }


def role_data(role: Role, grants: dict[str, str]) -> dict[str, Any]:
    """
    Return a role's snapshot.

    :param grants: the reach by permission
    """
    return {
        "id": role.pk,
        "name": role.name,
        "key": role.key,
        "requires_mfa": role.requires_mfa,
        "grants": grants,
        "version": role.version,
    }


def api_key_data(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.pk,
        "owner_id": key.owner_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


def invitation_data(invitation: Invitation) -> dict[str, Any]:
    return {
        "id": invitation.pk,
        "email": invitation.email,
        "team_id": invitation.team_id,
        "role_id": invitation.role_id,
        "invited_by_id": invitation.invited_by_id,
        "expires_at": invitation.expires_at,
        "accepted_at": invitation.accepted_at,
        "revoked_at": invitation.revoked_at,
        "user_id": invitation.user_id,
    }


def application_data(application: Application) -> dict[str, Any]:
    return {
        "id": application.pk,
        "client_id": application.client_id,
        "name": application.name,
        "team_id": application.team_id,
        "scopes": application.scopes,
        "disabled_at": application.disabled_at,
        "version": application.version,
    }


def consent_data(consent: ConsentGrant) -> dict[str, Any]:
    return {
        "id": consent.pk,
        "user_id": consent.user_id,
        "application_id": consent.application_id,
        "scopes": consent.scopes,
        "revoked_at": consent.revoked_at,
    }


def access_grant_data(grant: AccessGrant) -> dict[str, Any]:
    return {
        "id": grant.pk,
        "user_id": grant.user_id,
        "model": grant.row_label,
        "row_id": grant.object_id,
        "actions": grant.actions,
        "reason": grant.reason,
        "expires_at": grant.expires_at,
        "revoked_at": grant.revoked_at,
    }


def impersonation_data(session: ImpersonationSession) -> dict[str, Any]:
    return {
        "id": session.pk,
        "actor_id": session.actor_id,
        "target_id": session.target_id,
        "reason": session.reason,
        "is_read_only": session.is_read_only,
        "expires_at": session.expires_at,
        "ended_at": session.ended_at,
    }
