"""What the addresses for programs share: no cookies, no caches, and pages of registered origins only."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from oauth2_provider.views.mixins import OAuthLibMixin

from apps.accounts.models import Application

_FORM = "application/x-www-form-urlencoded"
SECRETS = ("client_secret", "code", "code_verifier", "device_code", "refresh_token", "token", "access_token")


def error(status: int, code: str, description: str = "") -> JsonResponse:
    """Return a refusal as RFC 6749 writes it."""
    body = {"error": code, "error_description": description} if description else {"error": code}
    return JsonResponse(body, status=status)


def is_known_origin(origin: str) -> bool:
    """Tell whether some application has registered this origin for its pages."""
    found = Application.objects.filter(disabled_at=None, allowed_origins__contains=origin) if origin else ()
    # Nobody's name may be the beginning of another's.
    return "\x00" not in origin and any(application.origin_allowed(origin) for application in found)


@method_decorator(csrf_exempt, name="dispatch")
class ProgramView(OAuthLibMixin, View):  # type: ignore[misc]
    """An address that programs call, who show who they are in the request itself."""

    http_method_names = ["post", "options"]

    @method_decorator(sensitive_post_parameters(*SECRETS))
    @method_decorator(sensitive_variables())
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        response["Pragma"] = "no-cache"
        self._let_pages_read(request, response)
        return response

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer a browser that asks beforehand."""
        return HttpResponse(status=204)

    def refuse_shape(self, request: HttpRequest) -> HttpResponse | None:
        """Return why a request cannot be understood; None where it can."""
        if request.META.get("QUERY_STRING"):
            return error(400, "invalid_request", "Parameters belong into the body.")
        if request.content_type != _FORM:
            return error(400, "invalid_request", f"The body has to be {_FORM}.")
        twice = [name for name, values in request.POST.lists() if len(values) > 1]
        if twice:
            return error(400, "invalid_request", "A parameter stands there twice.")
        return None

    def answer(
        self, request: HttpRequest, body: str | None, headers: dict[str, str], status: int
    ) -> HttpResponse:
        """Return what oauthlib says, with the scheme that the application has tried in a 401."""
        response = HttpResponse(
            body or "", status=status, headers={"Content-Type": "application/json"} | headers
        )
        if status == 401 and request.META.get("HTTP_AUTHORIZATION", "")[:6].lower() == "basic ":
            response["WWW-Authenticate"] = 'Basic realm="oauth"'
        return response

    def _let_pages_read(self, request: HttpRequest, response: HttpResponseBase) -> None:
        origin = request.META.get("HTTP_ORIGIN", "")
        response["Vary"] = "Origin"
        if not origin or not is_known_origin(origin):
            return
        response["Access-Control-Allow-Origin"] = origin
        if request.method == "OPTIONS":
            response["Access-Control-Allow-Methods"] = ", ".join(self.http_method_names).upper()
            response["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            response["Access-Control-Max-Age"] = "600"
