"""Documents, the versions that their content has gone through, and what they belong to."""

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Owned
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Imported, Stamped, Versioned, unique_source
from apps.documents.models.blobs import Blob
from apps.documents.models.places import DocumentType, Folder, Tag


class Document(Stamped, Versioned, Archivable, Imported, Owned):
    """A file that means something: it has a kind, perhaps a number, and goes from draft to signed."""

    class Status(models.TextChoices):
        DRAFT = "DRAFT", _("Draft")
        IN_REVIEW = "IN_REVIEW", _("In review")
        APPROVED = "APPROVED", _("Approved")
        SIGNED = "SIGNED", _("Signed")
        VOID = "VOID", _("Void")

    type = models.ForeignKey(
        DocumentType,
        verbose_name=_("type"),
        on_delete=models.PROTECT,
        related_name="documents",
        db_index=False,
    )
    number = models.CharField(_("number"), max_length=64, null=True, blank=True, editable=False)
    title = models.CharField(_("title"), max_length=300)
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.DRAFT, editable=False
    )
    folder = models.ForeignKey(
        Folder,
        verbose_name=_("folder"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="documents",
        db_index=False,
    )
    description = models.TextField(_("notes"), blank=True, default="")
    tags = models.ManyToManyField(Tag, verbose_name=_("tags"), blank=True, related_name="documents")
    current_version = models.ForeignKey(
        "documents.DocumentVersion",
        verbose_name=_("current version"),
        # It goes with its document, and not before.
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    checked_out_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("checked out by"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    # A check-out ends by itself, so that nobody's holiday keeps others from their work.
    checked_out_until = models.DateTimeField(_("checked out until"), null=True, blank=True, editable=False)
    has_legal_hold = models.BooleanField(_("on legal hold"), default=False, editable=False)
    hold_reason = models.CharField(
        _("why it is on hold"), max_length=500, blank=True, default="", db_default="", editable=False
    )
    retain_until_date = models.DateField(_("kept until"), null=True, blank=True, editable=False)
    void_reason = models.CharField(
        _("why it is void"), max_length=500, blank=True, default="", db_default="", editable=False
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner", team="team", unowned=True)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        permissions = [
            ("archive_document", _("Can archive and restore documents")),
            ("assign_document", _("Can give documents to somebody else")),
            ("hold_document", _("Can put documents on legal hold")),
            ("void_document", _("Can declare documents void")),
            ("share_document", _("Can share documents by link")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["type", "number"],
                condition=models.Q(number__isnull=False),
                name="document_number_unique",
                violation_error_message=_("There is a document with this number already."),
            ),
            models.CheckConstraint(
                condition=models.Q(checked_out_by=None, checked_out_until=None)
                | models.Q(checked_out_by__isnull=False, checked_out_until__isnull=False),
                name="document_check_out_whole",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="SIGNED") | models.Q(current_version__isnull=False),
                name="document_signed_has_content",
                violation_error_message=_("A document without content cannot be signed."),
            ),
            unique_source("document"),
        ]
        indexes = [
            GinIndex(OpClass(Upper("title"), name="gin_trgm_ops"), name="document_title_trgm"),
            GinIndex(OpClass(Upper("number"), name="gin_trgm_ops"), name="document_number_trgm"),
            models.Index(fields=["title", "id"], name="document_by_title"),
            models.Index(fields=["updated_at", "id"], name="document_by_change"),
            models.Index(fields=["owner", "-id"], name="document_owner_latest"),
            models.Index(fields=["team", "-id"], name="document_team_latest"),
            models.Index(fields=["folder", "-id"], name="document_folder_latest"),
            models.Index(fields=["type", "-id"], name="document_type_latest"),
            models.Index(fields=["status", "-id"], name="document_status_latest"),
            models.Index(
                fields=["-id"], condition=models.Q(archived_at__isnull=False), name="document_trash_latest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.title}" if self.number else self.title

    @property
    def is_final(self) -> bool:
        """Nothing about its content changes any more."""
        return self.status in (self.Status.SIGNED, self.Status.VOID)

    @property
    def is_checked_out(self) -> bool:
        return self.checked_out_until is not None and self.checked_out_until > timezone.now()


def matching(term: str) -> models.Q:
    """Return which documents somebody means by a word: part of the title or of the number."""
    return models.Q(title__icontains=term) | models.Q(number__icontains=term)


class DocumentVersion(models.Model):
    """One content of a document, in the order in which they came; never changed."""

    class Source(models.TextChoices):
        UPLOAD = "UPLOAD", _("upload")
        GENERATED = "GENERATED", _("generated")
        DRIVE = "DRIVE", _("Google Drive")
        API = "API", _("API")
        TELEGRAM = "TELEGRAM", _("Telegram")
        EMAIL = "EMAIL", _("e-mail")

    document = models.ForeignKey(
        Document,
        verbose_name=_("document"),
        on_delete=models.CASCADE,
        related_name="versions",
        db_index=False,
    )
    number = models.PositiveIntegerField(_("version"))
    blob = models.ForeignKey(
        Blob, verbose_name=_("content"), on_delete=models.PROTECT, related_name="versions"
    )
    file_name = models.CharField(_("file name"), max_length=255)
    source = models.CharField(_("source"), max_length=16, choices=Source.choices)
    comment = models.CharField(_("comment"), max_length=500, blank=True, default="")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("document",))

    class Meta:
        verbose_name = _("version of a document")
        verbose_name_plural = _("versions of documents")
        constraints = [
            models.UniqueConstraint(fields=["document", "number"], name="document_version_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.document} · {self.number}"


class DocumentLink(models.Model):
    """That a document belongs to a business object: a deal, a company, an invoice."""

    class Role(models.TextChoices):
        ATTACHMENT = "ATTACHMENT", _("attachment")
        CONTRACT = "CONTRACT", _("contract")
        INVOICE = "INVOICE", _("invoice")
        ACT = "ACT", _("act")
        QUOTE = "QUOTE", _("quote")

    document = models.ForeignKey(
        Document, verbose_name=_("document"), on_delete=models.CASCADE, related_name="links", db_index=False
    )
    # Without a word for people, to whom the name says it.
    target_type = models.ForeignKey(ContentType, on_delete=models.PROTECT, related_name="+", db_index=False)
    target_id = models.BigIntegerField()
    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.ATTACHMENT)
    # What the object was called when it was last told of; documents are found by it.
    target_name = models.CharField(_("name"), max_length=300)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("document",))

    class Meta:
        verbose_name = _("link of a document")
        verbose_name_plural = _("links of documents")
        constraints = [
            models.UniqueConstraint(
                fields=["document", "target_type", "target_id", "role"],
                name="document_link_unique",
                violation_error_message=_("The document belongs to it already."),
            ),
        ]
        indexes = [
            models.Index(fields=["target_type", "target_id", "-id"], name="document_link_target"),
            GinIndex(OpClass(Upper("target_name"), name="gin_trgm_ops"), name="document_link_name_trgm"),
        ]

    def __str__(self) -> str:
        return self.target_name


class DocumentText(models.Model):
    """The words of a document's current version, apart from it so that lists never read them."""

    document = models.OneToOneField(
        Document, verbose_name=_("document"), on_delete=models.CASCADE, primary_key=True, related_name="text"
    )
    version = models.ForeignKey(
        DocumentVersion, verbose_name=_("version"), on_delete=models.CASCADE, related_name="+", db_index=False
    )
    text = models.TextField(_("text"), blank=True, default="")
    # None until the content has been read, whatever came of that.
    words = SearchVectorField(null=True, editable=False)

    class Meta:
        verbose_name = _("text of a document")
        verbose_name_plural = _("texts of documents")
        indexes = [
            GinIndex(fields=["words"], name="document_text_words"),
            models.Index(fields=["document"], condition=models.Q(words=None), name="document_text_unread"),
        ]
