"""Who is asking: users, their teams, what their roles let them do, and the secrets of their programs."""

from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.auth_events import AuthEvent, AuthEventHead
from apps.accounts.models.oauth import (
    Application,
    AuthorizationCode,
    ConsentGrant,
    DeviceCode,
    RefreshToken,
    TokenFamily,
)
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
    "ApiKey",
    "Application",
    "AuthEvent",
    "AuthEventHead",
    "AuthorizationCode",
    "ConsentGrant",
    "DeviceCode",
    "Membership",
    "RefreshToken",
    "Role",
    "RoleGrant",
    "Team",
    "TokenFamily",
    "User",
    "UserManager",
    "validate_language",
    "validate_time_zone",
]
