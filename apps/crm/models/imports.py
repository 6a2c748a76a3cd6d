"""What is being brought in from files: the file, what was understood of it, and what each row would do."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Stamped, Versioned
from apps.jobs.models import Job


class ImportBatch(Stamped, Versioned):
    """One file on its way in: uploaded, its columns mapped, rehearsed, applied."""

    class Kind(models.TextChoices):
        PRODUCTS = "products", _("products")
        USERS = "users", _("users and teams")
        COMPANIES = "companies", _("companies")
        PEOPLE = "people", _("people")
        DEALS = "deals", _("deals")
        LEADS = "leads", _("leads")

    class State(models.TextChoices):
        UPLOADED = "UPLOADED", _("columns to be matched")
        REHEARSING = "REHEARSING", _("being rehearsed")
        REHEARSED = "REHEARSED", _("rehearsed")
        APPLYING = "APPLYING", _("being applied")
        APPLIED = "APPLIED", _("applied")
        FAILED = "FAILED", _("failed")
        CANCELLED = "CANCELLED", _("cancelled")

    class Mode(models.TextChoices):
        UPSERT = "UPSERT", _("create new rows and update known ones")
        CREATE = "CREATE", _("create new rows only")
        UPDATE = "UPDATE", _("update known rows only")

    kind = models.CharField(_("what"), max_length=16, choices=Kind)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.UPLOADED)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), on_delete=models.PROTECT, related_name="+"
    )
    filename = models.CharField(_("file"), max_length=255)
    # Name in the default storage; empty once the file's retention is over.
    storage_name = models.CharField(max_length=255, blank=True, default="", editable=False)
    size = models.BigIntegerField(_("size, bytes"))
    sha256 = models.CharField(max_length=64, editable=False)
    # How the file is read: format, encoding, delimiter, date_format, decimal mark, sheet; detected, correctable.
    dialect = models.JSONField(_("how it is read"), default=dict)
    # The file's header and a few sample rows, as text.
    header = models.JSONField(default=list, editable=False)
    sample = models.JSONField(default=list, editable=False)
    # What was noticed while reading, for the person to look at: [{"code", "params"}].
    notices = models.JSONField(default=list, editable=False)
    # {column of the file: field key}; columns that are left out are not imported.
    mapping = models.JSONField(_("columns"), default=dict)
    # {field key: {value in the file: value meant}}.
    values = models.JSONField(_("replacements"), default=dict)
    mode = models.CharField(_("mode"), max_length=6, choices=Mode, default=Mode.UPSERT)
    # Field keys by which a known row is recognized.
    match_by = models.JSONField(_("recognize by"), default=list)
    # {"currency": ISO code for amounts without one, "create_missing": field keys whose unknown values are created}.
    options = models.JSONField(_("options"), default=dict)
    # The system that the file's external ids belong to.
    source = models.CharField(_("source"), max_length=64, default="import")
    # {"rows", "create", "update", "unchanged", "error", "conflict"}: of the rehearsal, then of what was applied.
    counts = models.JSONField(_("counts"), default=dict)
    # SHA-256 over what the rehearsal decided for each row: what apply must find unchanged.
    plan_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    rehearse_job = models.ForeignKey(
        Job, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    # How far apply has come: {"pass", "line"}; committed with each chunk, so that another job goes on where one ended.
    applied_to = models.JSONField(default=dict, editable=False)
    skips_errors = models.BooleanField(default=False, editable=False)
    applied_at = models.DateTimeField(_("applied"), null=True, editable=False)
    # When the file and the rows were removed, their retention being over.
    expired_at = models.DateTimeField(null=True, editable=False)
    apply_job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+", editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner")

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        default_permissions = ("add", "view", "change")
        indexes = [GinIndex(OpClass(Upper("filename"), name="gin_trgm_ops"), name="import_filename_trgm")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.filename}"


class ImportRow(models.Model):
    """
    One row of an imported file, and what it would do or did.

    Staged by the hundred thousand, so it has one index and no checked foreign key; only the import engine writes it.
    """

    class Verdict(models.TextChoices):
        CREATE = "C", _("new")
        UPDATE = "U", _("changed")
        UNCHANGED = "S", _("unchanged")
        ERROR = "E", _("error")
        CONFLICT = "X", _("changed meanwhile")

    pk = models.CompositePrimaryKey("batch_id", "line")
    batch = models.ForeignKey(
        ImportBatch, on_delete=models.CASCADE, related_name="rows", db_index=False, db_constraint=False
    )
    # The line in the file where the row begins, counted from 1 with the header.
    line = models.PositiveIntegerField(_("line"))
    # The row's cells by field key, parsed to canonical text; empty cells are left out.
    data = models.JSONField()
    verdict = models.CharField(_("verdict"), max_length=1, choices=Verdict)
    # [{"field", "code", "value", "suggestion", "params"}]; None for none.
    errors = models.JSONField(null=True)
    # The known row, or the id that is kept for the new one: a row that is applied twice meets itself.
    target_id = models.BigIntegerField(null=True)
    target_version = models.PositiveIntegerField(null=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("batch",))

    class Meta:
        indexes = [
            # What was made of which row: who asks to be forgotten is looked for by it.
            models.Index(
                fields=["target_id"],
                condition=models.Q(target_id__isnull=False),
                name="import_row_target",
            ),
            models.Index(
                fields=["batch", "line"],
                condition=models.Q(verdict__in=["E", "X"]),
                name="import_row_refused",
            ),
        ]


class ImportReference(models.Model):
    """A value by which rows of a batch name another row ("GTX Pro"), and which row that is."""

    batch = models.ForeignKey(ImportBatch, on_delete=models.CASCADE, related_name="references")
    field = models.CharField(max_length=64)
    # The value in upper case: what rows are joined by.
    key = models.TextField()
    value = models.TextField()
    count = models.PositiveIntegerField()
    target_id = models.BigIntegerField(null=True)
    # Empty when it was found; else "unknown" or "ambiguous".
    code = models.CharField(max_length=32, blank=True, default="")
    suggestion = models.TextField(blank=True, default="")

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("batch",))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "field", "key"], name="import_reference_unique"),
        ]


class ImportMapping(models.Model):
    """How a person matched a file's columns last time, offered again when the same header comes."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=16, choices=ImportBatch.Kind)
    # SHA-256 of the header.
    header_digest = models.CharField(max_length=64)
    mapping = models.JSONField()
    values = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner")

    class Meta:
        verbose_name = _("remembered columns")
        verbose_name_plural = _("remembered columns")
        constraints = [
            models.UniqueConstraint(fields=["owner", "kind", "header_digest"], name="import_mapping_unique"),
        ]
