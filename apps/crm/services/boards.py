"""What happens on a board besides moving deals: the order within a column, and the numbers of what has changed."""

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.crm import events
from apps.crm.models import BoardChange, Deal, StageTransition
from apps.crm.services import deals, rows

# More than these are not named one by one: who watches reads their columns anew.
NAMED = 100
# Changes are kept for whoever was away this long; who was longer starts over.
KEPT = timedelta(hours=1)
# Cards that entered a column at the same moment are spread out when one is put between them, up to so many.
SPREAD = 200
_TICK = timedelta(microseconds=1)


def number_changes(pipeline_id: int) -> tuple[str, int] | None:
    """
    Number what has been committed on a board since this was last asked; many changes become one.

    :return: the board's epoch and its last number; None where there is no such pipeline
    """
    with connection.cursor() as cursor:
        cursor.execute("select epoch, seq from crm_number_board(%s, %s)", [pipeline_id, NAMED])
        epoch, seq = cursor.fetchone()
    return None if epoch is None else (str(epoch), seq)


def expire_changes() -> int:
    """Forget old changes of boards; what nobody has watched gets its number first. :return: how many"""
    for pipeline_id in BoardChange.objects.filter(seq=None).values_list("pipeline_id", flat=True).distinct():
        number_changes(pipeline_id)
    old = BoardChange.objects.filter(at__lt=timezone.now() - KEPT)
    return int(old._raw_delete("default"))


@transaction.atomic
def move_on_board(
    deal_id: int,
    *,
    stage_id: int,
    actor: User,
    face: StageTransition.Face,
    above_id: int | None = None,
    is_placed: bool = False,
    expected_version: int | None = None,
) -> Deal:
    """
    Move a deal to a column, and where it is put there. Without a place it stands on top of a new column.

    :param above_id: the deal right above; None is the top
    :param is_placed: somebody chose the place
    :raises: what :func:`move_deal` and :func:`place_deal` raise
    """
    deal = deals.move_deal(
        deal_id, stage_id=stage_id, actor=actor, face=face, expected_version=expected_version
    )
    return place_deal(deal_id, above_id=above_id, actor=actor) if is_placed else deal


@transaction.atomic
def place_deal(deal_id: int, *, above_id: int | None, actor: User) -> Deal:
    """
    Put an open deal under another one of its column, or on top. Its version stays: nobody's form is stale of it.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not move it
    :raises ValidationError: "archived", "deal_not_open", or the deal above is elsewhere by now ("not_found")
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="move")
    deals.require_open(deal)
    column = _column(deal)
    if above_id is None:
        place = _above(column.first())
    else:
        above = column.filter(pk=above_id).first()
        if above is None:
            raise ValidationError(_("The card above is not there any more."), code="not_found")
        place = _under(column, above)
    deal.ranked_at = place
    deal.save(update_fields=["ranked_at"])
    events.poke_board(deal.pipeline_id)
    return deal


def _column(deal: Deal) -> Any:
    """Return the other cards of a deal's column, from its top."""
    return Deal.objects.filter(stage=deal.stage_id).exclude(pk=deal.pk).in_columns()


def _above(top: Any) -> datetime:
    now = timezone.now()
    return now if top is None else max(now, top.place + _TICK)


def _under(column: Any, above: Any) -> datetime:
    """Return a moment right under a card, making room where others stand at the same moment."""
    place: datetime = above.place
    below = column.filter(Q(place__lt=place) | Q(place=place, pk__lt=above.pk)).first()
    if below is None:
        return place - timedelta(seconds=1)
    gap = place - below.place
    return place - gap / 2 if gap >= 2 * _TICK else _spread(column, above, place)


def _spread(column: Any, above: Deal, place: datetime) -> datetime:
    """Raise the cards at one moment, from `above` upwards, each by a step; return the place that gets free."""
    crowd = list(column.filter(place=place, pk__gte=above.pk).order_by("pk").values_list("pk")[: SPREAD + 1])
    higher = column.filter(place__gt=place).order_by("place").values_list("place", flat=True).first()
    ceiling = higher or place + timedelta(seconds=1)
    step = (ceiling - place) / (len(crowd) + 2)
    if len(crowd) > SPREAD or step < _TICK:
        # So many came at once that an order among them means nothing: on top of them.
        return place + _TICK
    for count, (pk,) in enumerate(crowd, start=2):
        Deal.objects.filter(pk=pk).update(ranked_at=place + count * step)
    return place + step
