"""Our accounts with banks, the files that tell of them, and each movement that they tell of."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Abs, Upper
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Stamped, Versioned
from apps.documents.models import LegalEntity


class BankAccount(Stamped, Versioned, Archivable):
    """An account of a company of ours with a bank."""

    legal_entity = models.ForeignKey(
        LegalEntity, verbose_name=_("company of ours"), on_delete=models.PROTECT, related_name="bank_accounts"
    )
    name = models.CharField(
        _("name"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("What you call it, as in “Main account”."),
    )
    number = models.CharField(_("account number"), max_length=64)
    # Letters and digits alone: by this the account of a file is known again.
    number_key = models.CharField(max_length=64, editable=False)
    currency = models.CharField(_("currency"), max_length=3)
    bank_name = models.CharField(_("bank"), max_length=200, blank=True, default="")
    bank_code = models.CharField(_("bank code"), max_length=35, blank=True, default="")

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)
    short_list = "A company has a few accounts."

    class Meta:
        verbose_name = _("bank account")
        verbose_name_plural = _("bank accounts")
        default_permissions = ("add", "change", "view")
        permissions = [("archive_bankaccount", _("Can archive and restore bank accounts"))]
        constraints = [
            models.UniqueConstraint(
                fields=["number_key", "currency"],
                name="bank_account_number_unique",
                violation_error_message=_("There is an account of this number in this currency already."),
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"),
                name="bank_account_currency_code",
                violation_error_message=_("A currency is three capital letters, as in RUB."),
            ),
            models.CheckConstraint(
                condition=Q(number_key__regex=r"^[0-9A-Z]{1,64}$"),
                name="bank_account_number_key",
                violation_error_message=_("An account number is made of letters and digits."),
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.number} {self.currency}"


class StatementFile(Stamped):
    """A file of a bank: read, then imported, and perhaps taken back."""

    class State(models.TextChoices):
        READ = "READ", _("to be imported")
        APPLIED = "APPLIED", _("imported")
        UNDONE = "UNDONE", _("taken back")
        DISCARDED = "DISCARDED", _("not imported")

    class Format(models.TextChoices):
        CAMT = "camt.053", "camt.053"
        MT940 = "mt940", "MT940"
        ONEC = "1c", "1C"
        CSV = "csv", "CSV"

    filename = models.CharField(_("file"), max_length=255)
    # Name in the default storage.
    storage_name = models.CharField(max_length=255, editable=False)
    size = models.PositiveIntegerField(_("size, bytes"))
    sha256 = models.CharField(max_length=64, editable=False)
    format = models.CharField(_("format"), max_length=10, choices=Format)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.READ)
    # How a table is read: {"columns", "delimiter", "header", "date_format", "decimal", "account", "currency"}.
    layout = models.JSONField(default=dict, editable=False)
    # {"statements", "new", "known"} of what was imported.
    counts = models.JSONField(default=dict, editable=False)
    # What had better be known of it: [{"code", "params"}].
    notices = models.JSONField(default=list, editable=False)
    applied_at = models.DateTimeField(_("imported"), null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("file of a bank")
        verbose_name_plural = _("files of banks")
        default_permissions = ("add", "change", "view")
        constraints = [
            models.UniqueConstraint(
                fields=["sha256"],
                condition=Q(state__in=["READ", "APPLIED"]),
                name="statement_file_once",
                violation_error_message=_("This file is here already."),
            ),
        ]
        indexes = [GinIndex(OpClass(Upper("filename"), name="gin_trgm_ops"), name="statement_filename_trgm")]

    def __str__(self) -> str:
        return self.filename


class BankStatement(models.Model):
    """What a file says of one account over some days."""

    file = models.ForeignKey(StatementFile, on_delete=models.PROTECT, related_name="statements")
    position = models.PositiveIntegerField()
    account = models.ForeignKey(
        BankAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="statements"
    )
    number = models.CharField(_("number"), max_length=70, blank=True, default="")
    first_day = models.DateField(_("from"), null=True)
    last_day = models.DateField(_("to"), null=True)
    opening_minor = models.BigIntegerField(_("opening balance"), null=True)
    closing_minor = models.BigIntegerField(_("closing balance"), null=True)
    moved_minor = models.BigIntegerField(_("moved"))
    line_count = models.PositiveIntegerField(_("lines"))
    new_count = models.PositiveIntegerField(_("new lines"))
    # Statements whose lines this one holds too: they cannot be taken back while it stands.
    overlaps = models.JSONField(default=list, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("file",))

    class Meta:
        verbose_name = _("bank statement")
        verbose_name_plural = _("bank statements")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["file", "position"], name="bank_statement_position"),
            models.CheckConstraint(
                condition=Q(opening_minor=None)
                | Q(closing_minor=None)
                | Q(closing_minor=F("opening_minor") + F("moved_minor")),
                name="bank_statement_adds_up",
                violation_error_message=_("The balances differ by something else than the lines."),
            ),
        ]
        indexes = [models.Index(fields=["account", "-last_day"], name="bank_statement_latest")]

    def __str__(self) -> str:
        return f"{self.account} {self.first_day}–{self.last_day}"


class BankLine(models.Model):
    """One movement on an account of ours; what it says is the bank's and never changes."""

    account = models.ForeignKey(
        BankAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="lines"
    )
    statement = models.ForeignKey(
        BankStatement, verbose_name=_("statement"), on_delete=models.PROTECT, related_name="lines"
    )
    booked_on = models.DateField(_("day"))
    valued_on = models.DateField(_("value day"), null=True)
    # In the currency of the account; what comes in is above zero.
    amount_minor = models.BigIntegerField(_("amount"))
    counterparty_name = models.CharField(_("other side"), max_length=255, blank=True, default="")
    counterparty_tax_id = models.CharField(_("tax id"), max_length=35, blank=True, default="")
    counterparty_account = models.CharField(_("their account"), max_length=64, blank=True, default="")
    counterparty_bank_code = models.CharField(_("their bank"), max_length=35, blank=True, default="")
    purpose = models.CharField(_("purpose"), max_length=1000, blank=True, default="")
    reference = models.CharField(_("number"), max_length=70, blank=True, default="")
    bank_reference = models.CharField(_("bank's reference"), max_length=70, blank=True, default="")
    dedupe_key = models.CharField(max_length=64, editable=False)
    # How much of it is known to be which payments, without a sign.
    matched_minor = models.BigIntegerField(_("matched"), default=0, editable=False)
    open_minor = models.GeneratedField(
        expression=Abs(F("amount_minor")) - F("matched_minor"),
        output_field=models.BigIntegerField(_("unmatched")),
        db_persist=True,
    )
    # It pays no invoice: a fee, a transfer of our own. Nobody looks for its match, and it stays in sight.
    set_aside_at = models.DateTimeField(_("set aside"), null=True, editable=False)
    set_aside_reason = models.CharField(_("reason"), max_length=250, blank=True, default="", editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("bank line")
        verbose_name_plural = _("bank lines")
        default_permissions = ("change", "view")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "dedupe_key"],
                name="bank_line_once",
                violation_error_message=_("This line is here already."),
            ),
            models.CheckConstraint(
                condition=~Q(amount_minor=0),
                name="bank_line_moves",
                violation_error_message=_("A line moves something."),
            ),
            models.CheckConstraint(
                condition=Q(matched_minor__gte=0) & Q(matched_minor__lte=Abs(F("amount_minor"))),
                name="bank_line_matched_within",
                violation_error_message=_("No more of a line is matched than there is of it."),
            ),
            models.CheckConstraint(
                condition=(Q(set_aside_at=None) & Q(set_aside_reason=""))
                | (Q(set_aside_at__isnull=False) & ~Q(set_aside_reason="") & Q(matched_minor=0)),
                name="bank_line_set_aside_whole",
                violation_error_message=_(
                    "A line that is set aside is matched with nothing, and has a reason."
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-booked_on", "-id"], name="bank_line_latest"),
            models.Index(
                fields=["booked_on", "id"],
                condition=Q(open_minor__gt=0, set_aside_at=None),
                name="bank_line_unmatched",
            ),
            GinIndex(OpClass(Upper("purpose"), name="gin_trgm_ops"), name="bank_line_purpose_trgm"),
            GinIndex(OpClass(Upper("counterparty_name"), name="gin_trgm_ops"), name="bank_line_name_trgm"),
        ]

    def __str__(self) -> str:
        return f"{self.booked_on} {self.counterparty_name or self.purpose[:60]}"

    @property
    def is_income(self) -> bool:
        return self.amount_minor > 0


class BankMatch(models.Model):
    """That so much of a bank line is a payment. It is never changed, but taken back as a whole."""

    line = models.ForeignKey(
        BankLine, verbose_name=_("line"), on_delete=models.PROTECT, related_name="matches"
    )
    payment = models.ForeignKey(
        "payments.Payment", verbose_name=_("payment"), on_delete=models.PROTECT, related_name="bank_matches"
    )
    amount_minor = models.BigIntegerField(_("amount"))
    # Whether the payment was made by the match, and goes with it; or was known before.
    is_payment_made = models.BooleanField(default=True)
    # The allocations that came with it, and are taken back with it.
    allocation_ids = models.JSONField(default=list)
    # Why it was proposed, as codes, and how sure that was: 0 to 100; empty and null where somebody found it by hand.
    reasons = models.JSONField(default=list)
    confidence = models.PositiveSmallIntegerField(_("confidence"), null=True)
    created_at = models.DateTimeField(_("matched"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    released_at = models.DateTimeField(_("taken back"), null=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("line",))

    class Meta:
        verbose_name = _("match of a bank line")
        verbose_name_plural = _("matches of bank lines")
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="bank_match_positive"),
            models.CheckConstraint(
                condition=Q(released_at=None, released_by=None)
                | Q(released_at__isnull=False, released_by__isnull=False),
                name="bank_match_released_by_somebody",
            ),
            models.UniqueConstraint(
                fields=["line", "payment"],
                condition=Q(released_at=None),
                name="bank_match_once",
                violation_error_message=_("This line is matched with this payment already."),
            ),
        ]

    def __str__(self) -> str:
        return f"№ {self.pk}"
