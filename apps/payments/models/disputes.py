"""What follows a payment through a provider: disputes about it, and the fiscal receipts that the law wants."""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.amounts import to_decimal
from apps.common.models import Stamped
from apps.payments.models.payments import Payment


class Dispute(models.Model):
    """That a payer asks their bank for the money back, and how it ends."""

    class Status(models.TextChoices):
        OPEN = "OPEN", pgettext_lazy("dispute", "open")
        WON = "WON", pgettext_lazy("dispute", "won")
        LOST = "LOST", pgettext_lazy("dispute", "lost")

    payment = models.ForeignKey(
        Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="disputes"
    )
    external_id = models.CharField(_("provider's number"), max_length=128)
    status = models.CharField(_("status"), max_length=4, choices=Status, default=Status.OPEN)
    amount_minor = models.BigIntegerField(_("amount"))
    fee_minor = models.BigIntegerField(_("fee"), default=0)
    # The provider's code: "fraudulent", "product_not_received".
    reason = models.CharField(_("reason"), max_length=100, blank=True, default="")
    # Whether the provider has taken the money back until it ends.
    is_withdrawn = models.BooleanField(_("the money is withheld"), default=False)
    respond_by = models.DateTimeField(_("answer by"), null=True)
    opened_at = models.DateTimeField(_("opened"))
    ended_at = models.DateTimeField(_("ended"), null=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("payment",))

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["external_id"], name="dispute_once"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, fee_minor__gte=0), name="dispute_positive"
            ),
            models.CheckConstraint(
                condition=Q(status="OPEN", ended_at=None) | (~Q(status="OPEN") & Q(ended_at__isnull=False)),
                name="dispute_ended",
            ),
        ]

    def __str__(self) -> str:
        return f"№ {self.pk}"

    @property
    def amount(self) -> Decimal:
        return to_decimal(self.amount_minor, self.payment.currency)


class FiscalReceipt(Stamped):
    """
    What the law (54-FZ) wants the payer to be given of a payment or refund; its troubles never hold up the money.

    A receipt that was wrong is followed by a correction.
    """

    class Kind(models.TextChoices):
        SALE = "SALE", pgettext_lazy("receipt", "payment")
        REFUND = "REFUND", pgettext_lazy("receipt", "refund")
        CORRECTION = "CORRECTION", pgettext_lazy("receipt", "correction")

    class State(models.TextChoices):
        WAITING = "WAITING", pgettext_lazy("receipt", "to be sent")
        SENT = "SENT", pgettext_lazy("receipt", "sent")
        REGISTERED = "REGISTERED", pgettext_lazy("receipt", "registered")
        FAILED = "FAILED", pgettext_lazy("receipt", "failed")

    payment = models.ForeignKey(
        Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="receipts"
    )
    refund = models.OneToOneField(
        "payments.Refund",
        verbose_name=_("refund"),
        on_delete=models.PROTECT,
        null=True,
        related_name="receipt",
    )
    corrects = models.OneToOneField(
        "self", verbose_name=_("corrects"), on_delete=models.PROTECT, null=True, related_name="corrected_by"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    contact = models.CharField(_("goes to"), max_length=254)
    # [{"name", "quantity", "amount_minor", "tax_rate"}]: what was paid for, which adds up to the total.
    lines = models.JSONField(default=list)
    total_minor = models.BigIntegerField(_("total"))
    currency = models.CharField(_("currency"), max_length=3)
    reason = models.CharField(_("reason"), max_length=300, blank=True, default="")
    request_key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    external_id = models.CharField(_("provider's number"), max_length=128, blank=True, default="")
    # As the tax service knows it: the storage, the document, and its sign.
    fiscal_storage = models.CharField(_("fiscal storage"), max_length=32, blank=True, default="")
    fiscal_document = models.CharField(_("fiscal document"), max_length=32, blank=True, default="")
    fiscal_sign = models.CharField(_("fiscal sign"), max_length=32, blank=True, default="")
    registered_at = models.DateTimeField(_("registered"), null=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True)
    error = models.CharField(_("what was wrong"), max_length=300, blank=True, default="")

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("payment",))

    class Meta:
        verbose_name = _("fiscal receipt")
        verbose_name_plural = _("fiscal receipts")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["payment"], condition=Q(kind="SALE"), name="fiscal_receipt_of_payment_once"
            ),
            models.CheckConstraint(condition=Q(total_minor__gt=0), name="fiscal_receipt_positive"),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state__in=["WAITING", "SENT"]),
                name="fiscal_receipt_due",
            ),
        ]

    def __str__(self) -> str:
        return f"№ {self.pk}"

    @property
    def total(self) -> Decimal:
        return to_decimal(self.total_minor, self.currency)
