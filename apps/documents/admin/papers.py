"""What pages about papers share: their target in the address, previews as pictures, forms that say what is refused."""

import base64
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist, PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext

from apps.accounts.faces.admin import refusal_text
from apps.documents.admin.template_forms import PREFIX
from apps.documents.rendering.pictures import pages_of
from apps.documents.services.documents import Target
from apps.documents.services.rendering import PDF, Paper

P = ParamSpec("P")
R = TypeVar("R")
Refusal = (PermissionDenied, ValidationError, ObjectDoesNotExist)


def target_of(text: str) -> Target | None:
    """Return what "crm.deal:42" names. :raises Http404: it names nothing"""
    if not text:
        return None
    model, _colon, key = text.rpartition(":")
    if not model or not key.isdecimal() or len(key) > 18:
        raise Http404
    return Target(model, int(key))


def text_of(target: Target | None) -> str:
    """Return a target as addresses have it."""
    return f"{target.model}:{target.pk}" if target else ""


def shown(make: Callable[[], Paper]) -> JsonResponse:
    """Answer with a preview: the pages as pictures, or why there are none."""
    try:
        paper = make()
        if paper.content_type != PDF:
            return JsonResponse({"refused": no_office(), "pages": []})
        pages = pages_of(paper.content)
    except Refusal as refusal:
        return JsonResponse(
            {"refused": refusal_text(refusal), "fields": _by_field(refusal), "pages": []}, status=422
        )
    pictures = [f"data:image/webp;base64,{base64.b64encode(one).decode()}" for one in pages.pictures]
    return JsonResponse({"pages": pictures, "count": pages.count})


def no_office() -> str:
    """Say why a Word paper cannot be seen here."""
    return gettext(
        "LibreOffice is not installed here, so that papers written in Word cannot be shown before they are made. "
        "The paper itself will be a Word file."
    )


def _by_field(refusal: Exception) -> dict[str, list[str]]:
    if not hasattr(refusal, "error_dict"):
        return {}
    messages: dict[str, list[str]] = refusal.message_dict  # type: ignore[attr-defined]
    return {f"{PREFIX}_{name}": found for name, found in messages.items() if name != NON_FIELD_ERRORS}


def add_refusal(form: Any, refusal: Exception) -> None:
    """Show in a form why a service refused what it says: at the field, where the form has it."""
    if not hasattr(refusal, "error_dict"):
        form.add_error(None, refusal_text(refusal))
        return
    for name, errors in refusal.error_dict.items():
        field = next((one for one in (f"{PREFIX}_{name}", name) if one in form.fields), None)
        form.add_error(field, errors)


def told(request: HttpRequest, service: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R | None:
    """
    Call a service that is no transaction by itself, because it tries and keeps files first, and show its refusal.

    :return: what the service returned; None also when it refused
    """
    try:
        return service(*args, **kwargs)
    except Refusal as refusal:
        messages.error(request, refusal_text(refusal))
        return None
