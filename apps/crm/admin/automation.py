"""Rules of automation in the admin: when, if, then; what they have done, and what they would have."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.dateparse import parse_date, parse_time
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import INPUT_CLASSES, UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from apps.accounts import access
from apps.accounts.faces.admin import actor_of, call_service
from apps.accounts.models import Team, User
from apps.crm import criteria
from apps.crm.automation.schedules import (
    MOST_DAYS,
    ON,
    SCHEDULES,
    SIDES,
    custom_triggers,
    is_daily,
    is_scheduled,
    trigger_label,
    when_label,
)
from apps.crm.automation.words import (
    ACTIONS,
    FIELDS,
    MODELS,
    OPS,
    SETTABLE,
    TRIGGERS,
    aggregate_of,
    condition_labels,
    criterion_kinds,
)
from apps.crm.models import AutomationRule, Stage
from apps.crm.services import automation, automation_trials
from apps.crm.services.automation_runs import change_set_uid, labels_of
from apps.history.models import ChangeSet
from apps.jobs.models import Job
from apps.lists.admin.rows import ArchivableAdmin, Command, TrashFilter, VersionedForm, badge

# As many of the latest runs as the page of a rule shows.
_SHOWN = 50
# And of the latest rounds.
_ROUNDS = 7
_TONES = {"DONE": "good", "REFUSED": "warn", "FAILED": "bad", "FUSED": "bad"}
Parts = list[dict[str, Any]]


class AutomationForm(VersionedForm):
    """What a rule is called, and when it acts; of the clock's fields only those count that belong to what was chosen."""

    trigger = forms.ChoiceField(label=_("When"), choices=(), widget=UnfoldAdminSelectWidget)
    side = forms.ChoiceField(
        label=_("Before or after"),
        choices=list(SIDES.items()),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    days = forms.IntegerField(
        label=_("How many days"),
        min_value=0,
        max_value=MOST_DAYS,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("0 is the day itself. Rows whose day came before the rule was started are left alone."),
    )
    on = forms.ChoiceField(
        label=_("On which days"),
        choices=[(code, label) for code, (label, _days) in ON.items()],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    at = forms.TimeField(
        label=_("At what time"),
        required=False,
        widget=forms.TimeInput({"type": "time", "class": " ".join(INPUT_CLASSES)}, format="%H:%M"),
        help_text=_("By the clock of the company."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A page of somebody who only looks has no fields.
        if "trigger" in self.fields:
            self.fields["trigger"].choices = _trigger_choices(self.instance)  # type: ignore[attr-defined]
            said = {"at": "09:00", "on": "day", "days": 1, "side": "before", **self.instance.schedule}
            self.initial.update({**{name: said[name] for name in _CLOCK}, "at": parse_time(said["at"])})

    def values(self, names: list[str]) -> dict[str, Any]:
        found = super().values([name for name in names if name not in _CLOCK])
        if "schedule" not in found and {"trigger", *_CLOCK} & set(names):
            given = {name: self.cleaned_data.get(name) for name in _CLOCK}
            found["schedule"] = {name: value for name, value in given.items() if value not in (None, "")}
        return found


# The fields of the form that make up a schedule.
_CLOCK = ("side", "days", "on", "at")


def _trigger_choices(rule: AutomationRule) -> list[Any]:
    daily = {code: label for code, label in SCHEDULES.items() if is_daily(code)}
    by_day: dict[str, Any] = {code: label for code, label in SCHEDULES.items() if code not in daily}
    by_day |= custom_triggers()
    groups = [
        (gettext("When something happens"), list(TRIGGERS.items())),
        (gettext("At a time of day"), list(daily.items())),
        (gettext("Days before or after"), list(by_day.items())),
    ]
    known = {code for _group, choices in groups for code, _label in choices}
    # A field that is not offered any more; the rule still says so.
    gone = [(rule.trigger, trigger_label(rule.trigger))] if rule.trigger and rule.trigger not in known else []
    return [("", "—"), *groups, *gone]


# What the page asks of the choice above, in its own language.
_BY_CLOCK = "(trigger || '').startsWith('schedule.')"
_IS_DAILY = r"/^schedule\.[a-z]+\.daily$/.test(trigger || '')"
_BY_DAY = f"{_BY_CLOCK} && !{_IS_DAILY}"


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
    list_display = ("name", "state_cell", "when_cell", "owner")
    list_select_related = ("owner",)
    list_filter = (TrashFilter,)
    search_fields = ("name",)
    fields = ("name", "trigger", "side", "days", "on", "at")
    conditional_fields: ClassVar[dict[str, str]] = {
        "side": _BY_DAY,
        "days": _BY_DAY,
        "on": _IS_DAILY,
        "at": _BY_CLOCK,
    }
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
    def when_cell(self, rule: AutomationRule) -> str:
        return when_label(rule.trigger, rule.schedule)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Who only looks reads when it acts as a sentence.
        if obj is not None and not self.has_change_permission(request, obj):
            return ("name", "when_cell")
        return super().get_fields(request, obj)

    def page_context(self, request: HttpRequest, row: AutomationRule) -> dict[str, Any]:
        actor = actor_of(request)
        may_change = self.has_change_permission(request, row)
        context = {**super().page_context(request, row), "may_change": may_change}
        aggregate = aggregate_of(row.trigger)
        if aggregate not in MODELS:
            return context
        job = automation_trials.latest_trial(row, actor=actor)
        return {
            **context,
            "when": when_label(row.trigger, row.schedule),
            "is_scheduled": is_scheduled(row.trigger),
            "parts": condition_labels(row.condition, aggregate=aggregate),
            "actions_said": labels_of(row),
            "compared": FIELDS[aggregate].items(),
            "ops": [(code, op.label) for code, op in OPS.items()],
            "criteria_choices": _criteria_choices() if aggregate == "deal" else [],
            "action_forms": _action_forms(aggregate, actor) if may_change else [],
            "runs": _told(row, actor),
            "rounds": _rounds(row, actor),
            "job": job,
            "trial": _trial(job),
            "becomes_mine": may_change and row.owner_id != actor.pk,
        }

    def response_add(
        self, request: HttpRequest, obj: AutomationRule, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Lead to the page of a new rule: what it asks for and does is said there."""
        if "_addanother" not in request.POST:
            said = request.POST.copy()
            said["_continue"] = "1"
            request.POST = said  # type: ignore[assignment]
        return super().response_add(request, obj, post_url_continue)

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
        there = self.get_queryset(request).get(pk=pk).condition
        left = {part: [one for one in ones if one["key"] != key] for part, ones in there.items()}
        self._save(request, pk, version, condition=left)

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
    "stage": _("Stage"),
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
        "stage": [
            (stage.pk, f"{stage.pipeline}: {stage.name}")
            for stage in Stage.objects.visible_to(actor)
            .filter(kind=Stage.Kind.OPEN, pipeline__archived_at=None)
            .select_related("pipeline")
            .order_by("pipeline_id", "position")
        ],
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


def _changes(uids: Iterable[UUID], actor: User) -> dict[UUID, str]:
    """Return the pages of the change sets that somebody may look at, and undo there."""
    found = ChangeSet.objects.visible_to(actor).filter(uid__in=list(uids)).values_list("uid", "pk")
    return {uid: reverse("admin:history_changeset_change", args=[pk]) for uid, pk in found}


def _rounds(rule: AutomationRule, actor: User) -> list[dict[str, Any]]:
    """Return the latest rounds of a rule, each with what it has changed."""
    rounds = {
        change_set_uid(rule, round_id=each.pk): each for each in rule.rounds.order_by("-due_at")[:_ROUNDS]
    }
    pages = _changes(rounds, actor)
    return [{"round": each, "changes": pages.get(uid, "")} for uid, each in rounds.items()]


def _told(rule: AutomationRule, actor: User) -> list[dict[str, Any]]:
    """Return what the latest runs say, each with the name of its row as far as somebody may see it."""
    runs = list(rule.runs.order_by("-pk")[:_SHOWN])
    uids = {run.pk: change_set_uid(rule, event_id=run.event_id) for run in runs if run.event_id is not None}
    pages = _changes(uids.values(), actor)
    keys: dict[str, set[int]] = {}
    for run in runs:
        name, _slash, pk = run.subject.partition("/")
        keys.setdefault(name, set()).add(int(pk))
    seen = {
        f"{name}/{row.pk}": str(row)
        for name, found in keys.items()
        for row in MODELS[name]._base_manager.filter(access.scope(actor, "view", MODELS[name]), pk__in=found)
    }
    return [
        {
            "run": run,
            "tone": _TONES[run.outcome],
            "name": seen.get(run.subject) or gettext("not visible"),
            "url": _address(run.subject) if run.subject in seen else "",
            "changes": pages.get(uids[run.pk], "") if run.pk in uids else "",
        }
        for run in runs
    ]


def _trial(job: Job | None) -> dict[str, Any] | None:
    """Return what a finished dry run came to, with the pages of what it names."""
    if job is None or job.result is None:
        return None
    rows = [
        {**row, "url": _address(row["subject"]), "day": parse_date(str(row["at"])[:10])}
        for row in job.result["rows"]
    ]
    return {"of": "facts", **job.result, "rows": rows}
