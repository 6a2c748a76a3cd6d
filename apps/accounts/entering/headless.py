"""
Logging in over REST, as the pages do it: the same flows, limits, locks and codes.

allauth serves all it knows; only what is offered has an address here. A browser comes with its cookie and a CSRF
token, an app with `X-Session-Token`.
"""

from typing import Any

from allauth import app_settings as allauth_settings
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.core import context
from allauth.headless.account import inputs, views
from allauth.headless.account import urls as account_urls
from allauth.headless.account.response import PasswordResetKeyResponse
from allauth.headless.base import urls as base_urls
from allauth.headless.base.response import ConflictResponse
from allauth.headless.constants import Client
from allauth.headless.internal.restkit.response import ErrorResponse
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, URLResolver, include, path

from apps.accounts.codes import check_code, take_code
from apps.accounts.entering.code_forms import AcceptsCode, accept, own_password
from apps.accounts.models import User

# What allauth would serve and we do not offer: nobody has a telephone number here.
_NOT_OFFERED = {"manage_phone", "verify_phone", "resend_phone_verification_code"}


def _used() -> HttpResponse:
    answer: HttpResponse = ConflictResponse(context.request)
    return answer


class ConfirmLoginCodeInput(AcceptsCode, inputs.ConfirmLoginCodeInput):  # type: ignore[misc]
    """The code to log in."""

    def clean_code(self) -> str:
        return accept(self.expected_code, self.cleaned_data["code"], used=_used)


class VerifyEmailInput(inputs.VerifyEmailInput):  # type: ignore[misc]
    """The code that an address is one's own: looked at by GET, used up by POST."""

    def clean_key(self) -> str:
        judge = check_code if context.request.method == "GET" else take_code
        key = accept(self.process.code, self.cleaned_data["key"], judge=judge, used=_used)
        if not self.process.email_address.can_set_verified():
            raise get_adapter().validation_error("email_taken")
        return key


class ResetPasswordKeyInput(inputs.ResetPasswordKeyInput):  # type: ignore[misc]
    """The code for a new password, looked at."""

    def _clean_key_code(self) -> str:
        return accept(self.code, self.cleaned_data["key"], judge=check_code, used=_used)


class ResetPasswordInput(inputs.ResetPasswordInput):  # type: ignore[misc]
    """The code with the new password: it is used up once the password will do."""

    def _clean_key_code(self) -> str:
        return accept(self.code, self.cleaned_data["key"], judge=check_code, used=_used)

    def clean(self) -> Any:
        cleaned = super().clean()
        if not self.errors:
            try:
                accept(self.code, self.cleaned_data["key"], used=_used)
            except ValidationError as refused:
                self.add_error("key", refused)
        return cleaned


class ChangePasswordInput(inputs.ChangePasswordInput):  # type: ignore[misc]
    """A new password, for whoever knows the old one; wrong old ones count as wrong passwords do."""

    def clean_current_password(self) -> str:
        given: str = self.cleaned_data["current_password"]
        return own_password(self.user, given) if given else given


class ConfirmLoginCodeView(views.ConfirmLoginCodeView):  # type: ignore[misc]
    """The code to log in."""

    public = "logging in, for everybody"
    input_class = ConfirmLoginCodeInput


class VerifyEmailView(views.VerifyEmailView):  # type: ignore[misc]
    """Showing that an address is one's own."""

    public = "confirming an address, for whoever has just been sent a code"
    input_class = VerifyEmailInput


class ResetPasswordView(views.ResetPasswordView):  # type: ignore[misc]
    """A new password with a code from a letter."""

    public = "a new password, for whoever has just been sent a code"
    input_class = ResetPasswordInput

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        key = request.headers.get("X-Password-Reset-Key", "")
        given = ResetPasswordKeyInput({"key": key}, code=self.process.code)
        answer: HttpResponse
        if given.is_valid():
            self.process.confirm_code()
            answer = PasswordResetKeyResponse(request, self.process.user)
        else:
            self.process.record_invalid_attempt()
            answer = ErrorResponse(request, input=given)
        return answer


class ChangePasswordView(views.ChangePasswordView):  # type: ignore[misc]
    """One's own password."""

    own_only = "changes nobody's password but the caller's"
    input_class = ChangePasswordInput

    def handle(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """
        Ask first who is there where no old password shows it, as the page does.

        :raises ReauthenticationRequired: that was shown long ago
        """
        if isinstance(request.user, User) and not request.user.has_usable_password():
            raise_if_reauthentication_required(request, app="allauth.account")
        answer: HttpResponseBase = super().handle(request, *args, **kwargs)
        return answer


_OURS: dict[str, Any] = {
    "confirm_login_code": ConfirmLoginCodeView,
    "verify_email": VerifyEmailView,
    "reset_password": ResetPasswordView,
    "change_password": ChangePasswordView,
}


def addresses(client: Client) -> list[URLPattern | URLResolver]:
    """List what one kind of client may call, under the names by which allauth knows it."""
    spaces = {"account": account_urls}
    if allauth_settings.MFA_ENABLED:
        from allauth.headless.mfa import urls as mfa_urls  # noqa: PLC0415 - only where it is installed

        spaces["mfa"] = mfa_urls
    if allauth_settings.USERSESSIONS_ENABLED:
        from allauth.headless.usersessions import urls as sessions_urls  # noqa: PLC0415 - the same

        spaces["usersessions"] = sessions_urls
    found: list[URLPattern | URLResolver] = [*base_urls.build_urlpatterns(client)]
    for name, known in spaces.items():
        offered = _offered(known.build_urlpatterns(client), client)
        found.append(path("", include((offered, "headless"), namespace=name)))
    return [path("v1/", include(found))]


def _offered(entries: list[Any], client: Client) -> list[Any]:
    """Leave out what is not offered, and put our views in place of allauth's."""
    kept = []
    for entry in entries:
        if isinstance(entry, URLResolver):
            entry.url_patterns[:] = _offered(entry.url_patterns, client)
            kept.append(entry)
        elif entry.name in _OURS:
            kept.append(
                path(str(entry.pattern), _OURS[entry.name].as_api_view(client=client), name=entry.name)
            )
        elif entry.name not in _NOT_OFFERED:
            kept.append(entry)
    return kept


app_name = "headless"
urlpatterns = [
    path(f"{client.value}/", include((addresses(client), "headless"), namespace=client.value))
    for client in (Client.BROWSER, Client.APP)
]
