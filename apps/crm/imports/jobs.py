"""The long work of imports, made known to the job runner; the engine itself is loaded when there is some to do."""

from django.utils.translation import gettext_lazy as _

from apps.jobs.kinds import JobKind, Reporter, Step, register
from apps.jobs.models import Job


def register_kinds() -> None:
    """Register both kinds of work; called when the app is ready."""
    register(
        JobKind(
            key="crm.rehearse_import",
            label=_("rehearsal of an import"),
            step=_rehearse,
            ended=_ended,
            resumed=_resumed,
            page=_page,
        )
    )
    register(
        JobKind(
            key="crm.apply_import",
            label=_("import"),
            step=_apply,
            ended=_ended,
            resumed=_resumed,
            page=_page,
        )
    )


def _rehearse(job: Job, reporter: Reporter) -> Step:
    from apps.crm.imports import steps  # noqa: PLC0415

    return steps.rehearse_step(job, reporter)


def _apply(job: Job, reporter: Reporter) -> Step:
    from apps.crm.imports import steps  # noqa: PLC0415

    return steps.apply_step(job, reporter)


def _ended(job: Job) -> None:
    from apps.crm.imports import steps  # noqa: PLC0415

    steps.ended(job)


def _resumed(job: Job) -> None:
    from apps.crm.imports import steps  # noqa: PLC0415

    steps.resumed(job)


def _page(job: Job) -> str:
    from apps.crm.imports import steps  # noqa: PLC0415

    return steps.page(job)
