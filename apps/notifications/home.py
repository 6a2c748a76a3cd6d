"""What home says of somebody's day."""

from datetime import datetime
from typing import Any

from django.urls import reverse

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.home.page import Read, Section, register_section
from apps.crm.home.periods import Periods
from apps.notifications.models import Task
from apps.notifications.selectors.tasks import first_of_my_day, my_figures

# As much as one takes in at a glance; the rest is on the page of the day.
_SHOWN = 6


def declare() -> None:
    """Declare it; called when the app is ready."""
    register_section(
        Section("tasks", _day, is_kept=False), lambda actor: access.can_any(actor, "change", Task)
    )


def _day(actor: User, periods: Periods, read: Read) -> tuple[dict[str, Any], datetime | None]:
    return {
        "day": my_figures(actor),
        "rows": [(shown, shown.task.is_overdue) for shown in first_of_my_day(actor, _SHOWN)],
        "day_url": reverse("admin:notifications_task_day"),
        "list_url": reverse("admin:notifications_task_changelist"),
    }, None
