"""Logging in, and Django's permission questions, answered by the access policy."""

from functools import cache

from django.contrib.auth.backends import BaseBackend
from django.db.models import Model
from django.http import HttpRequest

from apps.accounts import attempts
from apps.accounts.models import User
from apps.accounts.services import record_auth_event
from apps.common.addresses import client_address


class PolicyBackend(BaseBackend):
    """Checks e-mail and password; what a user may do is the policy's to say."""

    def authenticate(
        self, request: HttpRequest | None, email: str = "", password: str = "", **credentials: object
    ) -> User | None:
        """
        Return the active person with this address and password; takes as long when there is nobody.

        Whichever page, form or program asks, wrong passwords are counted here.

        :raises Locked: there were too many of them
        """
        if not email:
            return None
        subject, address = attempts.person(email), client_address(request) if request else ""
        try:
            attempts.refuse_if_locked(subject, address)
        except attempts.Locked as locked:
            # One record, and not one for each of thousands that are refused.
            if locked.is_news:
                _record_lock(email)
            raise
        user = _person(email, password)
        if user is None:
            attempts.note_failure(subject, address)
        else:
            attempts.forget(subject, address)
        return user

    def get_user(self, user_id: int) -> User | None:
        # Asked by every page: putting this question together takes longer than its answer.
        return next(iter(User.objects.raw(_active_user(), [user_id])), None)

    def has_perm(self, user_obj: User, perm: str, obj: Model | None = None) -> bool:  # type: ignore[override]
        return user_obj.has_perm(perm, obj)


@cache
def _active_user() -> str:
    """Return the statement that reads a user by key, unless they are locked out."""
    return User.objects.filter(is_active=True, pk=0).order_by().query.sql_with_params()[0]


def _record_lock(email: str) -> None:
    user = User.objects.filter(email=email.strip().lower()).first()
    record_auth_event("locked", user=user, data={} if user else {"email": email})


def _person(email: str, password: str) -> User | None:
    user = User.objects.filter(email=email.strip().lower(), kind=User.Kind.HUMAN).first()
    if user is None:
        User().set_password(password)
        return None
    return user if user.check_password(password) and user.is_active else None
