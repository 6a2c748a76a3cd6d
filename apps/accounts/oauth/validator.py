"""What oauthlib asks while it serves a request, answered by our services and from our tables."""

import base64
import binascii
import hashlib
import time
import uuid
from typing import Any
from urllib.parse import unquote_plus

from django.conf import settings
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError

from apps.accounts import cuts, services, tokens
from apps.accounts.digests import digest
from apps.accounts.models import Application, AuthorizationCode, RefreshToken
from apps.accounts.oauth.scopes import known_scopes
from apps.accounts.scopes import OFFLINE

_GRANT_OF = {
    "authorization_code": {Application.Grant.CODE},
    "refresh_token": {Application.Grant.CODE, Application.Grant.DEVICE},
    "client_credentials": {Application.Grant.PROGRAM},
    Application.Grant.DEVICE.value: {Application.Grant.DEVICE},
}


class Validator(OAuth2Validator):  # type: ignore[misc]
    """
    The toolkit's validator without its tables of tokens, which it would look every request up in.

    Access tokens are signed and not kept; of codes and refresh tokens the hash is.
    """

    # Who is asking

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        if self._shown(request)[1]:
            return True
        application = self._load_application(request.client_id, request)
        # An unknown one is told that it failed, as one with a wrong secret is.
        return application is None or application.client_type == Application.Kind.CONFIDENTIAL

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        client_id, secret = self._shown(request)
        request.client = services.authenticate_application(client_id, secret)
        return request.client is not None

    def authenticate_client_id(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> bool:
        application = self._load_application(client_id, request)
        return application is not None and application.client_type == Application.Kind.PUBLIC

    def _shown(self, request: Any) -> tuple[str, str]:
        """Return the name and the secret that a request shows; empty ones where it shows two, or nonsense."""
        scheme, _space, encoded = request.headers.get("HTTP_AUTHORIZATION", "").partition(" ")
        in_body = request.client_id or "", request.client_secret or ""
        if scheme.lower() != "basic":
            return in_body
        try:
            name, _colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return "", ""
        client_id, secret = unquote_plus(name), unquote_plus(secret)
        is_one = not in_body[1] and in_body[0] in {"", client_id}
        return (client_id, secret) if is_one else ("", "")

    def _load_application(self, client_id: str | None, request: Any) -> Application | None:
        if not (isinstance(request.client, Application) and request.client.client_id == client_id):
            request.client = services.find_application(client_id or "")
        application: Application | None = request.client
        return application

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        if client.authorization_grant_type not in _GRANT_OF.get(grant_type, ()):
            return False
        if grant_type == "client_credentials":
            request.user = client.service_user
            return request.user is not None and request.user.is_active
        return True

    def validate_response_type(
        self, client_id: str, response_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        return response_type == "code" and client.authorization_grant_type == Application.Grant.CODE

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Overlook scopes that mean nothing here, as OpenID Connect asks; refuse those that are not for this one."""
        request.scopes = [name for name in dict.fromkeys(scopes) if name in known_scopes()]
        return bool(request.scopes) and set(request.scopes) <= set(client.scopes)

    def is_pkce_required(self, client_id: str, request: Any) -> bool:
        return True

    # Whether the person is logged in, and has agreed, the page finds out that was asked.

    def validate_silent_login(self, request: Any) -> bool:
        return True

    def validate_silent_authorization(self, request: Any) -> bool:
        return True

    # Codes

    def save_authorization_code(
        self, client_id: str, code: dict[str, str], request: Any, *args: Any, **kwargs: Any
    ) -> None:
        services.issue_code(
            code["code"],
            application=request.client,
            actor=request.user,
            redirect_uri=request.redirect_uri,
            scopes=request.scopes,
            code_challenge=request.code_challenge,
            nonce=request.nonce or "",
            login=request.login,
        )

    def get_authorization_code_scopes(
        self, client_id: str, code: str, redirect_uri: str, request: Any
    ) -> list[str]:
        found = AuthorizationCode.objects.filter(digest=digest(code)).values_list("scopes", flat=True)
        return list(found.first() or [])

    def validate_code(
        self, client_id: str, code: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        row = (
            AuthorizationCode.objects.select_related("user")
            .filter(digest=digest(code), application=client)
            .first()
        )
        if row is None or not row.user.is_active:
            return False
        if row.used_at is not None:
            # Refuses it, and ends what came of it the first time.
            services.redeem_code(code, application=client, family_id=uuid.uuid4())
            return False
        request.kept_code = row
        request.user, request.scopes, request.nonce = row.user, list(row.scopes), row.nonce or None
        request.auth_time = row.auth_time
        return True

    def get_code_challenge(self, code: str, request: Any) -> str:
        return str(request.kept_code.code_challenge)

    def get_code_challenge_method(self, code: str, request: Any) -> str:
        return "S256"

    def confirm_redirect_uri(
        self,
        client_id: str,
        code: str,
        redirect_uri: str,
        client: Any,
        request: Any,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        return bool(request.kept_code.redirect_uri == redirect_uri)

    def get_authorization_code_nonce(
        self, client_id: str, code: str, redirect_uri: str, request: Any
    ) -> str | None:
        nonce: str | None = request.nonce
        return nonce

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: it was swapped when its tokens were kept."""

    # Refresh tokens

    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        row = services.find_refresh_token(refresh_token, application=client)
        if row is None or not services.is_live(row.family):
            return False
        if row.used_at is not None:
            # Refuses it, and ends the family unless two windows renewed at once.
            services.rotate_refresh_token(
                refresh_token, application=client, successor=services.new_refresh_token()
            )
            return False
        family = row.family
        request.user, request.auth_time, request.nonce = family.user, family.auth_time, None
        request.family_id, request.response_type = family.pk, None
        # What the application has lost since, it does not get again.
        request.original_scopes = [name for name in family.scopes if name in client.scopes]
        return OFFLINE in request.original_scopes

    def get_original_scopes(self, refresh_token: str, request: Any, *args: Any, **kwargs: Any) -> list[str]:
        return list(request.original_scopes)

    def rotate_refresh_token(self, request: Any) -> bool:
        return True

    def refresh_id_token(self, request: Any) -> bool:
        return True

    # Devices

    def validate_device_code(self, client_id: str, device_code: str, request: Any) -> str | None:
        outcome, device = services.poll_device(device_code, application=request.client)
        if outcome == "authorized" and device is not None:
            request.user, request.scopes, request.auth_time = (
                device.user,
                list(device.scopes),
                device.auth_time,
            )
            request.nonce = request.response_type = None
        return None if outcome == "unknown" else outcome

    # What is given out

    def save_bearer_token(self, token: dict[str, Any], request: Any, *args: Any, **kwargs: Any) -> None:
        """
        Keep what of a token has to be kept.

        :raises InvalidGrantError: somebody else was faster, and nothing that was signed meanwhile leaves here
        """
        common = {"application": request.client, "family_id": request.family_id}
        refresh_token = token.get("refresh_token")
        family: object
        if request.grant_type == "authorization_code":
            family = services.redeem_code(request.code, refresh_token=refresh_token, **common)
        elif request.grant_type == "refresh_token":
            family = services.rotate_refresh_token(
                request.refresh_token, application=request.client, successor=token["refresh_token"]
            )
        elif request.grant_type == Application.Grant.DEVICE:
            family = services.redeem_device(request.device_code, refresh_token=refresh_token, **common)
        else:
            return
        if family is None:
            raise InvalidGrantError(request=request)

    def get_id_token(self, token: dict[str, Any], token_handler: Any, request: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": settings.OIDC_ISSUER,
            "sub": str(request.user.pk),
            "aud": request.client.client_id,
            "iat": now,
            "exp": now + settings.OAUTH_ID_TOKEN_SECONDS,
            "jti": uuid.uuid4().hex,
            "sid": cuts.session_name(str(request.family_id)),
            "at_hash": _half_hash(token["access_token"]),
        }
        if request.auth_time is not None:
            claims["auth_time"] = int(request.auth_time.timestamp())
        if request.nonce:
            claims["nonce"] = request.nonce
        return tokens.sign(claims, typ="JWT")

    def revoke_token(self, token: str, token_type_hint: str, request: Any, *args: Any, **kwargs: Any) -> None:
        """End a token of the application that asks, with its family; say nothing about anybody else's."""
        row = RefreshToken.objects.filter(digest=digest(token), family__application=request.client).first()
        if row is not None:
            services.revoke_family(row.family_id)
            return
        claims = access_claims(token)
        if claims is not None and claims["client_id"] == request.client.client_id:
            cuts.cut_token(claims["jti"], claims["exp"])
            services.revoke_family_of(claims)

    # The API asks elsewhere who comes with a token (faces.keys); what the toolkit would let in is refused.

    def validate_bearer_token(self, token: str, scopes: list[str], request: Any) -> bool:
        return False

    def validate_jwt_bearer_token(self, token: str, scopes: list[str], request: Any) -> bool:
        return False

    def validate_id_token(self, token: str, scopes: list[str], request: Any) -> bool:
        return False


def access_claims(token: str) -> dict[str, Any] | None:
    """Return what an access token says, as long as it is worth anything; None otherwise."""
    try:
        claims = tokens.verify(token, typ="at+jwt")
    except tokens.InvalidToken:
        return None
    return None if cuts.is_cut(claims) else claims


def _half_hash(text: str) -> str:
    """Return the left half of a hash, as ID tokens name what they came with."""
    half = hashlib.sha256(text.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).decode().rstrip("=")
