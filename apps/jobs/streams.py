"""The stream "job:42": what happens to a job, from its numbered events."""

from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser

from apps.accounts.models import User
from apps.events.streams import StreamEvent
from apps.jobs.models import Job, JobEvent
from apps.jobs.selectors import log_of, snapshot


class JobStream:
    """Serves jobs to their watchers. Implements :class:`apps.events.streams.StreamSource`."""

    def may_watch(self, actor: AbstractBaseUser, key: str) -> bool:
        """Whoever sees the job may watch it."""
        if not key.isascii() or not key.isdecimal() or len(key) > 18:
            return False
        return Job.objects.visible_to(cast(User, actor)).filter(pk=int(key)).exists()

    def head(self, key: str) -> tuple[str, int]:
        """The epoch tells a job from another that bears its number in a restored database."""
        found = Job.objects.filter(pk=int(key)).values_list("created_at", "seq").first()
        return (found[0].isoformat(), found[1]) if found else ("gone", 0)

    def read(self, key: str, after: int, limit: int) -> list[StreamEvent]:
        events = JobEvent.objects.filter(job=int(key), seq__gt=after).order_by("seq")[:limit]
        return [StreamEvent(event.seq, event.data | {"kind": event.kind, "at": event.at}) for event in events]

    def state(self, key: str) -> tuple[int, dict[str, Any]]:
        job = Job.objects.filter(pk=int(key)).first()
        if job is None:
            return 0, {}
        return job.seq, snapshot(job) | {"log": log_of(job)}
