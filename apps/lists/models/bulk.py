"""Changing many rows at once: what was chosen, what it would do to each row, and how far it has come."""

from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.jobs.models import Job
from apps.lists.models.selections import Selection


class BulkEdit(models.Model):
    """One change of many rows on its way: rows chosen, change chosen, rehearsed, applied."""

    class State(models.TextChoices):
        CHOOSING = "CHOOSING", _("change to be chosen")
        REHEARSING = "REHEARSING", _("being rehearsed")
        REHEARSED = "REHEARSED", _("rehearsed")
        APPLYING = "APPLYING", _("being applied")
        APPLIED = "APPLIED", pgettext_lazy("bulk change", "applied")
        FAILED = "FAILED", _("failed")
        CANCELLED = "CANCELLED", _("cancelled")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), on_delete=models.PROTECT, related_name="+"
    )
    # None once its time is over; what was done, by whom and when, stays.
    selection = models.OneToOneField(Selection, null=True, on_delete=models.SET_NULL, related_name="+")
    # As in `Model._meta.label_lower`: "crm.deal".
    model_label = models.CharField(_("kind"), max_length=100)
    count = models.BigIntegerField(_("rows"))
    # Chosen rows that were seen and that the person may not change.
    out_of_reach = models.BigIntegerField(default=0)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.CHOOSING)
    # {key of a change: {"how": …, "value": …}}, the value as JSON: a row by its id, a number as text.
    changes = models.JSONField(_("changes"), default=dict)
    # "ADMIN" or "API": what the owner app's services are told.
    face = models.CharField(max_length=8, default="ADMIN", editable=False)
    # {"changed", "same", "refused", "gone", "moved"}: of the rehearsal, then of what was applied.
    counts = models.JSONField(_("counts"), default=dict)
    # SHA-256 over what the rehearsal decided for each row: what apply must find unchanged.
    plan_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    # The position up to which rows were applied; committed with each chunk.
    applied_to = models.BigIntegerField(default=0, editable=False)
    rehearse_job = models.ForeignKey(
        Job, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    apply_job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    applied_at = models.DateTimeField(_("applied"), null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner")

    class Meta:
        verbose_name = _("bulk change")
        verbose_name_plural = _("bulk changes")
        default_permissions = ("add", "view", "change")

    def __str__(self) -> str:
        return f"{self.kind_title} · {self.count}"

    @property
    def kind_title(self) -> str:
        """What the rows are called, many of them."""
        try:
            return capfirst(str(apps.get_model(self.model_label)._meta.verbose_name_plural))
        except (LookupError, ValueError):
            # The app was taken away since.
            return self.model_label


class BulkRow(models.Model):
    """
    One row of a bulk change, and what it would become or became.

    Written by the ten thousand, so it has one index and no checked foreign key; only the engine writes it.
    """

    class Verdict(models.TextChoices):
        CHANGED = "C", _("changed")
        SAME = "S", _("already so")
        REFUSED = "R", _("refused")
        GONE = "G", _("gone or out of reach")
        MOVED = "X", _("changed meanwhile")

    pk = models.CompositePrimaryKey("edit_id", "position")
    edit = models.ForeignKey(
        BulkEdit, on_delete=models.CASCADE, related_name="rows", db_index=False, db_constraint=False
    )
    # As in the selection.
    position = models.BigIntegerField()
    row_id = models.BigIntegerField()
    verdict = models.CharField(_("verdict"), max_length=1, choices=Verdict)
    # The row's version when it was rehearsed; None where rows have none.
    version = models.BigIntegerField(null=True)
    # {field: [old, new]} of a changed row; relations by id.
    values = models.JSONField(null=True)
    # Why a row was refused, in the owner's language.
    reason = models.CharField(max_length=500, blank=True, default="")

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("edit",))

    class Meta:
        verbose_name = _("row of a bulk change")
        verbose_name_plural = _("rows of bulk changes")

    def __str__(self) -> str:
        return f"{self.edit_id} #{self.position} {self.verdict}"
