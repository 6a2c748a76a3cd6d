"""Contents: each stands once, whatever the number of documents that hold it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.documents.kinds import ACTIVE_FLAGS, ACTIVE_TYPES

# Bytes of a SHA-256 and of an MD5.
SHA256_LENGTH, MD5_LENGTH = 32, 16


class Blob(models.Model):
    """
    One content, stored under its own digest.

    The MD5 proves nothing; Google Drive knows contents by it.
    """

    sha256 = models.BinaryField(_("SHA-256"), max_length=SHA256_LENGTH, unique=True, editable=False)
    md5 = models.BinaryField(_("MD5"), max_length=MD5_LENGTH, editable=False)
    size = models.BigIntegerField(_("size, bytes"), editable=False)
    # What the content itself says it is, never what somebody called it.
    content_type = models.CharField(_("type of content"), max_length=127, editable=False)
    # What in it would do something, as `kinds.Kind` says; it is never shown within a page.
    flags = ArrayField(
        models.CharField(max_length=32),
        verbose_name=_("warnings"),
        default=list,
        db_default=[],
        editable=False,
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True, editable=False)
    # When somebody last wanted it kept: what nobody has used since then for a day is removed.
    kept_at = models.DateTimeField(_("kept"), db_default=Now(), editable=False)
    verified_at = models.DateTimeField(_("verified"), null=True, blank=True, editable=False)
    # Also while it is still on its way to the storage: whoever deletes what nobody uses sees that somebody will.
    missing_since = models.DateTimeField(_("missing since"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("content")
        verbose_name_plural = _("contents")
        constraints = [
            models.CheckConstraint(condition=models.Q(size__gte=0), name="blob_size_not_negative"),
        ]
        indexes = [
            models.Index(
                fields=["missing_since"],
                condition=models.Q(missing_since__isnull=False),
                name="blob_missing",
            ),
        ]

    def __str__(self) -> str:
        return self.digest[:12]

    @property
    def digest(self) -> str:
        """The SHA-256 in hexadecimal digits."""
        return bytes(self.sha256).hex()

    @property
    def is_active(self) -> bool:
        """A browser or an office program would run something in it; it is never shown within a page."""
        return self.content_type in ACTIVE_TYPES or not ACTIVE_FLAGS.isdisjoint(self.flags)

    @property
    def key(self) -> str:
        """Where the content lies in the storage."""
        return key_of(self.digest)


def key_of(digest: str) -> str:
    """Return where the content with this SHA-256, in hexadecimal digits, lies in the storage."""
    return f"sha256/{digest[:2]}/{digest[2:4]}/{digest}"
