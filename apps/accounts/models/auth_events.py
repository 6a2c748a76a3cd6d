"""The record of who came in, who was refused, and who changed what somebody may do."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models.people import User
from apps.accounts.scoping import Rule, ScopedQuerySet


class AuthEvent(models.Model):
    """
    A fact about access that nobody changes or removes afterwards; each carries the hash of the one before it.

    The database itself chains them, when the transaction they were recorded in commits; until then `position`,
    `previous` and `hash` are empty. People are named by their ids alone: who was erased stays a number.
    """

    at = models.DateTimeField(pgettext_lazy("event", "when"), editable=False)
    kind = models.CharField(pgettext_lazy("event", "what"), max_length=50, editable=False)
    user = models.ForeignKey(
        User,
        verbose_name=_("person"),
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        editable=False,
    )
    actor = models.ForeignKey(
        User,
        verbose_name=_("done by"),
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        editable=False,
    )
    impersonator = models.ForeignKey(
        User,
        verbose_name=_("in their name"),
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        editable=False,
    )
    address = models.GenericIPAddressField(_("address"), null=True, editable=False)
    agent = models.CharField(_("program"), max_length=300, blank=True, default="", editable=False)
    request_id = models.CharField(_("request"), max_length=64, blank=True, default="", editable=False)
    data = models.JSONField(_("details"), default=dict, editable=False)
    position = models.BigIntegerField(_("position"), null=True, unique=True, editable=False)
    previous = models.CharField(_("hash before it"), max_length=64, blank=True, default="", editable=False)
    hash = models.CharField(_("hash"), max_length=64, blank=True, default="", editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="user")

    class Meta:
        verbose_name = _("access event")
        verbose_name_plural = _("access events")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["kind", "-at", "-id"], name="auth_event_kind_latest"),
            models.Index(fields=["user", "-at", "-id"], name="auth_event_user_latest"),
            models.Index(fields=["actor", "-at", "-id"], name="auth_event_actor_latest"),
            models.Index(fields=["address", "-at", "-id"], name="auth_event_address_latest"),
            models.Index(fields=["-at", "-id"], name="auth_event_latest"),
            models.Index(fields=["request_id"], name="auth_event_request"),
        ]


class AuthEventHead(models.Model):
    """How long the chain of access events is, and the hash it ends with: what is missing at its end shows here."""

    count = models.BigIntegerField()
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="auth_event_head_is_one")]
