"""
What the services do to one row, done to many: the same questions, rules and facts, in a handful of statements for all.

Each takes primary keys of rows that the caller has locked, what was chosen, and who asks; it changes what it can and
returns what it refused, and why. `tests/crm/test_bulk.py` holds each against its sibling for one row.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.rows import put, write_many
from apps.crm import events, lead_facts
from apps.crm.custom import PREFIX
from apps.crm.models import (
    Company,
    Deal,
    DisqualifyReason,
    Lead,
    LostReason,
    Person,
    Product,
    Stage,
    StageTransition,
)
from apps.crm.services import catalog, companies, deals, leads, people, rows
from apps.crm.services.bulk_custom import further_values
from apps.crm.services.contracts import ContractUnmet, Lacking, lacking
from apps.events.services import Fact, publish_many
from apps.lists.bulk import Choice, How, Refusals, new_values, one_by_one

Keys = Sequence[int]
Decide = Callable[[Any], dict[str, Any]]
Snapshots = Callable[[Iterable[int]], events.Snapshots]
# Transitions are numbered by the database, and told with their deal.
_CLOSED = {Stage.Kind.WON, Stage.Kind.LOST}


class _Many:
    """Locked rows of one model that are changed together, and which of them are refused."""

    def __init__(
        self, model: type[models.Model], keys: Keys, *, actor: User, action: str, related: Sequence[str] = ()
    ) -> None:
        self.actor = actor
        self.model = model
        found = model._base_manager.filter(access.scope(actor, "view", model), pk__in=keys)
        locked = found.select_related(*related) if related else found
        self.rows: list[Any] = list(locked.select_for_update(of=("self",), no_key=True).order_by("pk"))
        permitted = model._base_manager.filter(access.scope(actor, action, model), pk__in=keys)
        self.permitted = set(permitted.values_list("pk", flat=True))
        self.refused: dict[int, Exception] = {}
        # Of the rows that are left: what differs, by attribute.
        self.changes: dict[int, dict[str, Any]] = {}

    def decide(self, decide: Decide) -> None:
        """Find out for each row what differs, and set it; `decide` may refuse a row."""
        for row in self.rows:
            if row.pk not in self.permitted:
                self.refused[row.pk] = PermissionDenied()
                continue
            try:
                values = rows.differing(row, decide(row))
                if values:
                    put(row, values)
            except ValidationError as error:
                self.refused[row.pk] = error
            else:
                self.changes[row.pk] = values

    def refuse_all(self, error: Exception) -> Refusals:
        return {row.pk: error for row in self.rows}

    def write(self, also: Iterable[int] = ()) -> list[Any]:
        """Save what differs, and count on the version of rows named in `also`. :return: the rows written"""
        touched = set(also)
        written = [row for row in self.rows if self.changes.get(row.pk) or row.pk in touched]
        write_many([(row, self.changes[row.pk]) for row in written], actor=self.actor)
        if self.model is Deal:
            for pipeline_id in {deal.pipeline_id for deal in written}:
                events.poke_board(pipeline_id)
        return written

    def tell(self, fact: Fact, snapshots: Snapshots, written: Iterable[Any]) -> None:
        publish_many(fact, snapshots([row.pk for row in written]), actor_id=self.actor.pk)


# Deals


def change_deals(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Change what is written on deals; as :func:`apps.crm.services.deals.change_deal`."""
    many = _Many(Deal, keys, actor=actor, action="change", related=["stage"])
    names = _plain(choice, "probability")
    further = further_values(Deal, choice, actor=actor)

    def decide(deal: Deal) -> dict[str, Any]:
        rows.require_active(deal)
        values = new_values(deal, choice, names) | further(deal)
        deals.require_amount_by_hand(deal, values)
        if "probability" in choice:
            deals.require_open(deal)
            chosen = choice["probability"]
            value = chosen.value if chosen.how == How.SET else None
            values |= deals.probability_for(value, deal.stage)
        return values

    many.decide(decide)
    written = many.write(also=_change_tags(many, choice))
    many.tell(events.DEAL_CHANGED, events.deal_snapshots, written)
    return many.refused


def assign_deals(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Give deals to somebody, or to a team; as :func:`apps.crm.services.deals.assign_deal`."""
    many = _Many(Deal, keys, actor=actor, action="assign", related=["owner"])
    values: dict[str, Any] = {f"{name}_id": chosen.value.pk for name, chosen in choice.items()}
    try:
        rows.owner_and_team(values, actor=actor)
    except ValidationError as error:
        return many.refuse_all(error)
    previous = {deal.pk: {"id": deal.owner_id, "name": str(deal.owner)} for deal in many.rows}

    def decide(deal: Deal) -> dict[str, Any]:
        rows.require_active(deal)
        return values

    many.decide(decide)
    written = many.write()
    snapshots = events.deal_snapshots([deal.pk for deal in written])
    told = [(pk, {**snapshot, "previous_owner": previous[pk]}) for pk, snapshot in snapshots]
    publish_many(events.DEAL_ASSIGNED, told, actor_id=actor.pk)
    return many.refused


def move_deals(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Move open deals to another open stage of their pipeline; as :func:`apps.crm.services.deals.move_deal`."""
    many = _Many(Deal, keys, actor=actor, action="move")
    stage: Stage = choice["move"].value
    missing = lacking(many.rows, {stage.pipeline_id: stage})

    def decide(deal: Deal) -> dict[str, Any]:
        deals.require_open(deal)
        if stage.pipeline_id != deal.pipeline_id:
            raise rows.refusal("stage", _("This stage belongs to another pipeline."), code="other_pipeline")
        if stage.pk == deal.stage_id:
            return {}
        _require_none(missing, deal)
        return {} if deal.is_probability_manual else {"probability": stage.probability}

    _enter(many, decide, {stage.pipeline_id: stage}, fact=events.DEAL_MOVED, face=face)
    return many.refused


def win_deals(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Close open deals as won; as :func:`apps.crm.services.deals.win_deal`."""
    many = _Many(Deal, keys, actor=actor, action="win")
    values = {"status": Deal.Status.WON, "probability": 100, "is_probability_manual": False}
    stages = _closing_stages(Stage.Kind.WON)
    missing = lacking(many.rows, None)

    def decide(deal: Deal) -> dict[str, Any]:
        found = _close(values, stages, deal)
        _require_none(missing, deal)
        return found

    _enter(many, decide, stages, fact=events.DEAL_WON, face=face)
    return many.refused


def _require_none(missing: Lacking, deal: Deal) -> None:
    if deal.pk in missing:
        raise ContractUnmet(missing[deal.pk])


def lose_deals(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Close open deals as lost, for a reason; as :func:`apps.crm.services.deals.lose_deal`."""
    many = _Many(Deal, keys, actor=actor, action="lose")
    reason: LostReason = choice["lose"].value
    values = {
        "status": Deal.Status.LOST,
        "probability": 0,
        "is_probability_manual": False,
        "lost_reason_id": reason.pk,
        "lost_note": "",
    }
    stages = _closing_stages(Stage.Kind.LOST)
    decide = partial(_close, values, stages)
    _enter(many, decide, stages, fact=events.DEAL_LOST, face=face, reason=reason.name)
    return many.refused


def archive_deals(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Put deals into the trash; as :func:`apps.crm.services.deals.archive_deal`."""
    now = timezone.now()

    def decide(deal: Deal) -> dict[str, Any]:
        rows.require_active(deal)
        return {"archived_at": now}

    many = _Many(Deal, keys, actor=actor, action="archive")
    many.decide(decide)
    many.tell(events.DEAL_ARCHIVED, events.deal_snapshots, many.write())
    return many.refused


def restore_deals(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Take deals out of the trash; as :func:`apps.crm.services.deals.restore_deal`."""

    def decide(deal: Deal) -> dict[str, Any]:
        if deal.archived_at is None:
            raise ValidationError(_("This is not in the trash."), code="not_archived")
        return {"archived_at": None}

    many = _Many(Deal, keys, actor=actor, action="archive")
    many.decide(decide)
    many.tell(events.DEAL_RESTORED, events.deal_snapshots, many.write())
    return many.refused


def _closing_stages(kind: str) -> dict[int, Stage]:
    return {stage.pipeline_id: stage for stage in Stage.objects.filter(kind=kind)}


def _close(values: dict[str, Any], stages: dict[int, Stage], deal: Deal) -> dict[str, Any]:
    deals.require_open(deal)
    if deal.pipeline_id not in stages:
        raise ValidationError(_("The pipeline has no stage for this."), code="no_closing_stage")
    return values


def _enter(
    many: _Many, decide: Decide, stages: dict[int, Stage], *, fact: Fact, face: str, reason: str = ""
) -> None:
    """Put deals into the stage of their pipeline, write the step into each one's history, and tell of it."""
    now = timezone.now()
    steps: dict[int, StageTransition] = {}

    def enter(deal: Deal) -> dict[str, Any]:
        values = decide(deal)
        stage = stages[deal.pipeline_id]
        if stage.pk == deal.stage_id:
            return {}
        # The clock of the host that moved it last may run ahead of ours.
        at = max(now, deal.stage_entered_at)
        steps[deal.pk] = _step(deal, stage, at, many.actor, face, reason)
        closed = {"closed_at": at} if stage.kind in _CLOSED else {}
        return {**values, **closed, "stage_id": stage.pk, "stage_entered_at": at}

    many.decide(enter)
    written = many.write()
    StageTransition.objects.bulk_create(steps[deal.pk] for deal in written)
    snapshots = events.deal_snapshots([deal.pk for deal in written])
    told = [(pk, {**snapshot, "transition": _told(steps[pk])}) for pk, snapshot in snapshots]
    publish_many(fact, told, actor_id=many.actor.pk)


def _step(deal: Deal, stage: Stage, at: datetime, actor: User, face: str, reason: str) -> StageTransition:
    return StageTransition(
        deal_id=deal.pk,
        from_stage_id=deal.stage_id,
        to_stage_id=stage.pk,
        at=at,
        actor=actor,
        face=face,
        reason=reason,
        seconds_in_stage=int((at - deal.stage_entered_at).total_seconds()),
        amount=deal.amount,
    )


def _told(step: StageTransition) -> dict[str, Any]:
    names = ("from_stage_id", "to_stage_id", "face", "reason", "seconds_in_stage")
    return {name: getattr(step, name) for name in names}


# Companies, people, products


def change_companies(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Change what is written on companies; as :func:`apps.crm.services.companies.change_company`."""
    many = _Many(Company, keys, actor=actor, action="change")
    return _change_owned(many, choice, events.COMPANY_CHANGED, events.company_snapshots)


def change_people(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Change what is written on people; as :func:`apps.crm.services.people.change_person`."""
    many = _Many(Person, keys, actor=actor, action="change")
    return _change_owned(many, choice, events.PERSON_CHANGED, events.person_snapshots)


def _plain(choice: Choice, *but: str) -> list[str]:
    """Return the columns among what was chosen that are written as they are."""
    return [name for name in choice if name not in {"tags", *but} and not name.startswith(PREFIX)]


def _change_owned(many: _Many, choice: Choice, fact: Fact, snapshots: Snapshots) -> Refusals:
    names = _plain(choice)
    further = further_values(many.model, choice, actor=many.actor)  # type: ignore[arg-type]
    given = {f"{name}_id": _key(choice[name].value) for name in ("owner", "team") if name in choice}
    try:
        # The team of a new owner, asked for once.
        rows.owner_and_team(given, actor=many.actor)
    except ValidationError as error:
        return many.refuse_all(error)

    def decide(row: Any) -> dict[str, Any]:
        rows.require_active(row)
        values = new_values(row, choice, names) | further(row)
        if "owner_id" in values and values["owner_id"] != row.owner_id:
            values.setdefault("team_id", given["team_id"])
        return values

    many.decide(decide)
    many.tell(fact, snapshots, many.write(also=_change_tags(many, choice)))
    return many.refused


def _key(value: Any) -> int | None:
    return None if value is None else int(value.pk)


def change_products(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Change products; as :func:`apps.crm.services.catalog.change_product`."""
    many = _Many(Product, keys, actor=actor, action="change")

    def decide(product: Product) -> dict[str, Any]:
        rows.require_active(product)
        return new_values(product, choice, list(choice))

    many.decide(decide)
    many.write()
    return many.refused


def _change_tags(many: _Many, choice: Choice) -> set[int]:
    """Add or take off tags of the rows that are left. :return: the rows on which that changed something"""
    if "tags" not in choice:
        return set()
    field: Any = many.model._meta.get_field("tags")
    through: Any = field.remote_field.through
    holder, tag = f"{field.m2m_field_name()}_id", f"{field.m2m_reverse_field_name()}_id"
    tag_ids = [each.pk for each in choice["tags"].value]
    links = through._base_manager.filter(**{f"{holder}__in": list(many.changes), f"{tag}__in": tag_ids})
    there = set(links.values_list(holder, tag))
    if choice["tags"].how == How.REMOVE:
        links.delete()
        return {pk for pk, _tag in there}
    new = [(pk, tag_id) for pk in many.changes for tag_id in tag_ids if (pk, tag_id) not in there]
    # Somebody who has not locked the row may add the same.
    through._base_manager.bulk_create(
        [through(**{holder: pk, tag: tag_id}) for pk, tag_id in new], ignore_conflicts=True
    )
    return {pk for pk, _tag in new}


# Leads


def change_leads(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Change what is written on leads; as :func:`apps.crm.services.leads.change_lead`."""
    many = _Many(Lead, keys, actor=actor, action="change")
    names = _plain(choice)
    further = further_values(Lead, choice, actor=actor)

    def decide(lead: Lead) -> dict[str, Any]:
        rows.require_active(lead)
        return new_values(lead, choice, names) | further(lead)

    many.decide(decide)
    many.tell(events.LEAD_CHANGED, lead_facts.lead_snapshots, many.write(also=_change_tags(many, choice)))
    return many.refused


def assign_leads(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Give leads to somebody, or to a team; as :func:`apps.crm.services.leads.assign_lead`."""
    many = _Many(Lead, keys, actor=actor, action="assign", related=["owner"])
    values: dict[str, Any] = {f"{name}_id": chosen.value.pk for name, chosen in choice.items()}
    try:
        rows.owner_and_team(values, actor=actor)
    except ValidationError as error:
        return many.refuse_all(error)
    previous = {lead.pk: lead_facts.owner_of(lead) for lead in many.rows}
    because = {"by": "hand", "who": actor.name}

    def decide(lead: Lead) -> dict[str, Any]:
        rows.require_active(lead)
        if not rows.differing(lead, values):
            return {}
        return {**values, "assigned_at": timezone.now(), "assigned_because": because}

    many.decide(decide)
    written = many.write()
    snapshots = lead_facts.lead_snapshots([lead.pk for lead in written])
    told = [(pk, {**snapshot, "previous_owner": previous[pk]}) for pk, snapshot in snapshots]
    publish_many(events.LEAD_ASSIGNED, told, actor_id=actor.pk)
    return many.refused


def start_leads(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Take new leads into work; as :func:`apps.crm.services.leads.start_lead`."""

    def decide(lead: Lead) -> dict[str, Any]:
        leads.require_open(lead)
        return {"status": Lead.Status.WORKING}

    many = _Many(Lead, keys, actor=actor, action="change")
    many.decide(decide)
    many.tell(events.LEAD_CHANGED, lead_facts.lead_snapshots, many.write())
    return many.refused


def disqualify_leads(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Say that leads come to nothing; as :func:`apps.crm.services.leads.disqualify_lead`."""
    reason: DisqualifyReason = choice["disqualify"].value

    def decide(lead: Lead) -> dict[str, Any]:
        leads.require_open(lead)
        return {"status": Lead.Status.DISQUALIFIED, "disqualify_reason_id": reason.pk}

    many = _Many(Lead, keys, actor=actor, action="disqualify")
    many.decide(decide)
    many.tell(events.LEAD_DISQUALIFIED, lead_facts.lead_snapshots, many.write())
    return many.refused


def recycle_leads(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Take disqualified leads into work again; as :func:`apps.crm.services.leads.recycle_lead`."""
    return one_by_one(leads.recycle_lead, keys, actor=actor)


def archive_leads(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Put leads into the trash."""
    return one_by_one(leads.archive_lead, keys, actor=actor)


def restore_leads(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Take leads out of the trash."""
    return one_by_one(leads.restore_lead, keys, actor=actor)


# What takes along more than the row itself goes through the service for one


def reopen_deals(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Open closed deals again, each in the stage in which it was closed."""
    return one_by_one(deals.reopen_deal, keys, reason=choice["reopen"].value, actor=actor, face=face)


def archive_companies(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Put companies into the trash with their contacts."""
    return one_by_one(companies.archive_company, keys, actor=actor)


def restore_companies(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Take companies out of the trash with their contacts."""
    return one_by_one(companies.restore_company, keys, actor=actor)


def archive_people(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Put people into the trash with their contacts."""
    return one_by_one(people.archive_person, keys, actor=actor)


def restore_people(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Take people out of the trash with their contacts."""
    return one_by_one(people.restore_person, keys, actor=actor)


def archive_products(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Stop offering products."""
    return one_by_one(catalog.archive_product, keys, actor=actor)


def restore_products(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Offer products again."""
    return one_by_one(catalog.restore_product, keys, actor=actor)
