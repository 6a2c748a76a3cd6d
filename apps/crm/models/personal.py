"""What somebody has asked for about themselves: to be told what is kept about them, or to be forgotten."""

from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.crm.models.companies import Person
from apps.jobs.models import Job


def _person(related_name: str) -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        Person, verbose_name=_("person"), on_delete=models.PROTECT, related_name=related_name
    )


def _by() -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )


def _job() -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        Job, null=True, on_delete=models.SET_NULL, related_name="+", editable=False, db_index=False
    )


class Disclosure(models.Model):
    """
    All that is kept about one person, as a file; its state is that of its job.

    The row stays as the record of who took it; the file goes when its time is over, or the person is erased.
    """

    person = _person("disclosures")
    owner = _by()
    job = _job()
    # Of the directory in the storage: a name that nobody guesses.
    uid = models.UUIDField(default=uuid4, editable=False)
    # Name in the default storage; empty before the file is there, and once it has been removed.
    storage_name = models.CharField(max_length=255, blank=True, default="", editable=False)
    size = models.BigIntegerField(_("size, bytes"), null=True, editable=False)
    sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    rows = models.PositiveIntegerField(_("rows"), default=0, editable=False)
    files = models.PositiveIntegerField(_("files"), default=0, editable=False)
    downloads = models.PositiveIntegerField(_("downloads"), default=0, editable=False)
    created_at = models.DateTimeField(_("requested"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    # From then on nobody gets the file.
    expires_at = models.DateTimeField(_("expires"), editable=False)
    # When the file was removed.
    expired_at = models.DateTimeField(null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner", by_roles_alone=True)

    class Meta:
        verbose_name = _("disclosure")
        verbose_name_plural = _("disclosures")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["owner", "-id"], name="disclosure_owner_latest"),
            models.Index(
                fields=["expires_at"], condition=models.Q(expired_at=None), name="disclosure_to_expire"
            ),
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def file_name(self) -> str:
        """What the file is called where it is saved; it names nobody."""
        return f"person-{self.person_id}-{self.created_at:%Y-%m-%d}.zip"

    def is_available(self) -> bool:
        """Tell whether there is a file that can still be downloaded."""
        return bool(self.storage_name) and timezone.now() < self.expires_at


class Erasure(models.Model):
    """
    That a person is to be forgotten: what the rehearsal found, and how far it has come.

    It stays as the proof of it, and holds nothing but keys and counts.
    """

    class State(models.TextChoices):
        REHEARSED = "REHEARSED", pgettext_lazy("erasure", "rehearsed")
        APPLYING = "APPLYING", pgettext_lazy("erasure", "under way")
        APPLIED = "APPLIED", pgettext_lazy("erasure", "done")

    person = _person("erasures")
    owner = _by()
    job = _job()
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.REHEARSED, editable=False)
    # [{"place", "key"…}]: by what each place is erased, in the order in which it is done.
    reach = models.JSONField(default=list, editable=False)
    # [{"place", "erased", "kept": {code: count}}].
    counts = models.JSONField(default=list, editable=False)
    # SHA-256 over what the rehearsal found: what applying must find unchanged.
    digest = models.CharField(max_length=64, editable=False)
    # Contents of deleted documents, whose files are still to be removed.
    contents = models.JSONField(default=list, editable=False)
    created_at = models.DateTimeField(_("rehearsed"), default=timezone.now, editable=False)
    applied_at = models.DateTimeField(_("erased"), null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner", by_roles_alone=True)

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        default_permissions = ("view",)
        permissions = [("apply_erasure", _("Can erase people for good"))]
        indexes = [models.Index(fields=["owner", "-id"], name="erasure_owner_latest")]
        constraints = [
            models.UniqueConstraint(
                fields=["person"],
                condition=models.Q(state__in=["APPLYING", "APPLIED"]),
                name="erasure_once",
                violation_error_message=_("This person is being erased, or has been."),
            )
        ]

    def __str__(self) -> str:
        return f"№ {self.person_id}"
