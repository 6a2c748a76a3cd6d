"""Single rows that are shared with somebody for a while."""

from datetime import datetime
from typing import Any, Self

from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models.people import User
from apps.accounts.scoping import Rule, ScopedQuerySet


class AccessGrantQuerySet(ScopedQuerySet["AccessGrant"]):
    """Grants on single rows."""

    def live(self) -> Self:
        """Keep those that let somebody do something now, by the clock of the database."""
        return self.filter(revoked_at=None, expires_at__gt=Now())

    def on(self, row: models.Model) -> Self:
        """Keep those on one row."""
        return self.filter(content_type=ContentType.objects.get_for_model(row), object_id=row.pk)


class AccessGrant(models.Model):
    """One row that somebody may see, or do more with, until a day, whatever their roles."""

    user = models.ForeignKey(
        User,
        verbose_name=_("for whom"),
        on_delete=models.CASCADE,
        related_name="access_grants",
        db_index=False,
    )
    content_type = models.ForeignKey(
        ContentType, verbose_name=_("kind"), on_delete=models.CASCADE, related_name="+", db_index=False
    )
    object_id = models.PositiveBigIntegerField(_("number"))
    # As permissions name them: "view", "win".
    actions = ArrayField(models.CharField(max_length=50), verbose_name=_("what they may"))
    reason = models.CharField(_("reason"), max_length=300)
    granted_by = models.ForeignKey(
        User, verbose_name=_("shared by"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(_("since"), auto_now_add=True, editable=False)
    expires_at = models.DateTimeField(_("until"))
    revoked_at = models.DateTimeField(_("taken back"), null=True, editable=False)

    objects = AccessGrantQuerySet.as_manager()
    access = Rule(owner="user", team="user__memberships__team", by_roles_alone=True)

    class Meta:
        verbose_name = _("shared row")
        verbose_name_plural = _("shared rows")
        # They end, and stay on record.
        default_permissions = ("view", "add", "change")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(actions__contains=["view"]),
                name="access_grant_lets_see",
                violation_error_message=_("Whoever may do something with a row may see it."),
            ),
            models.CheckConstraint(
                condition=~models.Q(reason=""),
                name="access_grant_has_reason",
                violation_error_message=_("Say why this is shared."),
            ),
        ]
        indexes = [
            models.Index(
                fields=["user", "content_type", "object_id"],
                name="access_grant_of_user",
                condition=models.Q(revoked_at=None),
            ),
            models.Index(fields=["content_type", "object_id"], name="access_grant_on_row"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.row_label}:{self.object_id}"

    @property
    def row_label(self) -> str:
        """The kind of row, as "crm.deal"."""
        return f"{self.content_type.app_label}.{self.content_type.model}"

    @property
    def row_model(self) -> type[models.Model]:
        model: Any = self.content_type.model_class()
        return model  # type: ignore[no-any-return]

    def is_live(self, now: datetime) -> bool:
        """Tell whether it lets anybody do anything."""
        return self.revoked_at is None and self.expires_at > now
