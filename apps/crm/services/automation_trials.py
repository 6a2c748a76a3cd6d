"""What a rule would have done about last month's facts, found out without doing any of it."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.crm.models import AutomationRule
from apps.crm.services import rows
from apps.crm.services.automation_runs import case_of, labels_of, refusal_of
from apps.events.models import Event
from apps.jobs.kinds import JobRefused, Reporter, Step
from apps.jobs.models import Job
from apps.jobs.services import start_job

JOB_KIND = "crm.try_automation"
PERIOD = timedelta(days=30)
# Facts looked at in one transaction, each with a few short questions.
CHUNK = 200
# As many are named as somebody reads; all are counted.
SHOWN = 100


@transaction.atomic
def try_automation(rule_id: int, *, actor: User) -> Job:
    """
    Look, as a job, at what a rule would have done about the facts of the last thirty days; nothing is done.

    :raises DoesNotExist: the rule is out of sight
    :raises PermissionDenied: the actor may not change it, or does not act in person
    :raises ValidationError: it is in the trash ("archived")
    """
    rule = rows.locked(AutomationRule, rule_id, actor=actor, action="change")
    rows.require_active(rule)
    now = timezone.now()
    params = {"rule": rule.pk, "since": now - PERIOD, "until": now}
    title = _("Dry run of “%(rule)s”") % {"rule": rule.name}
    return start_job(JOB_KIND, actor=actor, title=title, params=params, total=_facts(rule, params).count())


def latest_trial(rule: AutomationRule, *, actor: User) -> Job | None:
    """Return the latest dry run of a rule that somebody has asked for."""
    mine = Job.objects.filter(owner=actor, kind=JOB_KIND, params__rule=rule.pk)
    return mine.order_by("-pk").first()


def _facts(rule: AutomationRule, params: dict[str, Any]) -> QuerySet[Event]:
    return Event.objects.filter(type=rule.trigger, at__gte=params["since"], at__lt=params["until"])


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
    facts = list(_facts(rule, params).filter(pk__gt=progress["after"]).order_by("pk")[:CHUNK])
    for event in facts:
        _look(rule, event, progress)
    progress["done"] += len(facts)
    progress["after"] = facts[-1].pk if facts else progress["after"]
    step: dict[str, Any] = {
        "done": progress["done"],
        "total": max(job.total or 0, progress["done"]),
        "checkpoint": progress,
    }
    if len(facts) == CHUNK:
        return Step(**step)
    result = {
        "facts": progress["done"],
        "fired": progress["fired"],
        "refused": progress["refused"],
        "actions": [one["label"] for one in labels_of(rule)],
        "rows": progress["rows"],
    }
    said = _("It would have acted %(fired)s times, and been refused %(refused)s times.")
    return Step(**step, message=said % result, result=result)


def _look(rule: AutomationRule, event: Event, progress: dict[str, Any]) -> None:
    case = case_of(rule, event)
    if case is None:
        return
    refusal = refusal_of(case)
    progress["refused" if refusal else "fired"] += 1
    if len(progress["rows"]) < SHOWN:
        progress["rows"].append(
            {
                "event": event.pk,
                "at": event.at.isoformat(),
                "subject": event.subject,
                "name": str(case.row),
                "refusal": refusal,
            }
        )
