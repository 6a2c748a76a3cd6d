"""What happens by itself: rules of somebody's, and what each has done."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import Owned
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Stamped, Versioned


def no_condition() -> dict[str, list[object]]:
    """Return a condition that always holds."""
    return {"where": [], "criteria": []}


class AutomationRule(Owned, Stamped, Archivable, Versioned):
    """When something happens, and if it is of a kind, then something is done in its owner's name and rights."""

    name = models.CharField(_("name"), max_length=150)
    # The type of a fact.
    trigger = models.CharField(_("when"), max_length=100)
    # {"where": [{"field", "op", "value"}], "criteria": [{"key", "kind", "params"}]}: all of it has to hold.
    condition = models.JSONField(pgettext_lazy("automation", "if"), default=no_condition, blank=True)
    # [{"kind", …}], in the order in which they are done.
    actions = models.JSONField(_("then"), default=list, blank=True)
    is_active = models.BooleanField(_("running"), default=False, editable=False)
    # Set where the fuse has stopped it, until somebody starts it again.
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True, editable=False)
    stop_reason = models.CharField(_("why stopped"), max_length=300, blank=True, default="", editable=False)
    # Who had the last turn; counted under the rule's lock.
    last_owner_id = models.BigIntegerField(null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner", team="team", by_roles_alone=True)

    class Meta:
        verbose_name = _("automation rule")
        verbose_name_plural = _("automation rules")
        constraints = [
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(stopped_at=None, archived_at=None),
                name="automation_rule_runs_or_is_stopped",
                violation_error_message=_("A rule that is stopped or in the trash does not run."),
            ),
        ]
        indexes = [
            models.Index(fields=["trigger"], condition=Q(is_active=True), name="automation_rule_running")
        ]

    def __str__(self) -> str:
        return self.name


class AutomationRun(models.Model):
    """What a rule did about one fact, and why it did not; never changed."""

    class Outcome(models.TextChoices):
        DONE = "DONE", pgettext_lazy("automation", "done")
        REFUSED = "REFUSED", pgettext_lazy("automation", "refused")
        FAILED = "FAILED", pgettext_lazy("automation", "failed")
        FUSED = "FUSED", pgettext_lazy("automation", "cut by the fuse")

    rule = models.ForeignKey(
        AutomationRule, verbose_name=_("automation rule"), on_delete=models.CASCADE, related_name="runs"
    )
    # Facts expire before what was done about them is forgotten.
    event_id = models.BigIntegerField(_("event"))
    event_type = models.CharField(_("what happened"), max_length=100)
    subject = models.CharField(_("subject"), max_length=100)
    at = models.DateTimeField(_("at"), default=timezone.now)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome)
    why = models.CharField(_("why"), max_length=500, blank=True, default="")
    # [{"kind", "label"}] of what was done; empty where nothing was left of it.
    results = models.JSONField(_("what was done"), default=list)
    # How many runs of rules have led to this one.
    depth = models.PositiveSmallIntegerField(_("depth"), default=0)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("rule",))

    class Meta:
        verbose_name = _("automation run")
        verbose_name_plural = _("automation runs")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["rule", "event_id"], name="automation_run_once")]
        indexes = [
            models.Index(fields=["rule", "subject", "at"], name="automation_run_of_subject"),
            models.Index(fields=["at"], name="automation_run_at"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.subject} {self.outcome}"
