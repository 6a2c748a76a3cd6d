"""Secrets by which programs act for people."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models.people import User
from apps.accounts.scoping import Rule, ScopedQuerySet


class ApiKey(models.Model):
    """A secret by which a program acts for a user, as far as its scopes let it; only the secret's hash is kept."""

    owner = models.ForeignKey(
        User, verbose_name=_("owner"), on_delete=models.CASCADE, related_name="api_keys", db_index=False
    )
    name = models.CharField(
        pgettext_lazy("API key", "name"), max_length=100, help_text=_("What it is for: “Website form”.")
    )
    # The beginning of the secret, by which people tell keys apart.
    prefix = models.CharField(_("begins with"), max_length=16, editable=False)
    # SHA-256 of 256 random bits: there is nothing to guess that a slow hash would have to protect.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=100), verbose_name=_("what for"), default=list)
    created_at = models.DateTimeField(_("created"), auto_now_add=True, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    # Up to a minute old.
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner", by_roles_alone=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        # Changing one is rotating and revoking it; what somebody did with it stays on record.
        default_permissions = ("view", "add", "change")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(scopes=[]),
                name="api_key_has_scopes",
                violation_error_message=_("A key that lets nobody do anything is no key."),
            ),
        ]
        indexes = [models.Index(fields=["owner", "-id"], name="api_key_owner_latest")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_live(self, now: datetime) -> bool:
        """Tell whether the key opens anything, as long as its owner's account is on."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)
