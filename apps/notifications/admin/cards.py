"""What is to be done about something, on the pages of deals, companies, people and documents: seen, made, done there."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.faces.admin import actor_of
from apps.crm.admin.cards import register_card, render_card
from apps.crm.models import Company, Deal, Person
from apps.documents.admin.panels import Panel, add_panel
from apps.documents.models import Document
from apps.notifications.admin.tasks import due_words, priority_badge
from apps.notifications.models import Task
from apps.notifications.selectors.tasks import tasks_about

# What a card lists; the rest is a click away.
SHOWN = 6


def tasks_card(request: HttpRequest, row: Model) -> dict[str, Any] | None:
    """Return what `admin/notifications/task/card.html` shows; None for who sees no tasks at all."""
    actor = actor_of(request)
    if not access.can_any(actor, "view", Task):
        return None
    about = f"{row._meta.label_lower}:{row.pk}"
    found = list(tasks_about(row, actor=actor)[: SHOWN + 1])
    now = timezone.now()
    may_change = access.can_any(actor, "change", Task)
    return {
        "rows": [
            {
                "task": task,
                "due": due_words(task),
                "is_late": task.due_at is not None and task.due_at < now,
                "priority": priority_badge(task) if task.priority != Task.Priority.NORMAL else "",
            }
            for task in found[:SHOWN]
        ],
        "has_more": len(found) > SHOWN,
        "about": about,
        "may_change": may_change,
        "may_add": access.can_any(actor, "add", Task) and getattr(row, "archived_at", None) is None,
        "list_url": f"{reverse('admin:notifications_task_changelist')}?about={about}&state=all",
        "back": request.get_full_path(),
    }


def _card(row: Any, request: HttpRequest) -> SafeString | None:
    shown = tasks_card(request, row)
    if shown is None:
        return None
    return render_card(request, "admin/notifications/task/card.html", {"tasks": shown})


def _panel(request: HttpRequest, document: Document) -> dict[str, Any] | None:
    shown = tasks_card(request, document)
    return None if shown is None else {"tasks": shown, "request": request}


for _page in (Deal, Company, Person):
    register_card(_page, "tasks", _card, order=5)
add_panel(Panel("tasks", _("Tasks"), "admin/notifications/task/rows.html", _panel, order=60, is_side=True))
