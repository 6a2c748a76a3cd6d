"""The kinds of jobs that tell what is kept about a person, and erase it; steps are loaded when there is work."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.jobs.kinds import JobKind, Reporter, Step, register
from apps.jobs.models import Job


def register_kinds() -> None:
    """Register the kinds; called when the app is ready."""
    register(
        JobKind(
            key="crm.disclose_person",
            label=_("disclosure"),
            step=_finish_disclosure,
            prepare=_write_disclosure,
            ended=_disclosure_ended,
            resumed=_disclosure_resumed,
            page=_disclosure_page,
        )
    )
    register(
        JobKind(
            key="crm.erase_person",
            label=_("erasure"),
            step=_erase,
            prepare=_remove_contents,
            page=_erasure_page,
        )
    )


def _write_disclosure(job: Job, reporter: Reporter) -> Any:
    from apps.crm.services import disclosure_steps  # noqa: PLC0415

    return disclosure_steps.write_file(job, reporter)


def _finish_disclosure(job: Job, reporter: Reporter, written: Any) -> Step:
    from apps.crm.services import disclosure_steps  # noqa: PLC0415

    return disclosure_steps.finish_step(job, reporter, written)


def _disclosure_ended(job: Job) -> None:
    from apps.crm.services import disclosure_steps  # noqa: PLC0415

    disclosure_steps.ended(job)


def _disclosure_resumed(job: Job) -> None:
    from apps.crm.services import disclosure_steps  # noqa: PLC0415

    disclosure_steps.resumed(job)


def _disclosure_page(job: Job) -> str:
    return reverse("admin:crm_disclosure_change", args=[job.params["disclosure"]])


def _remove_contents(job: Job, reporter: Reporter) -> Any:
    from apps.crm.services import erasure_steps  # noqa: PLC0415

    return erasure_steps.remove_contents(job, reporter)


def _erase(job: Job, reporter: Reporter, prepared: Any) -> Step:
    from apps.crm.services import erasure_steps  # noqa: PLC0415

    return erasure_steps.erase_step(job, reporter, prepared)


def _erasure_page(job: Job) -> str:
    return reverse("admin:crm_erasure_change", args=[job.params["erasure"]])
