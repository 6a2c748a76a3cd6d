"""Letters: those that belong to an activity, and those of which nobody knows yet what they are about."""

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.crm.models.activities import Activity


class Mail(models.Model):
    """The envelope of an activity that is a letter; the activity holds its text."""

    class State(models.TextChoices):
        QUEUED = "QUEUED", _("on its way")
        SENT = "SENT", _("sent")
        FAILED = "FAILED", _("not sent")
        RECEIVED = "RECEIVED", _("received")

    activity = models.OneToOneField(Activity, on_delete=models.CASCADE, primary_key=True, related_name="mail")
    # Without its angle brackets; the same letter comes only once.
    message_id = models.CharField(max_length=500, unique=True)
    in_reply_to = models.CharField(max_length=500, blank=True, default="")
    references = models.JSONField(default=list, blank=True)
    sender = models.CharField(_("from"), max_length=320)
    sender_name = models.CharField(max_length=200, blank=True, default="")
    to = models.JSONField(_("to"), default=list)
    cc = models.JSONField(default=list, blank=True)
    # Sanitised when it came; never shown but within a frame of its own.
    html = models.TextField(blank=True, default="")
    state = models.CharField(_("state"), max_length=8, choices=State)
    error = models.CharField(max_length=500, blank=True, default="")
    # When a worker tries next; whoever takes it up moves it on first.
    due_at = models.DateTimeField(default=timezone.now, db_default=models.functions.Now())
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    # Why some of what came with it is not here.
    left_out = models.JSONField(default=list, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="SENT", sent_at__isnull=False) | ~models.Q(state="SENT"),
                name="mail_sent_has_time",
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(state="QUEUED"), name="mail_queued"),
            # Letters from somebody and to them, whatever they are about.
            models.Index(Upper("sender"), name="mail_sender_upper"),
            GinIndex(fields=["to"], name="mail_to", opclasses=["jsonb_path_ops"]),
            GinIndex(fields=["cc"], name="mail_cc", opclasses=["jsonb_path_ops"]),
        ]

    def __str__(self) -> str:
        return self.message_id


class UnmatchedMail(models.Model):
    """A letter that came, and of which nobody knows what it is about: a person says so, or puts it aside."""

    class State(models.TextChoices):
        WAITING = "WAITING", _("waiting")
        LINKED = "LINKED", _("linked")
        DISMISSED = "DISMISSED", _("put aside")

    message_id = models.CharField(max_length=500, unique=True)
    sender = models.CharField(_("from"), max_length=320)
    sender_name = models.CharField(max_length=200, blank=True, default="")
    subject = models.CharField(_("subject"), max_length=300, blank=True, default="")
    # The beginning of its text.
    excerpt = models.CharField(_("text"), max_length=500, blank=True, default="")
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    # As it came; gone once it is linked or put aside.
    raw = models.BinaryField(null=True, editable=False)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.WAITING)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("unmatched letter")
        verbose_name_plural = _("unmatched mail")
        default_permissions = ("view", "change")
        indexes = [
            models.Index(fields=["state", "-id"], name="unmatched_mail_waiting"),
            models.Index(fields=["sender"], name="unmatched_mail_sender"),
        ]

    def __str__(self) -> str:
        return self.subject or self.sender
