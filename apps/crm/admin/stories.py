"""The history of a deal as sentences, and its way through the stages."""

from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.common.templatetags.artel import span
from apps.crm.models import Deal, Stage, StageTransition

# What a page shows of a long history.
STEPS_SHOWN = 50


def stage_path(deal: Deal) -> list[dict[str, Any]]:
    """List the open stages of the deal's pipeline in order, and where the deal stands among them."""
    stages = list(Stage.objects.filter(pipeline=deal.pipeline_id).order_by("position"))
    place = deal.stage.position
    return [
        {
            "stage": stage,
            "is_current": stage.pk == deal.stage_id,
            "is_done": deal.status == Deal.Status.WON or stage.position < place,
        }
        for stage in stages
        if stage.kind == Stage.Kind.OPEN
    ]


def story_of(deal: Deal) -> list[dict[str, Any]]:
    """List the latest steps of a deal, newest first, each with the sentence that tells it."""
    steps = deal.transitions.select_related("from_stage", "to_stage", "actor").order_by("-pk")
    return [{"step": step, "sentence": sentence(step), "spent": _spent(step)} for step in steps[:STEPS_SHOWN]]


def sentence(step: StageTransition) -> str:
    """Tell a step in one sentence."""
    words = {
        "who": step.actor.name,
        "from": step.from_stage.name if step.from_stage else "",
        "to": step.to_stage.name,
        "face": _through(step.face),
    }
    if step.from_stage is None:
        return _("%(who)s began it in %(to)s %(face)s") % words
    kind = step.to_stage.kind
    if kind == Stage.Kind.WON:
        return _("%(who)s won it %(face)s") % words
    if kind == Stage.Kind.LOST:
        return _("%(who)s closed it as lost %(face)s") % words
    if step.from_stage.kind != Stage.Kind.OPEN:
        return _("%(who)s opened it again in %(to)s %(face)s") % words
    return _("%(who)s moved it from %(from)s to %(to)s %(face)s") % words


def _through(face: str) -> str:
    return {
        StageTransition.Face.ADMIN: _("through the admin"),
        StageTransition.Face.API: _("through the API"),
        StageTransition.Face.BOT: _("from the bot"),
        StageTransition.Face.IMPORT: _("by an import"),
        StageTransition.Face.SYSTEM: _("by the system"),
    }.get(StageTransition.Face(face), "")


def _spent(step: StageTransition) -> str:
    if step.seconds_in_stage is None or step.from_stage is None:
        return ""
    return _("%(span)s in %(stage)s") % {"span": span(step.seconds_in_stage), "stage": step.from_stage.name}


def worth_by_stage(deals: QuerySet[Deal]) -> list[dict[str, Any]]:
    """Sum deals by stage, each currency for itself: amounts of different currencies have no sum."""
    rows = deals.values("stage__name", "stage__kind", "currency").annotate(
        count=Count("pk"), amount=Sum("amount")
    )
    return [dict(row) for row in rows.order_by("stage__position", "stage", "currency")]


def may_see(actor: User, row: Any) -> bool:
    """Tell whether more than the name of a linked row may be shown."""
    return bool(type(row).objects.visible_to(actor).filter(pk=row.pk).exists())
