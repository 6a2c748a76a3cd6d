"""Whom we know: companies, people, and how to reach them."""

from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Concat, Trim, Upper
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import Owned
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Imported, Stamped, Versioned, unique_source
from apps.crm.models.catalog import Tag
from apps.crm.models.custom_fields import Customised

_OWNED = Rule(owner="owner", team="team", unowned=True)


class NameCore(models.Func):
    """A name in the form that compares: capitals, no punctuation, no legal form (the function is migration 0010's)."""

    function = "crm_name_core"
    output_field = models.TextField()


class TaxKey(models.Func):
    """A tax id in the form that compares: capitals and digits alone (the function is migration 0010's)."""

    function = "crm_tax_key"
    output_field = models.TextField()


def _merged_into() -> "models.ForeignKey[Any, Any]":
    """Return the field of a row that was merged into another: it lies in the trash, and its address leads there."""
    return models.ForeignKey(
        "self",
        verbose_name=_("merged into"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="merged_rows",
        db_index=False,
    )


def _last_activity_at() -> "models.DateTimeField[Any, Any]":
    """Return the field that follows what is written about a row, a moment later."""
    return models.DateTimeField(_("last activity"), null=True, blank=True, editable=False)


def _merged_is_archived(model_name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=models.Q(merged_into=None) | models.Q(archived_at__isnull=False),
        name=f"{model_name}_merged_is_archived",
        violation_error_message=_("This has been merged into another. Undo the merge to get it back."),
    )


def _merged_index(model_name: str) -> models.Index:
    return models.Index(
        fields=["merged_into"],
        condition=models.Q(merged_into__isnull=False),
        name=f"{model_name}_merged_into",
    )


class Company(Stamped, Versioned, Archivable, Imported, Customised, Owned):
    """An organization that we sell to, or might."""

    name = models.CharField(_("name"), max_length=200)
    legal_name = models.CharField(_("legal name"), max_length=300, blank=True, default="")
    tax_id = models.CharField(_("tax id"), max_length=32, blank=True, default="")
    domain = models.CharField(_("domain"), max_length=253, blank=True, default="")
    industry = models.CharField(_("industry"), max_length=100, blank=True, default="")
    country = models.CharField(_("country"), max_length=100, blank=True, default="")
    city = models.CharField(_("city"), max_length=100, blank=True, default="")
    founded_year = models.PositiveSmallIntegerField(_("founded"), null=True, blank=True)
    employee_count = models.PositiveIntegerField(_("employees"), null=True, blank=True)
    # In millions of the organization's currency, as such figures are quoted.
    annual_revenue = models.DecimalField(
        _("annual revenue, millions"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )
    parent = models.ForeignKey(
        "self",
        verbose_name=_("part of"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
    )
    description = models.TextField(_("notes"), blank=True, default="")
    tags = models.ManyToManyField(Tag, verbose_name=_("tags"), blank=True, related_name="companies")
    merged_into = _merged_into()
    last_activity_at = _last_activity_at()

    objects = ScopedQuerySet.as_manager()
    access = _OWNED

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        permissions = [
            ("archive_company", _("Can archive and restore companies")),
            ("merge_company", _("Can merge companies")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["tax_id"],
                name="company_tax_id_unique",
                condition=models.Q(archived_at=None) & ~models.Q(tax_id=""),
                violation_error_message=_("A company with this tax id exists already."),
            ),
            models.CheckConstraint(
                condition=~models.Q(parent=models.F("id")) | models.Q(parent=None),
                name="company_not_its_own_parent",
                violation_error_message=_("A company cannot be part of itself."),
            ),
            unique_source("company"),
            _merged_is_archived("company"),
        ]
        indexes = [
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="company_name_trgm"),
            models.Index(Upper("name"), name="company_name_upper"),
            models.Index(fields=["name", "id"], name="company_by_name"),
            models.Index(
                fields=["-id"], condition=models.Q(archived_at__isnull=False), name="company_trash_latest"
            ),
            models.Index(fields=["owner", "-id"], name="company_owner_latest"),
            models.Index(fields=["team", "-id"], name="company_team_latest"),
            # What duplicates are found by.
            _merged_index("company"),
            models.Index(TaxKey("tax_id"), condition=~models.Q(tax_id=""), name="company_tax_key"),
            models.Index(fields=["domain"], condition=~models.Q(domain=""), name="company_domain"),
            models.Index(
                fields=["external_id"], condition=~models.Q(external_id=""), name="company_external_id"
            ),
            models.Index(NameCore("name"), name="company_name_core"),
            GinIndex(OpClass(NameCore("name"), name="gin_trgm_ops"), name="company_name_core_trgm"),
            GinIndex(fields=["custom"], name="company_custom", opclasses=["jsonb_path_ops"]),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        self.domain = self.domain.strip().lower()
        if self.pk and self.parent_id == self.pk:
            raise ValidationError({"parent": _("A company cannot be part of itself.")}, code="company_cycle")


class Person(Stamped, Versioned, Archivable, Imported, Customised, Owned):
    """Somebody we talk to."""

    given_name = models.CharField(_("first name"), max_length=100)
    family_name = models.CharField(_("last name"), max_length=100, blank=True, default="")
    middle_name = models.CharField(_("middle name"), max_length=100, blank=True, default="")
    # The whole name in reading order, which lists show and search looks through.
    full_name = models.GeneratedField(
        expression=Trim(
            Concat("given_name", models.Value(" "), "family_name", output_field=models.TextField())
        ),
        output_field=models.CharField(max_length=201),
        db_persist=True,
        verbose_name=pgettext_lazy("person", "name"),
    )
    job_title = models.CharField(pgettext_lazy("person", "position"), max_length=150, blank=True, default="")
    locale = models.CharField(_("language"), max_length=8, blank=True, default="")
    description = models.TextField(_("notes"), blank=True, default="")
    tags = models.ManyToManyField(Tag, verbose_name=_("tags"), blank=True, related_name="people")
    merged_into = _merged_into()
    last_activity_at = _last_activity_at()
    # From then on the row stands for somebody who is not known any more, so that what was agreed with them stays whole.
    erased_at = models.DateTimeField(_("erased"), null=True, blank=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = _OWNED

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        permissions = [
            ("archive_person", _("Can archive and restore people")),
            ("merge_person", _("Can merge people")),
            ("disclose_person", _("Can take away all that is kept about a person")),
            ("erase_person", _("Can rehearse the erasure of people")),
        ]
        constraints = [
            unique_source("person"),
            _merged_is_archived("person"),
            models.CheckConstraint(
                condition=models.Q(erased_at=None)
                | models.Q(
                    archived_at__isnull=False,
                    family_name="",
                    middle_name="",
                    job_title="",
                    locale="",
                    description="",
                    external_id="",
                    custom={},
                ),
                name="person_erased_is_blank",
                violation_error_message=_("This person has been erased, and does not come back."),
            ),
        ]
        indexes = [
            GinIndex(OpClass(Upper("full_name"), name="gin_trgm_ops"), name="person_full_name_trgm"),
            models.Index(fields=["full_name", "id"], name="person_by_name"),
            models.Index(
                fields=["-id"], condition=models.Q(archived_at__isnull=False), name="person_trash_latest"
            ),
            models.Index(fields=["owner", "-id"], name="person_owner_latest"),
            models.Index(fields=["team", "-id"], name="person_team_latest"),
            _merged_index("person"),
            models.Index(
                fields=["external_id"], condition=~models.Q(external_id=""), name="person_external_id"
            ),
            models.Index(Upper("full_name"), name="person_full_name_upper"),
            GinIndex(fields=["custom"], name="person_custom", opclasses=["jsonb_path_ops"]),
        ]

    def __str__(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()


class Employment(models.Model):
    """A person's work at a company; at most one is their primary one."""

    person = models.ForeignKey(
        Person, verbose_name=_("person"), on_delete=models.CASCADE, related_name="employments"
    )
    company = models.ForeignKey(
        Company, verbose_name=_("company"), on_delete=models.PROTECT, related_name="employments"
    )
    title = models.CharField(pgettext_lazy("person", "position"), max_length=150, blank=True, default="")
    is_primary = models.BooleanField(_("primary"), default=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("person",))

    class Meta:
        verbose_name = _("employment")
        verbose_name_plural = _("employments")
        constraints = [
            models.UniqueConstraint(fields=["person", "company"], name="employment_unique"),
            models.UniqueConstraint(
                fields=["person"],
                condition=models.Q(is_primary=True),
                name="employment_one_primary",
                violation_error_message=_("A person has one primary employment."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} · {self.company}"


class ContactPoint(Archivable):
    """One way to reach a person or a company: as it was written, and in the form that compares."""

    class Kind(models.TextChoices):
        EMAIL = "EMAIL", _("e-mail")
        PHONE = "PHONE", _("phone")
        TELEGRAM = "TELEGRAM", _("Telegram")

    person = models.ForeignKey(
        Person,
        verbose_name=_("person"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="contact_points",
        db_index=False,
    )
    company = models.ForeignKey(
        Company,
        verbose_name=_("company"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="contact_points",
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    raw = models.CharField(_("value"), max_length=254)
    value = models.CharField(_("normalized"), max_length=254, editable=False)
    is_primary = models.BooleanField(_("primary"), default=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("person", "company"))

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(person=None) ^ models.Q(company=None),
                name="contact_point_has_one_holder",
                violation_error_message=_("A contact belongs to either a person or a company."),
            ),
            models.UniqueConstraint(
                fields=["kind", "value"],
                condition=models.Q(archived_at=None),
                name="contact_point_value_unique",
                violation_error_message=_("Somebody else has this contact already."),
            ),
            *[
                models.UniqueConstraint(
                    fields=[holder, "kind"],
                    condition=models.Q(is_primary=True, archived_at=None, **{f"{holder}__isnull": False}),
                    name=f"contact_point_one_primary_{holder}",
                    violation_error_message=_("One contact of each kind is the primary one."),
                )
                for holder in ("person", "company")
            ],
        ]
        indexes = [
            models.Index(
                fields=["person"], condition=models.Q(person__isnull=False), name="contact_point_person"
            ),
            models.Index(
                fields=["company"], condition=models.Q(company__isnull=False), name="contact_point_company"
            ),
            # Who used to be reached by the same.
            models.Index(
                fields=["kind", "value"],
                condition=models.Q(archived_at__isnull=False),
                name="contact_point_former",
            ),
        ]

    def __str__(self) -> str:
        return self.raw
