"""Which form an answer takes: JSON, of which most callers need not be asked at length."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

ANY = {"", "*/*", "application/json"}


class JsonNegotiation(DefaultContentNegotiation):
    """REST framework's own, but for those who take what everybody gets."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> Any:
        offered = list(renderers)
        first = offered[0]
        is_plain = format_suffix is None and "format" not in request.query_params
        if is_plain and first.format == "json" and request.META.get("HTTP_ACCEPT", "") in ANY:
            return first, str(first.media_type)
        return super().select_renderer(request, offered, format_suffix)
