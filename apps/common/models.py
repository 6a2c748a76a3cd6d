"""Columns that every business row shares."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Stamped(models.Model):
    """A row that knows when it was made and last changed, and by whom."""

    created_at = models.DateTimeField(_("created"), auto_now_add=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    updated_at = models.DateTimeField(_("changed"), auto_now=True, editable=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("changed by"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_index=False,
    )

    class Meta:
        abstract = True


class Versioned(models.Model):
    """A row that refuses to be overwritten by somebody who has not seen its latest state."""

    version = models.PositiveIntegerField(_("version"), default=1, editable=False)

    class Meta:
        abstract = True


class Archivable(models.Model):
    """A row that goes to the trash, from where it can be restored, instead of being deleted."""

    archived_at = models.DateTimeField(_("archived"), null=True, blank=True, editable=False)

    class Meta:
        abstract = True


class Imported(models.Model):
    """
    A row that may come from another system, under whose name for it an import finds it again.

    Each concrete model adds the constraint from :func:`unique_source`.
    """

    external_source = models.CharField(_("external source"), max_length=64, blank=True, default="")
    external_id = models.CharField(_("external id"), max_length=128, blank=True, default="")

    class Meta:
        abstract = True


def unique_source(model_name: str) -> models.UniqueConstraint:
    """Return the constraint that a pair of external source and id stands for one row at most."""
    return models.UniqueConstraint(
        fields=["external_source", "external_id"],
        condition=~models.Q(external_id=""),
        name=f"{model_name}_external_source_id_unique",
        violation_error_message=_("Another row already came from this source under this id."),
    )
