"""Where the forms of other sites send what strangers write: as JSON from a script, or as a plain form without one."""

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, SuspiciousOperation, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.utils.translation import get_language, gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.accounts.faces.declared import public
from apps.common.addresses import client_address, limited_address
from apps.common.api.problems import CONTENT_TYPE, problem
from apps.common.limits import Counter, Limit, take
from apps.crm.form_page import page_context
from apps.crm.intake import is_of_robot, read_message
from apps.crm.models import LeadForm
from apps.crm.services import intake

# A message of ten thousand letters in UTF-8, and what surrounds it.
MOST_BYTES = 64 * 1024
_WHY = "whoever holds a form's address may write to whoever put it on their site"
# Nothing of ours but the styles; our own page sends to us, and afterwards leads wherever the form says.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "X-Robots-Tag": "noindex",
}


@public(_WHY)
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """Take a message in, answer a browser's question before it, or show the form as a page of its own."""
    try:
        form = intake.open_form(token)
    except ObjectDoesNotExist:
        return _refused(
            request, 404, "not_found", gettext("There is no such form, or it takes nothing any more.")
        )
    origin = request.headers.get("Origin", "")
    if not _may_come_from(form, origin, request):
        return _refused(
            request, 403, "origin", gettext("This form is not for the site from which it was sent.")
        )
    if request.method == "POST":
        return _answered(_post(request, form, origin), form, origin)
    if request.method == "OPTIONS":
        return _answered(HttpResponse(status=204), form, origin)
    return _page(request, "crm/form.html", page_context(form))


def _may_come_from(form: LeadForm, origin: str, request: HttpRequest) -> bool:
    """Tell whether a browser may send from a site: one of the form's, or our own page of it. Programs name none."""
    return (
        not origin or origin in form.allowed_origins or origin == f"{request.scheme}://{request.get_host()}"
    )


def _answered(response: HttpResponse, form: LeadForm, origin: str) -> HttpResponse:
    """Let the scripts of the form's sites, and of no other, read an answer."""
    if origin in form.allowed_origins:
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Methods"] = "POST, OPTIONS"
        response["Access-Control-Allow-Headers"] = "Content-Type"
        response["Access-Control-Max-Age"] = "600"
    response["Vary"] = ", ".join(filter(None, [response.get("Vary", ""), "Origin"]))
    return response


def _post(request: HttpRequest, form: LeadForm, origin: str) -> HttpResponse:
    wait = _wait(request, form)
    if wait:
        text = gettext("Too many messages have come just now. Please try again in a few minutes.")
        response = _refused(request, 429, "throttled", text)
        response["Retry-After"] = str(wait)
        return response
    try:
        given = _given(request)
    except _TooLarge:
        return _refused(request, 413, "too_large", gettext("This is more than a form may send."))
    except _Unreadable:
        return _refused(
            request, 400, "unreadable", gettext("This cannot be read: send a form, or an object of JSON.")
        )
    if is_of_robot(form, given):
        # It learns nothing, and goes on to the next site.
        return _thanked(request, form)
    given = {"language": get_language() or "", **given}
    try:
        message = read_message(form, given)
        taken = intake.take_message(form.pk, message, origin=origin)
    except ValidationError as error:
        return _invalid(request, intake.translated(error, form))
    except ObjectDoesNotExist:
        return _refused(
            request, 404, "not_found", gettext("There is no such form, or it takes nothing any more.")
        )
    response = _thanked(request, form)
    if taken.is_repeated:
        response["Idempotent-Replayed"] = "true"
    return response


def _wait(request: HttpRequest, form: LeadForm) -> int:
    """Count the attempt; return after how many seconds another may come, 0 where this one may."""
    address = limited_address(client_address(request))
    near, window = settings.LEAD_FORM_LIMIT
    answer = take(
        Counter("lead_form_address", f"{form.pk} {address}", Limit(near, window)),
        Counter("lead_form", str(form.pk), Limit(form.hourly_limit, 3600)),
    )
    return 0 if answer.is_allowed else int(answer.wait) + 1


# What was sent


class _TooLarge(Exception):
    """More than a form may send."""


class _Unreadable(Exception):
    """Neither a form nor an object of JSON."""


def _given(request: HttpRequest) -> Mapping[str, Any]:
    """Return what was sent, by name. :raises _TooLarge, _Unreadable: it cannot be taken"""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length[:12]) > MOST_BYTES:
        raise _TooLarge
    if request.content_type == "application/json":
        return _json(request.body)
    if request.content_type not in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        raise _Unreadable
    try:
        return {name: values[-1] for name, values in request.POST.lists() if values}
    except (SuspiciousOperation, MultiPartParserError, UnicodeError) as error:
        raise _Unreadable from error


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _Unreadable from error
    if not isinstance(found, dict):
        raise _Unreadable
    return found


# Answers


def _thanked(request: HttpRequest, form: LeadForm) -> HttpResponse:
    text = form.success_message or gettext("Thank you. We will answer soon.")
    if not _is_page_wanted(request):
        return JsonResponse({"message": text, "redirect_url": form.redirect_url}, status=201)
    if form.redirect_url:
        response = HttpResponseRedirect(form.redirect_url)
        response.status_code = 303
        return response
    return _page(request, "crm/form_thanks.html", {"text": text}, 201)


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = [
        {"field": name, "code": one.code or "invalid", "message": " ".join(one.messages)}
        for name, found in error.error_dict.items()
        for one in found
    ]
    text = gettext("Something in this is not right.")
    if _is_page_wanted(request):
        return _page(request, "crm/form_refused.html", {"text": text, "errors": errors}, 400)
    return _as_problem(problem(400, "invalid", text, errors))


def _refused(request: HttpRequest, status: int, code: str, text: str) -> HttpResponse:
    if _is_page_wanted(request):
        return _page(request, "crm/form_refused.html", {"text": text, "errors": []}, status)
    return _as_problem(problem(status, code, text))


def _as_problem(body: dict[str, Any]) -> HttpResponse:
    return JsonResponse(body, status=body["status"], content_type=CONTENT_TYPE)


def _is_page_wanted(request: HttpRequest) -> bool:
    """Tell whether a browser sends a plain form and will show what comes back."""
    return request.content_type != "application/json" and "text/html" in request.headers.get("Accept", "")


def _page(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    response = render(request, template, context, status=status)
    for name, value in _HEADERS.items():
        response[name] = value
    return response
