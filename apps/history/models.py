"""Who changed what: change sets, the changes in them, and what came of undoing one."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import BigIntegerRangeField
from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.history.exact import ExactDecoder
from apps.jobs.models import Job


class ChangeSet(models.Model):
    """
    Everything that one request, job or command changed.

    Rows are made by the database, together with the first change (see the migration that records).
    """

    class Face(models.TextChoices):
        ADMIN = "ADMIN", _("the admin")
        SITE = "SITE", _("a page")
        API = "API", _("the API")
        JOB = "JOB", _("a job")
        BOT = "BOT", _("the bot")
        COMMAND = "COMMAND", _("a command")
        IMPORT = "IMPORT", _("an import")
        SYSTEM = "SYSTEM", _("the system")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    at = models.DateTimeField(_("when"), default=timezone.now)
    # None where the system acted without a name, and for people who were erased.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
    )
    # Who acted as them, where somebody did.
    impersonator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who acted as them"),
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
    )
    face = models.CharField(_("through"), max_length=8, choices=Face)
    # What was being done, where the face knows: the job's title, the command's name.
    label = models.CharField(_("what"), max_length=200, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    request_id = models.CharField(_("request"), max_length=64, blank=True, default="")
    job = models.ForeignKey(
        Job, verbose_name=_("job"), on_delete=models.SET_NULL, null=True, related_name="change_sets"
    )
    reverts = models.OneToOneField(
        "self",
        verbose_name=_("undoes"),
        on_delete=models.SET_NULL,
        null=True,
        related_name="reverted_by",
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="actor", team="actor__memberships__team")

    class Meta:
        verbose_name = _("change set")
        verbose_name_plural = _("changes")
        default_permissions = ("view",)
        permissions = [("undo_changeset", _("Can undo the changes of others, and old ones"))]
        indexes = [models.Index(fields=["actor", "-id"], name="change_set_actor_latest")]

    def __str__(self) -> str:
        return self.label or f"{self.get_face_display()} · {self.pk}"


class Change(models.Model):
    """
    One row, as one statement changed it. Written by triggers only; see also :class:`Creation`.

    Without a foreign key to its set: checking it for each of 20,000 rows would cost as much as writing them.
    """

    class Op(models.TextChoices):
        INSERT = "I", _("created")
        UPDATE = "U", _("changed")
        DELETE = "D", _("deleted")

    change_set = models.ForeignKey(
        ChangeSet,
        on_delete=models.DO_NOTHING,
        related_name="changes",
        db_constraint=False,
        db_index=False,
    )
    # "crm.deal", "crm.deal_tags".
    model = models.CharField(max_length=80)
    row_id = models.CharField(max_length=40)
    # The row in whose story the change is told, "crm.deal:42": the row itself, or the whole it is a part of.
    about = models.CharField(max_length=120)
    op = models.CharField(max_length=1, choices=Op)
    at = models.DateTimeField()
    # By column, as `to_jsonb` writes values: all columns of a created or deleted row, the changed ones of another.
    old = models.JSONField(null=True, decoder=ExactDecoder)
    new = models.JSONField(null=True, decoder=ExactDecoder)

    access = Rule(via=("change_set",))

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["change_set", "model", "row_id", "id"], name="change_of_set"),
            models.Index(fields=["about", "id"], name="change_about"),
        ]

    def __str__(self) -> str:
        return f"{self.get_op_display()} {self.model}:{self.row_id}"


class Creation(models.Model):
    """
    Rows that one statement created, with keys and changes that follow each other. Written by triggers only.

    A created row's values stand in the row itself until it is changed for the first time; what it was is then
    written as a change of its own, under the id that is kept for it here. While there is no change under that id,
    the row is as it was created. Nothing here is ever changed, so that nobody waits for another's row.
    """

    change_set = models.ForeignKey(
        ChangeSet,
        on_delete=models.DO_NOTHING,
        related_name="creations",
        db_constraint=False,
        db_index=False,
    )
    model = models.CharField(max_length=80)
    rows = BigIntegerRangeField()
    # The id of the change of the first row; those of the others follow.
    first_change = models.BigIntegerField()
    at = models.DateTimeField()

    access = Rule(via=("change_set",))

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["change_set", "model"], name="creation_of_set"),
            GistIndex(fields=["rows"], name="creation_of_row"),
        ]

    def __str__(self) -> str:
        return f"{self.model}:{self.rows}"


class Blanked(models.Model):
    """A row whose former values were erased, because somebody wanted to be forgotten; nothing of it is undone."""

    # As in `Change.about`: "crm.person:42".
    about = models.CharField(max_length=120, primary_key=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.about


class Undo(models.Model):
    """The taking back of one change set, as far as the rows have stayed what it made of them."""

    change_set = models.OneToOneField(
        ChangeSet, verbose_name=_("what is undone"), on_delete=models.CASCADE, related_name="undo"
    )
    # The change set that the undo makes, in as many transactions as it takes.
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), on_delete=models.PROTECT, related_name="+"
    )
    job = models.ForeignKey(
        Job, verbose_name=_("job"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    created_at = models.DateTimeField(_("started"), default=timezone.now, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("change_set",))

    class Meta:
        verbose_name = _("undo")
        verbose_name_plural = _("undos")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.change_set)


class Conflict(models.Model):
    """A row that an undo has left alone, until somebody says what to do with it."""

    class Kind(models.TextChoices):
        CHANGED = "CHANGED", _("Changed since")
        GONE = "GONE", _("Deleted since")
        THERE = "THERE", _("There again")
        REFERRED = "REFERRED", _("Something refers to it now")
        REFUSED = "REFUSED", _("Not possible any more")
        FORBIDDEN = "FORBIDDEN", _("Not yours to change")

    class Outcome(models.TextChoices):
        OPEN = "OPEN", _("to be decided")
        KEPT = "KEPT", _("left as it is")
        REVERTED = "REVERTED", _("put back")
        PARTLY = "PARTLY", _("put back in part")

    undo = models.ForeignKey(Undo, on_delete=models.CASCADE, related_name="conflicts", db_index=False)
    model = models.CharField(max_length=80)
    row_id = models.CharField(max_length=40)
    kind = models.CharField(max_length=9, choices=Kind)
    # What stands in the way, in words, where the kind does not say it all.
    detail = models.CharField(max_length=500, blank=True, default="")
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.OPEN)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("undo",))

    class Meta:
        verbose_name = _("conflict")
        verbose_name_plural = _("conflicts")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["undo", "model", "row_id"], name="conflict_once_per_row"),
            models.CheckConstraint(
                condition=models.Q(outcome="OPEN", decided_at=None)
                | (~models.Q(outcome="OPEN") & models.Q(decided_at__isnull=False)),
                name="conflict_decided_at",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.model}:{self.row_id}"
