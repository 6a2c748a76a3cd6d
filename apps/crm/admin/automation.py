"""Rules of automation in the admin: when, if, then; what they have done, and what they would have."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from apps.accounts import access
from apps.accounts.faces.admin import actor_of, call_service
from apps.accounts.models import Team, User
from apps.crm import criteria
from apps.crm.automation.words import (
    ACTIONS,
    FIELDS,
    OPS,
    SETTABLE,
    TRIGGERS,
    aggregate_of,
    condition_labels,
    criterion_kinds,
)
from apps.crm.models import AutomationRule, AutomationRun
from apps.crm.services import automation, automation_trials
from apps.crm.services.automation_runs import labels_of
from apps.jobs.models import Job
from apps.lists.admin.rows import ArchivableAdmin, Command, TrashFilter, VersionedForm, badge

# As many of the latest runs as the page of a rule shows.
_SHOWN = 50
_TONES = {"DONE": "good", "REFUSED": "warn", "FAILED": "bad", "FUSED": "bad"}
Parts = list[dict[str, Any]]


class AutomationForm(VersionedForm):
    """What a rule is called, and when it acts."""

    trigger = forms.ChoiceField(label=_("When"), choices=(), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A page of somebody who only looks has no fields.
        if "trigger" in self.fields:
            self.fields["trigger"].choices = [("", "—"), *TRIGGERS.items()]  # type: ignore[attr-defined]


@admin.register(AutomationRule)
class AutomationRuleAdmin(ArchivableAdmin):
    """Rules, each as three blocks: when, if, then."""

    add_label = _("New rule")
    empty_title = _("What is done each time alike can happen by itself")
    empty_text = _(
        "Say when it happens, what kind of row it is about, and what is to be done. Try the rule on the last thirty days"
        " first: a dry run changes nothing."
    )
    form = AutomationForm
    create = staticmethod(automation.create_automation)
    change = staticmethod(automation.change_automation)
    archive = staticmethod(automation.archive_automation)
    restore = staticmethod(automation.restore_automation)
    archive_action = "delete"
    short_list = "As many rules as somebody keeps apart who answers for them."
    list_display = ("name", "state_cell", "trigger_cell", "owner")
    list_select_related = ("owner",)
    list_filter = (TrashFilter,)
    search_fields = ("name",)
    fields = ("name", "trigger")
    change_form_outer_before_template = "admin/crm/automation/header.html"
    change_form_outer_after_template = "admin/crm/automation/blocks.html"

    @admin.display(description=_("state"))
    def state_cell(self, rule: AutomationRule) -> SafeString:
        if rule.is_active:
            return badge(gettext("running"), "WON")
        return (
            badge(gettext("stopped by the fuse"), "LOST")
            if rule.stopped_at
            else badge(gettext("stopped"), "")
        )

    @admin.display(description=_("when"), ordering="trigger")
    def trigger_cell(self, rule: AutomationRule) -> str:
        return str(TRIGGERS.get(rule.trigger, rule.trigger))

    def page_context(self, request: HttpRequest, row: AutomationRule) -> dict[str, Any]:
        actor = actor_of(request)
        may_change = self.has_change_permission(request, row)
        context = {**super().page_context(request, row), "may_change": may_change}
        if row.trigger not in TRIGGERS:
            return context
        aggregate = aggregate_of(row.trigger)
        job = automation_trials.latest_trial(row, actor=actor)
        return {
            **context,
            "parts": condition_labels(row.condition, aggregate=aggregate),
            "actions_said": labels_of(row),
            "compared": FIELDS[aggregate].items(),
            "ops": [(code, op.label) for code, op in OPS.items()],
            "criteria_choices": _criteria_choices() if aggregate == "deal" else [],
            "action_forms": _action_forms(aggregate, actor) if may_change else [],
            "runs": [_told(run) for run in row.runs.order_by("-pk")[:_SHOWN]],
            "job": job,
            "trial": _trial(job),
            "becomes_mine": may_change and row.owner_id != actor.pk,
        }

    # What can be done

    def commands(self) -> dict[str, Command]:
        return super().commands() | {
            "start": self._start,
            "stop": self._stop,
            "try": self._try,
            "ask": self._compare,
            "ask-for": self._ask_for,
            "ask-no-more": self._ask_no_more,
            "do": self._do,
            "do-no-more": self._do_no_more,
        }

    def _start(self, request: HttpRequest, pk: int, version: int | None) -> None:
        actor = actor_of(request)
        if call_service(request, automation.start_automation, pk, actor=actor, expected_version=version):
            messages.success(request, gettext("The rule runs from now on, in your name."))

    def _stop(self, request: HttpRequest, pk: int, version: int | None) -> None:
        actor = actor_of(request)
        if call_service(request, automation.stop_automation, pk, actor=actor, expected_version=version):
            messages.success(request, gettext("The rule does not run any more."))

    def _try(self, request: HttpRequest, pk: int, version: int | None) -> None:
        call_service(request, automation_trials.try_automation, pk, actor=actor_of(request))

    def _compare(self, request: HttpRequest, pk: int, version: int | None) -> None:
        new = {name: request.POST.get(name, "") for name in ("field", "op", "value")}
        self._change_condition(request, pk, version, "where", lambda there: [*there, new])

    def _ask_for(self, request: HttpRequest, pk: int, version: int | None) -> None:
        code, *values = request.POST.get("criterion", "").split("|")
        kind = criteria.kind_of(code)
        names = [name for name in (kind.param, kind.second_param) if name] if kind else []
        new = {"kind": code, "params": dict(zip(names, values, strict=False))}
        self._change_condition(request, pk, version, "criteria", lambda there: [*there, new])

    def _ask_no_more(self, request: HttpRequest, pk: int, version: int | None) -> None:
        key = request.POST.get("key", "")
        for part in ("where", "criteria"):
            self._change_condition(
                request, pk, version, part, lambda there: [one for one in there if one["key"] != key]
            )
            # The first of the two may have changed it.
            version = None

    def _do(self, request: HttpRequest, pk: int, version: int | None) -> None:
        new = {name: request.POST.get(name, "") for name in ("kind", *_INPUTS)}
        self._change_actions(request, pk, version, lambda there: [*there, new])

    def _do_no_more(self, request: HttpRequest, pk: int, version: int | None) -> None:
        key = request.POST.get("key", "")
        self._change_actions(request, pk, version, lambda there: [one for one in there if one["key"] != key])

    def _change_condition(
        self,
        request: HttpRequest,
        pk: int,
        version: int | None,
        part: str,
        change: Callable[[Parts], Parts],
    ) -> None:
        rule = self.get_queryset(request).get(pk=pk)
        condition = {**rule.condition, part: change(rule.condition.get(part, []))}
        self._save(request, pk, version, condition=condition)

    def _change_actions(
        self, request: HttpRequest, pk: int, version: int | None, change: Callable[[Parts], Parts]
    ) -> None:
        rule = self.get_queryset(request).get(pk=pk)
        self._save(request, pk, version, actions=change(rule.actions))

    def _save(self, request: HttpRequest, pk: int, version: int | None, **values: Any) -> None:
        actor = actor_of(request)
        call_service(
            request, automation.change_automation, pk, actor=actor, expected_version=version, **values
        )


# What the form of an action asks, by what the action takes.
_INPUTS = {
    "field": _("Field"),
    "value": _("Value"),
    "text": _("Text"),
    "days": _("In how many days"),
    "user": _("Person"),
    "team": _("Team"),
}


def _action_forms(aggregate: str, actor: User) -> list[dict[str, Any]]:
    """List what can be added to a rule, each with what has to be said of it."""
    choices: Mapping[str, Any] = {
        "field": list(SETTABLE[aggregate].items()),
        "user": list(
            User.objects.filter(access.scope(actor, "view", User), is_active=True, kind=User.Kind.HUMAN)
            .order_by("name")
            .values_list("pk", "name")
        ),
        "team": list(
            Team.objects.filter(access.scope(actor, "view", Team), archived_at=None)
            .order_by("name")
            .values_list("pk", "name")
        ),
    }
    return [
        {
            "kind": code,
            "label": kind.label,
            "inputs": [
                {"name": name, "label": _INPUTS[name], "choices": choices.get(name)} for name in kind.takes
            ],
        }
        for code, kind in ACTIONS.items()
        if aggregate in kind.about
    ]


def _criteria_choices() -> list[dict[str, Any]]:
    """List what a rule about deals can ask to be there, by kind."""
    found = []
    for kind in criterion_kinds():
        firsts = kind.choices() if kind.param else [("", "")]
        seconds = kind.second_choices() if kind.second_param else [("", "")]
        pairs = [
            (
                "|".join(filter(None, [kind.code, first, second])),
                ", ".join(filter(None, [str(first_label), str(second_label)])) or str(kind.label),
            )
            for first, first_label in firsts
            for second, second_label in seconds
        ]
        found.append({"label": kind.label, "choices": pairs})
    return found


def _address(subject: str) -> str:
    """Return the page of what a fact is about ("deal/42")."""
    name, _slash, pk = subject.partition("/")
    return reverse(f"admin:crm_{name}_change", args=[pk])


def _told(run: AutomationRun) -> dict[str, Any]:
    return {"run": run, "tone": _TONES[run.outcome], "url": _address(run.subject)}


def _trial(job: Job | None) -> dict[str, Any] | None:
    """Return what a finished dry run came to, with the pages of what it names."""
    if job is None or job.result is None:
        return None
    rows = [{**row, "url": _address(row["subject"])} for row in job.result["rows"]]
    return {**job.result, "rows": rows}
