"""
Refusals over REST, as RFC 9457 problem details with a stable `code`.

Services refuse in Django's words; here these become documents of one shape, whichever face of the API was
asked.
"""

import logging
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError, models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import defaults
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from apps.common.api.throttling import throttled_stranger
from apps.common.constraints import name_of, words_of

CONTENT_TYPE = "application/problem+json"

logger = logging.getLogger(__name__)

# What a service's code means to an HTTP client, where it is more than a wrong input.
_status_of_code: dict[str, int] = {"stale": 412}


def register_status(http_status: int, *codes: str) -> None:
    """Answer refusals with one of `codes` by this status (409, 422) instead of 400; called from ready()."""
    for code in codes:
        _status_of_code[code] = http_status


class PreconditionFailed(exceptions.APIException):
    """
    Somebody else was faster: the row is not in the version that `If-Match` names.

    :ivar facts: what the problem document says besides
    :ivar headers: what stands beside the document
    """

    def __init__(self, facts: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.facts = facts or {}
        self.headers = headers or {}

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "stale"
    default_detail = gettext_lazy("Somebody changed this meanwhile. Read it again before you change it.")


class PreconditionRequired(exceptions.APIException):
    """This resource may be changed only with `If-Match`."""

    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_code = "precondition_required"
    default_detail = gettext_lazy("Say with If-Match which version you change.")


def problem(
    http_status: int, code: str, title: str, errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """Return the body of a problem document."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": http_status, "code": code}
    if errors:
        body["errors"] = errors
    return body


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn a refusal into a problem document; anything else is a fault and goes on to Django."""
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        error = throttled_stranger(context["request"]) or error
    body, headers = _translate(error)
    if body is None:
        return None
    set_rollback()
    response = Response(body, status=body["status"], headers=headers)
    response.content_type = CONTENT_TYPE
    # Whatever the client asked for, a refusal is JSON.
    response["Vary"] = "Accept, Accept-Language, Cookie"
    return response


def _translate(error: Exception) -> tuple[dict[str, Any] | None, dict[str, str]]:
    if isinstance(error, exceptions.APIException):
        return _from_rest(error)
    if isinstance(error, DjangoPermissionDenied):
        return problem(403, "permission_denied", str(error) or _("You may not do this.")), {}
    if isinstance(error, Http404 | ObjectDoesNotExist):
        return problem(404, "not_found", _("There is nothing here, or you may not see it.")), {}
    if isinstance(error, DjangoValidationError):
        return _from_validation(error) | getattr(error, "facts", {}), {}
    if isinstance(error, models.ProtectedError | models.RestrictedError):
        return problem(409, "protected", _("Other rows still need this one.")), {}
    if isinstance(error, IntegrityError):
        return _from_constraint(error), {}
    return None, {}


def _from_rest(error: exceptions.APIException) -> tuple[dict[str, Any], dict[str, str]]:
    headers: dict[str, str] = {}
    # Both are set from outside, on whichever refusal.
    scheme, wait = getattr(error, "auth_header", None), getattr(error, "wait", None)
    if scheme:
        headers["WWW-Authenticate"] = scheme
    if wait:
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(error, exceptions.ValidationError):
        errors = list(_flatten(error.detail))
        return _invalid(errors), headers
    code = error.get_codes()
    name = code if isinstance(code, str) else error.default_code
    body = problem(error.status_code, name, _first_text(error.detail))
    return body | getattr(error, "facts", {}), headers | getattr(error, "headers", {})


def _first_text(detail: Any) -> str:
    if isinstance(detail, dict):
        return _first_text(next(iter(detail.values()), ""))
    if isinstance(detail, list):
        return _first_text(detail[0] if detail else "")
    return str(detail)


def _flatten(detail: Any, field: str = "") -> Iterator[dict[str, str]]:
    if isinstance(detail, dict):
        for key, inner in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _flatten(inner, ".".join(part for part in (field, name) if part))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            is_nested = isinstance(inner, dict | list)
            yield from _flatten(inner, f"{field}.{index}" if is_nested else field)
    else:
        yield {"field": field, "code": getattr(detail, "code", "invalid"), "message": str(detail)}


def _from_validation(error: DjangoValidationError) -> dict[str, Any]:
    if hasattr(error, "error_dict"):
        found = [
            ("" if field == NON_FIELD_ERRORS else field, one)
            for field, errors in error.error_dict.items()
            for one in errors
        ]
    else:
        found = [("", one) for one in error.error_list]
    errors = [
        {"field": field, "code": one.code or "invalid", "message": " ".join(one.messages)}
        for field, one in found
    ]
    return _invalid(errors)


def _invalid(errors: list[dict[str, str]]) -> dict[str, Any]:
    """One refusal of the whole speaks for itself; several, or such of single fields, are listed."""
    http_status = max((_status_of_code.get(error["code"], 400) for error in errors), default=400)
    if len(errors) == 1 and not errors[0]["field"]:
        return problem(http_status, errors[0]["code"], errors[0]["message"], errors)
    code = next((e["code"] for e in errors if e["code"] in _status_of_code), "invalid")
    return problem(http_status, code, _("Something in this is not right."), errors)


def _from_constraint(error: IntegrityError) -> dict[str, Any]:
    name = name_of(error)
    if not name:
        # Not the whole text: its details quote the row.
        said = getattr(getattr(error.__cause__, "diag", None), "message_primary", "")
        logger.warning("refused by the database: %s", said or type(error).__name__)
    return problem(409, name or "conflict", words_of(name))


# Outside of REST framework's views


def problem_response(body: dict[str, Any]) -> JsonResponse:
    """Return a problem document as a plain Django response."""
    return JsonResponse(body, status=body["status"], content_type=CONTENT_TYPE)


def unknown_address(request: HttpRequest) -> JsonResponse:
    """Answer an address under /api/ that leads nowhere."""
    return problem_response(problem(404, "not_found", _("There is nothing at this address.")))


# Read by the system check of addresses.
unknown_address.public = "says that there is nothing"  # type: ignore[attr-defined]


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _is_api(request):
        return problem_response(problem(400, "bad_request", _("This request cannot be understood.")))
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _is_api(request):
        text = str(exception) or _("You may not do this.")
        return problem_response(problem(403, "permission_denied", text))
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return unknown_address(request) if _is_api(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    if _is_api(request):
        return problem_response(problem(500, "fault", _("Something broke on our side. It has been logged.")))
    response: HttpResponse = defaults.server_error(request)
    return response
