"""The kind of job that writes an export, made known to the job runner; its steps are loaded when there is work."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.jobs.kinds import JobKind, Reporter, Step, register
from apps.jobs.models import Job


def register_kind() -> None:
    """Register the kind; called when the app is ready."""
    register(
        JobKind(key="lists.export", label=_("export"), step=_step, ended=_ended, resumed=_resumed, page=_page)
    )


def _step(job: Job, reporter: Reporter) -> Step:
    from apps.lists.services import export_steps  # noqa: PLC0415

    return export_steps.write_step(job, reporter)


def _ended(job: Job) -> None:
    from apps.lists.services import export_steps  # noqa: PLC0415

    export_steps.ended(job)


def _resumed(job: Job) -> None:
    from apps.lists.services import export_steps  # noqa: PLC0415

    export_steps.resumed(job)


def _page(job: Job) -> str:
    return reverse("admin:lists_export_change", args=[job.params["export"]])
