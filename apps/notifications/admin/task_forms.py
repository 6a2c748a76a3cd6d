"""What people say of a task in the admin."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from apps.common.recurrence import PRESETS, words_of
from apps.lists.admin.rows import VersionedForm
from apps.notifications.models import Task
from apps.notifications.quick import QuickTaskForm, parsed_about


class TaskForm(VersionedForm):
    """A task as people write it: how it repeats is chosen, and a checklist is written one thing a line."""

    recurrence = forms.ChoiceField(label=_("Repeats"), required=False, widget=UnfoldAdminSelectWidget)
    items = forms.CharField(
        label=_("Checklist"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("One thing a line. What is ticked off stays ticked off."),
    )
    about = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("once")), *PRESETS.items()]
        kept = getattr(self.instance, "recurrence", "")
        if kept and kept not in PRESETS:
            choices.append((kept, words_of(kept)))
        if "recurrence" in self.fields:
            self.fields["recurrence"].choices = choices  # type: ignore[attr-defined]
        if self.instance.pk is not None:
            self.initial["items"] = "\n".join(item["text"] for item in self.instance.checklist)

    def values(self, names: list[str]) -> dict[str, Any]:
        found = super().values([name for name in names if name != "items"])
        if "items" in names:
            found["checklist"] = self._checklist()
        if "about" in found:
            found["about"] = parsed_about(found["about"])
        return found

    def _checklist(self) -> list[dict[str, Any]]:
        """Return what stands in the lines; a line that stood there before is the same thing as then."""
        known = {item["text"]: item for item in (self.instance.checklist if self.instance.pk else [])}
        lines = [line.strip() for line in self.cleaned_data["items"].splitlines()]
        return [known.get(line, {"text": line, "is_done": False}) for line in lines if line]


class SnoozeForm(forms.Form):
    """Until when something is put off."""

    until = forms.DateTimeField(input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


PRIORITY_TONES = {
    Task.Priority.LOW: "",
    Task.Priority.NORMAL: "",
    Task.Priority.HIGH: "warn",
    Task.Priority.URGENT: "bad",
}

__all__ = ["PRIORITY_TONES", "QuickTaskForm", "SnoozeForm", "TaskForm", "parsed_about"]
