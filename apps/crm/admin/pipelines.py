"""Pipelines and their stages in the admin."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.accounts.faces.admin import ScopedTabularInline, actor_of, call_service
from apps.crm import criteria
from apps.crm.models import Pipeline, Stage
from apps.crm.services import pipelines
from apps.lists.admin.rows import ArchivableAdmin, Command, TrashFilter


def _ask_the_service(form: Any) -> None:
    """Stand in for Django's own check of a deletion, which would name every deal of the stage."""


class StageInline(ScopedTabularInline):
    """The stages, in the order in which deals go through them."""

    model = Stage
    fields = ("name", "kind", "probability", "stale_after_days", "position")
    ordering_field = "position"
    hide_ordering_field = True
    extra = 0
    ordering = ("position",)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.hand_clean_DELETE = _ask_the_service
        return formset


@admin.register(Pipeline)
class PipelineAdmin(ArchivableAdmin):
    """The ways a deal can go."""

    add_label = _("New pipeline")
    create = staticmethod(pipelines.create_pipeline)
    change = staticmethod(pipelines.change_pipeline)
    archive = staticmethod(pipelines.archive_pipeline)
    restore = staticmethod(pipelines.restore_pipeline)
    archive_action = "delete"
    ordering = ("-is_default", "name")
    short_list = "As many ways to sell as an organization has."
    list_display = ("name", "is_default", "stages_cell")
    list_filter = (TrashFilter,)
    search_fields = ("name",)
    inlines = (StageInline,)
    change_form_outer_after_template = "admin/crm/pipeline/contracts.html"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name", "is_default"] if obj and not obj.is_default else ["name"]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        # A new pipeline comes with three stages to begin with.
        return super().get_inlines(request, obj) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pipeline]:
        return super().get_queryset(request).prefetch_related("stages")

    @admin.display(description=_("stages"))
    def stages_cell(self, pipeline: Pipeline) -> str:
        stages = sorted(pipeline.stages.all(), key=lambda stage: stage.position)
        return " → ".join(stage.name for stage in stages)

    def save_parts(self, request: HttpRequest, row: Any, formset: Any) -> None:
        actor = actor_of(request)
        wanted = {form.instance.pk: form.cleaned_data["position"] for form in formset.initial_forms}
        for stage in formset.deleted_objects:
            pipelines.delete_stage(stage.pk, actor=actor)
            wanted.pop(stage.pk)
        for stage, names in formset.changed_objects:
            values = {name: getattr(stage, name) for name in names if name != "position"}
            pipelines.change_stage(stage.pk, actor=actor, **values)
        order = sorted(wanted, key=lambda pk: wanted[pk])
        pipelines.reorder_stages(row.pk, stage_ids=order, actor=actor)
        for stage in formset.new_objects:
            pipelines.add_stage(
                row.pk,
                actor=actor,
                name=stage.name,
                kind=stage.kind,
                probability=stage.probability,
                stale_after_days=stage.stale_after_days,
            )

    # Stage contracts

    def page_context(self, request: HttpRequest, row: Pipeline) -> dict[str, Any]:
        stages = row.stages.filter(kind=Stage.Kind.OPEN).order_by("position")
        context = super().page_context(request, row)
        return context | {
            "contracts": [_contract(stage) for stage in stages],
            "choices": _choices(),
            "may_change_contracts": self.has_change_permission(request, row),
        }

    def commands(self) -> dict[str, Command]:
        return super().commands() | {"ask-for": self._ask_for, "ask-no-more": self._ask_no_more}

    def _ask_for(self, request: HttpRequest, pk: int, version: int | None) -> None:
        code, *values = request.POST.get("criterion", "").split("|")
        kind = criteria.kind_of(code)
        names = [name for name in (kind.param, kind.second_param) if name] if kind else []
        new = {"kind": code, "params": dict(zip(names, values, strict=False))}
        self._set(request, pk, lambda there: [*there, new])

    def _ask_no_more(self, request: HttpRequest, pk: int, version: int | None) -> None:
        key = request.POST.get("key", "")
        self._set(request, pk, lambda there: [one for one in there if one["key"] != key])

    def _set(
        self, request: HttpRequest, pk: int, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
    ) -> None:
        given = request.POST.get("stage", "")
        stage = Stage.objects.filter(
            pipeline=pk, pk=int(given) if given.isdecimal() and len(given) < 19 else 0
        ).first()
        if stage is None:
            messages.error(request, gettext("There is no such stage."))
            return
        wanted = change(stage.exit_criteria)
        actor = actor_of(request)
        if call_service(request, pipelines.change_stage, stage.pk, actor=actor, exit_criteria=wanted):
            messages.success(request, gettext("The stage contract is changed. It holds from now on."))


def _contract(stage: Stage) -> dict[str, Any]:
    wanted = criteria.stored(stage.exit_criteria)
    rows = [
        {"key": one.key, "label": label} for one, label in zip(wanted, criteria.labels(wanted), strict=True)
    ]
    return {"stage": stage, "rows": rows}


def _choices() -> list[dict[str, Any]]:
    """List all that a stage can ask for, by kind, each with the words of its choice."""
    found = []
    for kind in criteria.kinds():
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
