"""Pages by number, for short lists of choices that nobody turns to the end of."""

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

# Who has not found a name among so many types another letter.
MOST = 200


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of the first two hundred rows, which are looked up instead of all of them counted."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        if not hasattr(rows, "values_list"):
            return len(rows)
        return len(rows.order_by().values_list("pk", flat=True)[:MOST])
