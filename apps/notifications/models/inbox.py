"""What people are told, once for each cause, and why they were or were not."""

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet


class Inbox(models.Model):
    """How far the changes of one person's inbox are numbered; whoever adds to it holds the row."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    seq = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.user_id)


class Notification(models.Model):
    """That somebody is told of something; one for each person and cause. Its words are made for whoever reads them."""

    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who is told"),
        on_delete=models.CASCADE,
        related_name="notifications",
        db_index=False,
    )
    # One of those that rules of telling declare: "task.assigned".
    kind = models.CharField(_("what about"), max_length=40)
    # "event:3f2c…" or "reminder:42"; however often it comes, it is told once.
    cause = models.CharField(max_length=120)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by whom"),
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
    )
    # What it is about, by which an inbox is grouped and things are muted.
    target_type = models.ForeignKey(
        ContentType, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    target_id = models.BigIntegerField(null=True)
    # Keys and numbers, and no names: {"activity": 12}.
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(_("at"), auto_now_add=True)
    read_at = models.DateTimeField(_("read"), null=True)
    archived_at = models.DateTimeField(_("put away"), null=True)
    # When somebody else was told that nobody has looked at it.
    escalated_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        # Everybody's own, whatever their roles: no permission opens another's.
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["recipient", "cause"], name="notification_cause_unique"),
            models.CheckConstraint(
                condition=Q(archived_at=None) | Q(read_at__isnull=False), name="notification_archived_is_read"
            ),
        ]
        indexes = [
            models.Index(
                fields=["recipient", "-id"], condition=Q(archived_at=None), name="notification_inbox"
            ),
            models.Index(fields=["recipient"], condition=Q(read_at=None), name="notification_unread"),
            models.Index(
                fields=["kind", "created_at"],
                condition=Q(read_at=None, escalated_at=None),
                name="notification_ignored",
            ),
            models.Index(fields=["recipient", "target_type", "target_id"], name="notification_target"),
            models.Index(fields=["created_at"], name="notification_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.recipient_id}"


class InboxEvent(models.Model):
    """One step of an inbox, numbered without gaps: what a page that was away catches up with."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    seq = models.BigIntegerField()
    # None where many have changed at once.
    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, null=True, related_name="+", db_index=True
    )
    is_new = models.BooleanField(default=False)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "seq"], name="inbox_event_seq_unique")]
        indexes = [models.Index(fields=["at"], name="inbox_event_by_age")]

    def __str__(self) -> str:
        return f"{self.user_id}/{self.seq}"


class Mute(models.Model):
    """That somebody wants to hear nothing more about a thing."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    target_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, related_name="+", db_index=False)
    target_id = models.BigIntegerField()
    created_at = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        verbose_name = _("muted thing")
        verbose_name_plural = _("muted things")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["user", "target_type", "target_id"], name="mute_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.target_type_id}/{self.target_id}"


class Verdict(models.Model):
    """Why somebody was told of something, or was not: written down as it was decided."""

    class Outcome(models.TextChoices):
        TOLD = "TOLD", pgettext_lazy("verdict", "told")
        OWN = "OWN", pgettext_lazy("verdict", "did it themselves")
        MUTED = "MUTED", pgettext_lazy("verdict", "has muted it")
        OUT_OF_SIGHT = "OUT_OF_SIGHT", pgettext_lazy("verdict", "may not see it")
        GONE = "GONE", pgettext_lazy("verdict", "has left, or is a program")
        OVER = "OVER", pgettext_lazy("verdict", "it was over by then")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    kind = models.CharField(_("what about"), max_length=40)
    cause = models.CharField(max_length=120)
    # Why they were thought of: "assignee", "watcher", "owner" …
    because = models.CharField(_("as"), max_length=40)
    outcome = models.CharField(_("what became of it"), max_length=12, choices=Outcome)
    target_type = models.ForeignKey(
        ContentType, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )
    target_id = models.BigIntegerField(null=True)
    # Of whoever was told: by which channels besides the inbox, and why not by the others: {"EMAIL": "QUIET"}.
    channels = models.JSONField(default=dict, db_default={}, editable=False)
    at = models.DateTimeField(_("at"), auto_now_add=True)

    objects = ScopedQuerySet.as_manager()
    # Who was told of what, and who was not, is for administrators.
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("reason of a notification")
        verbose_name_plural = _("reasons of notifications")
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["user", "cause"], name="verdict_cause_unique")]
        indexes = [
            models.Index(fields=["user", "-id"], name="verdict_user_latest"),
            models.Index(fields=["at"], name="verdict_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.user_id}: {self.outcome}"
