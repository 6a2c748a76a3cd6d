"""The ledger: what every figure is made of. Entries and postings are only ever added, by `payments_post` alone."""

from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.amounts import to_decimal
from apps.common.models import Archivable, Stamped, Versioned
from apps.crm.models.catalog import CURRENCY, currency_code


class LedgerAccount(Stamped, Versioned, Archivable):
    """A heading of the books: what we have, what we owe, what we earned and spent. It holds every currency apart."""

    class Type(models.TextChoices):
        ASSET = "ASSET", pgettext_lazy("account", "asset")
        LIABILITY = "LIABILITY", pgettext_lazy("account", "liability")
        EQUITY = "EQUITY", pgettext_lazy("account", "equity")
        INCOME = "INCOME", pgettext_lazy("account", "income")
        EXPENSE = "EXPENSE", pgettext_lazy("account", "expense")

    class Purpose(models.TextChoices):
        """What services look an account up by; each has one account."""

        CASH = "CASH", _("money at the bank")
        RECEIVABLE = "RECEIVABLE", _("what customers owe")
        ADVANCES = "ADVANCES", _("what customers have paid ahead")
        TAX = "TAX", _("VAT to be paid")
        REVENUE = "REVENUE", _("revenue")
        FEES = "FEES", _("fees of banks and providers")
        BAD_DEBT = "BAD_DEBT", _("what is not to be had")
        DISPUTED = "DISPUTED", _("money that payers ask back")
        EXCHANGE = "EXCHANGE", _("exchange of currencies")
        EXCHANGE_GAIN = "EXCHANGE_GAIN", _("gains by rates")
        EXCHANGE_LOSS = "EXCHANGE_LOSS", _("losses by rates")

    code = models.CharField(
        _("code"),
        max_length=16,
        validators=[RegexValidator(r"^[\w.-]+$", _("Letters, digits, dots and hyphens."))],
    )
    name = models.CharField(_("name"), max_length=120)
    type = models.CharField(_("type"), max_length=9, choices=Type)
    purpose = models.CharField(
        _("used for"), max_length=13, choices=Purpose, blank=True, default="", editable=False
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("ledger account")
        verbose_name_plural = _("ledger accounts")
        default_permissions = ("view", "add", "change")
        constraints = [
            models.UniqueConstraint(
                fields=["code"],
                name="ledger_account_code_unique",
                violation_error_message=_("There is an account of this code already."),
            ),
            models.UniqueConstraint(
                fields=["purpose"], condition=~Q(purpose=""), name="ledger_account_purpose_unique"
            ),
            models.CheckConstraint(
                condition=Q(purpose="") | Q(archived_at=None),
                name="ledger_account_needed",
                violation_error_message=_("The platform posts to this account: it stays."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def is_debit(self) -> bool:
        """Whether what stands here is a debit as a rule."""
        return self.type in {self.Type.ASSET, self.Type.EXPENSE}


class JournalEntry(models.Model):
    """What one step of the business did to the books: two postings or more, which balance in each currency."""

    class Kind(models.TextChoices):
        INVOICE = "INVOICE", pgettext_lazy("entry", "invoice issued")
        VOID = "VOID", pgettext_lazy("entry", "invoice void")
        CREDIT_NOTE = "CREDIT_NOTE", pgettext_lazy("entry", "credit note")
        WRITE_OFF = "WRITE_OFF", pgettext_lazy("entry", "written off")
        REINSTATED = "REINSTATED", pgettext_lazy("entry", "reinstated")
        PAYMENT = "PAYMENT", pgettext_lazy("entry", "money received")
        PAYMENT_REVERSED = "PAYMENT_REVERSED", pgettext_lazy("entry", "payment reversed")
        FEE = "FEE", pgettext_lazy("entry", "fee")
        ALLOCATION = "ALLOCATION", pgettext_lazy("entry", "allocated")
        RELEASE = "RELEASE", pgettext_lazy("entry", "allocation taken back")
        EXCHANGE = "EXCHANGE", pgettext_lazy("entry", "exchange difference")
        EXCHANGE_BACK = "EXCHANGE_BACK", pgettext_lazy("entry", "exchange difference taken back")
        REFUND = "REFUND", pgettext_lazy("entry", "refund")
        DISPUTE = "DISPUTE", pgettext_lazy("entry", "dispute")
        DISPUTE_FEE = "DISPUTE_FEE", pgettext_lazy("entry", "fee of a dispute")
        DISPUTE_WON = "DISPUTE_WON", pgettext_lazy("entry", "dispute won")
        DISPUTE_LOST = "DISPUTE_LOST", pgettext_lazy("entry", "dispute lost")
        MANUAL = "MANUAL", pgettext_lazy("entry", "entered by hand")
        REVERSAL = "REVERSAL", pgettext_lazy("entry", "reversal")

    kind = models.CharField(_("kind"), max_length=16, choices=Kind, editable=False)
    # The row that it came of: "payments.invoice", 42. With the kind it stands once.
    source = models.CharField(_("source"), max_length=32, editable=False)
    source_id = models.BigIntegerField(editable=False)
    accounting_date = models.DateField(_("date"), editable=False)
    posted_at = models.DateTimeField(_("posted"), default=timezone.now, db_default=Now())
    memo = models.CharField(_("text"), max_length=300, blank=True, default="", db_default="")
    reverses = models.OneToOneField(
        "self",
        verbose_name=_("reverses"),
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="reversed_by",
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        db_index=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("journal entry")
        verbose_name_plural = _("journal entries")
        default_permissions = ("view", "add")
        permissions = [("reverse_journalentry", _("Can reverse entries of the ledger"))]
        constraints = [
            # An entry by hand is its own source, with whatever number the sequence gives.
            models.UniqueConstraint(
                fields=["source", "source_id", "kind"],
                # What is given up may be taken back, and be given up again.
                condition=~Q(kind__in=["WRITE_OFF", "REINSTATED"]),
                name="journal_entry_once",
                violation_error_message=_("This was posted already."),
            ),
        ]
        indexes = [
            models.Index(fields=["accounting_date", "id"], name="journal_entry_by_date"),
            models.Index(fields=["kind", "-id"], name="journal_entry_by_kind"),
            GinIndex(OpClass(Upper("memo"), name="gin_trgm_ops"), name="journal_entry_memo_trgm"),
        ]

    def __str__(self) -> str:
        return f"№ {self.pk} · {self.get_kind_display()}"


class Posting(models.Model):
    """One leg of an entry: so much of a currency on an account. A debit is above zero, a credit below."""

    entry = models.ForeignKey(
        JournalEntry, verbose_name=_("entry"), on_delete=models.PROTECT, related_name="postings"
    )
    account = models.ForeignKey(
        LedgerAccount,
        verbose_name=_("account"),
        on_delete=models.PROTECT,
        related_name="postings",
        db_index=False,
    )
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    amount_minor = models.BigIntegerField(_("amount"))
    # What it is about, so that what is owed for an invoice is a sum of postings.
    invoice = models.ForeignKey(
        "payments.Invoice",
        verbose_name=_("invoice"),
        on_delete=models.PROTECT,
        null=True,
        related_name="postings",
        db_index=False,
    )
    payment = models.ForeignKey(
        "payments.Payment",
        verbose_name=_("payment"),
        on_delete=models.PROTECT,
        null=True,
        related_name="postings",
        db_index=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("entry",))

    class Meta:
        verbose_name = _("posting")
        verbose_name_plural = _("postings")
        constraints = [
            models.CheckConstraint(condition=~Q(amount_minor=0), name="posting_not_nothing"),
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY), name="posting_currency_code"),
        ]
        indexes = [
            models.Index(fields=["account", "currency", "id"], name="posting_by_account"),
            models.Index(fields=["invoice"], condition=Q(invoice__isnull=False), name="posting_by_invoice"),
            models.Index(fields=["payment"], condition=Q(payment__isnull=False), name="posting_by_payment"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.amount} {self.currency}"

    @property
    def amount(self) -> Decimal:
        return to_decimal(self.amount_minor, self.currency)

    @property
    def debit(self) -> Decimal | None:
        return self.amount if self.amount_minor > 0 else None

    @property
    def credit(self) -> Decimal | None:
        return -self.amount if self.amount_minor < 0 else None


class AccountBalance(models.Model):
    """What stands on an account in a currency; kept by a trigger with each posting, and written by nobody else."""

    account = models.ForeignKey(
        LedgerAccount,
        verbose_name=_("account"),
        on_delete=models.PROTECT,
        related_name="balances",
        db_index=False,
    )
    currency = models.CharField(_("currency"), max_length=3)
    debit_minor = models.BigIntegerField(_("debit"), default=0)
    credit_minor = models.BigIntegerField(_("credit"), default=0)
    balance_minor = models.GeneratedField(
        expression=F("debit_minor") - F("credit_minor"),
        output_field=models.BigIntegerField(),
        db_persist=True,
        verbose_name=_("balance"),
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("account",))

    class Meta:
        verbose_name = _("balance")
        verbose_name_plural = _("balances")
        constraints = [
            models.UniqueConstraint(fields=["account", "currency"], name="account_balance_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.balance} {self.currency}"

    @property
    def balance(self) -> Decimal:
        return to_decimal(self.balance_minor, self.currency)


class PeriodLock(models.Model):
    """That the books are closed up to a day; the latest one counts, and an earlier day opens them again."""

    closed_until = models.DateField(_("closed until"))
    reason = models.CharField(_("reason"), max_length=300)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("closed period")
        verbose_name_plural = _("closed periods")
        default_permissions = ("view", "add")

    def __str__(self) -> str:
        return str(self.closed_until)
