"""Pages of lists: by cursor, so that the last page costs what the first one does."""

from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

# As far as the keys of our rows can come.
_LAST = 2**63


class CursorPages(CursorPagination):
    """Newest first, 50 rows, up to 200 by `?page_size=`."""

    ordering = "-pk"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def decode_cursor(self, request: Request) -> Any:
        """Return where the page begins. :raises ValidationError: nobody got this cursor from us"""
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            raise _not_ours() from error
        if cursor is not None and cursor.position is not None and not self.is_position(str(cursor.position)):
            raise _not_ours()
        return cursor

    def is_position(self, text: str) -> bool:
        """Tell whether a page of ours can begin there."""
        return _is_key(text)


class LatestPages(CursorPages):
    """The same of rows that are told apart by when they happened (`at`)."""

    ordering = ("-at", "-pk")  # type: ignore[assignment]

    def is_position(self, text: str) -> bool:
        try:
            return parse_datetime(text) is not None
        except ValueError:
            return False


def _is_key(position: str) -> bool:
    return position.isascii() and position.isdecimal() and int(position[:20]) < _LAST


def _not_ours() -> ValidationError:
    return ValidationError({"cursor": [_("This cursor is not one of ours.")]}, code="invalid_cursor")
