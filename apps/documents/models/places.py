"""Where documents belong: folders, types, tags."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Owned
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Stamped, Versioned


class Folder(Stamped, Versioned, Archivable, Owned):
    """A place for documents; it lies in another or at the top."""

    name = models.CharField(_("name"), max_length=200)
    parent = models.ForeignKey(
        "self",
        verbose_name=_("in folder"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner", team="team", unowned=True)
    # There are as many as a person can keep in order.
    short_list = "People make folders one by one."

    class Meta:
        verbose_name = _("folder")
        verbose_name_plural = _("folders")
        permissions = [("archive_folder", _("Can archive and restore folders"))]
        constraints = [
            models.UniqueConstraint(
                "parent",
                Lower("name"),
                condition=models.Q(archived_at=None),
                nulls_distinct=False,
                name="folder_name_unique",
                violation_error_message=_("There is a folder with this name already."),
            ),
            models.CheckConstraint(
                condition=~models.Q(parent=models.F("id")) | models.Q(parent=None),
                name="folder_not_in_itself",
                violation_error_message=_("A folder cannot lie in itself."),
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-id"], name="folder_owner_latest"),
            models.Index(fields=["team", "-id"], name="folder_team_latest"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        self.name = self.name.strip()
        if self.pk and self.parent_id == self.pk:
            refused = ValidationError(_("A folder cannot lie in itself."), code="folder_cycle")
            raise ValidationError({"parent": refused})


class DocumentType(Stamped, Versioned, Archivable):
    """A kind of document, as a contract or an act, and the rules that hold for all of it."""

    code = models.SlugField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=100)
    # "C-{year}-{number:05}": without it, documents of this type are not numbered.
    number_pattern = models.CharField(
        _("pattern of numbers"),
        max_length=64,
        blank=True,
        default="",
        validators=[
            RegexValidator(
                r"^(?:[^{}]|\{year\})*\{number(?::0\d{1,2})?\}(?:[^{}]|\{year\})*$",
                _("Write {number} once, as in C-{year}-{number:05}."),
            )
        ],
    )
    allowed_types = ArrayField(
        models.CharField(max_length=127),
        verbose_name=_("allowed types of content"),
        blank=True,
        default=list,
        help_text=_("Empty: whatever the platform takes."),
    )
    max_size = models.BigIntegerField(
        _("largest size, bytes"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    retention_days = models.PositiveIntegerField(
        _("kept for, days"),
        null=True,
        blank=True,
        help_text=_("How long the law or you keep such documents; nobody can delete them for good before."),
    )
    trash_days = models.PositiveIntegerField(
        _("days in the trash"), default=30, help_text=_("Then they are deleted for good.")
    )
    needs_signature = models.BooleanField(_("is signed"), default=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)
    short_list = "An organization knows some dozens of kinds."

    class Meta:
        verbose_name = _("type of documents")
        verbose_name_plural = _("types of documents")
        permissions = [("archive_documenttype", _("Can archive and restore types of documents"))]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(max_size=None) | models.Q(max_size__gt=0),
                name="document_type_size_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """A word that documents are marked with."""

    name = models.CharField(_("name"), max_length=50)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)
    short_list = "People make tags one by one."

    class Meta:
        verbose_name = _("tag of documents")
        verbose_name_plural = _("tags of documents")
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="document_tag_name_unique",
                violation_error_message=_("There is such a tag already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name
