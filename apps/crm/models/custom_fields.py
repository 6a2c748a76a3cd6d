"""Fields that an organization adds to companies, people, deals and leads by itself."""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Stamped, Versioned

KEY = r"^[a-z][a-z0-9_]{0,39}$"
custom_key = RegexValidator(
    KEY, _("A key begins with a letter: small Latin letters, digits and underscores, 40 at most."), code="key"
)


class Customised(models.Model):
    """
    A row with further fields: their values by the field's key.

    A text, the digits of a number ("12.5"), a day ("2026-03-01"), the key of a choice, the key of another row, or a
    yes or no. What is empty is not in it.
    """

    custom = models.JSONField(_("further fields"), default=dict, db_default={}, blank=True, editable=False)

    class Meta:
        abstract = True


class CustomFieldQuerySet(ScopedQuerySet["CustomField"]):
    """Further fields."""

    def of(self, model: type[models.Model]) -> "CustomFieldQuerySet":
        """Keep the fields of a kind of rows, in their order."""
        return self.filter(model=model._meta.model_name).order_by("position", "id")


class CustomField(Stamped, Versioned, Archivable):
    """A further field of one kind of rows; one that is not offered any more keeps the values that rows have in it."""

    class Of(models.TextChoices):
        COMPANY = "company", _("companies")
        PERSON = "person", _("people")
        DEAL = "deal", _("deals")
        LEAD = "lead", _("leads")

    class Kind(models.TextChoices):
        TEXT = "TEXT", pgettext_lazy("kind of field", "text")
        NUMBER = "NUMBER", pgettext_lazy("kind of field", "number")
        DATE = "DATE", pgettext_lazy("kind of field", "date")
        CHOICE = "CHOICE", pgettext_lazy("kind of field", "choice")
        REFERENCE = "REFERENCE", pgettext_lazy("kind of field", "reference")
        FLAG = "FLAG", pgettext_lazy("kind of field", "yes or no")

    class Target(models.TextChoices):
        COMPANY = "crm.company", _("company")
        PERSON = "crm.person", _("person")
        DEAL = "crm.deal", _("deal")
        PRODUCT = "crm.product", _("product")
        USER = "accounts.user", _("user")

    model = models.CharField(pgettext_lazy("further field", "of"), max_length=16, choices=Of)
    key = models.CharField(_("key"), max_length=40, validators=[custom_key])
    label = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=9, choices=Kind)
    # [{"key": "north", "label": "North", "is_archived": false}], in their order.
    choices = models.JSONField(_("choices"), default=list, blank=True)
    target = models.CharField(_("refers to"), max_length=16, choices=Target, blank=True, default="")
    is_required = models.BooleanField(_("required"), default=False)
    position = models.PositiveIntegerField(_("position"), default=0)

    objects = CustomFieldQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("further field")
        verbose_name_plural = _("further fields")
        constraints = [
            models.UniqueConstraint(
                fields=["model", "key"],
                name="custom_field_key_unique",
                violation_error_message=_("There is a field with this key already, maybe in the trash."),
            ),
            models.UniqueConstraint(
                "model",
                Upper("label"),
                condition=Q(archived_at=None),
                name="custom_field_label_unique",
                violation_error_message=_("There is a field of this name already."),
            ),
            models.CheckConstraint(
                condition=Q(key__regex=KEY),
                name="custom_field_key",
                violation_error_message=_(
                    "A key begins with a letter: small Latin letters, digits and underscores, 40 at most."
                ),
            ),
            models.CheckConstraint(
                condition=(Q(kind="REFERENCE") & ~Q(target="")) | (~Q(kind="REFERENCE") & Q(target="")),
                name="custom_field_target",
                violation_error_message=_("A reference says to what; other kinds refer to nothing."),
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def name(self) -> str:
        """What the field is called among the fields of its rows: "custom.region"."""
        return f"custom.{self.key}"

    def labels(self) -> dict[str, str]:
        """Return the words for all choices, also those that are not offered any more."""
        return {one["key"]: one["label"] for one in self.choices}

    def offered(self, *, besides: Any = None) -> list[tuple[str, str]]:
        """List the choices that are offered, and `besides` where a row has it already."""
        return [
            (one["key"], one["label"])
            for one in self.choices
            if not one["is_archived"] or one["key"] == besides
        ]
