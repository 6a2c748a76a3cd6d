"""What rules of the sales side may do here: give somebody something to do about the row that they act on."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import access
from apps.accounts.models import User
from apps.common.recurrence import zone_named
from apps.crm.automation.words import MODELS, ActionKind
from apps.crm.services.automation_runs import Case, register_action
from apps.notifications.models import Task
from apps.notifications.services.tasks import create_task

_KIND = ActionKind(gettext_lazy("Give its owner a task"), frozenset(MODELS), ("text", "days"))


def declare() -> None:
    """Declare it; called when the app is ready."""
    register_action("task", _KIND, _give_task, refusal=_refusal)


def _give_task(case: Case, action: Mapping[str, Any]) -> None:
    assignee = _assignee(case)
    zone = zone_named(assignee.time_zone)
    day = timezone.now().astimezone(zone).date() + timedelta(days=action["days"])
    create_task(
        actor=case.owner,
        title=action["text"][:300],
        about=(case.row._meta.label_lower, case.row.pk),
        assignee_id=assignee.pk,
        # The end of the day is the service's to find.
        due_at=datetime.combine(day, time(12), zone),
        is_all_day=True,
        cause=_cause(case, action),
    )


def _assignee(case: Case) -> User:
    """Return whose the row is; the owner of the rule where it is nobody's, or theirs who has left."""
    owner = case.row.owner
    return owner if owner is not None and owner.is_active else case.owner


def _cause(case: Case, action: Mapping[str, Any]) -> str:
    """Return what an occasion makes by one action of a rule, once."""
    occasion = case.occasion
    what = f"{occasion.subject}@{occasion.due_date}" if occasion.event is None else str(occasion.event.pk)
    return f"automation:{case.rule.pk}:{action['key']}:{what}"[:120]


def _refusal(case: Case, action: Mapping[str, Any]) -> str:
    if not access.can_any(case.owner, "add", Task):
        return _("The owner of the rule may not give tasks.")
    assignee = _assignee(case)
    if assignee.pk != case.owner.pk and not access.can(case.owner, "view", assignee):
        return _("The owner of the rule does not see whose it is.")
    if not access.can(assignee, "view", case.row):
        return _("Whoever would do it may not see what it is about.")
    return ""
