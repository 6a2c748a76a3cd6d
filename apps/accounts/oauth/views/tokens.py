"""Tokens: given, looked at, ended, and who somebody is by one."""

from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749.errors import OAuth2Error

from apps.accounts import services
from apps.accounts.faces.keys import bearer_of
from apps.accounts.models import Application, DeviceCode, RefreshToken, User
from apps.accounts.oauth.views.programs import ProgramView, error
from apps.accounts.scopes import OPENID
from apps.accounts.tokens import InvalidToken


class TokenView(ProgramView):
    """Gives tokens for codes, refresh tokens, devices that were let in, and secrets."""

    public = "applications show who they are in the request"

    def post(self, request: HttpRequest) -> HttpResponse:
        wrong = self.refuse_shape(request)
        if wrong is not None:
            return wrong
        _uri, headers, body, status = self.create_token_response(request)
        return self.answer(request, body, headers, status)


class RevokeView(ProgramView):
    """Ends a token, with all that came of the same login (RFC 7009)."""

    public = "applications show who they are in the request"

    def post(self, request: HttpRequest) -> HttpResponse:
        wrong = self.refuse_shape(request)
        if wrong is not None:
            return wrong
        _uri, headers, body, status = self.create_revocation_response(request)
        return self.answer(request, body, headers, status)


class IntrospectView(ProgramView):
    """Tells an application what one of its own tokens is worth (RFC 7662)."""

    public = "applications show who they are in the request"

    def post(self, request: HttpRequest) -> HttpResponse:
        wrong = self.refuse_shape(request)
        if wrong is not None:
            return wrong
        core = self.get_oauthlib_core()
        uri, method, body, headers = core._extract_params(request)
        asking = Request(uri, method, body, headers)
        asking.client = None
        if not core.server.request_validator.authenticate_client(asking):
            refused = error(401, "invalid_client")
            refused["WWW-Authenticate"] = 'Basic realm="oauth"'
            return refused
        token = request.POST.get("token")
        if not token:
            return error(400, "invalid_request", "There is no token.")
        return JsonResponse(described(token, asking.client) or {"active": False})


def described(token: str, application: Application) -> dict[str, Any] | None:
    """Say what a token of an application is worth; None where it is worth nothing, or is somebody else's."""
    row = services.find_refresh_token(token, application=application)
    if row is not None:
        return _described_refresh_token(row) if row.used_at is None and services.is_live(row.family) else None
    try:
        user = services.authenticate_token(token)
    except InvalidToken:
        return None
    claims = user.claims or {}
    if claims.get("client_id") != application.client_id:
        return None
    told = ("scope", "client_id", "sub", "aud", "iss", "exp", "iat", "jti")
    return {"active": True, "token_type": "Bearer", "username": user.email or str(user)} | {
        name: claims[name] for name in told
    }


def _described_refresh_token(row: RefreshToken) -> dict[str, Any]:
    family = row.family
    return {
        "active": True,
        "scope": " ".join(family.scopes),
        "client_id": family.application.client_id,
        "username": family.user.email or str(family.user),
        "sub": str(family.user_id),
        "exp": int(family.expires_at.timestamp()),
        "iat": int(row.created_at.timestamp()),
    }


class UserInfoView(ProgramView):
    """Tells an application who has let it in, as far as they agreed."""

    public = "shows nobody but the one who agreed, to whoever holds their token"
    http_method_names = ["get", "post", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._tell(bearer_of(request))

    def post(self, request: HttpRequest) -> HttpResponse:
        in_header = bearer_of(request)
        in_body = request.POST.get("access_token")
        if in_header is not None and in_body is not None:
            return _refused(400, "invalid_request")
        return self._tell(in_header if in_header is not None else in_body)

    def _tell(self, token: str | None) -> HttpResponse:
        if token is None:
            return _refused(401, "")
        try:
            user = services.authenticate_token(token)
        except InvalidToken:
            return _refused(401, "invalid_token")
        scopes = set(str((user.claims or {}).get("scope", "")).split())
        if OPENID not in scopes:
            return _refused(403, "insufficient_scope")
        return JsonResponse(claims_about(user, scopes))


def claims_about(user: User, scopes: set[str]) -> dict[str, Any]:
    """Return what is told of somebody to an application that they agreed may know."""
    told: dict[str, Any] = {"sub": str(user.pk)}
    if "profile" in scopes:
        particulars = {"name": user.name, "locale": user.locale, "zoneinfo": user.time_zone}
        told |= {name: value for name, value in particulars.items() if value}
    if "email" in scopes and user.email:
        verified = EmailAddress.objects.filter(user_id=user.pk, email=user.email, verified=True)
        told |= {"email": user.email, "email_verified": verified.exists()}
    return told


def _refused(status: int, code: str) -> HttpResponse:
    response: HttpResponse = error(status, code) if code else HttpResponse(status=status)
    response["WWW-Authenticate"] = 'Bearer realm="userinfo"' + (f', error="{code}"' if code else "")
    return response


class DeviceAuthorizationView(ProgramView):
    """Gives a device the code that somebody types on another one (RFC 8628)."""

    public = "applications show who they are in the request"

    def post(self, request: HttpRequest) -> HttpResponse:
        wrong = self.refuse_shape(request)
        if wrong is not None:
            return wrong
        core = self.get_oauthlib_core()
        uri, method, body, headers = core._extract_params(request)
        asking = Request(uri, method, body, headers)
        asking.client = asking.scopes = None
        try:
            core.server.device_grant.validate_device_authorization_request(asking)
        except OAuth2Error as refusal:
            return self.answer(request, refusal.json, refusal.headers, refusal.status_code)
        if asking.client.authorization_grant_type != Application.Grant.DEVICE:
            return error(400, "unauthorized_client")
        device, code = services.start_device(asking.client, asking.scopes)
        return JsonResponse(_told(device, code))


def _told(device: DeviceCode, code: str) -> dict[str, Any]:
    page = settings.OIDC_ISSUER + reverse("oauth:device")
    spoken = services.spoken(device.user_code)
    return {
        "device_code": code,
        "user_code": spoken,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={spoken}",
        "expires_in": settings.OAUTH_DEVICE_SECONDS,
        "interval": device.interval,
    }
