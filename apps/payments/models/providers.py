"""Money through providers: our accounts with them, each charge that they were asked for, and what they tell us."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Stamped, Versioned
from apps.documents.models import LegalEntity
from apps.payments.models.invoices import Invoice
from apps.payments.models.ledger import LedgerAccount
from apps.payments.models.payments import Payment


class ProviderAccount(Stamped, Versioned, Archivable):
    """An account of ours with a provider: what customers pay through, and the keys to it."""

    class Provider(models.TextChoices):
        STRIPE = "STRIPE", "Stripe"
        YOOKASSA = "YOOKASSA", "YooKassa"

    class Mode(models.TextChoices):
        DEMO = "DEMO", pgettext_lazy("provider account", "demonstration")
        TEST = "TEST", pgettext_lazy("provider account", "test")
        LIVE = "LIVE", pgettext_lazy("provider account", "real money")

    provider = models.CharField(_("provider"), max_length=8, choices=Provider)
    mode = models.CharField(
        _("mode"),
        max_length=4,
        choices=Mode,
        help_text=_("Nothing is paid in a demonstration: a page of the platform plays the provider."),
    )
    name = models.CharField(_("name"), max_length=120, blank=True, default="")
    legal_entity = models.ForeignKey(
        LegalEntity,
        verbose_name=_("company of ours"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Whose invoices are paid through it; without one, everybody's."),
    )
    shop_id = models.CharField(
        _("shop id"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("Of YooKassa: the number of the shop."),
    )
    # Both sealed: whoever knows them can take money in our name, or tell us of money that never came.
    secret = models.TextField(blank=True, default="", editable=False)
    webhook_secret = models.TextField(blank=True, default="", editable=False)
    # In the address that the provider tells things to: nobody else finds it.
    webhook_key = models.CharField(max_length=64, unique=True, editable=False)
    account = models.ForeignKey(
        LedgerAccount,
        verbose_name=_("ledger account"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text=_("Where its money stands until it is paid out; without one, that of the bank."),
    )
    has_receipts = models.BooleanField(
        _("writes fiscal receipts"),
        default=False,
        help_text=_("By 54-FZ, with each payment and refund in roubles."),
    )
    tax_system = models.PositiveSmallIntegerField(
        _("tax system"),
        null=True,
        blank=True,
        choices=[
            (1, _("general")),
            (2, _("simplified, of income")),
            (3, _("simplified, of income less expenses")),
            (4, _("imputed income")),
            (5, _("agricultural")),
            (6, _("patent")),
        ],
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)
    short_list = "A company has an account with each provider or two."

    class Meta:
        verbose_name = _("account with a provider")
        verbose_name_plural = _("accounts with providers")
        default_permissions = ("view", "add", "change")
        permissions = [("archive_provideraccount", _("Can archive and restore accounts with providers"))]

    def __str__(self) -> str:
        return self.name or f"{self.get_provider_display()}, {self.get_mode_display()}"

    @property
    def is_demo(self) -> bool:
        return self.mode == self.Mode.DEMO


class PaymentLinkQuerySet(ScopedQuerySet["PaymentLink"]):
    """Links, and which of them still lead somewhere."""

    def open(self) -> "PaymentLinkQuerySet":
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())


class PaymentLink(models.Model):
    """
    An address by which whoever has it sees what is owed of one invoice, and pays it, for a while.

    The secret in the address is known to nobody but those who were given it: here is only its digest.
    """

    invoice = models.ForeignKey(
        Invoice, verbose_name=_("invoice"), on_delete=models.CASCADE, related_name="payment_links"
    )
    # SHA-256 of a secret of 256 random bits, in hexadecimal digits.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    lets_part = models.BooleanField(_("a part may be paid"), default=True)
    expires_at = models.DateTimeField(_("ends"))
    views = models.PositiveIntegerField(_("opened, times"), default=0, editable=False)
    viewed_at = models.DateTimeField(_("last opened"), null=True, editable=False)
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

    objects = PaymentLinkQuerySet.as_manager()
    access = Rule(via=("invoice",))

    class Meta:
        verbose_name = _("payment link")
        verbose_name_plural = _("payment links")

    def __str__(self) -> str:
        return str(self.invoice)

    @property
    def is_open(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()


class PaymentAttempt(models.Model):
    """
    That a provider was asked to take a payment, and how far it got; each payment through a provider has one.

    A trigger (migration 0009) keeps the order of its states: what has ended stays so.
    """

    class State(models.TextChoices):
        """What the provider knows of it; UNKNOWN is that nobody knows whether it has heard."""

        CREATED = "CREATED", pgettext_lazy("attempt", "about to be sent")
        PENDING = "PENDING", pgettext_lazy("attempt", "with the provider")
        UNKNOWN = "UNKNOWN", pgettext_lazy("attempt", "no answer")
        SUCCEEDED = "SUCCEEDED", pgettext_lazy("attempt", "paid")
        FAILED = "FAILED", pgettext_lazy("attempt", "refused")
        CANCELED = "CANCELED", pgettext_lazy("attempt", "given up")

    payment = models.OneToOneField(
        Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="attempt"
    )
    account = models.ForeignKey(
        ProviderAccount,
        verbose_name=_("account with a provider"),
        on_delete=models.PROTECT,
        related_name="attempts",
    )
    link = models.ForeignKey(
        PaymentLink,
        verbose_name=_("payment link"),
        on_delete=models.SET_NULL,
        null=True,
        related_name="attempts",
        db_index=False,
    )
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.CREATED)
    # Under which the provider carries it out once, however often it is asked.
    request_key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # What the provider calls it: a session of Stripe, a payment of YooKassa.
    external_id = models.CharField(_("provider's number"), max_length=128, blank=True, default="")
    # Where the payer pays, and where our pages are, to which they come back.
    url = models.URLField(max_length=2000, blank=True, default="")
    origin = models.CharField(max_length=200, blank=True, default="")
    locale = models.CharField(max_length=8, blank=True, default="")
    # Where the receipt goes; asked for where the law wants one.
    contact = models.CharField(_("receipt goes to"), max_length=254, blank=True, default="")
    error = models.CharField(_("what was wrong"), max_length=300, blank=True, default="")
    # How often the provider was asked how it ended, and when it is asked next; never again without a person where it is
    # None and the state is no end.
    asks = models.PositiveSmallIntegerField(_("asked, times"), default=0)
    asked_at = models.DateTimeField(_("last asked"), null=True)
    next_ask_at = models.DateTimeField(_("asked again"), null=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("payment",))

    class Meta:
        verbose_name = _("charge through a provider")
        verbose_name_plural = _("charges through providers")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["account", "external_id"],
                condition=~Q(external_id=""),
                name="payment_attempt_external_once",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["SUCCEEDED", "FAILED", "CANCELED"], ended_at__isnull=False)
                | (~Q(state__in=["SUCCEEDED", "FAILED", "CANCELED"]) & Q(ended_at=None)),
                name="payment_attempt_ended",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_ask_at"],
                condition=Q(next_ask_at__isnull=False),
                name="payment_attempt_due",
            ),
        ]

    def __str__(self) -> str:
        return f"№ {self.pk}"

    @property
    def has_ended(self) -> bool:
        return self.ended_at is not None

    @property
    def needs_person(self) -> bool:
        """Whether the provider was asked often enough: somebody has to look there."""
        return self.ended_at is None and self.next_ask_at is None and self.state != self.State.CREATED


class WebhookMessage(models.Model):
    """What a provider told us, as it came; each of its events stands once, however often it is told."""

    class State(models.TextChoices):
        NEW = "NEW", pgettext_lazy("message", "to be read")
        DONE = "DONE", pgettext_lazy("message", "done")
        IGNORED = "IGNORED", pgettext_lazy("message", "is about nothing of ours")
        FAILED = "FAILED", pgettext_lazy("message", "given up")

    account = models.ForeignKey(
        ProviderAccount,
        verbose_name=_("account with a provider"),
        on_delete=models.PROTECT,
        related_name="messages",
        db_index=False,
    )
    event_id = models.CharField(_("provider's number"), max_length=200)
    type = models.CharField(_("type"), max_length=100)
    body = models.BinaryField()
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.NEW)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True)
    error = models.CharField(_("what was wrong"), max_length=300, blank=True, default="")
    received_at = models.DateTimeField(_("received"), auto_now_add=True)
    done_at = models.DateTimeField(_("done"), null=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("account",))

    class Meta:
        verbose_name = _("message of a provider")
        verbose_name_plural = _("messages of providers")
        default_permissions = ("view", "change")
        constraints = [
            models.UniqueConstraint(fields=["account", "event_id"], name="webhook_message_once"),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state="NEW"), name="webhook_message_due"),
            models.Index(fields=["received_at"], name="webhook_message_received"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
