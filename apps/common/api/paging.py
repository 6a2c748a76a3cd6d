"""Pages of lists: by cursor, so that the last page costs what the first one does."""

from rest_framework.pagination import CursorPagination


class CursorPages(CursorPagination):
    """Newest first, 50 rows, up to 200 by `?page_size=`."""

    ordering = "-pk"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
