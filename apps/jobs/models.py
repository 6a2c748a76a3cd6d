"""Long work: what is being done for whom, how far it is, and how it ended."""

from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.jobs.titles import say


class JobQuerySet(ScopedQuerySet["Job"]):
    """Jobs."""

    def unfinished(self) -> Self:
        """Keep the jobs that wait or run."""
        return self.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])


class Job(models.Model):
    """One piece of long work, done in chunks that each commit their effect and their progress together."""

    class State(models.TextChoices):
        QUEUED = "QUEUED", _("waiting")
        RUNNING = "RUNNING", _("running")
        SUCCEEDED = "SUCCEEDED", _("done")
        FAILED = "FAILED", _("failed")
        CANCELLED = "CANCELLED", _("cancelled")

    FINAL: ClassVar[list[str]] = [State.SUCCEEDED, State.FAILED, State.CANCELLED]

    kind = models.CharField(_("kind"), max_length=100)
    # In the language of whoever started it: what is searched for, and shown where nothing is known of its words.
    title = models.CharField(_("title"), max_length=200)
    # See `apps.jobs.titles`; empty where somebody has named it in their own words.
    title_words = models.JSONField(default=dict, db_default={}, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("started by"),
        on_delete=models.PROTECT,
        related_name="jobs",
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    params = models.JSONField(_("parameters"), default=dict, encoder=DjangoJSONEncoder)
    checkpoint = models.JSONField(_("checkpoint"), default=dict, editable=False, encoder=DjangoJSONEncoder)
    done = models.BigIntegerField(_("done"), default=0)
    # What `done` falls back to when the chunk that reported more is rolled back.
    done_committed = models.BigIntegerField(default=0, editable=False)
    # None until the work is known well enough to be counted.
    total = models.BigIntegerField(_("of"), null=True)
    message = models.CharField(_("message"), max_length=500, blank=True, default="")
    result = models.JSONField(_("result"), null=True, encoder=DjangoJSONEncoder)
    error = models.JSONField(_("error"), null=True)
    # Grows with each worker that takes the job over; an older worker's writes are refused by it.
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    # Attempts in a row that died without committing a chunk: such a job is not taken up for ever.
    lost_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    # While running: how long the worker's silence is borne. While waiting: when the workers are told again.
    lease_until = models.DateTimeField(null=True, editable=False)
    cancel_requested_at = models.DateTimeField(null=True, editable=False)
    # When it is expected to be done at the recent rate; None while nobody can tell.
    eta_at = models.DateTimeField(null=True, editable=False)
    # The last number given to a JobEvent: the stream's head.
    seq = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    started_at = models.DateTimeField(_("started"), null=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)

    objects = JobQuerySet.as_manager()
    access = Rule(owner="owner", team="owner__memberships__team")

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        default_permissions = ("view",)
        permissions = [
            ("cancel_job", _("Can cancel a job")),
            ("retry_job", _("Can retry a job")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["SUCCEEDED", "FAILED", "CANCELLED"])
                ^ models.Q(finished_at=None),
                name="job_final_has_finished_at",
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_until"],
                condition=models.Q(state__in=["QUEUED", "RUNNING"]),
                name="job_unfinished",
            ),
            models.Index(fields=["owner", "-id"], name="job_owner_latest"),
            GinIndex(OpClass(Upper("title"), name="gin_trgm_ops"), name="job_title_trgm"),
        ]

    def __str__(self) -> str:
        return self.said

    @property
    def said(self) -> str:
        """What the job is called, in the language of whoever reads it."""
        return say(self.title_words) or self.title

    @property
    def is_finished(self) -> bool:
        return self.state in self.FINAL


class JobEvent(models.Model):
    """One thing that happened to a job, numbered without gaps, so that a watcher can catch up."""

    class Kind(models.TextChoices):
        STATE = "STATE", _("state")
        PROGRESS = "PROGRESS", _("progress")
        LOG = "LOG", _("log")

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=8, choices=Kind)
    at = models.DateTimeField(default=timezone.now)
    data = models.JSONField(encoder=DjangoJSONEncoder)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("job",))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "seq"], name="job_event_seq_unique")]

    def __str__(self) -> str:
        return f"{self.job_id} #{self.seq} {self.kind}"
