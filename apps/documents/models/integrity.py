"""What was found when the storage was held against the database."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet


class IntegrityRun(models.Model):
    """One look through all that is kept: what was checked, and what is wrong."""

    started_at = models.DateTimeField(_("started"), default=timezone.now, editable=False)
    # When it last came a step further; one that has stopped for long is given up by the next.
    advanced_at = models.DateTimeField(_("last step"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)
    is_deep = models.BooleanField(_("reads every content"), default=False, editable=False)
    mends = models.BooleanField(_("mends what is safe"), default=False, editable=False)
    # What was looked at, as {"contents": 1200, "bytes": …}.
    checked = models.JSONField(_("checked"), default=dict, editable=False)
    # Why it came to no end; "" where it did.
    fault = models.CharField(_("fault"), max_length=500, blank=True, default="", editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)
    short_list = "One a night, kept for a quarter."

    class Meta:
        verbose_name = _("check of what is kept")
        verbose_name_plural = _("checks of what is kept")
        default_permissions = ("view",)
        permissions = [("mend_integrityrun", _("Can check and mend what is kept"))]
        constraints = [
            # Whatever is being deleted, one at a time deletes.
            models.UniqueConstraint(
                fields=["finished_at"],
                condition=models.Q(finished_at=None),
                nulls_distinct=False,
                name="integrity_run_one_at_a_time",
                violation_error_message=_("A check is under way already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}"

    @property
    def is_running(self) -> bool:
        return self.finished_at is None


class IntegrityFinding(models.Model):
    """One thing that is not as it should be."""

    run = models.ForeignKey(
        IntegrityRun,
        verbose_name=_("check"),
        on_delete=models.CASCADE,
        related_name="findings",
        db_index=False,
    )
    kind = models.CharField(_("what is wrong"), max_length=64)
    # What it is about, as the check of this kind finds it again: a digest, a place in the storage, an id.
    subject = models.CharField(_("about"), max_length=300)
    facts = models.JSONField(default=dict, editable=False)
    mended_at = models.DateTimeField(_("mended"), null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("run",))

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        constraints = [
            models.UniqueConstraint(fields=["run", "kind", "subject"], name="integrity_finding_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"
