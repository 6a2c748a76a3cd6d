"""Who may do what, in the admin."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group

from apps.accounts.admin import api_keys, people, roles, teams

__all__ = ["api_keys", "people", "roles", "teams"]

# Libraries bring pages that ask no policy; what they show has no meaning here.
for _unwanted in (Group, EmailAddress, Authenticator, UserSession):
    if admin.site.is_registered(_unwanted):
        admin.site.unregister(_unwanted)
