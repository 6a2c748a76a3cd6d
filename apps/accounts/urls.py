"""Logging in, one's own password and applications; what else allauth could serve is not offered, so it has no address."""

from allauth.account import views
from django.urls import path, re_path

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
    path("password/reset/done/", views.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
]
