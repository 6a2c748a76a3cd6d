"""The kind of job that an undo is, and the change sets of all jobs."""

from contextlib import AbstractContextManager

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.history.context import Work, change_set
from apps.history.models import Undo
from apps.history.services.undoing import JOB_KIND, PUT_BACK_KIND, job_work, put_back_step, undo_step
from apps.jobs import kinds
from apps.jobs.models import Job


def register() -> None:
    """Make undoing known to jobs, and put every job's work into a change set."""
    kinds.register(kinds.JobKind(JOB_KIND, _("undo"), undo_step, page=_page))
    kinds.register(kinds.JobKind(PUT_BACK_KIND, _("undo of the rest"), put_back_step, page=_page))
    kinds.surround(_in_change_set)


def _in_change_set(job: Job) -> AbstractContextManager[Work]:
    return change_set(job_work(job))


def _page(job: Job) -> str:
    undo = Undo.objects.filter(pk=job.params["undo"]).values_list("change_set_id", flat=True).first()
    return reverse("admin:history_undo", args=[undo]) if undo else ""
