"""What we offer in writing, and what somebody has agreed to; and that a step of a deal was approved."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models.people import validate_language
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.amounts import to_decimal
from apps.common.models import Stamped, Versioned
from apps.crm.models.catalog import Product, currency_code
from apps.crm.models.deals import Deal, LineFields
from apps.crm.models.pipelines import Stage
from apps.documents.models import Document


class Quote(Stamped, Versioned):
    """
    An offer for a deal. Once it is sent, it never changes: another offer is another revision.

    Its number is the deal's; a trigger (migration 0012) keeps what was sent.
    """

    class Status(models.TextChoices):
        DRAFT = "DRAFT", pgettext_lazy("quote", "draft")
        SENT = "SENT", pgettext_lazy("quote", "sent")
        ACCEPTED = "ACCEPTED", pgettext_lazy("quote", "accepted")
        REJECTED = "REJECTED", pgettext_lazy("quote", "rejected")
        EXPIRED = "EXPIRED", pgettext_lazy("quote", "expired")
        SUPERSEDED = "SUPERSEDED", pgettext_lazy("quote", "superseded")

    deal = models.ForeignKey(Deal, verbose_name=_("deal"), on_delete=models.CASCADE, related_name="quotes")
    number = models.CharField(_("number"), max_length=20, editable=False)
    revision = models.PositiveSmallIntegerField(_("revision"), editable=False)
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.DRAFT, editable=False
    )
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code], editable=False)
    valid_until = models.DateField(_("valid until"))
    introduction = models.TextField(_("introduction"), max_length=4000, blank=True, default="")
    terms = models.TextField(_("terms"), max_length=4000, blank=True, default="")
    locale = models.CharField(_("language"), max_length=8, validators=[validate_language])
    recipient_name = models.CharField(_("recipient"), max_length=150, blank=True, default="")
    recipient_email = models.EmailField(_("recipient's e-mail"), blank=True, default="")
    net_minor = models.BigIntegerField(default=0, editable=False)
    tax_minor = models.BigIntegerField(default=0, editable=False)
    # By rate: [{"rate": "22.00" or None, "net_minor", "tax_minor"}].
    taxes = models.JSONField(default=list, editable=False)
    sent_at = models.DateTimeField(_("sent"), null=True, editable=False)
    document = models.ForeignKey(
        Document,
        verbose_name=_("document"),
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    # SHA-256 of the paper in hexadecimal digits: what is accepted is this and nothing else.
    paper_digest = models.CharField(_("SHA-256"), max_length=64, blank=True, default="", editable=False)
    # Where quotes are answered, as whoever sent it has us by name; the secret comes after it.
    link = models.CharField(max_length=300, blank=True, default="", editable=False)
    # SHA-256 of the 256 random bits in the link.
    token_digest = models.CharField(max_length=64, null=True, unique=True, editable=False)
    viewed_at = models.DateTimeField(_("opened"), null=True, editable=False)
    decided_at = models.DateTimeField(_("answered"), null=True, editable=False)
    decided_by_name = models.CharField(
        _("answered by"), max_length=150, blank=True, default="", editable=False
    )
    decided_address = models.GenericIPAddressField(_("address"), null=True, editable=False)
    decided_agent = models.CharField(_("program"), max_length=300, blank=True, default="", editable=False)
    rejected_reason = models.CharField(_("reason"), max_length=1000, blank=True, default="", editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("deal",))

    class Meta:
        verbose_name = _("quote")
        verbose_name_plural = _("quotes")
        constraints = [
            models.UniqueConstraint(fields=["deal", "revision"], name="quote_revision_unique"),
            models.UniqueConstraint(
                fields=["deal"],
                condition=Q(status="ACCEPTED"),
                name="quote_one_accepted",
                violation_error_message=_("A quote of this deal was accepted already."),
            ),
            models.UniqueConstraint(
                fields=["deal"],
                condition=Q(status="SENT"),
                name="quote_one_sent",
                violation_error_message=_("A quote of this deal is out already."),
            ),
            models.UniqueConstraint(
                fields=["deal"],
                condition=Q(status="DRAFT"),
                name="quote_one_draft",
                violation_error_message=_("There is a draft of a quote already."),
            ),
            models.CheckConstraint(
                condition=Q(status="DRAFT", sent_at=None) | (~Q(status="DRAFT") & Q(sent_at__isnull=False)),
                name="quote_sent_or_draft",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["ACCEPTED", "REJECTED"], decided_at__isnull=False)
                | (~Q(status__in=["ACCEPTED", "REJECTED"]) & Q(decided_at=None)),
                name="quote_decided_or_not",
            ),
        ]
        indexes = [
            models.Index(fields=["valid_until"], condition=Q(status="SENT"), name="quote_sent_until"),
            GinIndex(OpClass(Upper("number"), name="gin_trgm_ops"), name="quote_number_trgm"),
        ]

    def __str__(self) -> str:
        return f"{self.number} · {self.revision}"

    @property
    def owner_id(self) -> int:
        """Whose the papers of the quote are: the deal's owner's."""
        return self.deal.owner_id

    @property
    def team_id(self) -> int | None:
        return self.deal.team_id

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.tax_minor

    @property
    def total(self) -> Decimal:
        """The whole, tax included."""
        return to_decimal(self.total_minor, self.currency)

    @property
    def net(self) -> Decimal:
        return to_decimal(self.net_minor, self.currency)

    @property
    def tax(self) -> Decimal:
        return to_decimal(self.tax_minor, self.currency)

    def tax_rows(self) -> list[dict[str, Any]]:
        """Return what is due of each rate, as amounts."""
        return [
            {
                "rate": None if each["rate"] is None else Decimal(each["rate"]),
                "net": to_decimal(each["net_minor"], self.currency),
                "tax": to_decimal(each["tax_minor"], self.currency),
            }
            for each in self.taxes
        ]

    def is_answerable(self, today: date) -> bool:
        """Tell whether whoever holds the link can still say yes or no."""
        return self.status == self.Status.SENT and today <= self.valid_until


class QuoteLine(LineFields):
    """A line of a quote, with what it comes to in minor units of the quote's currency."""

    quote = models.ForeignKey(
        Quote, verbose_name=_("quote"), on_delete=models.CASCADE, related_name="lines", db_index=False
    )
    product = models.ForeignKey(
        Product,
        verbose_name=_("product"),
        on_delete=models.PROTECT,
        null=True,
        related_name="quote_lines",
    )
    name = models.CharField(_("name"), max_length=300)
    unit_price = models.DecimalField(
        _("unit price"), max_digits=18, decimal_places=2, null=True, validators=[MinValueValidator(0)]
    )
    amount_minor = models.BigIntegerField(null=True, editable=False)
    net_minor = models.BigIntegerField(null=True, editable=False)
    tax_minor = models.BigIntegerField(null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("quote",))

    class Meta:
        verbose_name = _("quote line")
        verbose_name_plural = _("quote lines")
        constraints = [
            models.UniqueConstraint(fields=["quote", "position"], name="quote_line_position_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.name} × {self.quantity.normalize():f}"

    @property
    def amount(self) -> Decimal | None:
        return None if self.amount_minor is None else to_decimal(self.amount_minor, self.quote.currency)


class StageApproval(models.Model):
    """That somebody was asked to let a deal leave a stage, and what they said."""

    class Decision(models.TextChoices):
        WAITING = "WAITING", pgettext_lazy("approval of a step", "waiting")
        APPROVED = "APPROVED", pgettext_lazy("approval of a step", "approved")
        REFUSED = "REFUSED", pgettext_lazy("approval of a step", "refused")

    deal = models.ForeignKey(Deal, verbose_name=_("deal"), on_delete=models.CASCADE, related_name="approvals")
    stage = models.ForeignKey(
        Stage, verbose_name=_("stage"), on_delete=models.CASCADE, related_name="+", db_index=False
    )
    # Of the criterion in the stage's contract.
    criterion = models.CharField(max_length=32, editable=False)
    note = models.CharField(_("note"), max_length=500, blank=True, default="")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("asked by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    requested_at = models.DateTimeField(_("asked"), default=timezone.now, editable=False)
    decision = models.CharField(
        _("decision"), max_length=8, choices=Decision, default=Decision.WAITING, editable=False
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("decided by"),
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    decided_at = models.DateTimeField(_("decided"), null=True, editable=False)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="", editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("deal",), passes=frozenset({"approve"}))

    class Meta:
        verbose_name = _("approval of a step")
        verbose_name_plural = _("approvals of steps")
        constraints = [
            models.UniqueConstraint(
                fields=["deal", "stage", "criterion"],
                condition=Q(decision__in=["WAITING", "APPROVED"]),
                name="stage_approval_once",
                violation_error_message=_("This was asked for already."),
            ),
            models.CheckConstraint(
                condition=Q(decision="WAITING", decided_at=None, decided_by=None)
                | (~Q(decision="WAITING") & Q(decided_at__isnull=False, decided_by__isnull=False)),
                name="stage_approval_decided_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.deal} · {self.stage} · {self.get_decision_display()}"
