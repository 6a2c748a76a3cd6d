"""The conversion of amounts, made known to the job runner."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.jobs.kinds import JobKind, Reporter, Step, register
from apps.jobs.models import Job


def register_kinds() -> None:
    """Register the kind of work; called when the app is ready."""
    register(
        JobKind(key="crm.convert_amounts", label=_("convert the amounts of deals"), step=_convert, page=_page)
    )


def _convert(job: Job, reporter: Reporter) -> Step:
    from apps.crm.services import rates  # noqa: PLC0415

    return rates.convert_step(job, reporter)


def _page(job: Job) -> str:
    return reverse("admin:crm_currencyrate_changelist")
