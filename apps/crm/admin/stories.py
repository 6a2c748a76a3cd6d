"""The history of a deal as sentences, and its way through the stages."""

from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.common.templatetags.artel import span
from apps.crm.models import Deal, Stage, StageTransition


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


def spent(step: StageTransition) -> str:
    """Tell how long the deal had stood where it came from; nothing of its first step."""
    if step.seconds_in_stage is None or step.from_stage is None:
        return ""
    return _("%(span)s in %(stage)s") % {"span": span(step.seconds_in_stage), "stage": step.from_stage.name}


def standing(deals: QuerySet[Deal]) -> list[dict[str, Any]]:
    """Sum open and won deals, each currency for itself: amounts of different currencies have no sum."""
    rows = deals.filter(status__in=[Deal.Status.OPEN, Deal.Status.WON]).values("status", "currency")
    found = rows.annotate(count=Count("pk"), amount=Sum("amount")).order_by("currency")
    titles = {Deal.Status.OPEN: _("Open deals"), Deal.Status.WON: _("Won so far")}
    by_status: dict[str, list[Any]] = {status: [] for status in titles}
    for row in found:
        by_status[row["status"]].append(row)
    return [
        {
            "status": status,
            "title": titles[Deal.Status(status)],
            "sums": sums,
            "count": sum(s["count"] for s in sums),
        }
        for status, sums in by_status.items()
    ]


def may_see(actor: User, row: Any) -> bool:
    """Tell whether more than the name of a linked row may be shown."""
    return bool(type(row).objects.visible_to(actor).filter(pk=row.pk).exists())
