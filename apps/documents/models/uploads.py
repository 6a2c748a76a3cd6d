"""Files on their way in: what has come of each, and what is to become of it."""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.documents.models.blobs import SHA256_LENGTH
from apps.documents.models.documents import Document, DocumentVersion


class UploadSession(models.Model):
    """One file that somebody sends, piece by piece, until it is a version of a document."""

    class State(models.TextChoices):
        OPEN = "OPEN", _("being sent")
        VERIFYING = "VERIFYING", _("being checked")
        READY = "READY", _("kept")
        REJECTED = "REJECTED", _("refused")
        ABORTED = "ABORTED", _("given up")
        EXPIRED = "EXPIRED", _("expired")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("sender"),
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        db_index=False,
    )
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.OPEN, editable=False
    )
    # What the sender calls this upload: asking again with it is asking for the same one.
    client_token = models.CharField(_("client token"), max_length=64, null=True, editable=False)
    file_name = models.CharField(_("file name"), max_length=255)
    size = models.BigIntegerField(_("size, bytes"), validators=[MinValueValidator(0)])
    # As declared; held against what is found.
    sha256 = models.BinaryField(_("SHA-256"), max_length=SHA256_LENGTH, null=True, editable=False)
    declared_type = models.CharField(_("declared type"), max_length=127, blank=True, default="")
    # How much has come, in bytes; nobody knows where the sender writes to the storage itself.
    offset = models.BigIntegerField(_("received, bytes"), default=0, editable=False)
    # Of the multipart upload by which the sender writes to the storage itself; "" where the platform takes the pieces.
    multipart_id = models.CharField(max_length=1024, blank=True, default="", editable=False)

    # What is to become of it: a new document with these values, or a version of the one named.
    document = models.ForeignKey(
        Document,
        verbose_name=_("document"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="uploads",
    )
    comment = models.CharField(_("comment"), max_length=500, blank=True, default="")
    source = models.CharField(
        _("source"), max_length=16, choices=DocumentVersion.Source, default=DocumentVersion.Source.UPLOAD
    )
    values = models.JSONField(_("values"), default=dict, editable=False)

    # What became of it.
    document_version = models.ForeignKey(
        DocumentVersion,
        verbose_name=_("version"),
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    refusal_code = models.CharField(max_length=64, blank=True, default="", editable=False)
    refusal = models.CharField(_("refusal"), max_length=500, blank=True, default="", editable=False)

    created_at = models.DateTimeField(_("begun"), auto_now_add=True, editable=False)
    # An upload that is not finished by then is given up; one that has ended is forgotten.
    expires_at = models.DateTimeField(_("expires"), editable=False)
    # Checking is one worker's, until its lease runs out; an older attempt writes nothing any more.
    attempt = models.PositiveIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner")

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        constraints = [
            models.UniqueConstraint(fields=["owner", "client_token"], name="upload_client_token_unique"),
            models.CheckConstraint(
                condition=models.Q(size__gte=0, offset__gte=0, offset__lte=models.F("size")),
                name="upload_offset_within",
            ),
            models.CheckConstraint(
                condition=models.Q(state="VERIFYING", lease_until__isnull=False)
                | (~models.Q(state="VERIFYING") & models.Q(lease_until=None)),
                name="upload_checked_on_lease",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-id"], name="upload_owner_latest"),
            models.Index(fields=["expires_at"], name="upload_expiry"),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(lease_until__isnull=False),
                name="upload_lease",
            ),
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_direct(self) -> bool:
        """The sender writes to the storage itself, by addresses that the platform has signed."""
        return bool(self.multipart_id)

    @property
    def prefix(self) -> str:
        """Where its pieces lie in the storage."""
        return prefix_of(self.pk)

    @property
    def whole_key(self) -> str:
        """Where the storage puts what was sent to it directly."""
        return f"{self.prefix}whole"


def prefix_of(session_id: int) -> str:
    """Return where the pieces of an upload lie in the storage."""
    return f"uploads/{session_id}/"


class UploadPart(models.Model):
    """A piece of a file that has come and is kept; a piece that no row names was sent in vain."""

    session = models.ForeignKey(UploadSession, on_delete=models.CASCADE, related_name="parts", db_index=False)
    start = models.BigIntegerField()
    size = models.BigIntegerField()
    key = models.CharField(max_length=200)

    class Meta:
        verbose_name = _("piece of an upload")
        verbose_name_plural = _("pieces of uploads")
        constraints = [
            models.UniqueConstraint(fields=["session", "start"], name="upload_part_unique"),
            models.CheckConstraint(condition=models.Q(size__gt=0), name="upload_part_not_empty"),
        ]
