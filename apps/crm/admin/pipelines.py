"""Pipelines and their stages in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.accounts.faces.admin import ScopedTabularInline, actor_of
from apps.crm.admin.parts import SalesAdmin, TrashFilter
from apps.crm.models import Pipeline, Stage
from apps.crm.services import pipelines


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
class PipelineAdmin(SalesAdmin):
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
