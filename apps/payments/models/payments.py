"""Money that came, what it was for, and what went back."""

from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import Team
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.amounts import to_decimal
from apps.common.models import Stamped, Versioned
from apps.crm.models import Company, Person
from apps.crm.models.catalog import CURRENCY, currency_code
from apps.payments.models.invoices import Invoice
from apps.payments.models.ledger import LedgerAccount

POSITIVE = [MinValueValidator(1)]


class Payment(Stamped, Versioned):
    """
    Money that a customer gives us: asked for through a provider, or come by itself.

    Its counters say how far it got, and never run ahead of each other. A trigger (migration 0002) keeps the order of
    states and what it is.
    """

    class Status(models.TextChoices):
        """Stripe's, and one more: a provider has not answered, and nobody knows whether money moved."""

        REQUIRES_METHOD = "REQUIRES_METHOD", pgettext_lazy("payment", "to be begun")
        REQUIRES_ACTION = "REQUIRES_ACTION", pgettext_lazy("payment", "waits for the payer")
        PROCESSING = "PROCESSING", pgettext_lazy("payment", "in processing")
        UNKNOWN = "UNKNOWN", pgettext_lazy("payment", "outcome unknown")
        REQUIRES_CAPTURE = "REQUIRES_CAPTURE", pgettext_lazy("payment", "reserved")
        SUCCEEDED = "SUCCEEDED", pgettext_lazy("payment", "received")
        CANCELED = "CANCELED", pgettext_lazy("payment", "cancelled")

    class Provider(models.TextChoices):
        MANUAL = "MANUAL", _("entered by hand")
        BANK = "BANK", _("bank statement")
        STRIPE = "STRIPE", "Stripe"
        YOOKASSA = "YOOKASSA", "YooKassa"
        TELEGRAM = "TELEGRAM", "Telegram"

    class Method(models.TextChoices):
        TRANSFER = "TRANSFER", pgettext_lazy("payment", "transfer")
        CARD = "CARD", pgettext_lazy("payment", "card")
        CASH = "CASH", pgettext_lazy("payment", "cash")
        OTHER = "OTHER", pgettext_lazy("payment", "other")

    provider = models.CharField(
        _("through"), max_length=8, choices=Provider, default=Provider.MANUAL, editable=False
    )
    method = models.CharField(_("method"), max_length=8, choices=Method, default=Method.TRANSFER)
    status = models.CharField(
        _("status"), max_length=16, choices=Status, default=Status.SUCCEEDED, editable=False
    )
    amount_minor = models.BigIntegerField(_("amount"), validators=POSITIVE)
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    authorized_minor = models.BigIntegerField(_("authorised"), default=0, editable=False)
    captured_minor = models.BigIntegerField(_("captured"), default=0, editable=False)
    refunded_minor = models.BigIntegerField(_("refunded"), default=0, editable=False)
    refund_pending_minor = models.BigIntegerField(default=0, editable=False)
    allocated_minor = models.BigIntegerField(_("allocated"), default=0, editable=False)
    fee_minor = models.BigIntegerField(_("fee"), default=0, editable=False)
    free_minor = models.GeneratedField(
        expression=F("captured_minor")
        - F("refunded_minor")
        - F("refund_pending_minor")
        - F("allocated_minor"),
        output_field=models.BigIntegerField(),
        db_persist=True,
        verbose_name=_("not allocated"),
    )
    company = models.ForeignKey(
        Company,
        verbose_name=_("company"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="payments",
    )
    person = models.ForeignKey(
        Person,
        verbose_name=_("person"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="payments",
    )
    # What a charge was begun for; where the money went, allocations say.
    invoice = models.ForeignKey(
        Invoice,
        verbose_name=_("invoice"),
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="charges",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
    )
    team = models.ForeignKey(
        Team,
        verbose_name=_("team"),
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
    )
    account = models.ForeignKey(
        LedgerAccount,
        verbose_name=_("account"),
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        db_index=False,
    )
    received_date = models.DateField(_("received"), null=True, blank=True)
    # What the provider or bank calls it; each stands for one payment.
    external_id = models.CharField(_("provider's number"), max_length=128, blank=True, default="")
    payer_name = models.CharField(_("payer"), max_length=400, blank=True, default="")
    reference = models.CharField(_("reference"), max_length=500, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="", editable=False)
    base_rate = models.DecimalField(_("rate"), max_digits=20, decimal_places=10, null=True, editable=False)
    base_rate_date = models.DateField(null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner", team="team")

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        default_permissions = ("view", "add", "change")
        permissions = [
            ("allocate_payment", _("Can allocate payments")),
            ("refund_payment", _("Can refund payments")),
            ("cancel_payment", _("Can take payments back that were entered by mistake")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payment_amount_positive"),
            models.CheckConstraint(
                condition=Q(
                    authorized_minor__gte=0,
                    captured_minor__gte=0,
                    refunded_minor__gte=0,
                    refund_pending_minor__gte=0,
                    allocated_minor__gte=0,
                    fee_minor__gte=0,
                ),
                name="payment_counters_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(
                    authorized_minor__lte=F("amount_minor"), captured_minor__lte=F("authorized_minor")
                ),
                name="payment_captured_within_amount",
                violation_error_message=_("No more is taken than was agreed to."),
            ),
            models.CheckConstraint(
                condition=Q(
                    captured_minor__gte=F("refunded_minor") + F("refund_pending_minor") + F("allocated_minor")
                ),
                name="payment_not_overspent",
                violation_error_message=_("That is more than is left of this payment."),
            ),
            models.CheckConstraint(
                condition=Q(status="SUCCEEDED", captured_minor__gt=0, received_date__isnull=False)
                | (~Q(status="SUCCEEDED") & Q(captured_minor=0)),
                name="payment_captured_when_received",
            ),
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY), name="payment_currency_code"),
            models.UniqueConstraint(
                fields=["provider", "external_id"],
                condition=~Q(external_id=""),
                name="payment_recorded_once",
                violation_error_message=_("This payment was recorded already."),
            ),
            models.UniqueConstraint(
                fields=["invoice"],
                condition=Q(status__in=["REQUIRES_ACTION", "PROCESSING", "UNKNOWN", "REQUIRES_CAPTURE"]),
                name="payment_one_charge_under_way",
                violation_error_message=_(
                    "A payment of this invoice is under way, and nobody knows yet how it ends."
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="payment_by_status"),
            models.Index(fields=["received_date", "id"], name="payment_by_date"),
            models.Index(fields=["amount_minor", "id"], name="payment_by_amount"),
            models.Index(fields=["company", "-id"], condition=Q(free_minor__gt=0), name="payment_free_of"),
            GinIndex(OpClass(Upper("payer_name"), name="gin_trgm_ops"), name="payment_payer_trgm"),
            GinIndex(OpClass(Upper("reference"), name="gin_trgm_ops"), name="payment_reference_trgm"),
        ]

    def __str__(self) -> str:
        return f"№ {self.pk}"

    @property
    def amount(self) -> Decimal:
        return to_decimal(self.amount_minor, self.currency)

    @property
    def left_minor(self) -> int:
        """What is neither allocated nor given back, by what this object knows."""
        return self.captured_minor - self.refunded_minor - self.refund_pending_minor - self.allocated_minor

    @property
    def free(self) -> Decimal:
        return to_decimal(self.left_minor, self.currency)

    @property
    def allocated(self) -> Decimal:
        return to_decimal(self.allocated_minor, self.currency)

    @property
    def refunded(self) -> Decimal:
        return to_decimal(self.refunded_minor, self.currency)


class Allocation(models.Model):
    """That so much of a payment is for an invoice. It is never changed, but taken back as a whole."""

    payment = models.ForeignKey(
        Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="allocations"
    )
    invoice = models.ForeignKey(
        Invoice, verbose_name=_("invoice"), on_delete=models.PROTECT, related_name="allocations"
    )
    # In the payment's currency, and what it settles in the invoice's.
    amount_minor = models.BigIntegerField(_("amount"))
    invoice_amount_minor = models.BigIntegerField(_("settles"))
    allocated_date = models.DateField(_("date"))
    # Gained by a change of rates, in the currency of the books; below zero it was lost.
    exchange_minor = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    released_at = models.DateTimeField(_("taken back"), null=True, editable=False)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("payment",), passes=frozenset({"allocate"}))

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, invoice_amount_minor__gt=0), name="allocation_positive"
            ),
            models.CheckConstraint(
                condition=Q(released_at=None, released_by=None)
                | Q(released_at__isnull=False, released_by__isnull=False),
                name="allocation_released_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"№ {self.pk}"

    @property
    def amount(self) -> Decimal:
        return to_decimal(self.amount_minor, self.payment.currency)

    @property
    def settles(self) -> Decimal:
        return to_decimal(self.invoice_amount_minor, self.invoice.currency)


class Refund(models.Model):
    """That so much of a payment goes back to who paid it."""

    class Status(models.TextChoices):
        PENDING = "PENDING", pgettext_lazy("refund", "under way")
        SUCCEEDED = "SUCCEEDED", pgettext_lazy("refund", "given back")
        FAILED = "FAILED", pgettext_lazy("refund", "failed")

    payment = models.ForeignKey(
        Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="refunds"
    )
    amount_minor = models.BigIntegerField(_("amount"))
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.SUCCEEDED)
    reason = models.CharField(_("reason"), max_length=500)
    refunded_date = models.DateField(_("given back"))
    external_id = models.CharField(_("provider's number"), max_length=128, blank=True, default="")
    # When its provider is asked again how it ended.
    next_ask_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("payment",), passes=frozenset({"refund"}))

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_positive"),
            models.UniqueConstraint(
                fields=["external_id"],
                condition=~Q(external_id=""),
                name="refund_recorded_once",
                violation_error_message=_("This refund was recorded already."),
            ),
        ]
        indexes = [
            models.Index(fields=["next_ask_at"], condition=Q(status="PENDING"), name="refund_due"),
        ]

    def __str__(self) -> str:
        return f"№ {self.pk}"

    @property
    def amount(self) -> Decimal:
        return to_decimal(self.amount_minor, self.payment.currency)
