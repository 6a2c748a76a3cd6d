"""People who make an account for themselves."""

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts import events, rows
from apps.accounts.models import User
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.users import clean_email, give_password
from apps.events.services import publish


@transaction.atomic
def sign_up(name: str, *, email: str, password: str, locale: str = "") -> User:
    """
    Make an account for a stranger: without a role it shows and does nothing until an administrator gives it one.

    :raises PermissionDenied: nobody may sign up by themselves here
    :raises ValidationError: the address is taken, or the password too weak
    """
    if not settings.SIGNUP_OPEN:
        raise PermissionDenied(_("Accounts are made by administrators here."))
    user = User(name=name, email=clean_email(email), locale=locale)
    give_password(user, password)
    rows.insert(user, actor=user)
    publish(events.USER_CREATED, user.pk, events.user_data(user), actor_id=user.pk)
    record_auth_event("signed_up", user=user, actor=user)
    return user
