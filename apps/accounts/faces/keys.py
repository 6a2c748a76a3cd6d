"""Programs that call the API with a key: `Authorization: Bearer artel_…`."""

from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from apps.accounts import services
from apps.accounts.models import User


def bearer_of(request: HttpRequest | Request) -> str | None:
    """Return what stands after "Bearer", be it nothing or nonsense; None where nobody says "Bearer"."""
    scheme, _space, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class ApiKeyAuthentication(BaseAuthentication):
    """
    The key of a user. Who shows one that opens nothing is told so, whatever cookies come with it.
    """

    def authenticate(self, request: Request) -> tuple[User, int | None] | None:
        token = bearer_of(request)
        if token is None:
            return None
        user = services.authenticate_key(token, is_reading=request.method in SAFE_METHODS)
        if user is None:
            raise AuthenticationFailed(
                _("This key opens nothing: it is wrong, expired or revoked."), "invalid_token"
            )
        return user, user.key_id

    def authenticate_header(self, request: Request | HttpRequest) -> str:
        return 'Bearer realm="api"'
