"""What the page before an export tells."""

from typing import Any

from django.db.models import QuerySet

from apps.common.lists.estimates import Count, planned

# Counting more takes longer than anybody wants to wait for a figure.
COUNTED = 100_000


def about_how_many(rows: QuerySet[Any]) -> Count:
    """Return how many rows there are: counted as far as that is quick, beyond it what the planner expects."""
    count = rows.order_by().values("pk")[: COUNTED + 1].count()
    if count <= COUNTED:
        return Count(count, is_exact=True)
    return Count(max(planned(rows), count), is_exact=False)
