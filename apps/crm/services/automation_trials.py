"""What a rule would have done last month, or would do now, found out without doing any of it."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.accounts.models import User
from apps.crm.automation.schedules import Span, is_daily, is_scheduled, today, waiting
from apps.crm.automation.words import holds
from apps.crm.models import AutomationRule
from apps.crm.services import rows
from apps.crm.services.automation_rounds import case_at, snapshots_of
from apps.crm.services.automation_runs import Case, Occasion, case_of, labels_of, refusal_of
from apps.events.models import Event
from apps.jobs.kinds import JobRefused, Reporter, Step
from apps.jobs.models import Job
from apps.jobs.services import start_job
from apps.jobs.titles import Title

JOB_KIND = "crm.try_automation"
PERIOD = timedelta(days=30)
# Facts or rows looked at in one transaction, each with a few short questions.
CHUNK = 200
# As many are named as somebody reads; all are counted.
SHOWN = 100


@transaction.atomic
def try_automation(rule_id: int, *, actor: User) -> Job:
    """
    Look, as a job, at what a rule would have done about the facts of the last thirty days; nothing is done.

    One that counts from rows' days is held against those that came in that time, one that acts at a time of day against
    the rows as they are now.

    :raises DoesNotExist: the rule is out of sight
    :raises PermissionDenied: the actor may not change it, or does not act in person
    :raises ValidationError: it is in the trash ("archived")
    """
    rule = rows.locked(AutomationRule, rule_id, actor=actor, action="change")
    rows.require_active(rule)
    now = timezone.now()
    params = {"rule": rule.pk, "since": now - PERIOD, "until": now}
    title = Title(gettext_noop("Dry run of “%(rule)s”"), {"rule": rule.name})
    total = _source(rule)(rule, params, actor).count()
    return start_job(JOB_KIND, actor=actor, title=title, params=params, total=total)


def latest_trial(rule: AutomationRule, *, actor: User) -> Job | None:
    """Return the latest dry run of a rule that somebody has asked for."""
    mine = Job.objects.filter(owner=actor, kind=JOB_KIND, params__rule=rule.pk)
    return mine.order_by("-pk").first()


def _source(rule: AutomationRule) -> Callable[..., QuerySet[Any]]:
    """Return what a rule is held against: facts or rows."""
    return _rows if is_scheduled(rule.trigger) else _facts


def _facts(rule: AutomationRule, params: dict[str, Any], actor: User) -> QuerySet[Event]:
    return Event.objects.filter(type=rule.trigger, at__gte=params["since"], at__lt=params["until"])


def _rows(rule: AutomationRule, params: dict[str, Any], actor: User) -> QuerySet[Any]:
    return waiting(rule, _span(params), owner=actor)


def _span(params: dict[str, Any]) -> Span:
    return Span(today(params["since"]), today(params["until"]))


def trial_step(job: Job, reporter: Reporter) -> Step:
    """Look at the next facts."""
    rule = (
        AutomationRule.objects.visible_to(job.owner)
        .select_related("owner")
        .filter(pk=job.params["rule"], archived_at=None)
        .first()
    )
    if rule is None:
        raise JobRefused(_("The rule is not there any more."))
    # It would act in the name of whoever starts it, which is whoever tries it.
    rule.owner = job.owner
    params = {name: parse_datetime(job.params[name]) for name in ("since", "until")}
    progress = deepcopy(job.checkpoint) or {"after": 0, "done": 0, "fired": 0, "refused": 0, "rows": []}
    by_clock = is_scheduled(rule.trigger)
    chunk = list(
        _source(rule)(rule, params, job.owner).filter(pk__gt=progress["after"]).order_by("pk")[:CHUNK]
    )
    for case in _rows_that_fit(rule, chunk, params) if by_clock else _facts_that_fit(rule, chunk):
        _note(case, progress)
    progress["done"] += len(chunk)
    progress["after"] = chunk[-1].pk if chunk else progress["after"]
    step: dict[str, Any] = {
        "done": progress["done"],
        "total": max(job.total or 0, progress["done"]),
        "checkpoint": progress,
    }
    if len(chunk) == CHUNK:
        return Step(**step)
    result = {
        "facts": progress["done"],
        "of": ("now" if is_daily(rule.trigger) else "days") if by_clock else "facts",
        "fired": progress["fired"],
        "refused": progress["refused"],
        "actions": [one["label"] for one in labels_of(rule)],
        "rows": progress["rows"],
    }
    said = (
        _("It would act on %(fired)s, and be refused on %(refused)s.")
        if result["of"] == "now"
        else _("It would have acted %(fired)s times, and been refused %(refused)s times.")
    )
    return Step(**step, message=said % result, result=result)


def _facts_that_fit(rule: AutomationRule, facts: list[Event]) -> Iterator[Case]:
    cases = (case_of(rule, Occasion.of_fact(event)) for event in facts)
    return (case for case in cases if case is not None)


def _rows_that_fit(rule: AutomationRule, found: list[Any], params: dict[str, Any]) -> Iterator[Case]:
    told = snapshots_of(rule, [row.pk for row in found])
    fitting = (row.pk for row in found if row.pk in told and holds(rule.condition, told[row.pk], row))
    cases = (case_at(rule, pk, _span(params)) for pk in fitting)
    return (case for case in cases if case is not None)


def _note(case: Case, progress: dict[str, Any]) -> None:
    occasion = case.occasion
    refusal = refusal_of(case)
    progress["refused" if refusal else "fired"] += 1
    if len(progress["rows"]) < SHOWN:
        at = occasion.due_date if occasion.event is None else occasion.event.at
        progress["rows"].append(
            {
                "event": None if occasion.event is None else occasion.event.pk,
                "at": None if at is None else at.isoformat(),
                "subject": occasion.subject,
                "name": str(case.row),
                "refusal": refusal,
            }
        )
