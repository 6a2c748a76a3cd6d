"""Pairs of rows that may be the same company or person, and those of which somebody has said that they are not."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Duplicated(models.TextChoices):
    """What there may be twice."""

    COMPANY = "crm.company", _("company")
    PERSON = "crm.person", _("person")


class _Pair(models.Model):
    """
    Two rows of one kind, the one with the smaller key first.

    Without foreign keys: a pair says nothing by itself, and is only ever shown together with both rows.
    """

    kind = models.CharField(max_length=16, choices=Duplicated)
    first_id = models.BigIntegerField()
    second_id = models.BigIntegerField()

    class Meta:
        abstract = True


class DuplicatePair(_Pair):
    """Two rows that may be the same, as the last look through all of them has found; derived, and made anew."""

    score = models.PositiveSmallIntegerField()
    reasons = models.JSONField(default=list)
    found_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["kind", "first_id", "second_id"], name="duplicate_pair_unique"),
            models.CheckConstraint(
                condition=models.Q(first_id__lt=models.F("second_id")), name="duplicate_pair_in_order"
            ),
        ]
        indexes = [
            models.Index(fields=["kind", "-score", "id"], name="duplicate_pair_by_score"),
            models.Index(fields=["kind", "second_id"], name="duplicate_pair_second"),
        ]


class DuplicateDismissal(_Pair):
    """That somebody has looked at two rows and said that they are not the same."""

    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "first_id", "second_id"], name="duplicate_dismissal_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(first_id__lt=models.F("second_id")), name="duplicate_dismissal_in_order"
            ),
        ]
        indexes = [models.Index(fields=["kind", "second_id"], name="duplicate_dismissal_second")]
