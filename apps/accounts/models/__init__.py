"""Who is asking: users, their teams, what their roles let them do, the secrets of their programs, and our keys."""

from apps.accounts.models.access_grants import AccessGrant
from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.auth_events import AuthEvent, AuthEventHead
from apps.accounts.models.impersonation import ImpersonationSession
from apps.accounts.models.invitations import Invitation, KnownDevice
from apps.accounts.models.letters import Letter
from apps.accounts.models.oauth import (
    Application,
    AuthorizationCode,
    ConsentGrant,
    DeviceCode,
    RefreshToken,
    TokenFamily,
)
from apps.accounts.models.owned import Owned
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
from apps.accounts.models.signing_keys import SigningKey, TokenCut

__all__ = [
    "AccessGrant",
    "ApiKey",
    "Application",
    "AuthEvent",
    "AuthEventHead",
    "AuthorizationCode",
    "ConsentGrant",
    "DeviceCode",
    "ImpersonationSession",
    "Invitation",
    "KnownDevice",
    "Letter",
    "Membership",
    "Owned",
    "RefreshToken",
    "Role",
    "RoleGrant",
    "SigningKey",
    "Team",
    "TokenCut",
    "TokenFamily",
    "User",
    "UserManager",
    "validate_language",
    "validate_time_zone",
]
