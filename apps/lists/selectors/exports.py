"""What the page before an export tells."""

import json
from typing import Any

from django.db.models import QuerySet

# Counting more takes longer than anybody wants to wait for a figure.
COUNTED = 100_000


def about_how_many(rows: QuerySet[Any]) -> tuple[int, bool]:
    """Return how many rows there are, and whether that is exact: beyond COUNTED the planner is asked."""
    count = rows.order_by().values("pk")[: COUNTED + 1].count()
    if count <= COUNTED:
        return count, True
    plan = json.loads(rows.order_by().values("pk").explain(format="json"))
    return max(int(plan[0]["Plan"]["Plan Rows"]), COUNTED), False
