"""What all pages that customers pay by have in common: limits, languages, and what browsers may do with them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation

from apps.common.addresses import client_address, limited_address
from apps.common.limits import Counter, Limit, take

View = Callable[..., Any]
# Nothing on the page acts by itself, nothing of it stands in another page; a form may lead on to the provider.
_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'"


def limited(view: View) -> View:
    """Let an address open such pages only so often: nobody looks for links by trying."""

    @wraps(view)
    def within_limit(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        limit = Limit(settings.PAYMENT_PAGE_VIEWS, 60)
        answer = take(Counter("payment_pages", limited_address(client_address(request)), limit))
        if answer.is_allowed:
            return view(request, *args, **kwargs)
        response = strict(render(request, "documents/sign/too_many.html", status=429))
        response["Retry-After"] = str(int(answer.wait) + 1)
        return response

    return within_limit


def nowhere(request: HttpRequest) -> HttpResponse:
    """Answer for a link that never was, has ended or was taken back: nobody learns which."""
    return strict(render(request, "documents/sign/nowhere.html", status=404))


def speak(request: HttpRequest, locale: str) -> None:
    """Speak the language of the invoice, unless the customer has chosen another."""
    if settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
        translation.activate(locale)
        request.LANGUAGE_CODE = locale


def strict(response: HttpResponse) -> HttpResponse:
    """Say what browsers may do with a page whose address is a secret."""
    response["Content-Security-Policy"] = _POLICY
    response["Referrer-Policy"] = "same-origin"
    response["X-Robots-Tag"] = "noindex"
    # Django logs the address of what is refused, and here that is a secret.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
