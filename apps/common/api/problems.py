"""Refusals over REST, as RFC 9457 problem details."""

from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_handler


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn a refusal into a problem document."""
    return drf_handler(error, context)
