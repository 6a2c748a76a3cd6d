"""Links by which people without an account get a document or a bundle, and who has used them."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.documents.models.bundles import Bundle
from apps.documents.models.documents import Document, DocumentVersion


class ShareLinkQuerySet(ScopedQuerySet["ShareLink"]):
    """Links, and which of them still lead somewhere."""

    def open(self) -> "ShareLinkQuerySet":
        """Keep the links that lead somewhere now, by the clock of the server."""
        return self.filter(
            Q(max_downloads=None) | Q(downloads__lt=F("max_downloads")),
            revoked_at=None,
            expires_at__gt=timezone.now(),
        )


class ShareLink(models.Model):
    """
    An address by which whoever has it gets one document, or one bundle, for a while.

    The secret in the address is known to nobody but those who were given it: here is only its digest.
    """

    document = models.ForeignKey(
        Document,
        verbose_name=_("document"),
        on_delete=models.CASCADE,
        null=True,
        related_name="share_links",
        db_index=False,
    )
    # None is whatever version is the current one.
    version = models.ForeignKey(
        DocumentVersion,
        verbose_name=_("version"),
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        db_index=False,
    )
    bundle = models.ForeignKey(
        Bundle,
        verbose_name=_("bundle"),
        on_delete=models.CASCADE,
        null=True,
        related_name="share_links",
        db_index=False,
    )
    # SHA-256 of a secret of 256 random bits, in hexadecimal digits.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    note = models.CharField(_("for whom"), max_length=200, blank=True, default="")
    # As Django keeps passwords; empty where none is asked for.
    password = models.CharField(_("password"), max_length=128, blank=True, default="", editable=False)
    has_preview = models.BooleanField(_("shows pages before the download"), default=True)
    max_downloads = models.PositiveIntegerField(_("downloads at most"), null=True, blank=True)
    downloads = models.PositiveIntegerField(_("downloads"), default=0, editable=False)
    expires_at = models.DateTimeField(_("ends"))
    revoked_at = models.DateTimeField(_("taken back"), null=True, editable=False)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("taken back by"),
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
        db_index=False,
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )

    objects = ShareLinkQuerySet.as_manager()
    access = Rule(via=("document", "bundle"))

    class Meta:
        verbose_name = _("share link")
        verbose_name_plural = _("share links")
        constraints = [
            models.CheckConstraint(
                condition=Q(document__isnull=False, bundle=None)
                | Q(document=None, version=None, bundle__isnull=False),
                name="share_link_to_one",
            ),
            models.CheckConstraint(
                condition=Q(max_downloads=None) | Q(max_downloads__gt=0, downloads__lte=F("max_downloads")),
                name="share_link_within_limit",
            ),
        ]
        indexes = [
            models.Index(fields=["document", "-id"], name="share_link_document_latest"),
            models.Index(fields=["bundle", "-id"], name="share_link_bundle_latest"),
        ]

    def __str__(self) -> str:
        return str(self.document or self.bundle)

    @property
    def has_password(self) -> bool:
        return bool(self.password)

    def state(self) -> "ShareLink.State":
        """Say whether the link leads anywhere now, and if not, why."""
        if self.revoked_at is not None:
            return self.State.REVOKED
        if self.expires_at <= timezone.now():
            return self.State.EXPIRED
        if self.max_downloads is not None and self.downloads >= self.max_downloads:
            return self.State.USED_UP
        return self.State.OPEN

    class State(models.TextChoices):
        OPEN = "OPEN", _("open")
        EXPIRED = "EXPIRED", _("its time is over")
        USED_UP = "USED_UP", _("used up")
        REVOKED = "REVOKED", _("taken back")


class ShareVisit(models.Model):
    """What somebody did with a link: an entry of its log."""

    class Kind(models.TextChoices):
        OPENED = "OPENED", _("opened")
        WRONG_PASSWORD = "WRONG_PASSWORD", _("wrong password")
        DOWNLOADED = "DOWNLOADED", _("downloaded")

    link = models.ForeignKey(
        ShareLink, verbose_name=_("link"), on_delete=models.CASCADE, related_name="visits", db_index=False
    )
    kind = models.CharField(_("what"), max_length=14, choices=Kind)
    address = models.GenericIPAddressField(_("address"), null=True)
    browser = models.CharField(_("browser"), max_length=300, blank=True, default="")
    at = models.DateTimeField(_("when"), auto_now_add=True)

    objects: Any = ScopedQuerySet.as_manager()
    access = Rule(via=("link",))

    class Meta:
        verbose_name = _("use of a share link")
        verbose_name_plural = _("uses of share links")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["link", "-id"], name="share_visit_link_latest"),
            models.Index(fields=["at"], name="share_visit_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.link_id} {self.kind}"
