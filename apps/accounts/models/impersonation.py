"""Who acts as whom, for how long and why."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models.people import User
from apps.accounts.scoping import Rule, ScopedQuerySet


class ImpersonationQuerySet(ScopedQuerySet["ImpersonationSession"]):
    """Times in which somebody acts as somebody else."""

    def live(self) -> Self:
        """Keep those that go on: neither ended nor expired, by the clock of the database, and both accounts on."""
        return self.filter(ended_at=None, expires_at__gt=Now(), actor__is_active=True, target__is_active=True)


class ImpersonationSession(models.Model):
    """A time, an hour at most, in which an administrator sees and does what somebody else would."""

    actor = models.ForeignKey(
        User, verbose_name=_("who"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    target = models.ForeignKey(
        User, verbose_name=_("as whom"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    reason = models.CharField(_("reason"), max_length=300)
    is_read_only = models.BooleanField(_("only looks"), default=True)
    started_at = models.DateTimeField(_("since"), auto_now_add=True, editable=False)
    expires_at = models.DateTimeField(_("until"))
    ended_at = models.DateTimeField(_("ended"), null=True, editable=False)

    objects = ImpersonationQuerySet.as_manager()
    access = Rule(owner="actor", by_roles_alone=True)

    class Meta:
        verbose_name = _("time as somebody else")
        verbose_name_plural = _("times as somebody else")
        # Started on the page of a user, and ended from any page; they stay on record.
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(reason=""),
                name="impersonation_has_reason",
                violation_error_message=_("Say why you act as somebody else."),
            ),
            models.CheckConstraint(
                condition=~models.Q(actor=models.F("target")), name="impersonation_of_another"
            ),
        ]
        indexes = [
            models.Index(fields=["actor"], name="impersonation_live", condition=models.Q(ended_at=None)),
            models.Index(fields=["target"], name="impersonation_live_as", condition=models.Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.actor} → {self.target}"

    def is_live(self, now: datetime) -> bool:
        """Tell whether it goes on, as far as the row itself says."""
        return self.ended_at is None and self.expires_at > now
