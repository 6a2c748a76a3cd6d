"""What happens to deals: the one way to make, move, close, assign and archive one, whatever the face."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.common.plans import kept_plans
from apps.crm import events
from apps.crm.models import Company, Deal, LostReason, Person, Pipeline, Stage, StageTransition
from apps.crm.services import rows
from apps.crm.services.contracts import require_contract, require_contract_from_start
from apps.crm.services.custom_values import change_custom, clean_custom
from apps.crm.services.quote_lines import follow_deal

Face = StageTransition.Face

# The stage as `_open_stage` wants it, the team as `rows.first_team_id` does, and what else has to be there. Where further
# fields are required there is more to ask.
_GROUND = """
    select s.pipeline_id, s.probability, (
        select m.team_id from accounts_membership m join accounts_team t on t.id = m.team_id
        where m.user_id = %s and t.archived_at is null order by m.id limit 1
    )
    from crm_stage s join crm_pipeline p on p.id = s.pipeline_id and p.archived_at is null
    where s.id = %s and s.kind = 'OPEN' and exists ({stage}){exists}
        and not exists (
            select 1 from crm_customfield f where f.model = 'deal' and f.is_required and f.archived_at is null
        )
"""

# Within, "crm_deal" is the new one: the policy's question and what is told of a deal are asked about it as they are
# about any other, and nobody else's is looked at.
_NEW = """
    with crm_deal as ({new} returning *), step as ({first})
    select exists ({may}), told.*, {given} from crm_deal d, ({told}) told
"""


class DealFields(TypedDict, total=False):
    """What people write on a deal; relations by id. A probability of None is the stage's own."""

    title: str
    company_id: int | None
    person_id: int | None
    amount: Decimal | None
    currency: str
    probability: int | None
    opened_date: date
    expected_close_date: date | None
    next_step: str
    next_step_date: date | None
    description: str
    tag_ids: Sequence[int]
    custom: Mapping[str, Any]


@rows.refusals()
def create_deal(
    *,
    actor: User,
    face: Face,
    stage_id: int | None = None,
    owner_id: int | None = None,
    team_id: int | None = None,
    at: datetime | None = None,
    **fields: Unpack[DealFields],
) -> Deal:
    """
    Open a deal, in the first open stage of the default pipeline unless another is named.

    :param owner_id: the actor unless another is named, for which the actor has to be allowed to assign deals
    :param at: when it began, where that was earlier than now
    :raises PermissionDenied: the actor may not make such a deal
    :raises ValidationError: a value is refused
    """
    access.require(actor, "add", Deal)
    if owner_id not in {None, actor.pk}:
        access.require(actor, "assign", Deal)
    values: dict[str, Any] = {**fields, "owner_id": owner_id or actor.pk}
    if team_id is not None:
        values["team_id"] = team_id
    stage, tags = _usual_ground(stage_id, values, actor=actor) or _ground(stage_id, values, actor=actor)
    began = _moment(at)
    values.setdefault("currency", settings.BASE_CURRENCY)
    values.setdefault("opened_date", timezone.localdate(began))
    values.update(probability_for(values.pop("probability", None), stage))
    deal = Deal(stage=stage, pipeline_id=stage.pipeline_id, stage_entered_at=began, **values)
    rows.prepare(deal, actor=actor)
    step = StageTransition(deal=deal, to_stage=stage, at=began, actor=actor, face=face, amount=deal.amount)
    read = _insert(deal, step, actor=actor)
    if tags:
        deal.tags.set(tags)
        events.publish_deal(events.DEAL_CREATED, deal.pk, actor_id=actor.pk)
    else:
        events.publish_read_deal(events.DEAL_CREATED, read, actor_id=actor.pk)
    return deal


def _insert(deal: Deal, step: StageTransition, *, actor: User) -> dict[str, Any]:
    """
    Insert a new deal with its first step; return what is told of it, as :func:`events.untagged_deals` reads it.

    :raises PermissionDenied: the deal lies where the actor may not add any
    """
    may, may_params = access.asked(actor, "add", Deal, key="d.id")
    if not may:
        raise PermissionDenied
    told, names = events.untagged_deals()
    new = rows.insertion_of(deal)
    first = rows.insertion_of(step, deal_id="(select id from crm_deal)")
    given = ", ".join(f"d.{column}" for column in new.given)
    sql = _NEW.format(new=new.sql, first=first.sql, may=may, told=told, given=given)
    with connection.cursor() as cursor, kept_plans(connection):
        cursor.execute(sql, [*new.values, *first.values, *may_params])
        is_allowed, *found = cursor.fetchone()
    if not is_allowed:
        raise PermissionDenied
    new.take(deal, found[len(names) :])
    return dict(zip(names, found, strict=False))


@transaction.atomic
def change_deal(
    deal_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[DealFields]
) -> Deal:
    """
    Change what is written on a deal; what is not named stays. Nothing happens where nothing differs.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: a value is refused, the deal is in the trash ("archived") or changed ("stale"), or the
        amount is not entered by hand ("amount_follows")
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="change", expected_version=expected_version)
    rows.require_active(deal)
    values, tags = _checked(dict(fields), actor=actor, before=deal)
    require_amount_by_hand(deal, values)
    change_custom(deal, values, actor=actor)
    if "probability" in values:
        require_open(deal)
        values.update(probability_for(values["probability"], deal.stage))
    changes = rows.differing(deal, values)
    are_tags_new = tags is not None and rows.set_tags(deal, tags)
    if changes or are_tags_new:
        rows.write(deal, changes, actor=actor)
        if {"amount", "currency", "title"} & changes.keys():
            lines = deal.lines.select_related("product").order_by("position", "id")
            follow_deal(deal, list(lines), actor=actor)
        events.publish_deal(events.DEAL_CHANGED, deal.pk, actor_id=actor.pk)
    return deal


@transaction.atomic
def move_deal(
    deal_id: int,
    *,
    stage_id: int,
    actor: User,
    face: Face,
    reason: str = "",
    at: datetime | None = None,
    expected_version: int | None = None,
) -> Deal:
    """
    Move an open deal to another open stage of its pipeline; moving it to where it stands does nothing.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not move it
    :raises ValidationError: "deal_not_open", "archived", "stale", "stage_closes" (win or lose it instead),
        "other_pipeline", or a stage that it would leave behind asks for more ("contract_unmet")
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="move", expected_version=expected_version)
    stage = stage_to_enter(deal, stage_id, actor=actor)
    return _move(deal, stage, actor=actor, face=face, reason=reason, at=at)


def stage_to_enter(deal: Deal, stage_id: int, *, actor: User) -> Stage:
    """
    Return the stage of a deal's pipeline that it may be moved to, as it is now.

    :raises ValidationError: it may not be, as :func:`move_deal` says
    """
    require_open(deal)
    stage = _open_stage(stage_id, actor=actor)
    if stage.pipeline_id != deal.pipeline_id:
        raise rows.refusal("stage", _("This stage belongs to another pipeline."), code="other_pipeline")
    if stage.pk != deal.stage_id:
        require_contract(deal, stage)
    return stage


@transaction.atomic
def switch_pipeline(
    deal_id: int,
    *,
    stage_id: int,
    actor: User,
    face: Face,
    reason: str = "",
    expected_version: int | None = None,
) -> Deal:
    """
    Move an open deal into an open stage of any pipeline.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not move it
    :raises ValidationError: "deal_not_open", "archived", "stale", "stage_closes", or a stage before that one asks for
        more ("contract_unmet")
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="move", expected_version=expected_version)
    require_open(deal)
    stage = _open_stage(stage_id, actor=actor)
    if stage.pipeline_id == deal.pipeline_id:
        require_contract(deal, stage)
    else:
        require_contract_from_start(deal, stage)
    return _move(deal, stage, actor=actor, face=face, reason=reason)


@transaction.atomic
def win_deal(
    deal_id: int,
    *,
    actor: User,
    face: Face,
    reason: str = "",
    at: datetime | None = None,
    expected_version: int | None = None,
) -> Deal:
    """
    Close an open deal as won.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not win it
    :raises ValidationError: "deal_not_open", "archived", "stale", or its stage asks for more ("contract_unmet")
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="win", expected_version=expected_version)
    require_open(deal)
    require_contract(deal, None)
    stage = _closing_stage(deal, Stage.Kind.WON)
    values = {"status": Deal.Status.WON, "probability": 100, "is_probability_manual": False}
    transition = _enter(deal, stage, values, actor=actor, face=face, reason=reason, at=at, is_closing=True)
    events.publish_deal(events.DEAL_WON, deal.pk, actor_id=actor.pk, transition=transition)
    return deal


@transaction.atomic
def lose_deal(
    deal_id: int,
    *,
    reason_id: int,
    actor: User,
    face: Face,
    note: str = "",
    at: datetime | None = None,
    expected_version: int | None = None,
) -> Deal:
    """
    Close an open deal as lost, with the reason.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not lose it
    :raises ValidationError: "deal_not_open", "archived", "stale", or there is no such reason ("not_found")
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="lose", expected_version=expected_version)
    require_open(deal)
    reason = LostReason.objects.filter(pk=reason_id, is_active=True).first()
    if reason is None:
        raise rows.refusal("reason", _("There is no such reason."), code="not_found")
    values = {
        "status": Deal.Status.LOST,
        "probability": 0,
        "is_probability_manual": False,
        "lost_reason": reason,
        "lost_note": note.strip(),
    }
    story = f"{reason.name}: {note.strip()}" if note.strip() else reason.name
    stage = _closing_stage(deal, Stage.Kind.LOST)
    transition = _enter(deal, stage, values, actor=actor, face=face, reason=story, at=at, is_closing=True)
    events.publish_deal(events.DEAL_LOST, deal.pk, actor_id=actor.pk, transition=transition)
    return deal


@transaction.atomic
def reopen_deal(
    deal_id: int,
    *,
    reason: str,
    actor: User,
    face: Face,
    expected_version: int | None = None,
) -> Deal:
    """
    Open a closed deal again, in the stage in which it was closed.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not reopen it
    :raises ValidationError: "deal_open", "archived", "stale", or the reason is missing ("required")
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="reopen", expected_version=expected_version)
    rows.require_active(deal)
    if deal.status == Deal.Status.OPEN:
        raise ValidationError(_("This deal is open."), code="deal_open")
    if not reason.strip():
        raise rows.refusal("reason", _("Say why the deal is opened again."), code="required")
    stage = _stage_before_closing(deal)
    values = {
        "status": Deal.Status.OPEN,
        "closed_at": None,
        "lost_reason": None,
        "lost_note": "",
        **probability_for(None, stage),
    }
    transition = _enter(deal, stage, values, actor=actor, face=face, reason=reason)
    events.publish_deal(events.DEAL_REOPENED, deal.pk, actor_id=actor.pk, transition=transition)
    return deal


@transaction.atomic
def assign_deal(
    deal_id: int,
    *,
    owner_id: int,
    actor: User,
    team_id: int | None = None,
    expected_version: int | None = None,
) -> Deal:
    """
    Give a deal to somebody, and with it to their first team unless another is named.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not assign it
    :raises ValidationError: "archived", "stale", the new owner is unknown ("not_found") or left ("inactive")
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="assign", expected_version=expected_version)
    rows.require_active(deal)
    values: dict[str, Any] = {"owner_id": owner_id}
    if team_id is not None:
        values["team_id"] = team_id
    rows.owner_and_team(values, actor=actor)
    previous = {"id": deal.owner_id, "name": str(deal.owner)}
    changes = rows.differing(deal, values)
    if changes:
        rows.write(deal, changes, actor=actor)
        events.publish_deal(events.DEAL_ASSIGNED, deal.pk, actor_id=actor.pk, previous_owner=previous)
    return deal


@transaction.atomic
def archive_deal(deal_id: int, *, actor: User, expected_version: int | None = None) -> Deal:
    """
    Put a deal into the trash, from where it can be restored.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not archive it
    :raises ValidationError: "archived", "stale"
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="archive", expected_version=expected_version)
    rows.archive(deal, actor=actor)
    events.publish_deal(events.DEAL_ARCHIVED, deal.pk, actor_id=actor.pk)
    return deal


@transaction.atomic
def restore_deal(deal_id: int, *, actor: User, expected_version: int | None = None) -> Deal:
    """
    Take a deal out of the trash.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not restore it
    :raises ValidationError: "not_archived", "stale"
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="archive", expected_version=expected_version)
    rows.restore(deal, actor=actor)
    events.publish_deal(events.DEAL_RESTORED, deal.pk, actor_id=actor.pk)
    return deal


def _ground(stage_id: int | None, values: dict[str, Any], *, actor: User) -> tuple[Stage, list[Any] | None]:
    """
    Look up what a new deal stands on, and put its team among `values`; return its stage, and its tags if any are named.

    :raises ValidationError: something is not there for this actor
    """
    stage = _first_stage(actor) if stage_id is None else _open_stage(stage_id, actor=actor)
    tags = _look_up(values, actor=actor)
    rows.owner_and_team(values, actor=actor)
    values["custom"] = clean_custom(Deal, values.get("custom", {}), actor=actor)
    return stage, tags


def _usual_ground(
    stage_id: int | None, values: dict[str, Any], *, actor: User
) -> tuple[Stage, list[Any] | None] | None:
    """
    Do the same in one question for a deal of the actor's own in a stage that is named.

    None where there is more to ask, or something is refused: the single questions know the words.
    """
    is_usual = stage_id is not None and actor.is_active and values["owner_id"] == actor.pk
    if not is_usual or {"team_id", "tag_ids", "custom"} & values.keys():
        return None
    named = {Company: values.get("company_id"), Person: values.get("person_id")}
    judged = {model: pk for model, pk in named.items() if pk is not None}
    questions = [access.asked(actor, "view", model, is_active=True) for model in judged]
    sql, params = access.asked(actor, "view", Stage)
    if not (sql and all(question for question, _params in questions)):
        return None
    exists = "".join(f" and exists ({question})" for question, _params in questions)
    keys = [[*of_question, pk] for (_sql, of_question), pk in zip(questions, judged.values(), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            _GROUND.format(stage=sql, exists=exists), [actor.pk, stage_id, *params, stage_id, *chain(*keys)]
        )
        found = cursor.fetchone()
    if found is None:
        return None
    pipeline_id, probability, values["team_id"] = found
    kind = Stage.Kind.OPEN
    return Stage(pk=stage_id, pipeline_id=pipeline_id, kind=kind, probability=probability), None


def _checked(
    values: dict[str, Any], *, actor: User, before: Deal | None = None
) -> tuple[dict[str, Any], list[Any] | None]:
    """Look up what newly named relations stand for; return the values and the tags, if any are named."""
    tags = _look_up(values, actor=actor, before=before)
    return values, tags


def _look_up(values: dict[str, Any], *, actor: User, before: Deal | None = None) -> list[Any] | None:
    tag_ids = values.pop("tag_ids", None)
    tags = None if tag_ids is None else rows.named_tags(tag_ids, actor=actor)
    company_id, person_id = values.get("company_id"), values.get("person_id")
    if before is None or before.company_id != company_id:
        rows.require_named(Company, company_id, actor=actor, field="company")
    if before is None or before.person_id != person_id:
        rows.require_named(Person, person_id, actor=actor, field="person")
    return tags


def require_open(deal: Deal) -> None:
    """Insist that a deal is neither closed nor in the trash. :raises ValidationError: "deal_not_open", "archived" """
    rows.require_active(deal)
    if deal.status != Deal.Status.OPEN:
        raise ValidationError(
            _("This deal is closed. Reopen it first."), code="deal_not_open", params={"status": deal.status}
        )


_FOLLOWS = {
    Deal.AmountMode.LINES: _(
        "The amount is the sum of the lines. Say there that it is entered by hand first."
    ),
    Deal.AmountMode.QUOTE: _("The customer has accepted a quote: what the deal comes to stays as agreed."),
}


def require_amount_by_hand(deal: Deal, values: dict[str, Any]) -> None:
    """
    Insist that an amount or currency that differs is one for people to enter.

    :raises ValidationError: it follows the lines, or the accepted quote ("amount_follows")
    """
    if deal.amount_mode == Deal.AmountMode.MANUAL:
        return
    for name in ("amount", "currency"):
        if name in values and values[name] != getattr(deal, name):
            raise rows.refusal(name, _FOLLOWS[Deal.AmountMode(deal.amount_mode)], code="amount_follows")


def _first_stage(actor: User) -> Stage:
    pipelines = Pipeline.objects.visible_to(actor).active().order_by("-is_default", "pk")
    stage = (
        Stage.objects.filter(pipeline=pipelines.first(), kind=Stage.Kind.OPEN).order_by("position").first()
    )
    if stage is None:
        raise rows.refusal("stage", _("There is no pipeline with an open stage."), code="not_found")
    return stage


def _open_stage(stage_id: int, *, actor: User) -> Stage:
    stage = Stage.objects.visible_to(actor).filter(pk=stage_id, pipeline__archived_at=None).first()
    if stage is None:
        raise rows.refusal("stage", _("There is no such stage."), code="not_found")
    if stage.kind != Stage.Kind.OPEN:
        raise rows.refusal("stage", _("This stage closes deals: win or lose the deal."), code="stage_closes")
    return stage


def _closing_stage(deal: Deal, kind: Stage.Kind) -> Stage:
    stage = Stage.objects.filter(pipeline_id=deal.pipeline_id, kind=kind).first()
    if stage is None:
        raise ValidationError(_("The pipeline has no stage for this."), code="no_closing_stage")
    return stage


def _stage_before_closing(deal: Deal) -> Stage:
    """Return the open stage that the deal was closed from, or else the first one of its pipeline."""
    stages = Stage.objects.filter(pipeline_id=deal.pipeline_id, kind=Stage.Kind.OPEN)
    last = deal.transitions.filter(to_stage_id=deal.stage_id).order_by("-pk").first()
    stage = stages.filter(pk=last.from_stage_id).first() if last and last.from_stage_id else None
    stage = stage or stages.order_by("position").first()
    if stage is None:
        raise ValidationError(_("The pipeline has no open stage."), code="no_open_stage")
    return stage


def probability_for(chosen: int | None, stage: Stage) -> dict[str, Any]:
    """Return the columns for a probability that somebody chose, or for the stage's own."""
    if chosen is None:
        return {"probability": stage.probability, "is_probability_manual": False}
    return {"probability": chosen, "is_probability_manual": chosen != stage.probability}


def _move(
    deal: Deal, stage: Stage, *, actor: User, face: Face, reason: str, at: datetime | None = None
) -> Deal:
    if stage.pk == deal.stage_id:
        return deal
    values = {"pipeline_id": stage.pipeline_id}
    if not deal.is_probability_manual:
        values["probability"] = stage.probability
    transition = _enter(deal, stage, values, actor=actor, face=face, reason=reason, at=at)
    events.publish_deal(events.DEAL_MOVED, deal.pk, actor_id=actor.pk, transition=transition)
    return deal


def _enter(
    deal: Deal,
    stage: Stage,
    values: dict[str, Any],
    *,
    actor: User,
    face: Face,
    reason: str,
    at: datetime | None = None,
    is_closing: bool = False,
) -> dict[str, Any]:
    """Put a locked deal into a stage, write the step into its history, return what facts tell of it."""
    now = _moment(at, after=deal.stage_entered_at)
    step = StageTransition(
        deal=deal,
        from_stage_id=deal.stage_id,
        to_stage=stage,
        at=now,
        actor=actor,
        face=face,
        reason=reason.strip(),
        seconds_in_stage=int((now - deal.stage_entered_at).total_seconds()),
        amount=deal.amount,
    )
    # What people write is the reason; a deal may have no amount.
    step.clean_fields(exclude=["deal", "from_stage", "to_stage", "actor", "amount"])
    if is_closing:
        values["closed_at"] = now
    place = {"stage": stage, "stage_entered_at": now}
    # The board that it may be about to leave; the one it enters hears with the fact.
    events.poke_board(deal.pipeline_id)
    rows.write(deal, {**values, **place}, actor=actor)
    step.save(force_insert=True)
    return {
        "from_stage_id": step.from_stage_id,
        "to_stage_id": step.to_stage_id,
        "face": step.face,
        "reason": step.reason,
        "seconds_in_stage": step.seconds_in_stage,
    }


def _moment(at: datetime | None, *, after: datetime | None = None) -> datetime:
    """Return when something happened. :raises ValidationError: in the future, or before what preceded it"""
    now = timezone.now()
    if at is not None and at > now:
        raise rows.refusal("at", _("This is in the future."), code="time_order")
    moment = at or now
    if after is not None and moment < after:
        if at is not None:
            raise rows.refusal("at", _("The deal entered its stage later than that."), code="time_order")
        # The clock of the host that moved it last runs ahead of ours.
        return after
    return moment
