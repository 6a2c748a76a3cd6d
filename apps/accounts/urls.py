"""
How people log in and look after it; what else allauth could serve is not offered, so it has no address.

What changes how somebody logs in asks first who is there. Some names are allauth's, which leads to them by itself.
"""

from allauth.account import views
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from django.urls import path, reverse_lazy

from apps.accounts.faces.impersonation import stop
from apps.accounts.faces.recent import recently_authenticated
from apps.accounts.oauth.views.connected import ConnectedView
from apps.accounts.pages import joining, security

_security = reverse_lazy("account_security")

urlpatterns = [
    path("login/", views.login, name="account_login"),
    path("login/code/", views.request_login_code, name="account_request_login_code"),
    path("login/code/confirm/", views.confirm_login_code, name="account_confirm_login_code"),
    path("login/passkey/", passkeys.login_webauthn, name="mfa_login_webauthn"),
    path("login/second-factor/", mfa.authenticate, name="mfa_authenticate"),
    path("impersonation/stop/", stop, name="impersonation_stop"),
    path("logout/", views.logout, name="account_logout"),
    path("reauthenticate/", security.reauthenticate, name="account_reauthenticate"),
    path("applications/", ConnectedView.as_view(), name="account_applications"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("confirm-email/", views.email_verification_sent, name="account_email_verification_sent"),
    path("password/change/", views.password_change, name="account_change_password"),
    path("password/set/", recently_authenticated(views.password_set), name="account_set_password"),
    path("password/reset/", views.password_reset, name="account_reset_password"),
    path(
        "password/reset/confirm/",
        views.confirm_password_reset_code,
        name="account_confirm_password_reset_code",
    ),
    path("password/reset/complete/", views.complete_password_reset, name="account_complete_password_reset"),
    path("password/reset/done/", views.password_reset_from_key_done, name="account_password_reset_completed"),
    path("signup/", views.signup, name="account_signup"),
    path("invitation/<str:token>/", joining.invitation, name="account_invitation"),
    path("waiting/", joining.waiting, name="account_waiting"),
    path("mailbox/", joining.mailbox, name="account_mailbox"),
    path("security/", security.security, name="account_security"),
    path("security/", security.security, name="mfa_index"),
    path("security/sessions/<int:pk>/end/", security.end_session, name="account_end_session"),
    path("security/sessions/end-others/", security.end_other_sessions, name="account_end_other_sessions"),
    path("security/email/", recently_authenticated(views.email), name="account_email"),
    path("security/second-factor/", security.second_factor, name="account_second_factor"),
    path("security/app/add/", recently_authenticated(totp.activate_totp), name="mfa_activate_totp"),
    path(
        "security/app/remove/",
        recently_authenticated(totp.DeactivateTOTPView.as_view(success_url=_security)),
        name="mfa_deactivate_totp",
    ),
    path("security/codes/", security.recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "security/codes/new/",
        recently_authenticated(codes.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "security/passkeys/add/",
        recently_authenticated(security.AddPasskey.as_view()),
        name="mfa_add_webauthn",
    ),
    path(
        "security/passkeys/<int:pk>/rename/",
        recently_authenticated(passkeys.EditWebAuthnView.as_view(success_url=_security)),
        name="mfa_edit_webauthn",
    ),
    path(
        "security/passkeys/<int:pk>/remove/",
        recently_authenticated(security.RemovePasskey.as_view(success_url=_security)),
        name="mfa_remove_webauthn",
    ),
]
