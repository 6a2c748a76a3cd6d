"""Invoices that are drawn up again and again, and what customers are written about theirs."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Stamped, Versioned
from apps.payments.models.invoices import Invoice


class RecurringInvoice(Stamped, Versioned):
    """That an invoice which was issued is drawn up anew whenever a rule of RFC 5545 says so."""

    class State(models.TextChoices):
        ACTIVE = "ACTIVE", pgettext_lazy("recurring invoice", "active")
        PAUSED = "PAUSED", pgettext_lazy("recurring invoice", "paused")
        ENDED = "ENDED", pgettext_lazy("recurring invoice", "ended")

    # What was issued never changes, and so neither does what is drawn up.
    pattern = models.ForeignKey(
        Invoice, verbose_name=_("drawn up like"), on_delete=models.PROTECT, related_name="recurrences"
    )
    recurrence = models.CharField(_("repeats"), max_length=300)
    first_date = models.DateField(_("first on"))
    # None once the series is over.
    next_date = models.DateField(_("next on"), null=True, blank=True)
    due_days = models.PositiveSmallIntegerField(
        _("to be paid within, days"), default=14, validators=[MaxValueValidator(365)]
    )
    is_issued = models.BooleanField(
        _("issued at once"),
        default=True,
        help_text=_("Otherwise drafts are drawn up, for somebody to look at."),
    )
    is_sent = models.BooleanField(
        _("e-mailed"), default=False, help_text=_("To whom the invoice that it follows was sent.")
    )
    state = models.CharField(_("state"), max_length=6, choices=State, default=State.ACTIVE, editable=False)
    error = models.CharField(_("what was wrong"), max_length=300, blank=True, default="", editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("pattern",), passes=frozenset({"issue"}))

    class Meta:
        verbose_name = _("recurring invoice")
        verbose_name_plural = _("recurring invoices")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["next_date"], condition=Q(state="ACTIVE"), name="recurring_invoice_due"),
        ]

    def __str__(self) -> str:
        return str(self.pattern)


class RecurringIssue(models.Model):
    """That an invoice was drawn up for a day of a series; each day has one."""

    series = models.ForeignKey(
        RecurringInvoice,
        verbose_name=_("recurring invoice"),
        on_delete=models.CASCADE,
        related_name="issues",
        db_index=False,
    )
    day = models.DateField(_("day"))
    # A draft may be thrown away.
    invoice = models.OneToOneField(
        Invoice,
        verbose_name=_("invoice"),
        on_delete=models.SET_NULL,
        null=True,
        related_name="recurring_issue",
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("series",), passes=frozenset({"issue"}))

    class Meta:
        verbose_name = _("invoice of a series")
        verbose_name_plural = _("invoices of series")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["series", "day"], name="recurring_issue_once"),
        ]

    def __str__(self) -> str:
        return f"{self.series_id} {self.day}"


class InvoiceLetter(models.Model):
    """What a customer was written about an invoice: the invoice itself, or that it is to be paid."""

    class Kind(models.TextChoices):
        INVOICE = "INVOICE", pgettext_lazy("letter", "invoice")
        REMINDER = "REMINDER", pgettext_lazy("letter", "reminder")

    invoice = models.ForeignKey(
        Invoice, verbose_name=_("invoice"), on_delete=models.CASCADE, related_name="letters"
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    # Of a reminder: so many days after it was due, below zero before. Each is written once.
    days = models.SmallIntegerField(_("days after it was due"), null=True)
    # Empty where nobody has said where to: then only its owner is told.
    recipients = ArrayField(models.EmailField(), verbose_name=_("to"), default=list)
    # Of our own pages, as in "https://artel.example", and what it says besides.
    origin = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(_("written"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("invoice",))

    class Meta:
        verbose_name = _("letter about an invoice")
        verbose_name_plural = _("letters about invoices")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "days"], condition=Q(kind="REMINDER"), name="invoice_reminded_once"
            ),
            models.CheckConstraint(
                condition=Q(kind="INVOICE", days=None) | Q(kind="REMINDER", days__isnull=False),
                name="invoice_letter_days",
            ),
        ]

    def __str__(self) -> str:
        return f"№ {self.pk}"
