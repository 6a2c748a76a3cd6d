"""What may be changed of many tasks at once, and by which services."""

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from apps.accounts import access
from apps.accounts.models import User
from apps.common.templatetags.artel import number
from apps.lists.bulk import Operation, column, deed, register
from apps.notifications.models import Task
from apps.notifications.services import task_bulk

# Rows that go through the service for one take some ten milliseconds each.
_FEW = 100


def declare() -> None:
    """Declare it; called when the app is ready."""
    changed = (
        *(column(Task, name) for name in ("due_at", "remind_at", "priority")),
        column(Task, "watchers"),
    )
    deeds = (
        (deed("complete", _("Say that it is done")), task_bulk.complete_tasks, "change"),
        (deed("cancel", _("Cancel")), task_bulk.cancel_tasks, "change"),
        (deed("reopen", _("Open again")), task_bulk.reopen_tasks, "change"),
        (deed("archive", _("Move to the trash")), task_bulk.archive_tasks, "archive"),
        (deed("restore", _("Restore from the trash")), task_bulk.restore_tasks, "archive"),
    )
    register(
        Task,
        [
            Operation(changed, task_bulk.change_tasks, at_once=_FEW),
            Operation(
                (column(Task, "assignee", rows=_colleagues, is_required=True),),
                task_bulk.delegate_tasks,
                action="assign",
                at_once=_FEW,
            ),
            *(Operation((change,), run, action=action, at_once=_FEW) for change, run, action in deeds),
        ],
        counted=lambda count: ngettext("%(count)s task", "%(count)s tasks", count) % {"count": number(count)},
    )


def _colleagues(actor: User) -> QuerySet[User]:
    visible = access.scope(actor, "view", User)
    return User.objects.filter(visible, is_active=True, kind=User.Kind.HUMAN).order_by("name")
