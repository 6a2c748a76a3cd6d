"""Programs that call the API with a key (`Authorization: Bearer artel_…`) or with an access token."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from apps.accounts import services
from apps.accounts.models import User

_REALM = 'Bearer realm="api"'


def bearer_of(request: HttpRequest | Request) -> str | None:
    """Return what stands after "Bearer", be it nothing or nonsense; None where nobody says "Bearer"."""
    scheme, _space, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class BearerAuthentication(BaseAuthentication):
    """
    The key of a user, or a token by which a client acts for them. Who shows one that opens nothing is told so,
    whatever cookies come with it.
    """

    def authenticate(self, request: Request) -> tuple[User, int | dict[str, Any] | None] | None:
        secret = bearer_of(request)
        if secret is None:
            return None
        user = services.authenticate_bearer(secret, is_reading=request.method in SAFE_METHODS)
        if user is None:
            raise AuthenticationFailed(
                _("This key opens nothing: it is wrong, expired or revoked."), "invalid_token"
            )
        return user, user.key_id or user.claims

    def authenticate_header(self, request: Request | HttpRequest) -> str:
        return _REALM if bearer_of(request) is None else f'{_REALM}, error="invalid_token"'
