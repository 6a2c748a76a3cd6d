"""The kind of job that makes a paper, made known to the job runner; its steps are loaded when there is work."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.jobs.kinds import JobKind, Reporter, Step, register
from apps.jobs.models import Job


def register_kind() -> None:
    """Register the kind; called when the app is ready."""
    register(
        JobKind(
            key="documents.generate",
            label=_("paper from a template"),
            step=_step,
            prepare=_prepare,
            page=_page,
        )
    )


def _prepare(job: Job, reporter: Reporter) -> Any:
    from apps.documents.services import generation  # noqa: PLC0415

    return generation.prepare_step(job, reporter)


def _step(job: Job, reporter: Reporter, prepared: Any) -> Step:
    from apps.documents.services import generation  # noqa: PLC0415

    return generation.generate_step(job, reporter, prepared)


def _page(job: Job) -> str:
    return reverse("admin:documents_generation_change", args=[job.params["generation"]])
