"""
The grants that are offered, and nothing else: oauthlib's own server brings implicit, hybrid and password along.
"""

import json
import re
import uuid
from typing import Any

from django.conf import settings
from oauthlib.oauth2.rfc6749.endpoints import AuthorizationEndpoint, RevocationEndpoint, TokenEndpoint
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError, OAuth2Error
from oauthlib.oauth2.rfc6749.grant_types import AuthorizationCodeGrant as PlainCodeGrant
from oauthlib.oauth2.rfc6749.grant_types import ClientCredentialsGrant
from oauthlib.oauth2.rfc6749.grant_types.authorization_code import code_challenge_method_s256
from oauthlib.oauth2.rfc6749.tokens import BearerToken
from oauthlib.oauth2.rfc8628.grant_types import DeviceCodeGrant
from oauthlib.openid.connect.core.grant_types import AuthorizationCodeGrant, RefreshTokenGrant
from oauthlib.openid.connect.core.grant_types.dispatchers import (
    AuthorizationCodeGrantDispatcher,
    AuthorizationTokenGrantDispatcher,
)

from apps.accounts import services, tokens
from apps.accounts.models import User
from apps.accounts.scopes import OFFLINE

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class RequestNotSupportedError(OAuth2Error):  # type: ignore[misc]
    """The request came in a signed object, which would have to be honoured and not ignored."""

    error = "request_not_supported"


class RequestUriNotSupportedError(OAuth2Error):  # type: ignore[misc]
    """The same, by reference."""

    error = "request_uri_not_supported"


_CHALLENGE = re.compile(r"[\w-]{43}", re.ASCII)
_LONGEST_NONCE = 512


def _begin(request: Any) -> None:
    """Forget what a request's own parameters of these names would have oauthlib take for facts."""
    request.client = request.user = request.original_scopes = request.family_id = None


def _check_authorization(request: Any) -> dict[str, Any]:
    """Refuse what oauthlib would overlook."""
    given = dict(request.uri_query_params)
    if "request" in given:
        raise RequestNotSupportedError(request=request)
    if "request_uri" in given:
        raise RequestUriNotSupportedError(request=request)
    if (request.response_mode or "query") != "query":
        raise InvalidRequestError(request=request, description="Only response_mode=query is supported.")
    if request.code_challenge is not None and not _CHALLENGE.fullmatch(request.code_challenge):
        raise InvalidRequestError(request=request, description="This is no SHA-256 of a code_verifier.")
    if request.claims is not None and not _is_object(request.claims):
        raise InvalidRequestError(request=request, description="claims is no JSON object.")
    if len(request.nonce or "") > _LONGEST_NONCE:
        raise InvalidRequestError(request=request, description="This nonce is too long.")
    return {}


def _is_object(text: Any) -> bool:
    """Tell whether a parameter, or what oauthlib has made of it before, is a JSON object."""
    try:
        return isinstance(text if isinstance(text, dict) else json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


class _CodeGrant(PlainCodeGrant):  # type: ignore[misc]
    """Codes whose challenge is hashed: what is sent in the clear protects nothing."""

    _code_challenge_methods = {"S256": code_challenge_method_s256}

    def __init__(self, request_validator: Any) -> None:
        super().__init__(request_validator, pre_auth=[_check_authorization], pre_token=[_begin])


class _OpenIdCodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """The same, with an ID token."""

    def __init__(self, request_validator: Any) -> None:
        self.proxy_target = _CodeGrant(request_validator)
        self.custom_validators.post_auth.append(self.openid_authorization_validator)
        self.register_token_modifier(self.add_id_token)


class _DeviceGrant(DeviceCodeGrant):  # type: ignore[misc]
    """A device that was let in gets what an application in a browser gets, which oauthlib does not give it."""

    def create_token_response(self, request: Any, token_handler: Any) -> tuple[dict[str, str], str, int]:
        headers = self._get_default_headers()
        try:
            self.validate_token_request(request)
        except OAuth2Error as error:
            return headers | error.headers, error.json, error.status_code
        token = token_handler.create_token(request, refresh_token=True)
        for modifier in self._token_modifiers:
            token = modifier(token, token_handler, request)
        self.request_validator.save_token(token, request)
        return headers, json.dumps(token), 200


class _Tokens(BearerToken):  # type: ignore[misc]
    """Access tokens signed by us; refresh tokens for those who may act while the person is away."""

    def create_token(self, request: Any, refresh_token: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        is_lasting = OFFLINE in (request.original_scopes or request.scopes or ())
        return super().create_token(request, refresh_token=refresh_token and is_lasting, **kwargs)


def access_token(request: Any) -> str:
    """
    Sign an access token for whom oauthlib has found to be asking.

    :raises InvalidGrantError: they were turned off at this very moment
    """
    request.family_id = request.family_id or uuid.uuid4()
    try:
        token, _claims = tokens.issue_access_token(
            user_id=request.user.pk,
            client_id=request.client.client_id,
            scope=" ".join(request.scopes),
            session_id=str(request.family_id),
            lifetime=settings.OAUTH_ACCESS_SECONDS,
        )
    except User.DoesNotExist:
        raise InvalidGrantError(request=request) from None
    return token


def refresh_token(request: Any) -> str:
    """Make a refresh token, which the validator keeps the hash of."""
    return services.new_refresh_token()


class Server(AuthorizationEndpoint, TokenEndpoint, RevocationEndpoint):  # type: ignore[misc]
    """Codes, refresh tokens, devices, and programs that act for themselves."""

    def __init__(self, request_validator: Any, **_settings_of_the_toolkit: Any) -> None:
        plain = _CodeGrant(request_validator)
        openid = _OpenIdCodeGrant(request_validator)
        self.device_grant = _DeviceGrant(request_validator, pre_token=[_begin])
        self.device_grant.register_token_modifier(openid.add_id_token)
        bearer = _Tokens(request_validator, access_token, settings.OAUTH_ACCESS_SECONDS, refresh_token)
        AuthorizationEndpoint.__init__(
            self,
            default_response_type="code",
            response_types={"code": AuthorizationCodeGrantDispatcher(plain, openid)},
            default_token_type=bearer,
        )
        TokenEndpoint.__init__(
            self,
            # It refuses whatever it does not know.
            default_grant_type="authorization_code",
            grant_types={
                "authorization_code": AuthorizationTokenGrantDispatcher(request_validator, plain, openid),
                "client_credentials": ClientCredentialsGrant(request_validator, pre_token=[_begin]),
                "refresh_token": RefreshTokenGrant(request_validator, pre_token=[_begin]),
                DEVICE_GRANT: self.device_grant,
            },
            default_token_type=bearer,
        )
        RevocationEndpoint.__init__(self, request_validator)
