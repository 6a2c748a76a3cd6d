"""Jobs keep nothing about people outside."""

from apps.common.personal import not_personal
from apps.jobs.models import Job, JobEvent


def declare() -> None:
    """Declare that; called when the app is ready."""
    why = "Titles, logs and results name kinds, numbers and keys, and never a row."
    not_personal(Job, why)
    not_personal(JobEvent, why)
