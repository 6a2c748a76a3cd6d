"""What happens to the ways a deal can go. Whoever may change a pipeline may change its stages."""

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext

from apps.accounts import access
from apps.accounts.models import User
from apps.crm import criteria
from apps.crm.models import Deal, Pipeline, Stage, StageTransition
from apps.crm.services import rows


class StageFields(TypedDict, total=False):
    """What people write on a stage."""

    name: str
    kind: str
    probability: int
    stale_after_days: int | None
    exit_criteria: list[dict[str, Any]]


@transaction.atomic
def create_pipeline(*, name: str, actor: User) -> Pipeline:
    """
    Add a pipeline with one open stage, a won and a lost one; the first pipeline becomes the default.

    :raises PermissionDenied: the actor may not add pipelines
    :raises ValidationError: there is one of this name ("pipeline_name_unique")
    """
    access.require(actor, "add", Pipeline)
    is_default = not Pipeline.objects.filter(is_default=True).exists()
    pipeline = rows.insert(Pipeline(name=name.strip(), is_default=is_default), actor=actor)
    stages = [
        (pgettext("stage", "New"), Stage.Kind.OPEN, 10),
        (pgettext("stage", "Won"), Stage.Kind.WON, 100),
    ]
    stages.append((pgettext("stage", "Lost"), Stage.Kind.LOST, 0))
    Stage.objects.bulk_create(
        Stage(pipeline=pipeline, name=stage, kind=kind, probability=probability, position=position)
        for position, (stage, kind, probability) in enumerate(stages)
    )
    return pipeline


@transaction.atomic
def change_pipeline(
    pipeline_id: int,
    *,
    actor: User,
    name: str | None = None,
    is_default: bool | None = None,
    expected_version: int | None = None,
) -> Pipeline:
    """
    Rename a pipeline, or make it the default one in place of the one that was.

    :raises DoesNotExist: the pipeline is out of sight
    :raises PermissionDenied: the actor may not change pipelines
    :raises ValidationError: there is one of this name, or it is the only default ("pipeline_default_needed")
    """
    pipeline = rows.locked(
        Pipeline, pipeline_id, actor=actor, action="change", expected_version=expected_version
    )
    rows.require_active(pipeline)
    given = {"name": name, "is_default": is_default}
    changes = rows.differing(pipeline, {key: value for key, value in given.items() if value is not None})
    if changes.get("is_default") is False:
        raise rows.refusal("is_default", _("Make another one the default."), code="pipeline_default_needed")
    if changes.get("is_default"):
        Pipeline.objects.filter(is_default=True).update(is_default=False)
    return rows.write(pipeline, changes, actor=actor) if changes else pipeline


@transaction.atomic
def archive_pipeline(pipeline_id: int, *, actor: User, expected_version: int | None = None) -> Pipeline:
    """
    Stop using a pipeline; closed deals stay in it.

    :raises DoesNotExist: the pipeline is out of sight
    :raises PermissionDenied: the actor may not delete pipelines
    :raises ValidationError: it is the default one ("pipeline_default_needed"), has open deals
        ("pipeline_has_open_deals"), "archived", "stale"
    """
    pipeline = rows.locked(
        Pipeline, pipeline_id, actor=actor, action="delete", expected_version=expected_version
    )
    if pipeline.is_default:
        raise ValidationError(
            _("This is the default pipeline. Make another one the default first."),
            code="pipeline_default_needed",
        )
    count = Deal.objects.active().filter(pipeline=pipeline, status=Deal.Status.OPEN).count()
    if count:
        message = ngettext_lazy(
            "%(count)s deal is open in this pipeline.", "%(count)s deals are open in this pipeline.", "count"
        )
        raise ValidationError(message, code="pipeline_has_open_deals", params={"count": count})
    rows.archive(pipeline, actor=actor)
    return pipeline


@transaction.atomic
def restore_pipeline(pipeline_id: int, *, actor: User, expected_version: int | None = None) -> Pipeline:
    """
    Use a pipeline again.

    :raises DoesNotExist: the pipeline is out of sight
    :raises PermissionDenied: the actor may not delete pipelines
    :raises ValidationError: "not_archived", "stale", or its name is another's by now
    """
    pipeline = rows.locked(
        Pipeline, pipeline_id, actor=actor, action="delete", expected_version=expected_version
    )
    rows.restore(pipeline, actor=actor)
    return pipeline


@transaction.atomic
def add_stage(pipeline_id: int, *, actor: User, **fields: Unpack[StageFields]) -> Stage:
    """
    Add a stage: an open one comes before the won one, any other at the end.

    :raises DoesNotExist: the pipeline is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: name or kind is taken ("stage_name_unique", "stage_one_won", "stage_one_lost")
    """
    pipeline = rows.locked(Pipeline, pipeline_id, actor=actor, action="change")
    rows.require_active(pipeline)
    stages = list(pipeline.stages.order_by("position"))
    stage = Stage(pipeline=pipeline, position=len(stages), **fields)
    stage.exit_criteria = _criteria(stage, {"exit_criteria": stage.exit_criteria})
    place = len(stages)
    if stage.kind == Stage.Kind.OPEN:
        place = next((i for i, other in enumerate(stages) if other.kind != Stage.Kind.OPEN), place)
    stage.position = max((other.position for other in stages), default=-1) + 1
    rows.insert(stage, actor=actor)
    stages.insert(place, stage)
    _number(stages)
    rows.write(pipeline, {}, actor=actor)
    return stage


@transaction.atomic
def change_stage(stage_id: int, *, actor: User, **fields: Unpack[StageFields]) -> Stage:
    """
    Change a stage; deals in it keep the probability that they have.

    :raises DoesNotExist: the stage is out of sight
    :raises PermissionDenied: the actor may not change its pipeline
    :raises ValidationError: a value is refused, its kind cannot change under deals ("stage_has_deals"), or what it asks
        for is not right
    """
    stage, pipeline = _staged(stage_id, actor=actor)
    values: dict[str, Any] = dict(fields)
    if "exit_criteria" in values:
        values["exit_criteria"] = _criteria(stage, values)
    changes: dict[str, Any] = rows.differing(stage, values)
    if "exit_criteria" in changes:
        changes["criteria_version"] = stage.criteria_version + 1
    if "kind" in changes:
        _require_empty(stage, "kind")
        _require_other_of_kind(stage)
    if changes:
        rows.write(stage, changes, actor=actor)
        rows.write(pipeline, {}, actor=actor)
    return stage


@transaction.atomic
def reorder_stages(
    pipeline_id: int, *, stage_ids: Sequence[int], actor: User, expected_version: int | None = None
) -> Pipeline:
    """
    Put the stages of a pipeline into this order.

    :param stage_ids: all of them, each once
    :raises DoesNotExist: the pipeline is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: a stage is missing or foreign ("stages_incomplete"), "archived", "stale"
    """
    pipeline = rows.locked(
        Pipeline, pipeline_id, actor=actor, action="change", expected_version=expected_version
    )
    rows.require_active(pipeline)
    stages = pipeline.stages.in_bulk()
    if sorted(stage_ids) != sorted(stages):
        raise rows.refusal("stage_ids", _("Name every stage of the pipeline once."), code="stages_incomplete")
    if _number([stages[stage_id] for stage_id in stage_ids]):
        rows.write(pipeline, {}, actor=actor)
    return pipeline


@transaction.atomic
def delete_stage(stage_id: int, *, actor: User) -> None:
    """
    Delete a stage that no deal stands in or ever stood in.

    :raises DoesNotExist: the stage is out of sight
    :raises PermissionDenied: the actor may not change its pipeline
    :raises ValidationError: deals are or were in it ("stage_has_deals", "stage_has_history"), or the pipeline
        needs it ("stage_needed")
    """
    stage, pipeline = _staged(stage_id, actor=actor)
    _require_empty(stage, "__all__")
    _require_other_of_kind(stage)
    steps = StageTransition.objects.filter(to_stage=stage) | StageTransition.objects.filter(from_stage=stage)
    count = steps.values("deal").distinct().count()
    if count:
        message = ngettext_lazy(
            "%(count)s deal has been in this stage.", "%(count)s deals have been in this stage.", "count"
        )
        raise ValidationError(message, code="stage_has_history", params={"count": count})
    stage.delete()
    _number(list(pipeline.stages.order_by("position")))
    rows.write(pipeline, {}, actor=actor)


def _criteria(stage: Stage, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a stage is to ask for. :raises ValidationError: it closes deals ("stage_closes"), or as `cleaned`"""
    found = criteria.cleaned(values["exit_criteria"])
    if found and values.get("kind", stage.kind) != Stage.Kind.OPEN:
        raise rows.refusal(
            "exit_criteria", _("Deals do not go on from a stage that closes them."), code="stage_closes"
        )
    return found


def _staged(stage_id: int, *, actor: User) -> tuple[Stage, Pipeline]:
    """Lock the pipeline of a stage, under whose lock all of its stages change."""
    found = Stage.objects.visible_to(actor).get(pk=stage_id)
    pipeline = rows.locked(Pipeline, found.pipeline_id, actor=actor, action="change")
    rows.require_active(pipeline)
    # A deal that enters holds a key share of this row until it commits; from here on none enters.
    return Stage.objects.select_for_update().get(pk=stage_id), pipeline


def _require_empty(stage: Stage, field: str) -> None:
    count = Deal.objects.filter(stage=stage).count()
    if count:
        message = ngettext_lazy(
            "%(count)s deal is in this stage.", "%(count)s deals are in this stage.", "count"
        )
        raise ValidationError(
            {field: ValidationError(message, code="stage_has_deals", params={"count": count})}
        )


def _require_other_of_kind(stage: Stage) -> None:
    others = Stage.objects.filter(pipeline_id=stage.pipeline_id, kind=stage.kind).exclude(pk=stage.pk)
    if not others.exists():
        raise ValidationError(_("A pipeline needs an open, a won and a lost stage."), code="stage_needed")


def _number(stages: list[Stage]) -> bool:
    """Number the stages in this order; the constraint on positions waits for the end of the transaction."""
    moved = [(position, stage) for position, stage in enumerate(stages) if stage.position != position]
    for position, stage in moved:
        stage.position = position
    Stage.objects.bulk_update([stage for _position, stage in moved], ["position"])
    return bool(moved)
