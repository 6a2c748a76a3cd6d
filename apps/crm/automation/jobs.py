"""Dry runs of rules, made known to the job runner."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.jobs.kinds import JobKind, Reporter, Step, register
from apps.jobs.models import Job


def register_kinds() -> None:
    """Register the kind of work; called when the app is ready."""
    register(JobKind(key="crm.try_automation", label=_("dry run of a rule"), step=_try, page=_page))


def _try(job: Job, reporter: Reporter) -> Step:
    from apps.crm.services import automation_trials  # noqa: PLC0415

    return automation_trials.trial_step(job, reporter)


def _page(job: Job) -> str:
    # Its number makes another address of it: who waits on the page of the rule would otherwise only scroll.
    page = reverse("admin:crm_automationrule_change", args=[job.params["rule"]])
    return f"{page}?dry-run={job.pk}#dry-run"
