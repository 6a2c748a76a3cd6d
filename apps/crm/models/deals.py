"""What we promise to whom, and how far it has come."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import Team
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.lists.search import among, contains
from apps.common.models import Archivable, Imported, Stamped, Versioned, unique_source
from apps.crm.models.catalog import CURRENCY, PERCENT, Product, Tag, currency_code
from apps.crm.models.companies import Company, Person
from apps.crm.models.custom_fields import Customised
from apps.crm.models.pipelines import LostReason, Pipeline, Stage
from apps.history.models import Change

if TYPE_CHECKING:
    from apps.accounts.models import User


class Step(models.TextChoices):
    """What can happen to a deal in a week, as lists filter by it and the home page counts it."""

    NEW = "new", _("began")
    MOVED = "moved", _("moved on")
    WON = "won", pgettext_lazy("what happened to a deal", "won")
    LOST = "lost", pgettext_lazy("what happened to a deal", "lost")
    AMOUNT = "amount", _("amount changed")


class Attention(models.TextChoices):
    """Why an open deal waits for somebody."""

    STALE = "stale", _("Stale: in their stage for too long")
    UNPLANNED = "unplanned", _("No day for a next step")


_NUMBER = re.compile(r"D-\d{4}-\d{6,}", re.IGNORECASE)
# As many companies as a search by a part of a name follows to their deals.
COMPANIES_FOLLOWED = 100


def matching(term: str) -> Q:
    """Find by number, else by a part of the title or of the company's name, each in its own index."""
    if _NUMBER.fullmatch(term):
        return Q(number=term.upper())
    named = Company.objects.filter(contains("name", term)).values_list("pk", flat=True)
    return contains("title", term) | among("company", list(named[:COMPANIES_FOLLOWED]))


class DealQuerySet(ScopedQuerySet["Deal"]):
    """Deals."""

    def open(self) -> "DealQuerySet":
        return self.filter(status=Deal.Status.OPEN)

    def stale(self, now: datetime) -> "DealQuerySet":
        """Keep the open deals that stand in their stage for longer than it allows; looks the limits up at once."""
        return self.open().filter(stale_condition(now))

    def unplanned(self) -> "DealQuerySet":
        """Keep the open deals with no day for a next step: what has no day comes up in nobody's day."""
        return self.open().filter(next_step_date__isnull=True)

    def waiting(self, why: Attention, now: datetime) -> "DealQuerySet":
        return self.stale(now) if why == Attention.STALE else self.unplanned()

    def stepped(
        self, step: Step | None, since: datetime, *, by: "User | int | None" = None
    ) -> "DealQuerySet":
        """
        Keep the deals that `step` happened to since a time, each once however often it did.

        What was won or lost and opened again since is neither.

        :param step: None for any step between stages
        :param by: only what this person did; who changed an amount is in the deal's history, and not asked here
        """
        if step == Step.AMOUNT:
            return self.filter(_Among(amount_changes(since).values("deal_id")))
        steps = StageTransition.objects.filter(at__gte=since, **(_STEPS[step] if step else {}))
        if by is not None:
            steps = steps.filter(actor=by)
        rows = self.filter(_Among(steps.values("deal_id")))
        return rows.filter(status=step.upper()) if step == Step.WON or step == Step.LOST else rows

    def in_columns(self) -> "DealQuerySet":
        """Keep the cards of boards, from the top of their columns, each with its `place`."""
        place = Coalesce("ranked_at", "stage_entered_at", output_field=models.DateTimeField())
        return self.open().filter(archived_at=None).annotate(place=place).order_by("-place", "-pk")


class MonthOf(Func):
    """The first day of a date's month, wherever the clock stands: an index can keep it."""

    template = "DATE_TRUNC('month', (%(expressions)s)::timestamp)::date"
    output_field = models.DateField()


class _Among(Func):
    """
    Tells whether a row's id is among those of a subquery, which is run once and first.

    With "in", the planner may walk a million rows in the order of the list instead, in the hope of meeting some soon.
    """

    arg_joiner = " = any("
    template = "%(expressions)s)"
    output_field = models.BooleanField()

    def __init__(self, ids: models.QuerySet[Any, Any]) -> None:
        super().__init__(F("pk"), ArraySubquery(ids.order_by()))


# The transitions that make a step; a deal that is opened again moves on.
_STEPS: dict[str, dict[str, Any]] = {
    Step.NEW: {"from_stage": None},
    Step.MOVED: {"from_stage__isnull": False, "to_stage__kind": Stage.Kind.OPEN},
    Step.WON: {"to_stage__kind": Stage.Kind.WON},
    Step.LOST: {"to_stage__kind": Stage.Kind.LOST},
}


def stale_condition(now: datetime) -> Q:
    """Return when an open deal is stale: constants for each stage, which an index can serve, as a join cannot."""
    limits = Stage.objects.filter(kind=Stage.Kind.OPEN, stale_after_days__isnull=False)
    condition = Q(pk__in=[])
    for stage_id, days in limits.values_list("pk", "stale_after_days"):
        condition |= Q(stage=stage_id, stage_entered_at__lt=now - timedelta(days=days or 0))
    return condition


def amount_changes(since: datetime) -> models.QuerySet[Any, Any]:
    """Return the recorded changes of deals' amounts since a time, each with its `deal_id` and its `difference`."""
    # As in the condition of the index `change_of_deal_amount`, which it is found by.
    recorded = Change._base_manager.filter(model="crm.deal", op=Change.Op.UPDATE, new__has_key="amount")
    return recorded.filter(at__gte=since).annotate(
        deal_id=Cast("row_id", models.BigIntegerField()),
        difference=_amount_in("new") - _amount_in("old"),
    )


def _amount_in(column: str) -> Coalesce:
    written = Cast(KeyTextTransform("amount", column), models.DecimalField(max_digits=18, decimal_places=2))
    return Coalesce(
        written, Value(Decimal()), output_field=models.DecimalField(max_digits=18, decimal_places=2)
    )


class Deal(Stamped, Versioned, Archivable, Imported, Customised):
    """
    Something a customer may buy from us, on its way through a pipeline.

    That pipeline, stage and status agree is kept by a composite foreign key in the database (migration 0003).
    """

    class Status(models.TextChoices):
        OPEN = "OPEN", _("open")
        WON = "WON", _("won")
        LOST = "LOST", _("lost")

    class AmountMode(models.TextChoices):
        """What the amount of a deal follows."""

        MANUAL = "MANUAL", _("entered by hand")
        LINES = "LINES", _("sum of the lines")
        QUOTE = "QUOTE", _("as in the accepted quote")

    # Given by the database, so that whoever inserts a deal, row by row or set-based, draws from one sequence.
    number = models.CharField(
        _("number"),
        max_length=20,
        unique=True,
        editable=False,
        db_default=Func(function="crm_next_deal_number"),
    )
    title = models.CharField(_("title"), max_length=200)
    pipeline = models.ForeignKey(
        Pipeline,
        verbose_name=_("pipeline"),
        on_delete=models.PROTECT,
        related_name="deals",
        db_index=False,
    )
    stage = models.ForeignKey(
        Stage,
        verbose_name=_("stage"),
        on_delete=models.PROTECT,
        related_name="deals",
        db_index=False,
    )
    status = models.CharField(_("status"), max_length=4, choices=Status, default=Status.OPEN, editable=False)
    company = models.ForeignKey(
        Company,
        verbose_name=_("company"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="deals",
    )
    person = models.ForeignKey(
        Person,
        verbose_name=_("contact person"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="deals",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.PROTECT,
        related_name="deals",
        db_index=False,
    )
    team = models.ForeignKey(
        Team,
        verbose_name=_("team"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    amount = models.DecimalField(
        _("amount"),
        max_digits=18,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )
    amount_mode = models.CharField(
        _("amount is"),
        max_length=6,
        choices=AmountMode,
        default=AmountMode.MANUAL,
        db_default=AmountMode.MANUAL,
        editable=False,
    )
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    # In the currency of the books, at the rate of a day; kept by a trigger (migration 0014), whoever writes the amount.
    # An open deal follows the latest rate, a closed one keeps that of its closing. Empty while nobody knows a rate.
    amount_base = models.DecimalField(
        _("amount in the currency of the books"), max_digits=20, decimal_places=2, null=True, editable=False
    )
    rate = models.DecimalField(_("rate"), max_digits=20, decimal_places=10, null=True, editable=False)
    rate_date = models.DateField(_("rate of"), null=True, editable=False)
    probability = models.PositiveSmallIntegerField(
        _("probability, %"), default=0, validators=[MaxValueValidator(100)]
    )
    # A probability that somebody set by hand stays when the deal moves on; otherwise the stage's applies.
    is_probability_manual = models.BooleanField(default=False, db_default=False, editable=False)
    opened_date = models.DateField(_("opened"), default=timezone.localdate)
    expected_close_date = models.DateField(_("expected close"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True, editable=False)
    lost_reason = models.ForeignKey(
        LostReason,
        verbose_name=_("lost reason"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    lost_note = models.CharField(_("why exactly"), max_length=500, blank=True, default="", editable=False)
    next_step = models.CharField(_("next step"), max_length=200, blank=True, default="")
    next_step_date = models.DateField(_("next step on"), null=True, blank=True)
    stage_entered_at = models.DateTimeField(_("in this stage since"), default=timezone.now, editable=False)
    # Orders a column of the board, the latest first; None is the moment of entry. Nobody's form is stale because of it.
    ranked_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Follows what is written about the deal, a moment later: whoever writes does not wait for the deal's row.
    last_activity_at = models.DateTimeField(_("last activity"), null=True, blank=True, editable=False)
    description = models.TextField(_("notes"), blank=True, default="")
    tags = models.ManyToManyField(Tag, verbose_name=_("tags"), blank=True, related_name="deals")

    objects = DealQuerySet.as_manager()
    access = Rule(owner="owner", team="team")

    class Meta:
        verbose_name = _("deal")
        verbose_name_plural = _("deals")
        permissions = [
            ("move_deal", _("Can move deals between stages")),
            ("win_deal", _("Can win deals")),
            ("lose_deal", _("Can lose deals")),
            ("reopen_deal", _("Can reopen closed deals")),
            ("assign_deal", _("Can give deals to somebody else")),
            ("approve_deal", _("Can approve steps of deals")),
            ("archive_deal", _("Can archive and restore deals")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount=None) | Q(amount__gte=0),
                name="deal_amount_not_negative",
                violation_error_message=_("An amount cannot be negative."),
            ),
            models.CheckConstraint(
                condition=Q(probability__lte=100),
                name="deal_probability_percent",
                violation_error_message=_("A probability is at most 100 %."),
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=CURRENCY),
                name="deal_currency_code",
                violation_error_message=_("A currency is three capital letters, as in RUB."),
            ),
            models.CheckConstraint(
                condition=(
                    Q(status="OPEN", closed_at=None, lost_reason=None)
                    | Q(status="WON", closed_at__isnull=False, lost_reason=None)
                    | Q(
                        status="LOST",
                        closed_at__isnull=False,
                        lost_reason__isnull=False,
                    )
                ),
                name="deal_closed_as_status_says",
                violation_error_message=_(
                    "A won deal has a closing time, a lost one also a reason, an open one neither."
                ),
            ),
            unique_source("deal"),
        ]
        indexes = [
            GinIndex(fields=["custom"], name="deal_custom", opclasses=["jsonb_path_ops"]),
            models.Index(fields=["pipeline", "stage", "-id"], name="deal_stage_latest"),
            models.Index(fields=["stage", "-id"], name="deal_stage_only_latest"),
            models.Index(fields=["owner", "-id"], name="deal_owner_latest"),
            models.Index(fields=["team", "-id"], name="deal_team_latest"),
            models.Index(fields=["status", "-id"], name="deal_status_latest"),
            # What the list is sorted by, both ways; the key in the same direction, so that a page can begin anywhere.
            models.Index(fields=["amount", "id"], name="deal_by_amount"),
            models.Index(fields=["stage_entered_at", "id"], name="deal_by_stage_entered"),
            models.Index(fields=["expected_close_date", "id"], name="deal_by_expected_close"),
            models.Index(fields=["title", "id"], name="deal_by_title"),
            models.Index(fields=["-id"], condition=Q(archived_at__isnull=False), name="deal_trash_latest"),
            GinIndex(OpClass(Upper("title"), name="gin_trgm_ops"), name="deal_title_trgm"),
            # What the home page sums up, read from the index alone; the first also finds whose next step is due.
            models.Index(
                fields=["owner", "next_step_date"],
                include=["stage", "currency", "amount", "probability", "stage_entered_at", "team", "id"],
                condition=Q(status="OPEN", archived_at=None),
                name="deal_open_worth",
            ),
            models.Index(
                fields=["status", "closed_at"],
                include=[
                    *["currency", "amount", "amount_base", "owner", "team", "pipeline", "company"],
                    *["lost_reason", "opened_date", "id"],
                ],
                condition=Q(closed_at__isnull=False, archived_at=None),
                name="deal_closed_figures",
            ),
            # Reads the top of a column, and its count and sums, from the index alone.
            models.Index(
                F("stage"),
                Coalesce("ranked_at", "stage_entered_at").desc(),
                F("id").desc(),
                include=["owner", "team", "currency", "amount"],
                condition=Q(status="OPEN", archived_at=None),
                name="deal_board",
            ),
            # What the forecast sums up, read from the index alone.
            models.Index(
                fields=["expected_close_date"],
                include=[
                    *["owner", "team", "pipeline", "stage", "currency", "amount", "rate", "amount_base"],
                    *["probability", "stage_entered_at"],
                ],
                condition=Q(status="OPEN", archived_at=None),
                name="deal_forecast",
            ),
            # The largest deals of each month, for the columns of a forecast.
            models.Index(
                MonthOf("expected_close_date"),
                F("amount_base").desc(nulls_last=True),
                F("id").desc(),
                include=["owner", "team"],
                condition=Q(status="OPEN", archived_at=None),
                name="deal_month_largest",
            ),
            # Whose next step is on which day, for the calendar of everybody.
            models.Index(
                fields=["next_step_date"],
                include=[
                    "owner",
                    "team",
                    "pipeline",
                    "currency",
                    "amount",
                    "amount_base",
                    "probability",
                    "id",
                ],
                condition=Q(status="OPEN", archived_at=None, next_step_date__isnull=False),
                name="deal_next_step_day",
            ),
            # A cell of the funnel.
            models.Index(fields=["owner", "opened_date"], name="deal_owner_opened"),
        ]

    def __str__(self) -> str:
        return self.title

    def time_in_stage(self, now: datetime) -> timedelta:
        """Tell how long the deal has stood where it is."""
        return now - self.stage_entered_at

    def is_stale(self, now: datetime) -> bool:
        """Tell whether an open deal stands in its stage for longer than the stage allows."""
        if self.status != self.Status.OPEN:
            return False
        limit = self.stage.stale_after_days
        return limit is not None and self.time_in_stage(now) > timedelta(days=limit)


class LineFields(models.Model):
    """What a line says of what is sold, in a deal as in a quote."""

    quantity = models.DecimalField(
        _("quantity"),
        max_digits=12,
        decimal_places=3,
        default=1,
        validators=[MinValueValidator(Decimal("0.001"))],
    )
    unit = models.CharField(_("unit"), max_length=16, blank=True, default="", db_default="")
    discount_percent = models.DecimalField(
        _("discount, %"), max_digits=5, decimal_places=2, default=0, db_default=0, validators=PERCENT
    )
    # None where no tax is due.
    tax_rate = models.DecimalField(
        _("VAT, %"), max_digits=5, decimal_places=2, null=True, blank=True, validators=PERCENT
    )
    is_tax_included = models.BooleanField(_("price includes VAT"), default=True, db_default=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        abstract = True


class DealLine(LineFields):
    """A product in a deal, or something else that is sold, in words."""

    class PriceSource(models.TextChoices):
        MANUAL = "MANUAL", _("entered by hand")
        LIST = "LIST", _("list price")
        BOOK = "BOOK", _("price book")

    deal = models.ForeignKey(Deal, verbose_name=_("deal"), on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(
        Product,
        verbose_name=_("product"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="lines",
    )
    # Instead of the product's name, or beside it.
    description = models.CharField(_("description"), max_length=300, blank=True, default="", db_default="")
    unit_price = models.DecimalField(
        _("unit price"),
        max_digits=18,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )
    price_source = models.CharField(
        _("price from"),
        max_length=6,
        choices=PriceSource,
        default=PriceSource.MANUAL,
        db_default=PriceSource.MANUAL,
        editable=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("deal",))

    class Meta:
        verbose_name = _("deal line")
        verbose_name_plural = _("deal lines")
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0),
                name="deal_line_quantity_positive",
                violation_error_message=_("A quantity is more than zero."),
            ),
            models.CheckConstraint(
                condition=Q(unit_price=None) | Q(unit_price__gte=0),
                name="deal_line_price_not_negative",
                violation_error_message=_("A price cannot be negative."),
            ),
            models.CheckConstraint(
                condition=Q(product__isnull=False) | ~Q(description=""),
                name="deal_line_says_what",
                violation_error_message=_("A line needs a product or a description."),
            ),
            models.CheckConstraint(
                condition=Q(discount_percent__gte=0, discount_percent__lte=100),
                name="deal_line_discount_percent",
                violation_error_message=_("A discount is between 0 and 100 %."),
            ),
            models.CheckConstraint(
                condition=Q(tax_rate=None) | Q(tax_rate__gte=0, tax_rate__lte=100),
                name="deal_line_tax_percent",
                violation_error_message=_("VAT is between 0 and 100 %."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} × {self.quantity.normalize():f}"

    @property
    def name(self) -> str:
        """What is sold, as papers say it."""
        return self.description or (str(self.product) if self.product else "")


class StageTransition(models.Model):
    """One step a deal took; never changed, and deleted only together with its deal (triggers see to both)."""

    class Face(models.TextChoices):
        ADMIN = "ADMIN", _("admin")
        API = "API", _("API")
        BOT = "BOT", _("bot")
        IMPORT = "IMPORT", _("import")
        SYSTEM = "SYSTEM", _("system")

    deal = models.ForeignKey(
        Deal,
        verbose_name=_("deal"),
        on_delete=models.CASCADE,
        related_name="transitions",
        db_index=False,
    )
    # None where the deal begins.
    from_stage = models.ForeignKey(
        Stage,
        verbose_name=_("from"),
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
    )
    to_stage = models.ForeignKey(
        Stage,
        verbose_name=_("to"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    at = models.DateTimeField(_("at"), default=timezone.now)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    face = models.CharField(_("through"), max_length=8, choices=Face)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    seconds_in_stage = models.BigIntegerField(_("seconds in the stage before"), null=True)
    amount = models.DecimalField(_("amount then"), max_digits=18, decimal_places=2, null=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("deal",))

    class Meta:
        verbose_name = _("stage change")
        verbose_name_plural = _("stage changes")
        indexes = [
            models.Index(F("deal"), F("id").desc(), name="stage_transition_deal_latest"),
            models.Index(
                fields=["at"],
                include=["deal", "actor", "from_stage", "to_stage"],
                name="stage_transition_at",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_stage or '·'} → {self.to_stage}"
