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
    """When something happens or a time comes, and if it is of a kind, then it acts in its owner's name and rights."""

    name = models.CharField(_("name"), max_length=150)
    # The type of a fact, or "schedule.deal.expected_close_date".
    trigger = models.CharField(_("when"), max_length=100)
    # {"at": "09:00", "on": "workdays"} or {"at": "09:00", "days": 3, "side": "before"}; empty for what waits for facts.
    schedule = models.JSONField(_("schedule"), default=dict, db_default={}, blank=True)
    # The next moment at which a rule that runs acts by the clock.
    next_due_at = models.DateTimeField(_("acts next"), null=True, editable=False)
    # {"where": [{"field", "op", "value"}], "criteria": [{"key", "kind", "params"}]}: all of it has to hold.
    condition = models.JSONField(pgettext_lazy("automation", "if"), default=no_condition, blank=True)
    # [{"kind", …}], in the order in which they are done.
    actions = models.JSONField(_("then"), default=list, blank=True)
    is_active = models.BooleanField(_("running"), default=False, editable=False)
    # Since when it runs: facts that were told before are not for it, however late they come.
    started_at = models.DateTimeField(_("running since"), null=True, editable=False)
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
            models.Index(fields=["trigger"], condition=Q(is_active=True), name="automation_rule_running"),
            models.Index(fields=["next_due_at"], condition=Q(is_active=True), name="automation_rule_due"),
        ]

    def __str__(self) -> str:
        return self.name


class AutomationRun(models.Model):
    """What a rule did about one fact, or on a row's day, and why it did not; never changed."""

    class Outcome(models.TextChoices):
        DONE = "DONE", pgettext_lazy("automation", "done")
        REFUSED = "REFUSED", pgettext_lazy("automation", "refused")
        FAILED = "FAILED", pgettext_lazy("automation", "failed")
        FUSED = "FUSED", pgettext_lazy("automation", "cut by the fuse")

    rule = models.ForeignKey(
        AutomationRule, verbose_name=_("automation rule"), on_delete=models.CASCADE, related_name="runs"
    )
    # Facts expire before what was done about them is forgotten.
    event_id = models.BigIntegerField(_("event"), null=True)
    # The day for which a rule acted that goes by the clock.
    due_date = models.DateField(_("due"), null=True)
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
        constraints = [
            models.UniqueConstraint(fields=["rule", "event_id"], name="automation_run_once"),
            models.UniqueConstraint(
                fields=["rule", "subject", "due_date"],
                condition=Q(due_date__isnull=False),
                name="automation_run_once_a_day",
            ),
            models.CheckConstraint(
                condition=Q(event_id__isnull=False, due_date=None) | Q(event_id=None, due_date__isnull=False),
                name="automation_run_of_fact_or_day",
            ),
        ]
        indexes = [
            models.Index(fields=["rule", "subject", "at"], name="automation_run_of_subject"),
            models.Index(fields=["at"], name="automation_run_at"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.subject} {self.outcome}"


class AutomationRound(models.Model):
    """One round of a rule that acts by the clock through the rows whose day has come, and how far it is."""

    rule = models.ForeignKey(
        AutomationRule, verbose_name=_("automation rule"), on_delete=models.CASCADE, related_name="rounds"
    )
    due_at = models.DateTimeField(_("due"))
    # The rows' days that it covers; more than one where nothing ran for a while.
    first_date = models.DateField(_("from"))
    last_date = models.DateField(_("until"))
    # The key of the last row that it is done with.
    after = models.BigIntegerField(default=0)
    looked = models.PositiveIntegerField(_("looked at"), default=0)
    acted = models.PositiveIntegerField(_("acted on"), default=0)
    # Refused, failed, or cut by the fuse.
    refused = models.PositiveIntegerField(_("refused"), default=0)
    # How often the database has failed at the row that is next.
    attempts = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(_("finished"), null=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("rule",))

    class Meta:
        verbose_name = _("automation round")
        verbose_name_plural = _("automation rounds")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["rule", "due_at"], name="automation_round_once")]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(finished_at=None), name="automation_round_under_way")
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.due_at:%Y-%m-%d %H:%M}"
