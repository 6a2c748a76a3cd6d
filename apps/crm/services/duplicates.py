"""What people decide about rows that may be the same, and the look for such rows."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.duplicates import walking
from apps.crm.models import Company, Duplicated, DuplicateDismissal, DuplicatePair, Person
from apps.crm.services import rows
from apps.jobs.kinds import Reporter, Step
from apps.jobs.models import Job
from apps.jobs.services import start_job
from apps.jobs.titles import Title

JOB_KIND = "crm.find_duplicates"
_ORDER = [Duplicated.COMPANY.value, Duplicated.PERSON.value]


@transaction.atomic
def dismiss_duplicate(
    model: type[Company] | type[Person], row_id: int, other_id: int, *, actor: User
) -> DuplicateDismissal:
    """
    Say that two rows are not the same, so that nobody is asked again; saying it twice is saying it once.

    :raises DoesNotExist: one of them is out of sight
    :raises PermissionDenied: the actor may not change the first
    :raises ValidationError: they are one row ("merge_same")
    """
    first, second = _pair(model, row_id, other_id, actor)
    dismissal, _made = DuplicateDismissal.objects.get_or_create(
        kind=model._meta.label_lower, first_id=first, second_id=second, defaults={"by": actor}
    )
    return dismissal


@transaction.atomic
def reconsider_duplicate(
    model: type[Company] | type[Person], row_id: int, other_id: int, *, actor: User
) -> None:
    """
    Take back that two rows are not the same.

    :raises DoesNotExist: one of them is out of sight, or nobody has said so
    :raises PermissionDenied: the actor may not change the first
    """
    first, second = _pair(model, row_id, other_id, actor)
    DuplicateDismissal.objects.get(kind=model._meta.label_lower, first_id=first, second_id=second).delete()


def _pair(model: type[Company] | type[Person], row_id: int, other_id: int, actor: User) -> tuple[int, int]:
    if row_id == other_id:
        raise ValidationError(_("A row cannot be merged into itself."), code="merge_same")
    row = rows.locked(model, row_id, actor=actor, action="change")
    other: Any = model._base_manager.filter(access.scope(actor, "view", model)).get(pk=other_id)
    return min(row.pk, other.pk), max(row.pk, other.pk)


# The look through all rows


def may_search(actor: User) -> bool:
    """Tell whether somebody may start a look through all rows: who merges any of them."""
    return access.reaches_all(actor, "merge", Company) and access.reaches_all(actor, "merge", Person)


@transaction.atomic
def search_duplicates(*, actor: User, is_whole: bool = False) -> Job:
    """
    Look for rows that may be the same, as a job; one that is under way goes on.

    :param is_whole: look at all rows, and not only at those that have changed since the last look
    :raises PermissionDenied: the actor does not merge whatever rows there are
    """
    if not may_search(actor):
        raise PermissionDenied(_("Only who may merge all companies and people may look through them."))
    jobs = Job.objects.filter(kind=JOB_KIND)
    running = jobs.exclude(state__in=Job.FINAL).order_by("pk").first()
    if running is not None:
        return running
    last = jobs.filter(state=Job.State.SUCCEEDED).order_by("-pk").first()
    since = None if is_whole or last is None else last.created_at
    params = {"since": since.isoformat() if since else None}
    return start_job(JOB_KIND, actor=actor, title=Title(gettext_noop("Look for duplicates")), params=params)


@dataclass
class _Progress:
    """Where a look is, kept in the job's checkpoint."""

    place: int = 0
    after: int = 0
    done: int = 0
    total: int = 0


def search_step(job: Job, reporter: Reporter) -> Step:
    """Look at the next rows of one kind, or at the first of the next."""
    since = parse_datetime(job.params["since"]) if job.params["since"] else None
    progress = _Progress(**job.checkpoint) if job.checkpoint else _Progress(total=_total(since))
    kind = _ORDER[progress.place]
    ids = list(walking.waiting(kind, since, progress.after).values_list("pk", flat=True)[: walking.CHUNK])
    if ids:
        walking.look(kind, ids)
        progress.after = ids[-1]
        progress.done += len(ids)
    if len(ids) < walking.CHUNK:
        progress.place, progress.after = progress.place + 1, 0
    progress.total = max(progress.total, progress.done)
    step: dict[str, Any] = {"done": progress.done, "total": progress.total, "checkpoint": asdict(progress)}
    if progress.place < len(_ORDER):
        return Step(**step)
    pairs = DuplicatePair.objects.count()
    return Step(
        **step, message=_("%(count)s pairs may be the same") % {"count": pairs}, result={"pairs": pairs}
    )


def _total(since: datetime | None) -> int:
    return sum(walking.waiting(kind, since).count() for kind in _ORDER)
