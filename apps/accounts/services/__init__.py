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
from apps.accounts.services.applications import (
    authenticate_application,
    change_application,
    disable_application,
    enable_application,
    find_application,
    register_application,
    rotate_application_secret,
)
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.consents import give_consent, has_consent, own_consents, withdraw_consent
from apps.accounts.services.devices import (
    answer_device,
    find_device,
    poll_device,
    redeem_device,
    spoken,
    start_device,
)
from apps.accounts.services.impersonation import start_impersonation, stop_impersonation, who_acts
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
from apps.accounts.services.roles import (
    create_role,
    delete_role,
    describe_role,
    require_second_factor,
    set_role_grants,
    sync_roles,
)
from apps.accounts.services.second_factors import reset_second_factors
from apps.accounts.services.sessions import end_other_sessions, end_session, end_sessions, note_use
from apps.accounts.services.signing_keys import revoke_key, rotate_keys, rotate_now
from apps.accounts.services.signing_up import sign_up
from apps.accounts.services.teams import archive_team, create_team, move_team, rename_team, restore_team
from apps.accounts.services.token_families import (
    Login,
    clear_tokens,
    end_browser_session,
    find_refresh_token,
    is_live,
    issue_code,
    new_refresh_token,
    redeem_code,
    revoke_families,
    revoke_family,
    revoke_family_of,
    rotate_refresh_token,
)
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
    "Login",
    "accept_invitation",
    "activate_user",
    "answer_device",
    "archive_team",
    "authenticate_application",
    "authenticate_bearer",
    "authenticate_key",
    "authenticate_token",
    "change_application",
    "change_own_email",
    "change_own_settings",
    "change_user",
    "clear_tokens",
    "create_api_key",
    "create_role",
    "create_team",
    "create_user",
    "deactivate_user",
    "delete_role",
    "deliver_letter",
    "deliver_letters",
    "describe_role",
    "disable_application",
    "enable_application",
    "end_browser_session",
    "end_other_sessions",
    "end_session",
    "end_sessions",
    "ensure_member",
    "ensure_team",
    "extend_access",
    "find_application",
    "find_device",
    "find_refresh_token",
    "give_consent",
    "grant_access",
    "grant_membership",
    "has_consent",
    "invite",
    "is_live",
    "issue_code",
    "move_team",
    "new_refresh_token",
    "note_use",
    "open_invitation",
    "own_consents",
    "poll_device",
    "record_auth_event",
    "redeem_code",
    "redeem_device",
    "register_application",
    "rename_team",
    "require_second_factor",
    "resend_invitation",
    "reset_second_factors",
    "restore_team",
    "revoke_access",
    "revoke_api_key",
    "revoke_families",
    "revoke_family",
    "revoke_family_of",
    "revoke_invitation",
    "revoke_key",
    "revoke_membership",
    "rotate_api_key",
    "rotate_application_secret",
    "rotate_keys",
    "rotate_now",
    "rotate_refresh_token",
    "send_letter",
    "set_password",
    "set_role_grants",
    "sign_up",
    "spoken",
    "start_device",
    "start_impersonation",
    "stop_impersonation",
    "sync_roles",
    "unlock_user",
    "user_of_claims",
    "user_of_key",
    "vouch_for_unknown_email",
    "who_acts",
    "withdraw_consent",
]
