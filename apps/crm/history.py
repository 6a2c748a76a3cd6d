"""What history records of the sales side, and what an undo has to add by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.crm import events
from apps.crm.models import (
    Company,
    ContactPoint,
    Deal,
    DealLine,
    Employment,
    ImportBatch,
    ImportMapping,
    ImportReference,
    ImportRow,
    LostReason,
    Person,
    Pipeline,
    Product,
    Stage,
    StageTransition,
    Tag,
)
from apps.events.services import Fact, publish_many
from apps.history.context import Face
from apps.history.services.undoing import name_face
from apps.history.tracking import Reverted, exempt, track


def declare() -> None:
    """Declare every model of the sales side."""
    track(Tag)
    track(LostReason)
    track(Product, rights=_catalog_rights)
    track(Pipeline, rights=_catalog_rights)
    track(Company, rights=_customer_rights, reverted=_companies_reverted)
    track(Person, rights=_customer_rights, reverted=_people_reverted)
    # Where a card stands on the board is a view of the deal and no part of it.
    track(Deal, rights=_deal_rights, hidden={"ranked_at": None}, reverted=_deals_reverted)
    track(Stage, part_of=("pipeline",))
    track(Employment, part_of=("person",))
    track(ContactPoint, part_of=("person", "company"))
    track(DealLine, part_of=("deal",))
    track(StageTransition, part_of=("deal",), is_append_only=True)
    for machinery in (ImportBatch, ImportRow, ImportMapping, ImportReference):
        exempt(machinery, "An import records itself; what it does to other rows is recorded there.")
    name_face("crm.apply_import", Face.IMPORT)


def _catalog_rights(back: Mapping[str, Any]) -> set[str]:
    return {"delete"} if "archived_at" in back else set()


def _customer_rights(back: Mapping[str, Any]) -> set[str]:
    return {"archive"} if "archived_at" in back else set()


_TO_STATUS = {"OPEN": "reopen", "WON": "win", "LOST": "lose"}


def _deal_rights(back: Mapping[str, Any]) -> set[str]:
    """Ask what the services ask of who would do by hand what the undo does."""
    needed = _customer_rights(back)
    if {"owner_id", "team_id"} & back.keys():
        needed.add("assign")
    if "status" in back:
        needed.add(_TO_STATUS[back["status"]])
    elif {"stage_id", "pipeline_id"} & back.keys():
        needed.add("move")
    return needed


def _deals_reverted(rows: Sequence[Reverted], actor: User) -> None:
    """A step back is a step: the way a deal went is never rewritten."""
    now = timezone.now()
    StageTransition.objects.bulk_create(
        StageTransition(
            deal_id=row.pk,
            from_stage_id=row.was["stage_id"],
            to_stage_id=row.now["stage_id"],
            at=now,
            actor=actor,
            face=StageTransition.Face.SYSTEM,
            reason=_("Undone"),
            seconds_in_stage=_seconds_since(row.was, now),
            amount=row.now["amount"],
        )
        for row in rows
        if row.was and row.now and row.was["stage_id"] != row.now["stage_id"]
    )
    _tell(events.DEAL_CHANGED, events.deal_snapshots(_there(rows)), actor)
    for pipeline_id in {side["pipeline_id"] for row in rows for side in (row.was, row.now) if side}:
        events.poke_board(pipeline_id)


def _seconds_since(was: dict[str, Any], now: Any) -> int | None:
    entered_at = parse_datetime(was["stage_entered_at"])
    return None if entered_at is None else max(0, int((now - entered_at).total_seconds()))


def _companies_reverted(rows: Sequence[Reverted], actor: User) -> None:
    _tell(events.COMPANY_CHANGED, events.company_snapshots(_there(rows)), actor)


def _people_reverted(rows: Sequence[Reverted], actor: User) -> None:
    _tell(events.PERSON_CHANGED, events.person_snapshots(_there(rows)), actor)


def _there(rows: Sequence[Reverted]) -> list[int]:
    return [row.pk for row in rows if row.now]


def _tell(fact: Fact, snapshots: events.Snapshots, actor: User) -> None:
    publish_many(fact, snapshots, actor_id=actor.pk)
