"""What may be changed about users, teams and roles, and by whom."""

from apps.accounts.services.access_grants import extend_access, grant_access, revoke_access
from apps.accounts.services.access_tokens import (
    authenticate_bearer,
    authenticate_token,
    user_of_claims,
)
from apps.accounts.services.api_keys import (
    authenticate_key,
    create_api_key,
    revoke_api_key,
    rotate_api_key,
    user_of_key,
)
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.impersonation import start_impersonation, stop_impersonation, who_acts
from apps.accounts.services.memberships import grant_membership, revoke_membership
from apps.accounts.services.people import ensure_member, ensure_team
from apps.accounts.services.roles import create_role, describe_role, set_role_grants, sync_roles
from apps.accounts.services.teams import archive_team, create_team, move_team, rename_team
from apps.accounts.services.users import (
    activate_user,
    change_own_settings,
    change_user,
    create_user,
    deactivate_user,
    set_password,
)

__all__ = [
    "activate_user",
    "archive_team",
    "authenticate_bearer",
    "authenticate_key",
    "authenticate_token",
    "change_own_settings",
    "change_user",
    "create_api_key",
    "create_role",
    "create_team",
    "create_user",
    "deactivate_user",
    "describe_role",
    "ensure_member",
    "ensure_team",
    "extend_access",
    "grant_access",
    "grant_membership",
    "move_team",
    "record_auth_event",
    "rename_team",
    "revoke_access",
    "revoke_api_key",
    "revoke_membership",
    "rotate_api_key",
    "set_password",
    "set_role_grants",
    "start_impersonation",
    "stop_impersonation",
    "sync_roles",
    "user_of_claims",
    "user_of_key",
    "who_acts",
]
