"""What stands before every page of somebody who still has to set up, or show, a second factor."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from rest_framework.views import APIView

from apps.accounts.faces.keys import bearer_of
from apps.accounts.faces.sessions import SecondFactorRequired
from apps.accounts.second_factor import Step, person_behind, step_before
from apps.common.api.problems import problem, problem_response

# Where somebody gets past each step; logging in and out, and a forgotten password, are open whatever the step.
_ALWAYS = {
    *("account_login", "account_logout", "account_inactive", "account_second_factor", "set_language"),
    *("account_reset_password", "account_reset_password_done", "account_reset_password_from_key"),
    *("account_reset_password_from_key_done", "oauth:logout"),
}
_OPEN = {
    Step.ENROL: {"mfa_activate_totp", "mfa_add_webauthn"},
    Step.SHOW: set(),
    Step.KEEP_CODES: {"mfa_view_recovery_codes"},
}


class SecondFactorMiddleware:
    """
    Leads who needs a second factor, and has not shown one, to where they set it up or show it; nothing else opens.

    The API's views ask by themselves, for programs come there with keys.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        # Not even what is "public": a page may be open to all and still let an application in as whoever is there.
        if _asks_itself(view):
            return None
        is_api = request.path.startswith("/api/")
        user = person_behind(request.user)
        if user is None or (is_api and bearer_of(request) is not None):
            return None
        match = request.resolver_match
        name = match.view_name if match else ""
        # Over REST the steps are taken by the same flows, which ask for a factor by themselves.
        if name in _ALWAYS or (match is not None and "headless" in match.app_names):
            return None
        step = step_before(request.session, user)
        if step is Step.NOTHING or name in _OPEN[step]:
            return None
        if is_api:
            refused = SecondFactorRequired
            return problem_response(problem(403, refused.default_code, str(refused.default_detail)))
        return lead_to_second_factor(request)


def lead_to_second_factor(request: HttpRequest) -> HttpResponse:
    """Send somebody to where they set up or show their second factor, and from there back here."""
    return HttpResponseRedirect(f"{reverse('account_second_factor')}?{urlencode({'next': _place(request)})}")


def _asks_itself(view: Any) -> bool:
    kind = getattr(view, "cls", None)
    if isinstance(kind, type) and issubclass(kind, APIView):
        return True
    return getattr(getattr(view, "view_class", None), "asks_for_second_factor", False) is True


def _place(request: HttpRequest) -> str:
    """Return where to go afterwards: an address that can be opened, not one that something was sent to."""
    return request.get_full_path() if request.method == "GET" else reverse("admin:index")
