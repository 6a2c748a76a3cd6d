"""What may be changed about users, teams and roles, and by whom."""

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
from apps.accounts.services.invitations import (
    accept_invitation,
    invite,
    open_invitation,
    resend_invitation,
    revoke_invitation,
)
from apps.accounts.services.letters import deliver_letter, deliver_letters, send_letter
from apps.accounts.services.locks import unlock_user
from apps.accounts.services.memberships import grant_membership, revoke_membership
from apps.accounts.services.people import ensure_member, ensure_team
from apps.accounts.services.roles import create_role, delete_role, describe_role, set_role_grants, sync_roles
from apps.accounts.services.signing_up import sign_up, vouch_for_address
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
    "accept_invitation",
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
    "delete_role",
    "deliver_letter",
    "deliver_letters",
    "describe_role",
    "ensure_member",
    "ensure_team",
    "grant_membership",
    "invite",
    "move_team",
    "open_invitation",
    "record_auth_event",
    "rename_team",
    "resend_invitation",
    "revoke_api_key",
    "revoke_invitation",
    "revoke_membership",
    "rotate_api_key",
    "send_letter",
    "set_password",
    "set_role_grants",
    "sign_up",
    "sync_roles",
    "unlock_user",
    "user_of_claims",
    "user_of_key",
    "vouch_for_address",
]
