"""What other systems may know about us before they ask for anything."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views import View

from apps.accounts import tokens
from apps.accounts.models import Application
from apps.accounts.oauth.scopes import PolicyScopes

_SECRETS = ["client_secret_basic", "client_secret_post"]


def metadata() -> dict[str, Any]:
    """Describe the server, as OpenID Connect Discovery and RFC 8414 have it."""
    return {
        "issuer": settings.OIDC_ISSUER,
        "authorization_endpoint": _address("authorize"),
        "token_endpoint": _address("token"),
        "userinfo_endpoint": _address("userinfo"),
        "jwks_uri": _address("jwks"),
        "revocation_endpoint": _address("revoke"),
        "introspection_endpoint": _address("introspect"),
        "device_authorization_endpoint": _address("device_authorization"),
        "end_session_endpoint": _address("logout"),
        "scopes_supported": PolicyScopes().get_available_scopes(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code",
            "refresh_token",
            "client_credentials",
            Application.Grant.DEVICE.value,
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": [*_SECRETS, "none"],
        "revocation_endpoint_auth_methods_supported": [*_SECRETS, "none"],
        "introspection_endpoint_auth_methods_supported": _SECRETS,
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": [
            *("sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid"),
            *("name", "locale", "zoneinfo", "email", "email_verified"),
        ],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": ["none", "login", "consent"],
        "ui_locales_supported": [code for code, _name in settings.LANGUAGES],
    }


class MetadataView(View):
    """The same document at both of the places where it is looked for."""

    public = "other systems read it before they know anybody here"
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return _told(metadata())


class JwksView(View):
    """The public halves of our signing keys."""

    public = "whoever verifies a token needs them"
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return _told(tokens.public_jwks())


def _told(document: dict[str, Any]) -> HttpResponse:
    response = JsonResponse(document)
    response["Access-Control-Allow-Origin"] = "*"
    # Keys are published ahead of their use by more than this.
    response["Cache-Control"] = f"public, max-age={settings.JWKS_MAX_AGE_SECONDS}"
    return response


def _address(name: str) -> str:
    return str(settings.OIDC_ISSUER + reverse(f"oauth:{name}"))
