"""
What may be done about somebody who wants to be forgotten: rehearse what would go and what stays, and erase it.

Erasing is a job, whose steps are in :mod:`apps.crm.services.erasure_steps`.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.accounts.models import User
from apps.accounts.owned_rows import locked
from apps.common.personal import Place, Subject, Turn, place_of
from apps.crm.models import Erasure, Person
from apps.crm.services import rows
from apps.crm.services.subjects import subject_of, to_erase
from apps.jobs.services import start_job
from apps.jobs.titles import Title

JOB_KIND = "crm.erase_person"


@dataclass(frozen=True)
class Plan:
    """
    What is to be erased.

    :ivar reach: by what each place is erased
    :ivar counts: of each place with anything in it, what would be erased and what is kept, by the reason's code
    :ivar digest: of the rows that are the person's; what follows from them comes and goes by itself
    """

    reach: list[dict[str, Any]]
    counts: list[dict[str, Any]]
    digest: str


@transaction.atomic
def rehearse_erasure(person_id: int, *, actor: User) -> Erasure:
    """
    Find what would be erased of a person and what stays, and why; nothing is changed.

    :raises DoesNotExist: the person is out of sight
    :raises PermissionDenied: the actor may not rehearse that
    :raises ValidationError: the person was merged into another ("merged"), or erased ("erased")
    """
    person = _locked_person(person_id, actor)
    plan = plan_of(person)
    return Erasure.objects.create(
        person=person, owner=actor, reach=plan.reach, counts=plan.counts, digest=plan.digest
    )


@transaction.atomic
def apply_erasure(erasure_id: int, *, actor: User) -> Erasure:
    """
    Erase a person as it was rehearsed, as a job. It cannot be undone.

    The person is in the trash from now on, so that nothing more is written about them.

    :raises Erasure.DoesNotExist: the actor cannot see such an erasure
    :raises PermissionDenied: the actor may not erase
    :raises ValidationError: it was applied before ("applied"), the person was merged or erased meanwhile, or what would
        go is not what was rehearsed any more ("plan_changed")
    """
    erasure = locked(Erasure, erasure_id, actor=actor, action="apply")
    if erasure.state != Erasure.State.REHEARSED:
        raise ValidationError(_("This is being done, or has been done, already."), code="applied")
    person = _locked_person(erasure.person_id, actor)
    plan = plan_of(person)
    if plan.digest != erasure.digest:
        raise ValidationError(
            _("Something was written about this person since the rehearsal. Rehearse it again."),
            code="plan_changed",
        )
    # Whoever began another erasure of the same person has been let through one by one.
    erasure.reach, erasure.counts, erasure.state = plan.reach, plan.counts, Erasure.State.APPLYING
    with rows.refusals():
        erasure.save(update_fields=["reach", "counts", "state"])
    if person.archived_at is None:
        rows.archive(person, actor=actor)
    total = sum(len(place["keys"]) for place in plan.reach)
    title = Title(gettext_noop("Erasure of person %(id)d"), {"id": person.pk})
    erasure.job = start_job(JOB_KIND, actor=actor, title=title, params={"erasure": erasure.pk}, total=total)
    erasure.save(update_fields=["job"])
    return erasure


def plan_of(person: Person) -> Plan:
    """
    Look for what is to be erased of a person, in each place that has an index for it.

    Where all rows have to be gone through, the job looks first of all.
    """
    subject = subject_of(person)
    reach, counts, own = [], [], []
    for place, keys in to_erase(subject, searches=False):
        if keys:
            reach.append({"place": place.label, "keys": keys})
        entry = counted(place, subject, keys)
        if entry["erased"] or entry["kept"]:
            counts.append(entry)
            if place.turn == Turn.OWN:
                own.append([place.label, keys, entry["kept"]])
    digest = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()
    return Plan(reach, counts, digest)


def counted(place: Place, subject: Subject, keys: Sequence[Any]) -> dict[str, Any]:
    """Return how many rows of a place are erased, and how many are kept for which reason."""
    left = place.rows(subject)
    kept = {}
    for reason in place.kept:
        # Of several reasons the first counts, so that each row is counted once.
        held = left.filter(reason.condition(subject))
        if count := held.order_by().values("pk").distinct().count():
            kept[reason.code] = count
        left = left.exclude(reason.condition(subject))
    erased = len(keys) if place.keys is None else left.count()
    return {"place": place.label, "erased": erased, "kept": kept}


def reasons_of(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return why rows of a place are kept, in words, with how many."""
    words = {reason.code: str(reason.why) for reason in place_of(entry["place"]).kept}
    return [
        {"code": code, "count": count, "why": words.get(code, code)} for code, count in entry["kept"].items()
    ]


def _locked_person(person_id: int, actor: User) -> Person:
    person = rows.locked(Person, person_id, actor=actor, action="erase")
    rows.require_unmerged(person)
    rows.require_unerased(person)
    return person
