"""HTTP over WSGI, for granian and other servers of production."""

import os
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
_for_browsers = get_wsgi_application()

from apps.accounts.faces.lane import Lane, handler_with  # noqa: E402 - once the apps are loaded

_for_programs = Lane(handler_with(WSGIHandler, settings.PROGRAM_MIDDLEWARE))


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
