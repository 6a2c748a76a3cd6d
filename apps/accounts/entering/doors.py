"""What allauth asks about limits, codes, letters and sign-up."""

from typing import Any

import redis
from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.httpkit import is_headless_request
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from apps.accounts import services
from apps.accounts.codes import Handle, issue_code
from apps.accounts.letters import NOBODY
from apps.accounts.models import User
from apps.common.addresses import client_address


class DoorsAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Users are invited, imported or made by administrators; strangers sign up where that is open."""

    error_messages = DefaultAccountAdapter.error_messages | {
        # Which of these it was would tell whether there is an account.
        "incorrect_code": gettext_lazy("This code is wrong, was used already, or is too old."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.SIGNUP_OPEN)

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:  # noqa: FBT001, FBT002
        values = form.cleaned_data
        password = values.get("password1") or values.get("password")
        try:
            return services.sign_up(
                values["name"], email=values["email"], password=password, locale=get_language() or ""
            )
        except ValidationError as refused:
            # Somebody else has signed up with this address a moment ago: the same answer as if it were long ago.
            raise ImmediateHttpResponse(self.respond_email_verification_sent(request, None)) from refused

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        if isinstance(request.user, User) and not request.user.is_staff:
            return reverse("account_waiting")
        return str(super().get_login_redirect_url(request))

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return reverse("account_waiting")

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request) or "0.0.0.0"  # noqa: S104 - nobody listens there; a socket file has no address

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count nothing: wrong passwords are counted where passwords are checked, whatever door they come through."""

    def generate_login_code(self) -> str:
        return _issue(app_settings.LOGIN_BY_CODE_TIMEOUT, app_settings.LOGIN_BY_CODE_FORMAT, self.request)

    def generate_email_verification_code(self) -> str:
        return _issue(
            app_settings.EMAIL_VERIFICATION_BY_CODE_TIMEOUT,
            app_settings.EMAIL_VERIFICATION_BY_CODE_FORMAT,
            self.request,
        )

    def generate_password_reset_code(self) -> str:
        return _issue(
            app_settings.PASSWORD_RESET_BY_CODE_TIMEOUT,
            app_settings.PASSWORD_RESET_BY_CODE_FORMAT,
            self.request,
        )

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        named = {name: value for name, value in context.items() if name not in {"request", "user"}}
        code = named.get("code")
        if template_prefix == NOBODY:
            # Whoever asks with an address that nobody has waits as long as with another.
            code = _issue(1, app_settings.LOGIN_BY_CODE_FORMAT, self.request)
        if isinstance(code, Handle):
            named["code"] = code.plain
            _record(email)
        if "password_reset_url" in named:
            named["link"] = named["password_reset_url"]
        services.send_letter(template_prefix, email, named)


def _record(email: str) -> None:
    user = User.objects.filter(email=email.lower()).first()
    kind, data = ("code_sent", {}) if user else ("code_asked_in_vain", {"email": email})
    services.record_auth_event(kind, user=user, data=data)


def _issue(seconds: int, shape: dict[str, Any], request: HttpRequest) -> Handle:
    try:
        return issue_code(seconds=seconds, **shape)
    except redis.RedisError as error:
        raise ImmediateHttpResponse(_no_codes(request)) from error


def _no_codes(request: HttpRequest) -> HttpResponse:
    """Say that codes cannot be sent at the moment; passwords and passkeys go on."""
    said = _("We cannot send codes at the moment. Log in with your password, or try again in a few minutes.")
    if is_headless_request(request):
        body = {"status": 503, "errors": [{"code": "unavailable", "message": said}]}
        return JsonResponse(body, status=503)
    return render(request, "account/unavailable.html", {"said": said}, status=503)
