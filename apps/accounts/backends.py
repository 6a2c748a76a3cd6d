"""Logging in, and Django's permission questions, answered by the access policy."""

from django.contrib.auth.backends import BaseBackend
from django.db.models import Model
from django.http import HttpRequest

from apps.accounts.models import User


class PolicyBackend(BaseBackend):
    """Checks e-mail and password; what a user may do is the policy's to say."""

    def authenticate(
        self, request: HttpRequest | None, email: str = "", password: str = "", **credentials: object
    ) -> User | None:
        """Return the active person with this address and password; takes as long when there is nobody."""
        user = User.objects.filter(email=email.lower(), kind=User.Kind.HUMAN).first() if email else None
        if user is None:
            User().set_password(password)
            return None
        return user if user.check_password(password) and user.is_active else None

    def get_user(self, user_id: int) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()

    def has_perm(self, user_obj: User, perm: str, obj: Model | None = None) -> bool:  # type: ignore[override]
        return user_obj.has_perm(perm, obj)
