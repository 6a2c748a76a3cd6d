"""The outbox: facts, written with the change they tell of, and who has yet to hear them."""

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Aggregate(models.Model):
    """How many facts an aggregate ("deal/42") has told: the counter behind its gapless sequence."""

    subject = models.CharField(max_length=100, primary_key=True)
    sequence = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.subject


class Event(models.Model):
    """A fact that was committed together with the change it tells of; a CloudEvent once it leaves."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    type = models.CharField(_("type"), max_length=100)
    subject = models.CharField(_("subject"), max_length=100)
    sequence = models.BigIntegerField(_("sequence"))
    at = models.DateTimeField(_("at"))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    data = models.JSONField(_("data"))
    # The fact whose hearing led to this one; no foreign key, for facts expire one by one.
    caused_by = models.BigIntegerField(null=True, editable=False)
    # How often something that acts by itself stands between this and what a person or a program did.
    depth = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [
            models.UniqueConstraint(fields=["subject", "sequence"], name="event_subject_sequence_unique")
        ]
        indexes = [models.Index(fields=["at"], name="event_at")]

    def __str__(self) -> str:
        return f"{self.type} {self.subject} #{self.sequence}"


class Outbox(models.Model):
    """A fact that the relay has not yet handed to every sink; the row goes when all have confirmed."""

    event = models.OneToOneField(Event, on_delete=models.CASCADE, primary_key=True)

    def __str__(self) -> str:
        return f"event {self.pk}"


class Outgoing(models.Model):
    """A fact that a broker has yet to be told; the row goes when the broker has confirmed it."""

    broker = models.CharField(max_length=20)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints = [
            # Also the order in which a broker is told.
            models.UniqueConstraint(fields=["broker", "event"], name="outgoing_broker_event_unique")
        ]
        # What deleting a fact asks by; few rows wait.
        indexes = [models.Index(fields=["event"], name="outgoing_event")]

    def __str__(self) -> str:
        return f"event {self.event_id} to {self.broker}"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Shares of facts, by how far they have come."""

    def pending(self) -> Self:
        """Keep what has yet to happen, and will be tried again."""
        return self.filter(done_at=None, next_attempt_at__isnull=False)

    def given_up(self) -> Self:
        """Keep what failed so often that only a person can start it again."""
        return self.filter(done_at=None, next_attempt_at=None)


class Delivery(models.Model):
    """One receiver's share of a fact: once it is done, its effect has happened, and happens never again."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    receiver = models.CharField(_("receiver"), max_length=150)
    done_at = models.DateTimeField(_("done"), null=True)
    # Runs of the receiver to its end, be it a good one.
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    # How often a message came after the effect had already happened.
    duplicates = models.PositiveIntegerField(_("duplicates"), default=0)
    # When the relay sends it once more unless it is done by then; none when it is done or given up.
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True)
    error = models.TextField(_("error"), blank=True, default="")

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("event delivery")
        verbose_name_plural = _("event deliveries")
        constraints = [
            models.UniqueConstraint(fields=["event", "receiver"], name="delivery_event_receiver_unique")
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(done_at=None), name="delivery_pending"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.receiver} of event {self.event_id}"


class Heartbeat(models.Model):
    """When a process that nobody talks to was last seen working."""

    process = models.CharField(max_length=50, primary_key=True)
    seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.process
