"""Where people are reached besides their inbox, and each message on its way there."""

import uuid
from datetime import time
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Stamped, Versioned
from apps.notifications.models.inbox import Notification


class Channel(models.TextChoices):
    """A way by which people are reached besides their inbox."""

    EMAIL = "EMAIL", pgettext_lazy("channel", "e-mail")
    TELEGRAM = "TELEGRAM", pgettext_lazy("channel", "Telegram")
    WEBHOOK = "WEBHOOK", pgettext_lazy("channel", "webhook")
    PUSH = "PUSH", pgettext_lazy("channel", "browser")


class Way(models.TextChoices):
    """What was decided about telling somebody by one channel."""

    ON = "ON", pgettext_lazy("way", "sent at once")
    QUIET = "QUIET", pgettext_lazy("way", "kept until the quiet hours are over")
    DIGEST = "DIGEST", pgettext_lazy("way", "kept for the digest")
    OFF = "OFF", pgettext_lazy("way", "turned off by the person")
    NOT_USUAL = "NOT_USUAL", pgettext_lazy("way", "not sent unless the person asks for it")
    NO_ADDRESS = "NO_ADDRESS", pgettext_lazy("way", "there is no address")
    DISABLED = "DISABLED", pgettext_lazy("way", "the address is turned off or not confirmed")


class ChannelAddress(models.Model):
    """Where somebody is reached by one channel: an e-mail address, a chat, an address of the web, a browser."""

    class Reason(models.TextChoices):
        BOUNCED = "BOUNCED", _("The mail server says that there is no such address.")
        BLOCKED = "BLOCKED", _("The bot was blocked, or there is no such chat any more.")
        GONE = "GONE", _("The other side says that it is gone for good.")
        REMOVED = "REMOVED", _("It was taken back by its owner.")
        REPLACED = "REPLACED", _("Another address has taken its place.")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who is reached"),
        on_delete=models.CASCADE,
        related_name="channel_addresses",
        db_index=False,
    )
    channel = models.CharField(_("channel"), max_length=8, choices=Channel)
    address = models.CharField(_("address"), max_length=1000)
    # Sealed: what signs a webhook, and the keys of a browser.
    secret = models.TextField(blank=True, default="", editable=False)
    name = models.CharField(_("what it is called"), max_length=100, blank=True, default="")
    created_at = models.DateTimeField(_("since"), auto_now_add=True)
    verified_at = models.DateTimeField(_("confirmed"), null=True, editable=False)
    used_at = models.DateTimeField(_("last reached"), null=True, editable=False)
    disabled_at = models.DateTimeField(_("turned off"), null=True, editable=False)
    disabled_reason = models.CharField(
        _("why"), max_length=8, choices=Reason, blank=True, default="", editable=False
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner", by_roles_alone=True)

    class Meta:
        verbose_name = _("address")
        verbose_name_plural = _("addresses")
        # They are turned off, and what was sent there stays on record.
        default_permissions = ("view", "add", "change")
        constraints = [
            models.UniqueConstraint(fields=["owner", "channel", "address"], name="channel_address_unique"),
            models.CheckConstraint(
                condition=Q(disabled_at=None, disabled_reason="")
                | (Q(disabled_at__isnull=False) & ~Q(disabled_reason="")),
                name="channel_address_off_has_reason",
                violation_error_message=_("What is turned off has a reason; nothing else has."),
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.address

    @property
    def is_on(self) -> bool:
        return self.verified_at is not None and self.disabled_at is None


class MessageQuerySet(ScopedQuerySet["Delivery"]):
    """Messages by how far they have come."""

    def waiting(self) -> Self:
        """Keep what is still to be sent."""
        return self.filter(state=Delivery.State.WAITING)


class Delivery(models.Model):
    """One message on its way to one person by one channel; its key is the same however often it is sent."""

    class State(models.TextChoices):
        WAITING = "WAITING", pgettext_lazy("delivery", "waiting")
        # Goes, and ends, with the one that bears the digest.
        JOINED = "JOINED", pgettext_lazy("delivery", "in a digest")
        SENT = "SENT", pgettext_lazy("delivery", "sent")
        FAILED = "FAILED", pgettext_lazy("delivery", "given up")
        WITHHELD = "WITHHELD", pgettext_lazy("delivery", "withheld")

    class Error(models.TextChoices):
        UNREACHABLE = "UNREACHABLE", _("The other side could not be reached.")
        REFUSED = "REFUSED", _("The other side has refused it for now.")
        REJECTED = "REJECTED", _("The other side has refused it for good.")
        NO_ADDRESS = "NO_ADDRESS", _("There is no address any more to which it could go.")
        LIMITED = "LIMITED", _("The other side asks for less at a time.")
        BROKEN = "BROKEN", _("Something went wrong here; the log says what.")
        UNCERTAIN = "UNCERTAIN", _("Nobody can tell whether it has arrived; it was sent twice already.")
        UNREADABLE = "UNREADABLE", _("It was sealed under another secret.")
        EXPIRED = "EXPIRED", _("It was of no use any more.")
        OFF = "OFF", _("The person has turned this off meanwhile.")
        READ = "READ", _("The person has read it in the inbox meanwhile.")
        OUT_OF_SIGHT = "OUT_OF_SIGHT", _("The person may not see any more what it is about.")
        LEFT = "LEFT", _("The person has left.")

    class Priority(models.IntegerChoices):
        # Everything else overtakes it: campaigns.
        BULK = 1, pgettext_lazy("delivery", "when there is room")
        NORMAL = 2, pgettext_lazy("delivery", "as usual")
        # Overtakes everything and knows no quiet hours: one-time codes.
        URGENT = 3, pgettext_lazy("delivery", "at once")

    key = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("to whom"),
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    # None for what was written to one person without being a notification.
    notification = models.ForeignKey(
        Notification,
        on_delete=models.CASCADE,
        null=True,
        editable=False,
        related_name="deliveries",
        db_index=False,
    )
    channel = models.CharField(_("channel"), max_length=8, choices=Channel)
    address = models.ForeignKey(
        ChannelAddress,
        verbose_name=_("address"),
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_index=False,
    )
    # Of a notification its kind; else what whoever wrote it calls it.
    kind = models.CharField(_("what about"), max_length=40)
    # Sealed subject, text and link of what is no notification: it may hold a code that opens something.
    message = models.TextField(blank=True, default="", editable=False)
    priority = models.PositiveSmallIntegerField(_("urgency"), choices=Priority, default=Priority.NORMAL)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    is_digest = models.BooleanField(_("by digest"), default=False)
    # What bears the digest that this one is in.
    digest = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, editable=False, related_name="members", db_index=False
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True)
    # Since when the broker has it; whoever sweeps hands it over again when nobody has come for it.
    enqueued_at = models.DateTimeField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    error = models.CharField(
        _("what went wrong"), max_length=12, choices=Error, blank=True, default="", editable=False
    )
    code = models.IntegerField(_("answer"), null=True, editable=False)
    # It may have arrived without our knowing, and was sent once more, or will be.
    is_uncertain = models.BooleanField(_("may have come twice"), default=False, editable=False)
    provider_id = models.CharField(max_length=200, blank=True, default="", editable=False)
    created_at = models.DateTimeField(_("happened"), auto_now_add=True)
    # When the first attempt was made, from which patience is counted.
    began_at = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(_("sent"), null=True, editable=False)
    expires_at = models.DateTimeField(_("of use until"), null=True, editable=False)

    objects = MessageQuerySet.as_manager()
    access = Rule(owner="owner", by_roles_alone=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        # They are made by the platform; changing one is sending it again.
        default_permissions = ("view", "change")
        constraints = [
            # Several browsers of one person each get theirs.
            models.UniqueConstraint(fields=["notification", "address"], name="delivery_once"),
            models.CheckConstraint(
                condition=~Q(state="WAITING") | Q(next_attempt_at__isnull=False),
                name="delivery_waits_for_moment",
            ),
            models.CheckConstraint(
                condition=~Q(state="SENT") | Q(sent_at__isnull=False), name="delivery_sent_has_time"
            ),
        ]
        indexes = [
            models.Index(
                fields=["channel", "-priority", "next_attempt_at", "id"],
                condition=Q(state="WAITING"),
                name="delivery_due",
            ),
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state="WAITING", is_digest=True),
                name="delivery_digest_due",
            ),
            models.Index(fields=["owner", "-id"], name="delivery_owner_latest"),
            models.Index(fields=["address", "-id"], name="delivery_address_latest"),
            models.Index(fields=["digest"], condition=Q(digest__isnull=False), name="delivery_digest"),
            models.Index(fields=["created_at"], name="delivery_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.owner_id} ({self.channel})"


class Preference(models.Model):
    """That somebody wants a kind of notifications by a channel, does not, or once a day."""

    class Mode(models.TextChoices):
        ON = "ON", pgettext_lazy("preference", "at once")
        DIGEST = "DIGEST", pgettext_lazy("preference", "once a day")
        OFF = "OFF", pgettext_lazy("preference", "never")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    kind = models.CharField(_("what about"), max_length=40)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel)
    mode = models.CharField(_("when"), max_length=6, choices=Mode)

    class Meta:
        verbose_name = _("preference")
        verbose_name_plural = _("preferences")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "kind", "channel"], name="preference_unique")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.kind} {self.channel} {self.mode}"


class QuietTime(models.Model):
    """When somebody wants to be left in peace, and when they read what is told once a day: by the clock on their wall."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    # Until is earlier than from where the night lies between.
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    digest_at = models.TimeField(_("digest at"), default=time(9))

    class Meta:
        verbose_name = _("quiet hours")
        verbose_name_plural = _("quiet hours")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="quiet_time_whole",
                violation_error_message=_("Quiet hours have a beginning and an end, or neither."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.quiet_from}–{self.quiet_until}"


class MessageTemplate(Stamped, Versioned):
    """What a kind of notifications says by a channel in a language, in place of the platform's own words."""

    kind = models.CharField(_("what about"), max_length=40)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel)
    locale = models.CharField(_("language"), max_length=8, choices=settings.LANGUAGES)
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField(_("text"), max_length=10_000)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("words of a message")
        verbose_name_plural = _("words of messages")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "channel", "locale"],
                name="message_template_unique",
                violation_error_message=_("There are words already for this kind, channel and language."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} · {self.get_channel_display()} · {self.locale}"
