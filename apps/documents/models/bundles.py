"""Several documents as one file, to be taken away or passed on."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.documents.models.documents import Document, DocumentVersion
from apps.jobs.models import Job


class Bundle(models.Model):
    """
    A zip of documents that somebody asked for; its state is that of its job.

    The row stays as the record of who took what away; the file goes when its time is over.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    job = models.ForeignKey(
        Job, null=True, on_delete=models.SET_NULL, related_name="+", editable=False, db_index=False
    )
    file_name = models.CharField(_("file"), max_length=255)
    # Of the directory in the storage: a name that nobody guesses.
    uid = models.UUIDField(default=uuid4, editable=False)
    # Name in the default storage; empty before the file is there, and once it has been removed.
    storage_name = models.CharField(max_length=255, blank=True, default="", editable=False)
    size = models.BigIntegerField(_("size, bytes"), null=True, editable=False)
    sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    # How many documents were chosen, and how many were out of reach when the file was made.
    chosen = models.PositiveIntegerField(_("chosen documents"), default=0, editable=False)
    left_out = models.PositiveIntegerField(_("documents left out"), default=0, editable=False)
    downloads = models.PositiveIntegerField(_("downloads"), default=0, editable=False)
    created_at = models.DateTimeField(_("requested"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    # From then on nobody gets the file.
    expires_at = models.DateTimeField(_("expires"), editable=False)
    # When the file was removed.
    expired_at = models.DateTimeField(null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner")

    class Meta:
        verbose_name = _("bundle of documents")
        verbose_name_plural = _("bundles of documents")
        default_permissions = ("view", "add", "change")
        indexes = [
            models.Index(fields=["owner", "-id"], name="bundle_owner_latest"),
            models.Index(fields=["expires_at"], condition=models.Q(expired_at=None), name="bundle_to_expire"),
        ]

    def __str__(self) -> str:
        return self.file_name

    def is_available(self) -> bool:
        """Tell whether there is a file that can still be downloaded."""
        return bool(self.storage_name) and timezone.now() < self.expires_at


class BundledDocument(models.Model):
    """A document of a bundle, in the version that it had when the bundle was asked for."""

    bundle = models.ForeignKey(Bundle, on_delete=models.CASCADE, related_name="parts", db_index=False)
    # From 1, without gaps.
    position = models.PositiveIntegerField()
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    version = models.ForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["bundle", "position"], name="bundled_document_position_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.bundle_id} #{self.position}"
