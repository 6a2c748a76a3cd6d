"""Who may do what, in the admin."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group

from apps.accounts.admin import (
    access_grants,
    api_keys,
    applications,
    auth_events,
    impersonation,
    invitations,
    people,
    roles,
    signing_keys,
    teams,
)

__all__ = [
    "access_grants",
    "api_keys",
    "applications",
    "auth_events",
    "impersonation",
    "invitations",
    "people",
    "roles",
    "signing_keys",
    "teams",
]

# Libraries bring pages that ask no policy; what they show has no meaning here.
_oauth = apps.get_app_config("oauth2_provider").get_models()
for _unwanted in (Group, EmailAddress, Authenticator, UserSession, *_oauth):
    if admin.site.is_registered(_unwanted):
        admin.site.unregister(_unwanted)
