"""The kind of job that empties the trash, made known to the job runner; its steps are loaded when there is work."""

from django.utils.translation import gettext_lazy as _

from apps.jobs.kinds import JobKind, Reporter, Step, register
from apps.jobs.models import Job


def register_kind() -> None:
    """Register the kind; called when the app is ready."""
    register(JobKind(key="documents.purge", label=_("emptying of the trash"), step=_step))


def _step(job: Job, reporter: Reporter) -> Step:
    from apps.documents.services import keeping  # noqa: PLC0415

    return keeping.purge_step(job)
