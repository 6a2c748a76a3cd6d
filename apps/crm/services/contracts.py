"""
Stage contracts: what a deal lacks to go on, and how that is refused; who approves a step.

A deal that moves forward, however far, has to have what every stage that it leaves behind asks for; to be won, what its
stage asks for. Moving back is free.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.crm import events
from apps.crm.criteria import Asked, Missing, missing_of, stored
from apps.crm.models import Deal, Stage, StageApproval
from apps.crm.services import rows

Decision = StageApproval.Decision
Lacking = Mapping[int, list[Missing]]


class ContractUnmet(ValidationError):
    """A deal lacks what a stage asks for. :ivar facts: what it lacks, as problem documents tell it"""

    def __init__(self, missing: list[Missing]) -> None:
        labels = ", ".join(one.label for one in missing)
        super().__init__(
            _("Before it goes on, the deal needs: %(what)s."), "contract_unmet", {"what": labels}
        )
        self.missing = missing
        self.facts = {"missing": [one.as_json() for one in missing]}


def lacking(deals: Iterable[Deal], target: Mapping[int, Stage] | None, *, has_steps: bool = False) -> Lacking:
    """
    Return what deals lack to enter a stage, by their ids.

    One question for the stages of all of them, and one for each kind of criteria.

    :param target: by pipeline, the open stage to enter; None to be won
    :param has_steps: whether to say what to do about it
    """
    found = list(deals)
    contracts = _contracts({deal.pipeline_id for deal in found} | set(target or {}))
    if not contracts:
        return {}
    positions = _positions({deal.stage_id for deal in found})
    asked: list[Asked] = []
    for deal in found:
        passed = _passed(deal, contracts, positions, None if target is None else target.get(deal.pipeline_id))
        asked += [Asked(deal.pk, stage.pk, one) for stage in passed for one in stored(stage.exit_criteria)]
    return missing_of(asked, has_steps=has_steps)


def missing_here(deal: Deal) -> list[Missing]:
    """Return what a deal lacks to leave the stage it is in; a closed one lacks nothing."""
    if deal.status != Deal.Status.OPEN:
        return []
    asked = [Asked(deal.pk, deal.stage_id, one) for one in stored(deal.stage.exit_criteria)]
    return missing_of(asked).get(deal.pk, [])


def require_contract(deal: Deal, stage: Stage | None) -> None:
    """
    Insist that a deal has what it needs to enter an open stage, or to be won (None).

    :raises ContractUnmet: it has not ("contract_unmet")
    """
    target = None if stage is None else {stage.pipeline_id: stage}
    missing = lacking([deal], target, has_steps=True).get(deal.pk)
    if missing:
        raise ContractUnmet(missing)


def require_contract_from_start(deal: Deal, stage: Stage) -> None:
    """
    Insist that a deal has what all stages ask for that come before this one in its pipeline, which the deal enters.

    :raises ContractUnmet: it has not ("contract_unmet")
    """
    before = [one for one in _contracts({stage.pipeline_id}) if one.position < stage.position]
    asked = [Asked(deal.pk, one.pk, each) for one in before for each in stored(one.exit_criteria)]
    missing = missing_of(asked).get(deal.pk)
    if missing:
        raise ContractUnmet(missing)


def _contracts(pipeline_ids: Iterable[int]) -> list[Stage]:
    stages = Stage.objects.filter(pipeline__in=set(pipeline_ids), kind=Stage.Kind.OPEN)
    return list(stages.exclude(exit_criteria=[]).order_by("position"))


def _positions(stage_ids: Iterable[int]) -> dict[int, int]:
    return dict(Stage.objects.filter(pk__in=set(stage_ids)).values_list("pk", "position"))


def _passed(
    deal: Deal, contracts: list[Stage], positions: Mapping[int, int], target: Stage | None
) -> list[Stage]:
    """Return the stages with criteria that a deal leaves behind."""
    if target is None:
        return [stage for stage in contracts if stage.pk == deal.stage_id]
    here = positions[deal.stage_id]
    return [
        stage
        for stage in contracts
        if stage.pipeline_id == deal.pipeline_id and here <= stage.position < target.position
    ]


# Approvals


@transaction.atomic
def request_approval(deal_id: int, *, criterion: str, actor: User, note: str = "") -> StageApproval:
    """
    Ask for the approval that the stage of a deal wants; whoever may approve its steps decides.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: the stage wants no such approval ("not_found"), it was asked for or given already
        ("stage_approval_once"), "archived", or the deal is closed ("deal_not_open")
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="change")
    rows.require_active(deal)
    if deal.status != Deal.Status.OPEN:
        raise ValidationError(_("This deal is closed. Reopen it first."), code="deal_not_open")
    wanted = {one.key for one in stored(deal.stage.exit_criteria) if one.kind == "approval"}
    if criterion not in wanted:
        raise rows.refusal("criterion", _("The stage asks for no such approval."), code="not_found")
    approval = StageApproval(
        deal=deal, stage_id=deal.stage_id, criterion=criterion, note=note.strip(), requested_by=actor
    )
    rows.insert(approval, actor=actor)
    events.publish_deal(events.DEAL_CHANGED, deal.pk, actor_id=actor.pk)
    return approval


@transaction.atomic
def decide_approval(approval_id: int, *, is_approved: bool, actor: User, reason: str = "") -> StageApproval:
    """
    Say yes or no to a step of a deal.

    :raises DoesNotExist: the approval is out of sight
    :raises PermissionDenied: the actor may not approve steps of this deal
    :raises ValidationError: somebody has decided already ("decided"), or says no without a reason ("required")
    """
    found = StageApproval.objects.visible_to(actor).get(pk=approval_id)
    deal = rows.locked(Deal, found.deal_id, actor=actor, action="approve")
    rows.require_active(deal)
    approval = StageApproval.objects.select_for_update(of=("self",)).get(pk=approval_id)
    if approval.decision != Decision.WAITING:
        raise ValidationError(_("Somebody has decided this already."), code="decided")
    if not is_approved and not reason.strip():
        raise rows.refusal("reason", _("Say why not."), code="required")
    values: dict[str, Any] = {
        "decision": Decision.APPROVED if is_approved else Decision.REFUSED,
        "decided_by": actor,
        "decided_at": timezone.now(),
        "reason": reason.strip(),
    }
    rows.write(approval, values, actor=actor)
    events.publish_deal(events.DEAL_CHANGED, deal.pk, actor_id=actor.pk)
    return approval
