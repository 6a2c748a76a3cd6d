"""Who is asking: users, their teams, what their roles let them do, and the secrets of their programs."""

from apps.accounts.models.access_grants import AccessGrant
from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.auth_events import AuthEvent, AuthEventHead
from apps.accounts.models.impersonation import ImpersonationSession
from apps.accounts.models.people import (
    Membership,
    Role,
    RoleGrant,
    Team,
    User,
    UserManager,
    validate_language,
    validate_time_zone,
)

__all__ = [
    "AccessGrant",
    "ApiKey",
    "AuthEvent",
    "AuthEventHead",
    "ImpersonationSession",
    "Membership",
    "Role",
    "RoleGrant",
    "Team",
    "User",
    "UserManager",
    "validate_language",
    "validate_time_zone",
]
