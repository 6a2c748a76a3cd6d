"""Rounds of the rules that act by the clock: begun when they are due, and gone on with until they are through."""

import logging
from time import monotonic
from typing import Any

from django.db import OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.crm import events
from apps.crm.automation.schedules import (
    CATCH_UP,
    Span,
    due_day,
    is_scheduled,
    last_due,
    next_due,
    today,
    waiting,
)
from apps.crm.automation.words import aggregate_of, holds
from apps.crm.lead_facts import lead_snapshots
from apps.crm.models import AutomationRound, AutomationRule, AutomationRun
from apps.crm.services import automation
from apps.crm.services.automation_runs import Case, Occasion, case_of, give_up, run

logger = logging.getLogger(__name__)

# Rows read at once; each that a rule acts on has a transaction of its own.
CHUNK = 200
# A minute later the beat calls again, and goes on from there.
SECONDS = 50.0
# Nobody means to have more rows changed by themselves in one round, and finds out what became of them.
MOST_IN_A_ROUND = 1000
# With a minute between them.
MOST_ATTEMPTS = 10
_SNAPSHOTS = {
    "deal": events.deal_snapshots,
    "company": events.company_snapshots,
    "person": events.person_snapshots,
    "lead": lead_snapshots,
}
Outcome = AutomationRun.Outcome


def run_due_rules(*, seconds: float = SECONDS) -> int:
    """Begin the rounds that are due, and go on with those under way for a while; return how many rows were acted on."""
    begin_rounds()
    until = monotonic() + seconds
    acted = 0
    under_way = AutomationRound.objects.filter(finished_at=None).order_by("due_at", "pk")
    for pk in list(under_way.values_list("pk", flat=True)):
        try:
            is_through = False
            while not is_through and monotonic() < until:
                is_through, count = _go_on(pk)
                acted += count
        except OperationalError:
            # Of the database and not of the rule: the next minute goes on from the same row.
            logger.warning("round %s of an automation rule is put off", pk, exc_info=True)
    return acted


@transaction.atomic
def begin_rounds() -> int:
    """Begin one round of each rule whose time has come, for all days since its last; return how many."""
    now = timezone.now()
    due = AutomationRule._base_manager.filter(is_active=True, next_due_at__lte=now)
    # Whoever is changing a rule now has it wait for the next minute.
    due = due.select_for_update(of=("self",), no_key=True, skip_locked=True)
    begun = 0
    for rule in due.order_by("pk"):
        if is_scheduled(rule.trigger) and rule.next_due_at is not None:
            moment = last_due(rule.schedule, now)
            last = today(moment)
            first = max(today(rule.next_due_at), last - CATCH_UP)
            _round, is_new = AutomationRound.objects.get_or_create(
                rule=rule, due_at=moment, defaults={"first_date": min(first, last), "last_date": last}
            )
            begun += is_new
        # No change of the rule: nobody's form of it becomes stale.
        upcoming = next_due(rule.schedule, now) if is_scheduled(rule.trigger) else None
        AutomationRule._base_manager.filter(pk=rule.pk).update(next_due_at=upcoming)
    return begun


def _go_on(pk: int) -> tuple[bool, int]:
    """Look at the next rows of a round. :return: whether it is through, and how many rows were acted on"""
    this = AutomationRound.objects.select_related("rule__owner").get(pk=pk)
    rule = this.rule
    owner = rule.owner
    if this.finished_at is not None:
        return True, 0
    if owner is None or not _runs(rule):
        _advance(pk, after=this.after, looked=0, is_last=True)
        return True, 0
    chunk = list(waiting(rule, _span(this), owner=owner).filter(pk__gt=this.after).order_by("pk")[:CHUNK])
    facts = snapshots_of(rule, [row.pk for row in chunk])
    acted = looked = 0
    for row in chunk:
        looked += 1
        if row.pk in facts and holds(rule.condition, facts[row.pk], row):
            count = _act_or_put_off(pk, row.pk, looked=looked)
            if count is None:
                return True, acted
            acted, looked = acted + count, 0
    is_last = len(chunk) < CHUNK
    _advance(pk, after=chunk[-1].pk if chunk else this.after, looked=looked, is_last=is_last)
    return is_last, acted


def snapshots_of(rule: AutomationRule, ids: list[int]) -> dict[int, dict[str, Any]]:
    """Return what facts would tell of rows just now, by their keys."""
    return dict(_SNAPSHOTS[aggregate_of(rule.trigger)](ids))


def _act_or_put_off(pk: int, row_pk: int, *, looked: int) -> int | None:
    try:
        return _act(pk, row_pk, looked=looked)
    except OperationalError as error:
        if not _put_off(pk):
            raise
        return _act(pk, row_pk, looked=looked, given_up=error)


@transaction.atomic
def _act(pk: int, row_pk: int, *, looked: int, given_up: Exception | None = None) -> int | None:
    """
    Act on one row, together with how far the round has come; return how many rows that were, None to end the round.

    Asked anew under the round's lock: the rule may have been stopped, its owner may have lost rights, and the row may be
    another by now.
    """
    this = AutomationRound.objects.select_for_update(of=("self",)).select_related("rule__owner").get(pk=pk)
    if this.finished_at is not None:
        return None
    if this.after >= row_pk:
        # Somebody else has been here.
        return 0
    if not _runs(this.rule):
        this.finished_at = timezone.now()
        this.save(update_fields=["finished_at"])
        return None
    case = case_at(this.rule, row_pk, _span(this), round_id=this.pk)
    outcome = "" if case is None or case.occasion.done_by(this.rule) else _outcome_of(this, case, given_up)
    is_done = outcome == Outcome.DONE
    this.after, this.attempts = row_pk, 0
    this.looked += looked
    this.acted += is_done
    this.refused += bool(outcome) and not is_done
    if outcome == Outcome.FUSED:
        this.finished_at = timezone.now()
    this.save(update_fields=["after", "attempts", "looked", "acted", "refused", "finished_at"])
    return None if outcome == Outcome.FUSED else int(is_done)


def case_at(rule: AutomationRule, row_pk: int, span: Span, *, round_id: int | None = None) -> Case | None:
    """Return what a rule would do on a row's day; None where that is out of the span, or its owner's sight, or unfit."""
    owner = rule.owner
    row = None if owner is None else waiting(rule, span, owner=owner).filter(pk=row_pk).first()
    day = None if row is None else due_day(rule, row, span)
    data = snapshots_of(rule, [row_pk]).get(row_pk)
    if day is None or data is None:
        return None
    subject = f"{aggregate_of(rule.trigger)}/{row_pk}"
    return case_of(rule, Occasion(rule.trigger, subject, data, due_date=day, round_id=round_id))


def _outcome_of(this: AutomationRound, case: Case, given_up: Exception | None) -> str:
    if given_up is not None:
        return give_up(case, given_up)
    if this.acted + this.refused < MOST_IN_A_ROUND:
        return run(case)
    reason = _("It has acted on %(count)s rows in one round.") % {"count": MOST_IN_A_ROUND}
    automation.stop_by_fuse(case.rule, reason)
    return run(case, cut=reason)


@transaction.atomic
def _put_off(pk: int) -> bool:
    """Count that the database has failed at a row; tell whether that is enough."""
    this = AutomationRound.objects.select_for_update(of=("self",)).get(pk=pk)
    this.attempts += 1
    this.save(update_fields=["attempts"])
    return this.attempts >= MOST_ATTEMPTS


@transaction.atomic
def _advance(pk: int, *, after: int, looked: int, is_last: bool) -> None:
    this = AutomationRound.objects.select_for_update(of=("self",)).get(pk=pk)
    if after > this.after:
        this.after = after
        this.looked += looked
    if is_last and this.finished_at is None:
        this.finished_at = timezone.now()
    this.save(update_fields=["after", "looked", "finished_at"])


def _runs(rule: AutomationRule) -> bool:
    return rule.is_active and rule.archived_at is None and is_scheduled(rule.trigger)


def _span(this: AutomationRound) -> Span:
    return Span(this.first_date, this.last_date)
