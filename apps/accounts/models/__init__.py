"""Who is asking: users, their teams, what their roles let them do, and the secrets of their programs."""

from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.invitations import Invitation, KnownDevice
from apps.accounts.models.letters import Letter
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
    "Invitation",
    "KnownDevice",
    "Letter",
    "Membership",
    "Role",
    "RoleGrant",
    "Team",
    "User",
    "UserManager",
    "validate_language",
    "validate_time_zone",
]
