"""What history records of the sales side, and what an undo has to add by itself."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.crm import events, lead_facts
from apps.crm.custom import columns_by_key
from apps.crm.models import (
    Absence,
    Activity,
    ActivityLink,
    AssignmentRule,
    AutomationRound,
    AutomationRule,
    AutomationRun,
    Company,
    Consent,
    ConsentText,
    ContactPoint,
    CurrencyRate,
    CustomField,
    Deal,
    DealLine,
    DealParticipant,
    Disclosure,
    DisqualifyReason,
    DuplicateDismissal,
    DuplicatePair,
    Employment,
    Erasure,
    ImportBatch,
    ImportMapping,
    ImportReference,
    ImportRow,
    Lead,
    LeadArrival,
    LeadForm,
    LostReason,
    Person,
    Pipeline,
    PriceBook,
    PriceBookEntry,
    Product,
    Quote,
    QuoteLine,
    SalesPlan,
    Source,
    Stage,
    StageApproval,
    StageTransition,
    Tag,
    UnmatchedMail,
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
    # When something was last written about a row follows by itself, and is no change of it.
    touched = {"last_activity_at": None}
    track(CustomField, rights=_catalog_rights)
    track(
        Company,
        rights=_customer_rights,
        hidden=touched,
        maps={"custom": partial(columns_by_key, Company)},
        reverted=_companies_reverted,
    )
    track(
        Person,
        rights=_customer_rights,
        hidden=touched,
        maps={"custom": partial(columns_by_key, Person)},
        reverted=_people_reverted,
    )
    # Where a card stands on the board is a view of the deal and no part of it; what its amount is worth follows it.
    follows = dict.fromkeys(["ranked_at", "amount_base", "rate", "rate_date"])
    track(
        Deal,
        rights=_deal_rights,
        hidden=follows | touched,
        maps={"custom": partial(columns_by_key, Deal)},
        reverted=_deals_reverted,
    )
    track(CurrencyRate)
    track(SalesPlan)
    track(PriceBook, rights=_catalog_rights)
    track(PriceBookEntry, part_of=("price_book",))
    track(Stage, part_of=("pipeline",))
    track(Employment, part_of=("person",))
    track(ContactPoint, part_of=("person", "company"))
    track(DealLine, part_of=("deal",))
    # Who has had a turn, since when it runs, and when its next time is, is no change that somebody made.
    timed = {"last_owner_id": None, "started_at": None, "next_due_at": None}
    track(AutomationRule, rights=_catalog_rights, hidden=timed, reverted=_rules_reverted)
    exempt(AutomationRun, "What a rule has done is a record by itself.")
    exempt(AutomationRound, "How far a rule has come is no change of anything.")
    _declare_leads()
    for record in (Quote, QuoteLine, StageApproval):
        exempt(record, "What was sent, agreed or approved is a record by itself, which nobody takes back.")
    track(StageTransition, part_of=("deal",), is_append_only=True)
    track(DealParticipant, part_of=("deal",))
    # The rest of a link follows its activity.
    follows = {"kind": "", "at": None, "is_live": True, "is_pinned": False}
    track(ActivityLink, part_of=("activity",), hidden=follows)
    exempt(Activity, "What it said before is kept and shown with it, and letters and events never change.")
    exempt(UnmatchedMail, "It waits to be linked, and what is done about it stands in the row.")
    for machinery in (ImportBatch, ImportRow, ImportMapping, ImportReference):
        exempt(machinery, "An import records itself; what it does to other rows is recorded there.")
    exempt(Disclosure, "It is itself the record of what was taken away, and changes nothing else.")
    exempt(Erasure, "It is itself the record of what was erased, which nobody takes back.")
    exempt(DuplicatePair, "Found anew with each look through all rows.")
    exempt(DuplicateDismissal, "The row is the record itself, and it is taken back where it was made.")
    name_face("crm.apply_import", Face.IMPORT)


def _declare_leads() -> None:
    for catalog in (Source, DisqualifyReason, Absence):
        track(catalog)
    # Who has had a turn is no change of the rule.
    track(AssignmentRule, hidden={"last_owner_id": None})
    # Whoever holds the address may write: a form that comes back is given another one.
    track(LeadForm, rights=_catalog_rights, hidden={"token": ""})
    track(ConsentText, part_of=("form",), is_append_only=True)
    track(Lead, rights=_lead_rights, maps={"custom": partial(columns_by_key, Lead)}, reverted=_leads_reverted)
    track(LeadArrival, part_of=("lead",), is_append_only=True)
    track(Consent, part_of=("contact_point",), is_append_only=True)


def _lead_rights(back: Mapping[str, Any]) -> set[str]:
    """Ask what the services ask of who would do by hand what the undo does."""
    needed = {"archive"} if "archived_at" in back else set()
    if {"owner_id", "team_id"} & back.keys():
        needed.add("assign")
    if "status" in back:
        needed.add("qualify" if "converted_at" in back else "disqualify")
    return needed


def _leads_reverted(rows: Sequence[Reverted], actor: User) -> None:
    _tell(events.LEAD_CHANGED, lead_facts.lead_snapshots(_there(rows)), actor)


def _catalog_rights(back: Mapping[str, Any]) -> set[str]:
    return {"delete"} if "archived_at" in back else set()


def _customer_rights(back: Mapping[str, Any]) -> set[str]:
    needed = {"archive"} if "archived_at" in back else set()
    return needed | ({"merge"} if "merged_into_id" in back else set())


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


def _rules_reverted(rows: Sequence[Reverted], actor: User) -> None:
    """A rule that comes back does not act before somebody starts it, who then answers for what it does."""
    for rule in AutomationRule.objects.filter(pk__in=_there(rows)).select_related("owner"):
        AutomationRule.objects.filter(pk=rule.pk).update(is_active=False)
        rule.is_active = False
        events.publish_rule(events.AUTOMATION_RULE_CHANGED, rule, actor_id=actor.pk)


def _there(rows: Sequence[Reverted]) -> list[int]:
    return [row.pk for row in rows if row.now]


def _tell(fact: Fact, snapshots: events.Snapshots, actor: User) -> None:
    publish_many(fact, snapshots, actor_id=actor.pk)
