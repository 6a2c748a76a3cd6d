"""People who were asked to join, and the devices that people log in from."""

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models.people import Role, Team, User, validate_language
from apps.accounts.scoping import Rule, ScopedQuerySet


class Invitation(models.Model):
    """Somebody's way to an account with a place in a team; only the hash of the link's secret is kept."""

    class State(models.TextChoices):
        OPEN = "OPEN", pgettext_lazy("invitation", "open")
        ACCEPTED = "ACCEPTED", pgettext_lazy("invitation", "accepted")
        REVOKED = "REVOKED", pgettext_lazy("invitation", "revoked")
        EXPIRED = "EXPIRED", pgettext_lazy("invitation", "expired")

    email = models.EmailField(_("e-mail"))
    name = models.CharField(pgettext_lazy("person", "name"), max_length=150)
    locale = models.CharField(
        _("language"), max_length=8, blank=True, default="", validators=[validate_language]
    )
    team = models.ForeignKey(
        Team, verbose_name=_("team"), on_delete=models.CASCADE, related_name="invitations"
    )
    role = models.ForeignKey(
        Role, verbose_name=_("role"), on_delete=models.CASCADE, related_name="invitations"
    )
    invited_by = models.ForeignKey(
        User, verbose_name=_("invited by"), on_delete=models.CASCADE, related_name="invitations_made"
    )
    # SHA-256 of 256 random bits.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True, editable=False)
    sent_at = models.DateTimeField(_("sent"), editable=False)
    expires_at = models.DateTimeField(_("expires"), editable=False)
    accepted_at = models.DateTimeField(_("accepted"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)
    user = models.ForeignKey(
        User,
        verbose_name=_("user"),
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="invitations",
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="invited_by", team="team")

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        # Changing one is sending it again and revoking it; who invited whom stays on record.
        default_permissions = ("view", "add", "change")
        constraints = [
            models.UniqueConstraint(
                fields=["email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_open_once",
                violation_error_message=_(
                    "This address is invited already. Send that invitation again, or revoke it."
                ),
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None) | models.Q(revoked_at=None),
                name="invitation_accepted_or_revoked",
                violation_error_message=_("This invitation is no longer open."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.email})"

    def state_at(self, now: datetime) -> State:
        """Tell what has become of the invitation."""
        if self.accepted_at is not None:
            return self.State.ACCEPTED
        if self.revoked_at is not None:
            return self.State.REVOKED
        return self.State.OPEN if self.expires_at > now else self.State.EXPIRED


class KnownDevice(models.Model):
    """A browser or program that somebody has logged in with, by the hash of what it calls itself."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_devices", db_index=False)
    digest = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="known_device_once")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.digest[:8]}"
