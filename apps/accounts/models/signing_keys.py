"""Keys that sign what the platform says about people, and what was said and does not hold any more."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet


class SigningKey(models.Model):
    """A key by which others see that a token is ours: published first, then signing, then only verifying."""

    class State(models.TextChoices):
        NEXT = "NEXT", pgettext_lazy("signing key", "next")
        ACTIVE = "ACTIVE", pgettext_lazy("signing key", "signing")
        PASSIVE = "PASSIVE", pgettext_lazy("signing key", "only verifying")
        RETIRED = "RETIRED", pgettext_lazy("signing key", "retired")

    kid = models.CharField(_("name"), max_length=43, unique=True, editable=False)
    state = models.CharField(
        pgettext_lazy("signing key", "state"), max_length=8, choices=State, default=State.NEXT, editable=False
    )
    # The public half as a JSON Web Key: verifying needs no secret.
    public = models.JSONField(editable=False)
    # The private half (PEM) under SIGNING_KEYS_SECRET; nothing is left of it once the key is retired.
    sealed = models.TextField(editable=False)
    published_at = models.DateTimeField(_("published"), auto_now_add=True, editable=False)
    activated_at = models.DateTimeField(_("signs since"), null=True, editable=False)
    passive_at = models.DateTimeField(_("only verifies since"), null=True, editable=False)
    retired_at = models.DateTimeField(_("retired"), null=True, editable=False)
    # Somebody else may have it: nothing it has signed is believed.
    leaked_at = models.DateTimeField(_("leaked"), null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("signing key")
        verbose_name_plural = _("signing keys")
        # Made by the platform itself; changing one is rotating.
        default_permissions = ("view", "change")
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="ACTIVE"), name="signing_key_one_active"
            ),
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="NEXT"), name="signing_key_one_next"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="RETIRED") | models.Q(sealed=""),
                name="signing_key_retired_is_empty",
            ),
        ]

    def __str__(self) -> str:
        return self.kid[:12]


class TokenCut(models.Model):
    """Access tokens that ended before their time: those of a subject whose rank is below a number."""

    # "token:…", "user:…", "session:…" or "client:…".
    subject = models.CharField(max_length=300, primary_key=True)
    below = models.BigIntegerField()
    # By then all that it is about have expired by themselves.
    until = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("cut of tokens")
        verbose_name_plural = _("cuts of tokens")
        default_permissions = ()

    def __str__(self) -> str:
        return self.subject
