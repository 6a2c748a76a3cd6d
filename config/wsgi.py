"""HTTP over WSGI, for granian and other servers of production."""

import os
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
_for_browsers = get_wsgi_application()


def _handler_for_programs() -> WSGIHandler:
    """Return a handler with the shorter middleware, which Django takes from the settings when it makes one."""
    everything, settings.MIDDLEWARE = settings.MIDDLEWARE, settings.PROGRAM_MIDDLEWARE
    try:
        return WSGIHandler()
    finally:
        settings.MIDDLEWARE = everything


_for_programs = _handler_for_programs()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """
    Serve a request; one to the API that shows a key without what serves browsers only, a quarter of a short one's time.

    Whether the key is any good, the API finds out; a session's cookie counts for nothing beside it.
    """
    is_program = environ.get("HTTP_AUTHORIZATION", "")[:7].lower() == "bearer " and environ.get(
        "PATH_INFO", ""
    ).startswith("/api/")
    handler = _for_programs if is_program else _for_browsers
    return handler(environ, start_response)
