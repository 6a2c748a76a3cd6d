"""What customers owe us: invoices with their lines, and credit notes that take some of it back."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import Team
from apps.accounts.models.people import validate_language
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.amounts import to_decimal
from apps.common.models import Stamped, Versioned
from apps.crm.models import Company, Deal, Person, Product
from apps.crm.models.catalog import CURRENCY, currency_code
from apps.crm.models.deals import LineFields
from apps.documents.models import Document, LegalEntity


class InvoiceQuerySet(ScopedQuerySet["Invoice"]):
    """Invoices, in the words of those who wait for their money."""

    def owed(self) -> "InvoiceQuerySet":
        """Keep those of which something is still to be paid."""
        return self.filter(status=Invoice.Status.OPEN)

    def overdue(self, today: date | None = None) -> "InvoiceQuerySet":
        return self.owed().filter(due_date__lt=today or timezone.localdate())


class Invoice(Stamped, Versioned):
    """
    What a customer owes us and by when. Once it is issued, only what came of it changes.

    A trigger (migration 0002) keeps what was issued, and the order of states.
    """

    class Status(models.TextChoices):
        DRAFT = "DRAFT", pgettext_lazy("invoice", "draft")
        OPEN = "OPEN", pgettext_lazy("invoice", "open")
        PAID = "PAID", pgettext_lazy("invoice", "settled")
        VOID = "VOID", pgettext_lazy("invoice", "void")
        UNCOLLECTIBLE = "UNCOLLECTIBLE", pgettext_lazy("invoice", "uncollectible")

    number = models.CharField(_("number"), max_length=40, null=True, editable=False)
    # Invoices of one series and year are numbered without a gap.
    series = models.CharField(
        _("series"),
        max_length=12,
        blank=True,
        default="",
        validators=[RegexValidator(r"^[\w-]*$", _("Letters, digits and hyphens."))],
    )
    status = models.CharField(
        _("status"), max_length=13, choices=Status, default=Status.DRAFT, editable=False
    )
    legal_entity = models.ForeignKey(
        LegalEntity,
        verbose_name=_("in the name of"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    company = models.ForeignKey(
        Company,
        verbose_name=_("company"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoices",
    )
    person = models.ForeignKey(
        Person,
        verbose_name=_("person"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoices",
    )
    deal = models.ForeignKey(
        Deal,
        verbose_name=_("deal"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoices",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.PROTECT,
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
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    locale = models.CharField(_("language"), max_length=8, validators=[validate_language])
    issue_date = models.DateField(_("issued"), null=True, blank=True)
    due_date = models.DateField(_("due"))
    # Who it is made out to, as it stood when it was issued.
    customer_name = models.CharField(_("made out to"), max_length=400, blank=True, default="")
    customer_tax_id = models.CharField(_("tax id"), max_length=32, blank=True, default="")
    customer_address = models.CharField(_("address"), max_length=400, blank=True, default="")
    note = models.TextField(_("note"), max_length=2000, blank=True, default="")
    net_minor = models.BigIntegerField(default=0, editable=False)
    tax_minor = models.BigIntegerField(default=0, editable=False)
    total_minor = models.BigIntegerField(_("total"), default=0, editable=False)
    # By rate: [{"rate": "22.00" or None, "net_minor", "tax_minor"}].
    taxes = models.JSONField(default=list, editable=False)
    paid_minor = models.BigIntegerField(_("paid"), default=0, editable=False)
    credited_minor = models.BigIntegerField(_("credited"), default=0, editable=False)
    written_off_minor = models.BigIntegerField(_("written off"), default=0, editable=False)
    due_minor = models.GeneratedField(
        expression=F("total_minor") - F("paid_minor") - F("credited_minor") - F("written_off_minor"),
        output_field=models.BigIntegerField(),
        db_persist=True,
        verbose_name=_("to be paid"),
    )
    # What a unit was worth in the currency of the books on the day of issue; None where nobody knew.
    base_rate = models.DecimalField(_("rate"), max_digits=20, decimal_places=10, null=True, editable=False)
    base_rate_date = models.DateField(null=True, editable=False)
    issued_at = models.DateTimeField(null=True, editable=False)
    settled_at = models.DateTimeField(_("settled"), null=True, editable=False)
    # Why it is void, or not to be had.
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="", editable=False)
    document = models.ForeignKey(
        Document,
        verbose_name=_("document"),
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )

    objects = InvoiceQuerySet.as_manager()
    access = Rule(owner="owner", team="team")

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        # Drafts are thrown away by whoever may change them, and nothing else goes.
        default_permissions = ("view", "add", "change")
        permissions = [
            ("issue_invoice", _("Can issue invoices")),
            ("void_invoice", _("Can declare invoices void")),
            ("credit_invoice", _("Can credit invoices")),
            ("writeoff_invoice", _("Can write invoices off")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["number"],
                name="invoice_number_unique",
                violation_error_message=_("There is an invoice of this number already."),
            ),
            models.CheckConstraint(
                condition=Q(status="DRAFT", number=None, issued_at=None)
                | (
                    ~Q(status="DRAFT")
                    & Q(number__isnull=False, issued_at__isnull=False, issue_date__isnull=False)
                ),
                name="invoice_numbered_when_issued",
            ),
            models.CheckConstraint(
                condition=Q(total_minor=F("net_minor") + F("tax_minor"), net_minor__gte=0, tax_minor__gte=0),
                name="invoice_total_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(paid_minor__gte=0, credited_minor__gte=0, written_off_minor__gte=0),
                name="invoice_counters_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(total_minor__gte=F("paid_minor") + F("credited_minor") + F("written_off_minor")),
                name="invoice_not_overpaid",
                violation_error_message=_("That is more than is still to be paid."),
            ),
            models.CheckConstraint(
                condition=Q(status__in=["DRAFT", "VOID"], paid_minor=0, credited_minor=0, written_off_minor=0)
                | Q(
                    status="OPEN",
                    written_off_minor=0,
                    total_minor__gt=F("paid_minor") + F("credited_minor"),
                )
                | Q(status="PAID", written_off_minor=0, total_minor=F("paid_minor") + F("credited_minor"))
                | Q(
                    status="UNCOLLECTIBLE",
                    written_off_minor__gt=0,
                    total_minor=F("paid_minor") + F("credited_minor") + F("written_off_minor"),
                ),
                name="invoice_state_agrees",
                violation_error_message=_("The state of the invoice does not agree with what was paid."),
            ),
            models.CheckConstraint(
                condition=Q(company__isnull=False) | Q(person__isnull=False),
                name="invoice_of_somebody",
                violation_error_message=_("An invoice is made out to a company or a person."),
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=CURRENCY),
                name="invoice_currency_code",
                violation_error_message=_("A currency is three capital letters, as in RUB."),
            ),
            models.CheckConstraint(
                condition=Q(issue_date=None) | Q(due_date__gte=F("issue_date")),
                name="invoice_due_after_issue",
                violation_error_message=_("An invoice is not due before it is issued."),
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="invoice_by_status"),
            models.Index(fields=["due_date", "id"], name="invoice_by_due_date"),
            models.Index(fields=["issue_date", "id"], name="invoice_by_issue_date"),
            models.Index(fields=["total_minor", "id"], name="invoice_by_total"),
            models.Index(fields=["company", "due_date"], condition=Q(status="OPEN"), name="invoice_owed_by"),
            GinIndex(OpClass(Upper("number"), name="gin_trgm_ops"), name="invoice_number_trgm"),
            GinIndex(OpClass(Upper("customer_name"), name="gin_trgm_ops"), name="invoice_customer_trgm"),
        ]

    def __str__(self) -> str:
        return self.number or str(_("Draft %(id)s") % {"id": self.pk})

    @property
    def is_draft(self) -> bool:
        return self.status == self.Status.DRAFT

    @property
    def total(self) -> Decimal:
        return to_decimal(self.total_minor, self.currency)

    @property
    def net(self) -> Decimal:
        return to_decimal(self.net_minor, self.currency)

    @property
    def tax(self) -> Decimal:
        return to_decimal(self.tax_minor, self.currency)

    @property
    def paid(self) -> Decimal:
        return to_decimal(self.paid_minor, self.currency)

    @property
    def credited(self) -> Decimal:
        return to_decimal(self.credited_minor, self.currency)

    @property
    def left_minor(self) -> int:
        """What is still to be paid, by what this object knows."""
        return self.total_minor - self.paid_minor - self.credited_minor - self.written_off_minor

    @property
    def due(self) -> Decimal:
        return to_decimal(self.left_minor, self.currency)

    def is_overdue(self, today: date) -> bool:
        return self.status == self.Status.OPEN and self.due_date < today

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


class InvoiceLine(LineFields):
    """A line of an invoice, with what it comes to in minor units of the invoice's currency."""

    invoice = models.ForeignKey(
        Invoice, verbose_name=_("invoice"), on_delete=models.CASCADE, related_name="lines", db_index=False
    )
    product = models.ForeignKey(
        Product,
        verbose_name=_("product"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    name = models.CharField(_("name"), max_length=300)
    unit_price = models.DecimalField(
        _("unit price"), max_digits=20, decimal_places=6, validators=[MinValueValidator(0)]
    )
    amount_minor = models.BigIntegerField(default=0, editable=False)
    net_minor = models.BigIntegerField(default=0, editable=False)
    tax_minor = models.BigIntegerField(default=0, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("invoice",))

    class Meta:
        verbose_name = _("invoice line")
        verbose_name_plural = _("invoice lines")
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_position_unique"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0),
                name="invoice_line_quantity_positive",
                violation_error_message=_("A quantity is more than zero."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} × {self.quantity.normalize():f}"

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.tax_minor

    @property
    def amount(self) -> Decimal:
        return to_decimal(self.amount_minor, self.invoice.currency)


class CreditNote(models.Model):
    """That some of an invoice is not owed any more, and why. It is never changed."""

    number = models.CharField(_("number"), max_length=40, editable=False)
    invoice = models.ForeignKey(
        Invoice, verbose_name=_("invoice"), on_delete=models.PROTECT, related_name="credit_notes"
    )
    issue_date = models.DateField(_("issued"))
    reason = models.CharField(_("reason"), max_length=500)
    net_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()
    total_minor = models.BigIntegerField(_("total"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("invoice",), passes=frozenset({"credit"}))

    class Meta:
        verbose_name = _("credit note")
        verbose_name_plural = _("credit notes")
        constraints = [
            models.UniqueConstraint(fields=["number"], name="credit_note_number_unique"),
            models.CheckConstraint(
                condition=Q(
                    total_minor=F("net_minor") + F("tax_minor"),
                    net_minor__gte=0,
                    tax_minor__gte=0,
                    total_minor__gt=0,
                ),
                name="credit_note_total_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def total(self) -> Decimal:
        return to_decimal(self.total_minor, self.invoice.currency)


class CreditNoteLine(models.Model):
    """How much of a line of the invoice a credit note takes back."""

    credit_note = models.ForeignKey(
        CreditNote, verbose_name=_("credit note"), on_delete=models.CASCADE, related_name="lines"
    )
    line = models.ForeignKey(
        InvoiceLine, verbose_name=_("invoice line"), on_delete=models.PROTECT, related_name="credits"
    )
    net_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("credit_note",))

    class Meta:
        verbose_name = _("line of a credit note")
        verbose_name_plural = _("lines of credit notes")
        constraints = [
            models.UniqueConstraint(fields=["credit_note", "line"], name="credit_note_line_unique"),
            models.CheckConstraint(
                condition=Q(net_minor__gte=0, tax_minor__gte=0), name="credit_note_line_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.credit_note_id} {self.line_id}"
