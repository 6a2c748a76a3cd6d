"""What was said and done with those we sell to: the rows that a timeline is made of."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Stamped, Versioned
from apps.crm.models.companies import Company, Person
from apps.crm.models.deals import Deal
from apps.documents.models import Document

ABOUT = ("deal", "company", "person")


class Words(models.Func):
    """The words of an activity as a search compares them (the function is migration 0013's)."""

    function = "crm_activity_words"
    output_field = models.TextField()

    def __init__(self) -> None:
        super().__init__(F("subject"), F("body"))


def _about_one(name: str) -> models.CheckConstraint:
    ways = [Q(**{f"{each}__isnull": each != chosen for each in ABOUT}) for chosen in ABOUT]
    return models.CheckConstraint(
        condition=ways[0] | ways[1] | ways[2],
        name=name,
        violation_error_message=_("It is about one deal, company or person."),
    )


def _target(model: type[models.Model]) -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        model,
        verbose_name=model._meta.verbose_name,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="activity_links",
        db_index=False,
    )


class Activity(Stamped, Versioned, Archivable):
    """
    Something that was said or done: a note, a call, a meeting, a letter, a message, or what the system tells.

    Whoever sees one of the things that it is about sees it.
    """

    class Kind(models.TextChoices):
        NOTE = "NOTE", _("note")
        CALL = "CALL", _("call")
        MEETING = "MEETING", _("meeting")
        EMAIL = "EMAIL", _("e-mail")
        MESSAGE = "MESSAGE", _("message")
        SYSTEM = "SYSTEM", _("event")

    class Direction(models.TextChoices):
        IN = "IN", _("incoming")
        OUT = "OUT", _("outgoing")

    class Outcome(models.TextChoices):
        REACHED = "REACHED", _("reached")
        NO_ANSWER = "NO_ANSWER", _("no answer")
        CALL_BACK = "CALL_BACK", _("asked to call back")
        HELD = "HELD", _("took place")
        POSTPONED = "POSTPONED", _("postponed")
        CANCELLED = "CANCELLED", _("did not take place")

    # What people write by hand, and may correct; everything else is a record.
    WRITTEN = (Kind.NOTE, Kind.CALL, Kind.MEETING)

    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    subject = models.CharField(_("subject"), max_length=300, blank=True, default="")
    body = models.TextField(_("text"), max_length=100_000, blank=True, default="")
    occurred_at = models.DateTimeField(_("when"), default=timezone.now)
    duration_minutes = models.PositiveSmallIntegerField(_("duration, minutes"), null=True, blank=True)
    direction = models.CharField(_("direction"), max_length=3, choices=Direction, blank=True, default="")
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome, blank=True, default="")
    # None is somebody from outside, whom the letter names.
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("author"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="activities",
        db_index=False,
    )
    pinned_at = models.DateTimeField(_("pinned"), null=True, blank=True, editable=False)
    edited_at = models.DateTimeField(_("edited"), null=True, blank=True, editable=False)
    # Of what the system tells: the type of the fact, and what its words are made of (see `telling`).
    fact = models.CharField(max_length=100, blank=True, default="", editable=False)
    details = models.JSONField(default=dict, blank=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=tuple(f"links__{name}" for name in ABOUT))

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        default_permissions = ()
        indexes = [
            models.Index(fields=["author", "-id"], name="activity_author_latest"),
            GinIndex(OpClass(Words(), name="gin_trgm_ops"), name="activity_words_trgm"),
        ]

    def __str__(self) -> str:
        return self.subject or self.body[:80] or str(self.get_kind_display())

    @property
    def is_written(self) -> bool:
        """Tell whether people wrote it by hand, and may correct it."""
        return self.kind in self.WRITTEN


class ActivityLink(models.Model):
    """
    That an activity is about a deal, a company or a person.

    What timelines are read by stands here as well: the database keeps it like the activity's own (migration 0013).
    """

    activity = models.ForeignKey(Activity, on_delete=models.CASCADE, related_name="links", db_index=False)
    deal = _target(Deal)
    company = _target(Company)
    person = _target(Person)
    kind = models.CharField(max_length=8, editable=False, default="")
    at = models.DateTimeField(editable=False, null=True)
    is_live = models.BooleanField(editable=False, default=True)
    is_pinned = models.BooleanField(editable=False, default=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=ABOUT)

    class Meta:
        verbose_name = _("link of an activity")
        verbose_name_plural = _("links of activities")
        default_permissions = ()
        constraints = [
            _about_one("activity_link_about_one"),
            *(
                models.UniqueConstraint(
                    fields=["activity", name],
                    condition=Q(**{f"{name}__isnull": False}),
                    name=f"activity_link_{name}_unique",
                    violation_error_message=_("It is about this already."),
                )
                for name in ABOUT
            ),
        ]
        indexes = [
            # The top of each kind is read from it alone.
            *(
                models.Index(
                    F(name),
                    F("is_live"),
                    F("kind"),
                    F("at").desc(),
                    F("activity").desc(),
                    condition=Q(**{f"{name}__isnull": False}),
                    name=f"activity_link_{name}_at",
                )
                for name in ABOUT
            ),
            *(
                models.Index(
                    fields=[name],
                    condition=Q(is_pinned=True, **{f"{name}__isnull": False}),
                    name=f"activity_link_{name}_pin",
                )
                for name in ABOUT
            ),
        ]

    def __str__(self) -> str:
        return f"{self.activity_id} → {self.deal_id or self.company_id or self.person_id}"


class ActivityVersion(models.Model):
    """What an activity said before it was edited; only added to."""

    activity = models.ForeignKey(Activity, on_delete=models.CASCADE, related_name="former", db_index=False)
    number = models.PositiveIntegerField()
    subject = models.CharField(max_length=300, blank=True, default="")
    body = models.TextField(blank=True, default="")
    occurred_at = models.DateTimeField()
    duration_minutes = models.PositiveSmallIntegerField(null=True)
    outcome = models.CharField(max_length=10, blank=True, default="")
    # Who replaced it, and when.
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    edited_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["activity", "number"], name="activity_version_number_unique")
        ]

    def __str__(self) -> str:
        return f"{self.activity_id}/{self.number}"


class ActivityMention(models.Model):
    """That a note names a colleague, who is told of it."""

    activity = models.ForeignKey(Activity, on_delete=models.CASCADE, related_name="mentions", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mentions")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["activity", "user"], name="activity_mention_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.activity_id} @{self.user_id}"


class ActivityAttachment(models.Model):
    """A document that came with an activity; who sees the document sees its name there."""

    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="attachments", db_index=False
    )
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["activity", "document"], name="activity_attachment_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.activity_id}: {self.document_id}"


class Timeline(models.Model):
    """How far the changes of one timeline ("deal:42") are numbered."""

    target = models.CharField(max_length=40, primary_key=True)
    seq = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.target


class TimelineChange(models.Model):
    """
    That a timeline has moved; who reads its stream gives it a number and takes it away.

    A counter in the writers' transactions would make all who write about one company wait for each other.
    """

    target = models.CharField(max_length=40)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["target"], name="timeline_change_target")]

    def __str__(self) -> str:
        return self.target
