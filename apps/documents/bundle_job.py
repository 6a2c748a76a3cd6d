"""The kind of job that writes a bundle, made known to the job runner; its steps are loaded when there is work."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.jobs.kinds import JobKind, Reporter, Step, register
from apps.jobs.models import Job


def register_kind() -> None:
    """Register the kind; called when the app is ready."""
    register(
        JobKind(
            key="documents.bundle",
            label=_("bundle"),
            step=_step,
            prepare=_prepare,
            ended=_ended,
            resumed=_resumed,
            page=_page,
        )
    )


def _prepare(job: Job, reporter: Reporter) -> Any:
    from apps.documents.services import bundle_steps  # noqa: PLC0415

    return bundle_steps.write_file(job, reporter)


def _step(job: Job, reporter: Reporter, prepared: Any) -> Step:
    from apps.documents.services import bundle_steps  # noqa: PLC0415

    return bundle_steps.finish_step(job, reporter, prepared)


def _ended(job: Job) -> None:
    from apps.documents.services import bundle_steps  # noqa: PLC0415

    bundle_steps.ended(job)


def _resumed(job: Job) -> None:
    from apps.documents.services import bundle_steps  # noqa: PLC0415

    bundle_steps.resumed(job)


def _page(job: Job) -> str:
    return reverse("admin:documents_bundle_change", args=[job.params["bundle"]])
