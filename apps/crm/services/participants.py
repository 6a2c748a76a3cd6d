"""Who takes part in a deal on the customer's side."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.crm import events
from apps.crm.models import Deal, DealParticipant, Person
from apps.crm.services import rows


@transaction.atomic
def add_participant(
    deal_id: int, *, person_id: int, role: str, actor: User, is_primary: bool = False
) -> DealParticipant:
    """
    Say which part a person has in a deal; at most one participant is the primary one.

    :raises DoesNotExist: the deal is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: the person is not the actor's to name ("not_found"), "archived",
        "deal_participant_unique"
    """
    deal = rows.locked(Deal, deal_id, actor=actor, action="change")
    rows.require_active(deal)
    person = rows.named(Person, person_id, actor=actor, field="person")
    if person is None:
        raise rows.refusal("person", _("Name the person."), code="required")
    if is_primary:
        deal.participants.update(is_primary=False)
    participant = DealParticipant(deal=deal, person=person, role=role, is_primary=is_primary)
    rows.insert(participant, actor=actor)
    _tell(deal, actor=actor)
    return participant


@transaction.atomic
def change_participant(
    participant_id: int, *, actor: User, role: str | None = None, is_primary: bool | None = None
) -> DealParticipant:
    """
    Give a participant another part, or make them the primary one; what is not named stays.

    :raises DoesNotExist: the participant is out of sight
    :raises PermissionDenied: the actor may not change the deal
    :raises ValidationError: "archived", "deal_participant_unique"
    """
    deal, participant = _held(participant_id, actor=actor)
    given = {"role": role, "is_primary": is_primary}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    changes = rows.differing(participant, values)
    if changes:
        if changes.get("is_primary"):
            deal.participants.exclude(pk=participant.pk).update(is_primary=False)
        rows.write(participant, changes, actor=actor)
        _tell(deal, actor=actor)
    return participant


@transaction.atomic
def remove_participant(participant_id: int, *, actor: User) -> None:
    """
    Say that a person has this part in a deal no longer.

    :raises DoesNotExist: the participant is out of sight
    :raises PermissionDenied: the actor may not change the deal
    :raises ValidationError: "archived"
    """
    deal, participant = _held(participant_id, actor=actor)
    participant.delete()
    _tell(deal, actor=actor)


def _held(participant_id: int, *, actor: User) -> tuple[Deal, DealParticipant]:
    """Lock the deal first, then read the participant as it is under that lock."""
    found = DealParticipant.objects.visible_to(actor).get(pk=participant_id)
    deal = rows.locked(Deal, found.deal_id, actor=actor, action="change")
    rows.require_active(deal)
    return deal, DealParticipant.objects.get(pk=participant_id)


def _tell(deal: Deal, *, actor: User) -> None:
    events.publish_deal(events.DEAL_CHANGED, deal.pk, actor_id=actor.pk)
    events.move_timelines([f"deal:{deal.pk}"])
