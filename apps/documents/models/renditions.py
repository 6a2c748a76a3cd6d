"""What is made of a content so that people can look at it: small pictures, pictures of pages, PDF."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.documents.models.blobs import Blob


class Rendition(models.Model):
    """
    One thing made of a content. What a content has is the same for all documents that hold it.

    The preview says how far all of them are: it waits, it is there, or it was refused for a reason.
    """

    class Kind(models.TextChoices):
        # What a browser shows without harm: the content itself, a PDF of it, a picture without its metadata.
        PREVIEW = "PREVIEW", _("preview")
        THUMBNAIL = "THUMBNAIL", _("small picture")
        PAGE = "PAGE", _("picture of a page")

    class State(models.TextChoices):
        PENDING = "PENDING", _("being made")
        READY = "READY", _("ready")
        REFUSED = "REFUSED", _("refused")

    class Reason(models.TextChoices):
        """Why there is none, as the panel says it."""

        UNSUPPORTED = "UNSUPPORTED", _("There is no preview of such files.")
        ACTIVE = "ACTIVE", _("The file has active parts. It is not opened here, only downloaded.")
        DAMAGED = "DAMAGED", _("The file is damaged, or is not what it says it is.")
        PROTECTED = "PROTECTED", _("The file is protected by a password.")
        TOO_LARGE = "TOO_LARGE", _("The file is too large for a preview.")
        TOO_SLOW = "TOO_SLOW", _("Making a preview of this file takes too long.")
        MISSING = "MISSING", _("The file is not where it was put.")
        NO_PROGRAM = (
            "NO_PROGRAM",
            _(
                "Office files are shown where LibreOffice is installed; here it is not. Download the file to see it."
            ),
        )

    source = models.ForeignKey(
        Blob, verbose_name=_("content"), on_delete=models.CASCADE, related_name="renditions", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=9, choices=Kind)
    # Of pictures of pages, from 1.
    page = models.PositiveSmallIntegerField(_("page"), default=0)
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.PENDING)
    reason = models.CharField(_("reason"), max_length=11, choices=Reason, blank=True, default="")
    blob = models.ForeignKey(
        Blob, verbose_name=_("made"), on_delete=models.PROTECT, null=True, related_name="+"
    )
    # Of the preview: how many pages there are in all, where that is known.
    page_count = models.PositiveIntegerField(null=True)
    # Of the preview: until then a worker is at it; whoever dies at it leaves it to the next.
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("rendition")
        verbose_name_plural = _("renditions")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["source", "kind", "page"], name="rendition_unique"),
            models.CheckConstraint(
                condition=models.Q(state="READY", blob__isnull=False, reason="")
                | models.Q(state="PENDING", blob=None, reason="")
                | (models.Q(state="REFUSED", blob=None) & ~models.Q(reason="")),
                name="rendition_state_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(state="PENDING"), name="rendition_pending"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.kind} {self.page}"
