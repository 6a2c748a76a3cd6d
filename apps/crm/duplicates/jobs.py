"""The look for duplicates, made known to the job runner; the engine is loaded when there is something to do."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.jobs.kinds import JobKind, Reporter, Step, register
from apps.jobs.models import Job


def register_kinds() -> None:
    """Register the kind of work; called when the app is ready."""
    register(JobKind(key="crm.find_duplicates", label=_("look for duplicates"), step=_search, page=_page))


def _search(job: Job, reporter: Reporter) -> Step:
    from apps.crm.services import duplicates  # noqa: PLC0415

    return duplicates.search_step(job, reporter)


def _page(job: Job) -> str:
    return reverse("admin:crm_duplicates")
