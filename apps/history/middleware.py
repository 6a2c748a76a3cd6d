"""One change set per request."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import LazyObject, empty

from apps.common.logs import request_id
from apps.history.context import Face, Work, change_set


class ChangeSetMiddleware:
    """
    Puts what a request changes into one change set. It costs nothing until something is written.

    Who asks is looked up at the first change: an API's authentication comes later than this.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        work = Work(_face_of(request.path), lambda: _known_user(request), request_id=request_id.get())
        with change_set(work):
            return self.get_response(request)


def _known_user(request: HttpRequest) -> int | None:
    """Return the id of the user as far as they are known; finding out would be a query in a query."""
    # A program's is known once its key is looked at.
    user: Any = getattr(request, "user", None)
    if user is None or (isinstance(user, LazyObject) and user.__dict__.get("_wrapped", empty) is empty):
        return None
    pk: int | None = user.pk
    return pk


def _face_of(path: str) -> str:
    if path.startswith(_admin()):
        return Face.ADMIN
    return Face.API if path.startswith(("/api/", "/bff/")) else Face.SITE


@cache
def _admin() -> str:
    return reverse("admin:index")
