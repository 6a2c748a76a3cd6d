"""Pipelines and their stages in the admin."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from apps.accounts.faces.admin import ScopedTabularInline
from apps.crm.admin.parts import SalesAdmin, TrashFilter, actor_of
from apps.crm.models import Deal, Pipeline, Stage
from apps.crm.services import pipelines


class StageFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """Stages that say in the form what the services would refuse."""

    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            if form.instance.pk and (self._is_leaving(form) or "kind" in form.changed_data):
                self._require_empty(form)

    def _is_leaving(self, form: Any) -> bool:
        return form in self.deleted_forms

    def _require_empty(self, form: Any) -> None:
        count = Deal.objects.filter(stage=form.instance.pk).count()
        if count:
            message = ngettext_lazy(
                "%(count)s deal is in this stage.", "%(count)s deals are in this stage.", "count"
            )
            form.add_error(None, ValidationError(message, code="stage_has_deals", params={"count": count}))
            raise ValidationError(message, code="stage_has_deals", params={"count": count})


class StageInline(ScopedTabularInline):
    """The stages, in the order in which deals go through them."""

    model = Stage
    formset = StageFormSet
    fields = ("name", "kind", "probability", "stale_after_days", "position")
    ordering_field = "position"
    hide_ordering_field = True
    extra = 0
    ordering = ("position",)


@admin.register(Pipeline)
class PipelineAdmin(SalesAdmin):
    """The ways a deal can go."""

    create = staticmethod(pipelines.create_pipeline)
    change = staticmethod(pipelines.change_pipeline)
    archive = staticmethod(pipelines.archive_pipeline)
    restore = staticmethod(pipelines.restore_pipeline)
    archive_action = "delete"
    ordering = ("-is_default", "name")
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
