"""What people have to do, and when they want to be told of it."""

import uuid
from typing import Self

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import Team, User
from apps.accounts.models.people import validate_time_zone
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Stamped, Versioned


class TaskQuerySet(ScopedQuerySet["Task"]):
    """Tasks by what is still to be done about them."""

    def open(self) -> Self:
        """Keep what is still to be done and not in the trash."""
        return self.filter(state=Task.State.OPEN, archived_at=None)

    def awake(self) -> Self:
        """Keep what nobody has put off for a while."""
        return self.filter(Q(snoozed_until=None) | Q(snoozed_until__lte=timezone.now()))

    def about(self, row: models.Model) -> Self:
        """Keep what is about a row."""
        return self.filter(target_type=ContentType.objects.get_for_model(row), target_id=row.pk)


class Task(Stamped, Versioned, Archivable):
    """Something that somebody is to do, by itself or about a business object, once or again and again."""

    class State(models.TextChoices):
        OPEN = "OPEN", pgettext_lazy("task", "to do")
        DONE = "DONE", pgettext_lazy("task", "done")
        CANCELLED = "CANCELLED", pgettext_lazy("task", "cancelled")

    class Priority(models.IntegerChoices):
        LOW = 1, pgettext_lazy("priority", "low")
        NORMAL = 2, pgettext_lazy("priority", "normal")
        HIGH = 3, pgettext_lazy("priority", "high")
        URGENT = 4, pgettext_lazy("priority", "urgent")

    title = models.CharField(_("what to do"), max_length=300)
    description = models.TextField(_("details"), max_length=20_000, blank=True, default="")
    assignee = models.ForeignKey(
        User, verbose_name=_("who does it"), on_delete=models.PROTECT, related_name="tasks", db_index=False
    )
    team = models.ForeignKey(
        Team,
        verbose_name=_("team"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    watchers = models.ManyToManyField(
        User, verbose_name=_("who is told of it too"), blank=True, related_name="+"
    )
    priority = models.PositiveSmallIntegerField(_("priority"), choices=Priority, default=Priority.NORMAL)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.OPEN, editable=False)
    # Of something for a whole day, the last second of it by the wall clock of the zone.
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    is_all_day = models.BooleanField(_("at any time of the day"), default=False)
    remind_at = models.DateTimeField(_("remind"), null=True, blank=True)
    snoozed_until = models.DateTimeField(_("put off until"), null=True, blank=True, editable=False)
    # Whose wall clock is meant by the times above; that of whoever does it.
    time_zone = models.CharField(
        _("time zone"), max_length=64, validators=[validate_time_zone], editable=False
    )
    # Each item with a key of its own, its text, and whether it is done.
    checklist = models.JSONField(_("checklist"), default=list, blank=True)
    # A rule of RFC 5545 without its beginning, which is the wall clock beside it: "20260131T090000".
    recurrence = models.CharField(_("repeats"), max_length=300, blank=True, default="")
    recurrence_start = models.CharField(max_length=15, blank=True, default="", editable=False)
    series = models.UUIDField(null=True, blank=True, editable=False)
    follows = models.OneToOneField(
        "self",
        verbose_name=_("follows"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="next",
    )
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True, editable=False)
    result = models.CharField(_("what came of it"), max_length=2000, blank=True, default="", editable=False)
    # What it is about. The kind says it without a word for people, to whom the name says it.
    target_type = models.ForeignKey(
        ContentType,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    target_id = models.BigIntegerField(null=True, blank=True, editable=False)
    target = GenericForeignKey("target_type", "target_id")
    # What has made it by itself, which makes it once: "automation:12:3456".
    cause = models.CharField(max_length=120, blank=True, default="", editable=False)

    objects = TaskQuerySet.as_manager()
    access = Rule(owner="assignee", team="team")

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        default_permissions = ("view", "add", "change")
        permissions = [
            ("archive_task", _("Can archive and restore tasks")),
            ("assign_task", _("Can give tasks to somebody else")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="OPEN", closed_at=None) | (~Q(state="OPEN") & Q(closed_at__isnull=False)),
                name="task_closed_has_time",
                violation_error_message=_("What is done or cancelled has its time; nothing else has."),
            ),
            models.CheckConstraint(
                condition=Q(recurrence="", recurrence_start="")
                | (
                    ~Q(recurrence="")
                    & ~Q(recurrence_start="")
                    & Q(series__isnull=False, due_at__isnull=False)
                ),
                name="task_recurrence_has_start",
                violation_error_message=_("What repeats needs the time at which it is due first."),
            ),
            models.CheckConstraint(
                condition=Q(target_type=None, target_id=None)
                | Q(target_type__isnull=False, target_id__isnull=False),
                name="task_target_whole",
                violation_error_message=_("It is about one thing, or about none."),
            ),
            models.UniqueConstraint(
                fields=["series", "due_at"],
                condition=Q(series__isnull=False),
                name="task_series_due_unique",
                violation_error_message=_("This series has something due at this time already."),
            ),
            models.UniqueConstraint(fields=["cause"], condition=~Q(cause=""), name="task_cause_unique"),
        ]
        indexes = [
            models.Index(
                fields=["assignee", "due_at", "id"],
                condition=Q(state="OPEN", archived_at=None),
                name="task_open_assignee_due",
            ),
            models.Index(
                fields=["team", "due_at", "id"],
                condition=Q(state="OPEN", archived_at=None),
                name="task_open_team_due",
            ),
            models.Index(
                fields=["due_at", "id"], condition=Q(state="OPEN", archived_at=None), name="task_open_due"
            ),
            *[
                models.Index(fields=[column, "due_at", "id"], name=f"task_{column}_due")
                for column in ("assignee", "team")
            ],
            models.Index(fields=["due_at", "id"], name="task_due"),
            models.Index(
                fields=["target_type", "target_id", "state", "due_at"],
                condition=Q(target_id__isnull=False),
                name="task_target",
            ),
            GinIndex(OpClass(Upper("title"), name="gin_trgm_ops"), name="task_title_trgm"),
            models.Index(fields=["-id"], condition=Q(archived_at__isnull=False), name="task_trash_latest"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN and self.archived_at is None

    @property
    def is_overdue(self) -> bool:
        return self.is_open and self.due_at is not None and self.due_at < timezone.now()


class Reminder(models.Model):
    """
    A moment at which somebody wants to be told of a task: its time to remind, its due time, or when it was put off to.

    It follows from the task; the database has it once, whoever fires it.
    """

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="reminders", db_index=False)
    remind_at = models.DateTimeField(_("at"))
    # None while it is still to come.
    fired_at = models.DateTimeField(_("told"), null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("task",))

    class Meta:
        verbose_name = _("reminder")
        verbose_name_plural = _("reminders")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["task", "remind_at"], name="reminder_task_at_unique"),
        ]
        indexes = [
            models.Index(fields=["remind_at", "id"], condition=Q(fired_at=None), name="reminder_due"),
        ]

    def __str__(self) -> str:
        return f"{self.task_id} {self.remind_at:%Y-%m-%d %H:%M}"


class CalendarFeed(models.Model):
    """An address under which calendars find somebody's tasks; whoever knows it reads them, until it is taken back."""

    uid = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="calendar_feeds",
    )
    name = models.CharField(_("what for"), max_length=100, blank=True, default="")
    # Only the hash: the address is shown once, in answer to its making.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    revoked_at = models.DateTimeField(_("taken back"), null=True, editable=False)
    used_at = models.DateTimeField(_("last asked"), null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner", by_roles_alone=True)

    class Meta:
        verbose_name = _("calendar address")
        verbose_name_plural = _("calendar addresses")
        # They are taken back, and stay on record.
        default_permissions = ("view", "add", "change")

    def __str__(self) -> str:
        return self.name or str(self.uid)
