"""Logging in, one's own password and applications; what else allauth could serve is not offered, so it has no address."""

from allauth.account import views
from django.urls import path

from apps.accounts import pages
from apps.accounts.faces.impersonation import stop
from apps.accounts.oauth.views.connected import ConnectedView

urlpatterns = [
    path("login/", views.login, name="account_login"),
    path("impersonation/stop/", stop, name="impersonation_stop"),
    path("logout/", views.logout, name="account_logout"),
    path("reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
    path("applications/", ConnectedView.as_view(), name="account_applications"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("password/change/", views.password_change, name="account_change_password"),
    path("password/set/", views.password_set, name="account_set_password"),
    path("password/reset/", views.password_reset, name="account_reset_password"),
    path(
        "password/reset/confirm/",
        views.confirm_password_reset_code,
        name="account_confirm_password_reset_code",
    ),
    path("password/reset/complete/", views.complete_password_reset, name="account_complete_password_reset"),
    path("password/reset/done/", views.password_reset_from_key_done, name="account_password_reset_completed"),
    path("login/code/", views.request_login_code, name="account_request_login_code"),
    path("login/code/confirm/", views.confirm_login_code, name="account_confirm_login_code"),
    path("signup/", views.signup, name="account_signup"),
    path("confirm-email/", views.email_verification_sent, name="account_email_verification_sent"),
    path("invitation/<str:token>/", pages.invitation, name="account_invitation"),
    path("waiting/", pages.waiting, name="account_waiting"),
    path("mailbox/", pages.mailbox, name="account_mailbox"),
]
