"""Making a task from anywhere, with the little that is known at that moment."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.crm.quick import Quick, register_quick
from apps.notifications.models import Task
from apps.notifications.services.tasks import create_task


def parsed_about(text: str) -> tuple[str, int] | None:
    """Read "crm.deal:42"; None where it is nothing of the kind."""
    label, colon, pk = text.partition(":")
    return (label, int(pk)) if colon and pk.isascii() and pk.isdecimal() and len(pk) < 19 else None


class QuickTaskForm(forms.Form):
    """What is known of a task first."""

    title = forms.CharField(max_length=300)
    due_at = forms.DateTimeField(required=False, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
    about = forms.CharField(required=False, max_length=120)

    def choices(self) -> dict[str, Any]:
        """Return what was written, as the service takes it."""
        found = dict(self.cleaned_data)
        return found | {"about": parsed_about(found["about"])}


def declare() -> None:
    """Declare it; called when the app is ready."""
    register_quick(Quick("task", "task_alt", _("New task"), Task, QuickTaskForm, _make))


def _make(values: dict[str, Any], actor: User) -> Task:
    return create_task(actor=actor, **values | {"about": parsed_about(values["about"])})
