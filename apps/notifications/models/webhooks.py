"""Where facts are sent to other systems, and what has become of each."""

import uuid
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import User
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Stamped, Versioned
from apps.events.models import Event


class WebhookEndpoint(Stamped, Versioned):
    """An address of another system that is told what happens, as far as its owner may see it."""

    class State(models.TextChoices):
        ACTIVE = "ACTIVE", pgettext_lazy("webhook", "active")
        PAUSED = "PAUSED", pgettext_lazy("webhook", "paused")
        DISABLED = "DISABLED", pgettext_lazy("webhook", "turned off")

    class Reason(models.TextChoices):
        FAILING = "FAILING", _("It did not take anything for 24 hours.")
        GONE = "GONE", _("It answered that it is gone for good (410).")

    owner = models.ForeignKey(
        User, verbose_name=_("owner"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    url = models.CharField(
        _("address"),
        max_length=1000,
        help_text=_("Where facts are sent to, beginning with https://. Redirects are not followed."),
    )
    description = models.CharField(
        _("what for"), max_length=200, blank=True, default="", help_text=_("“Stock in the warehouse”.")
    )
    event_types = ArrayField(
        models.CharField(max_length=100),
        verbose_name=_("what it is told"),
        help_text=_("Types of facts; * stands for any word or words: crm.deal.*"),
    )
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.ACTIVE, editable=False
    )
    reason = models.CharField(
        _("why"), max_length=10, choices=Reason.choices, blank=True, default="", editable=False
    )
    stopped_at = models.DateTimeField(_("stopped"), null=True, editable=False)
    per_minute = models.PositiveIntegerField(
        _("at most a minute"),
        default=600,
        validators=[MinValueValidator(1), MaxValueValidator(6000)],
        help_text=_("So many facts are sent in a minute; the rest waits."),
    )
    # Both sealed: whoever knows one can write in our name.
    secret = models.TextField(editable=False)
    previous_secret = models.TextField(blank=True, default="", editable=False)
    previous_until = models.DateTimeField(_("the earlier secret signs until"), null=True, editable=False)
    rotated_at = models.DateTimeField(_("secret made"), editable=False)
    # Names and values as one sealed document, for a value may open the other system.
    headers = models.TextField(blank=True, default="", editable=False)
    header_names = ArrayField(models.CharField(max_length=60), default=list, blank=True, editable=False)
    # Failures in a row; whoever fails is asked one thing at a time.
    failures = models.PositiveIntegerField(default=0, editable=False)
    succeeded_at = models.DateTimeField(_("last taken"), null=True, editable=False)
    # The minute that is being counted, and what was sent in it.
    window_at = models.DateTimeField(null=True, editable=False)
    window_count = models.PositiveIntegerField(default=0, editable=False)

    objects = ScopedQuerySet.as_manager()
    # A webhook carries away all that its owner sees.
    access = Rule(owner="owner", by_roles_alone=True)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        # One that is not wanted any more is paused: what was sent there stays on record.
        default_permissions = ("view", "add", "change")
        constraints = [
            models.CheckConstraint(
                condition=~Q(event_types=[]),
                name="webhook_has_types",
                violation_error_message=_("Say at least one type of facts."),
            ),
            models.CheckConstraint(
                condition=Q(state="ACTIVE", stopped_at=None)
                | (~Q(state="ACTIVE") & Q(stopped_at__isnull=False)),
                name="webhook_state_agrees",
                violation_error_message=_("A webhook is either active or stopped at some time."),
            ),
        ]
        indexes = [models.Index(fields=["owner", "-id"], name="webhook_owner_latest")]

    def __str__(self) -> str:
        return self.description or self.url


class WebhookDeliveryQuerySet(ScopedQuerySet["WebhookDelivery"]):
    """What is sent, by how far it has come."""

    def pending(self) -> Self:
        """Keep what has yet to be taken, and is tried again by itself."""
        return self.filter(state=WebhookDelivery.State.PENDING)


class WebhookDelivery(models.Model):
    """One fact on its way to one address; its message id is the same whenever it is sent again."""

    class State(models.TextChoices):
        PENDING = "PENDING", pgettext_lazy("webhook delivery", "waiting")
        DELIVERED = "DELIVERED", pgettext_lazy("webhook delivery", "taken")
        FAILED = "FAILED", pgettext_lazy("webhook delivery", "given up")
        WITHHELD = "WITHHELD", pgettext_lazy("webhook delivery", "withheld")

    class Error(models.TextChoices):
        REFUSED_ADDRESS = "REFUSED_ADDRESS", _("The address leads to a machine that must not be called.")
        NO_ADDRESS = "NO_ADDRESS", _("The name of the machine is not known.")
        NO_CONNECTION = "NO_CONNECTION", _("No connection could be made.")
        NO_TRUST = "NO_TRUST", _("The certificate is not to be trusted.")
        TOO_SLOW = "TOO_SLOW", _("There was no answer in time.")
        BROKEN = "BROKEN", _("The connection broke, or the answer was none of HTTP.")
        TOO_LARGE = "TOO_LARGE", _("The answer was larger than anybody reads.")
        REDIRECT = "REDIRECT", _("It answered with a redirect, which is not followed.")
        STATUS = "STATUS", _("It answered that it has not taken it.")
        OFF = "OFF", _("The webhook was turned off when it happened.")
        OUT_OF_SIGHT = "OUT_OF_SIGHT", _("Its owner may not see, or take away, what it tells of.")
        UNREADABLE = "UNREADABLE", _("The secret cannot be opened: make a new one.")

    endpoint = models.ForeignKey(
        WebhookEndpoint,
        verbose_name=_("webhook"),
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_index=False,
    )
    # None for a sample. A fact goes with its retention, and what was sent of it with it.
    event = models.ForeignKey(Event, on_delete=models.CASCADE, null=True, related_name="+", editable=False)
    message_id = models.UUIDField(_("message"), default=uuid.uuid4, editable=False)
    event_type = models.CharField(_("type"), max_length=100)
    subject = models.CharField(_("subject"), max_length=100, blank=True, default="")
    # What a sample says; a fact is read from where it is kept.
    sample = models.JSONField(null=True, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    created_at = models.DateTimeField(_("happened"), auto_now_add=True)
    # From when on the 24 hours count: the first attempt, or the first after it was sent again by hand.
    began_at = models.DateTimeField(null=True, editable=False)
    attempted_at = models.DateTimeField(_("last attempt"), null=True)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True)
    # Until then somebody is sending it; then anybody may.
    leased_until = models.DateTimeField(null=True, editable=False)
    code = models.PositiveSmallIntegerField(_("answered"), null=True)
    response = models.TextField(_("answer"), blank=True, default="")
    duration_ms = models.PositiveIntegerField(_("took, ms"), null=True)
    error = models.CharField(_("error"), max_length=20, choices=Error.choices, blank=True, default="")
    # As they were sent last; values that only the other system should know are left out.
    sent_headers = models.JSONField(_("headers"), default=dict, editable=False)

    objects = WebhookDeliveryQuerySet.as_manager()
    access = Rule(via=("endpoint",))

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "message_id"], name="webhook_delivery_message_unique"
            ),
            models.CheckConstraint(
                condition=(Q(state="PENDING", next_attempt_at__isnull=False))
                | (~Q(state="PENDING") & Q(next_attempt_at=None, leased_until=None)),
                name="webhook_delivery_state_agrees",
            ),
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at", "id"],
                condition=Q(state="PENDING"),
                name="webhook_delivery_due",
            ),
            models.Index(fields=["endpoint", "-id"], name="webhook_delivery_latest"),
            models.Index(fields=["endpoint", "created_at"], name="webhook_delivery_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.subject}".strip()
