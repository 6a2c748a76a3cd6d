"""Addresses of the OAuth2 and OpenID Connect server; those below /.well-known/ are where the standards look for them."""

from django.urls import path

from apps.accounts.oauth.views.authorize import AuthorizeView
from apps.accounts.oauth.views.device import DeviceView
from apps.accounts.oauth.views.discovery import JwksView, MetadataView
from apps.accounts.oauth.views.logout import LogoutView
from apps.accounts.oauth.views.tokens import (
    DeviceAuthorizationView,
    IntrospectView,
    RevokeView,
    TokenView,
    UserInfoView,
)

app_name = "oauth"
urlpatterns = [
    path("o/authorize/", AuthorizeView.as_view(), name="authorize"),
    path("o/token/", TokenView.as_view(), name="token"),
    path("o/revoke_token/", RevokeView.as_view(), name="revoke"),
    path("o/introspect/", IntrospectView.as_view(), name="introspect"),
    path("o/userinfo/", UserInfoView.as_view(), name="userinfo"),
    path("o/logout/", LogoutView.as_view(), name="logout"),
    path("o/device-authorization/", DeviceAuthorizationView.as_view(), name="device_authorization"),
    path("o/device/", DeviceView.as_view(), name="device"),
    path(".well-known/openid-configuration", MetadataView.as_view(), name="openid_configuration"),
    path(".well-known/oauth-authorization-server", MetadataView.as_view(), name="server_metadata"),
    path(".well-known/jwks.json", JwksView.as_view(), name="jwks"),
]
