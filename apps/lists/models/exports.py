"""Rows of a list that somebody takes away as a file, and the parts of the file while it is being written."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.jobs.models import Job
from apps.lists.models.selections import Selection


class Export(models.Model):
    """
    A file that somebody asked for: of which rows, which columns, written how.

    Its state is that of its job. The row stays as the record of who took what away; the file goes when its time is
    over.
    """

    class Format(models.TextChoices):
        XLSX = "xlsx", _("Excel (XLSX)")
        CSV = "csv", _("CSV")

    class Style(models.TextChoices):
        LOCAL = "local", _("as people write them")
        MACHINE = "machine", _("for programs")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), on_delete=models.PROTECT, related_name="+"
    )
    # None once what was chosen has been forgotten.
    selection = models.ForeignKey(
        Selection, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    # As in `Model._meta.label_lower`: "crm.deal".
    model_label = models.CharField(max_length=100, editable=False)
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    format = models.CharField(_("format"), max_length=4, choices=Format)
    # Keys of columns, in order.
    columns = models.JSONField(default=list, editable=False)
    language = models.CharField(_("language"), max_length=8)
    style = models.CharField(_("numbers and dates"), max_length=7, choices=Style, default=Style.LOCAL)
    # Of CSV.
    separator = models.CharField(_("separator"), max_length=1, default=",")
    has_bom = models.BooleanField(_("byte order mark"), default=True)
    filename = models.CharField(_("file"), max_length=200)
    # Of the directory in the storage: names that nobody guesses, and that are nobody else's.
    uid = models.UUIDField(default=uuid4, editable=False)
    # Name in the default storage; empty before the file is there, and once it has been removed.
    storage_name = models.CharField(max_length=255, blank=True, default="", editable=False)
    size = models.BigIntegerField(_("size, bytes"), null=True)
    sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    # How many rows were chosen, how many the file holds, and how many were out of reach when it was written.
    chosen = models.BigIntegerField(_("chosen rows"), default=0)
    rows = models.BigIntegerField(_("rows"), null=True)
    left_out = models.BigIntegerField(_("rows left out"), default=0)
    # Cells that were left empty, because they name rows out of the owner's sight.
    hidden = models.BigIntegerField(default=0, editable=False)
    # Texts that are longer than a cell of a spreadsheet may be, and were cut.
    cut = models.BigIntegerField(default=0, editable=False)
    downloads = models.PositiveIntegerField(_("downloads"), default=0)
    created_at = models.DateTimeField(_("requested"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    # From then on nobody gets the file.
    expires_at = models.DateTimeField(_("expires"), editable=False)
    # When file, parts and selection were removed.
    expired_at = models.DateTimeField(null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner")

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["owner", "-id"], name="export_owner_latest"),
            models.Index(fields=["expires_at"], condition=models.Q(expired_at=None), name="export_to_expire"),
        ]

    def __str__(self) -> str:
        return self.filename

    def is_available(self) -> bool:
        """Tell whether there is a file that can still be downloaded."""
        return bool(self.storage_name) and timezone.now() < self.expires_at


class ExportPart(models.Model):
    """
    What one chunk of the job has written; put together and deleted when the last is there.

    In the database and not in files, so that it is committed together with the job's checkpoint, or not at all.
    """

    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="parts", db_index=False)
    # From 1, without gaps.
    number = models.PositiveIntegerField()
    # Of a spreadsheet: the sheet that the rows belong to, from 1.
    sheet = models.PositiveIntegerField(default=1)
    # Compressed by zlib.
    data = models.BinaryField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["export", "number"], name="export_part_number_unique")]

    def __str__(self) -> str:
        return f"{self.export_id} #{self.number}"
