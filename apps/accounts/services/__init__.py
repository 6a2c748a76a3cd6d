"""What may be changed about users, teams and roles, and by whom."""

from apps.accounts.services.api_keys import (
    authenticate_key,
    create_api_key,
    revoke_api_key,
    rotate_api_key,
    user_of_key,
)
from apps.accounts.services.memberships import grant_membership, revoke_membership
from apps.accounts.services.people import ensure_member, ensure_team
from apps.accounts.services.roles import (
    create_role,
    describe_role,
    require_second_factor,
    set_role_grants,
    sync_roles,
)
from apps.accounts.services.sessions import end_other_sessions, end_session, end_sessions, note_use
from apps.accounts.services.teams import archive_team, create_team, move_team, rename_team
from apps.accounts.services.users import (
    activate_user,
    change_own_email,
    change_own_settings,
    change_user,
    create_user,
    deactivate_user,
    set_password,
    vouch_for_unknown_email,
)

__all__ = [
    "activate_user",
    "archive_team",
    "authenticate_key",
    "change_own_email",
    "change_own_settings",
    "change_user",
    "create_api_key",
    "create_role",
    "create_team",
    "create_user",
    "deactivate_user",
    "describe_role",
    "end_other_sessions",
    "end_session",
    "end_sessions",
    "ensure_member",
    "ensure_team",
    "grant_membership",
    "move_team",
    "note_use",
    "rename_team",
    "require_second_factor",
    "revoke_api_key",
    "revoke_membership",
    "rotate_api_key",
    "set_password",
    "set_role_grants",
    "sync_roles",
    "user_of_key",
    "vouch_for_unknown_email",
]
