"""Pages of lists: by cursor, so that the last page costs what the first one does."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class CursorPages(CursorPagination):
    """Newest first, 50 rows, up to 200 by `?page_size=`."""

    ordering = "-pk"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def decode_cursor(self, request: Request) -> Any:
        try:
            return super().decode_cursor(request)
        except NotFound as error:
            text = _("This cursor is not one of ours.")
            raise ValidationError({"cursor": [text]}, code="invalid_cursor") from error
