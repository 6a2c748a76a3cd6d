"""The rows somebody chose in a list, as they were then."""

from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Selection(models.Model):
    """
    The rows of one model that long work is about, frozen when it was asked for.

    What is created, or comes into the person's reach, afterwards does not belong to it. Nobody sees a selection by
    itself: it has no access rule, and is reached only through the work it belongs to.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("chosen by"), on_delete=models.CASCADE, related_name="+"
    )
    # As in `Model._meta.label_lower`: "crm.deal".
    model_label = models.CharField(_("kind"), max_length=100)
    count = models.BigIntegerField(_("rows"), default=0)
    created_at = models.DateTimeField(_("chosen"), default=timezone.now, db_index=True, editable=False)

    class Meta:
        verbose_name = _("selection")
        verbose_name_plural = _("selections")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.model_label} × {self.count}"

    @property
    def model(self) -> type[models.Model]:
        """The model of the rows. :raises LookupError: there is no such model any more"""
        return apps.get_model(self.model_label)


class SelectedRow(models.Model):
    """One row of a selection, at its place in the order of the list."""

    selection = models.ForeignKey(Selection, on_delete=models.CASCADE, related_name="rows", db_index=False)
    # From 1, without gaps.
    position = models.BigIntegerField()
    row_id = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["selection", "position"], name="selected_row_position_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.selection_id} #{self.position}"
