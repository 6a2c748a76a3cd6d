"""What figures are made of: rates of currencies, what is kept of the funnel, forecasts as they were, and plans."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Team
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Stamped
from apps.crm.models.catalog import CURRENCY, currency_code
from apps.crm.models.pipelines import Pipeline, Stage


class CurrencyRate(Stamped):
    """What one unit of a currency is worth in the currency of the books, from a day on until the next rate."""

    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    date = models.DateField(_("from"), default=timezone.localdate)
    rate = models.DecimalField(_("rate"), max_digits=20, decimal_places=10, validators=[MinValueValidator(0)])
    # "manual", or what a provider calls itself.
    source = models.CharField(_("source"), max_length=32, default="manual", editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("exchange rate")
        verbose_name_plural = _("exchange rates")
        constraints = [
            models.UniqueConstraint(
                fields=["currency", "date"],
                name="currency_rate_one_a_day",
                violation_error_message=_("There is a rate of this currency for this day already."),
            ),
            models.CheckConstraint(
                condition=Q(rate__gt=0),
                name="currency_rate_positive",
                violation_error_message=_("A rate is more than zero."),
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=CURRENCY),
                name="currency_rate_currency_code",
                violation_error_message=_("A currency is three capital letters, as in RUB."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.rate.normalize():f}"


class FunnelCell(models.Model):
    """
    How the deals of one month, pipeline, owner and team went through one stage, summed up.

    Rows without an owner are sums over all owners. Rows without a stage are of the deals themselves. `days` and
    `counts` say how many deals stood in the stage for how many whole days, of those that have left it.
    """

    month = models.DateField()
    pipeline = models.ForeignKey(Pipeline, on_delete=models.CASCADE, related_name="+", db_index=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    entered = models.IntegerField()
    onward = models.IntegerField()
    won = models.IntegerField()
    lost = models.IntegerField()
    days = ArrayField(models.IntegerField(), default=list)
    counts = ArrayField(models.IntegerField(), default=list)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["owner", "month"], name="funnel_cell_owner"),
            models.Index(fields=["month", "pipeline"], name="funnel_cell_month"),
        ]


class FunnelMark(models.Model):
    """A cell of the funnel in which a deal has changed, noted by triggers: until it is summed up, its deals count."""

    month = models.DateField()
    pipeline_id = models.BigIntegerField()
    owner_id = models.BigIntegerField()
    team_id = models.BigIntegerField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["month", "pipeline_id"], name="funnel_mark_month")]


class ForecastSnapshot(models.Model):
    """What was forecast on a day for a month, of the deals of one pipeline, owner and team; never changed."""

    class Beat(models.TextChoices):
        WEEK = "WEEK", _("each Monday")
        MONTH = "MONTH", _("on the first of each month")

    beat = models.CharField(max_length=5, choices=Beat)
    # The Monday or the first of the month that it belongs to, and the day on which it was really taken.
    due_date = models.DateField()
    taken_date = models.DateField()
    # None where deals had no day, which is a forecast too: that of nobody knows when.
    month = models.DateField(null=True)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.CASCADE, related_name="+", db_index=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    deals = models.IntegerField()
    amount = models.DecimalField(max_digits=20, decimal_places=2)
    weighted = models.DecimalField(max_digits=20, decimal_places=2)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["beat", "due_date", "month", "pipeline", "owner", "team"],
                nulls_distinct=False,
                name="forecast_snapshot_once",
            ),
        ]


def whole_month(value: object) -> None:
    """Insist that a day is the first of its month. :raises ValidationError: it is another"""
    if getattr(value, "day", 1) != 1:
        raise ValidationError(_("A plan is for a month: give its first day."), code="not_a_month")


class SalesPlan(Stamped):
    """What a person, or a team as a whole, means to win in a month, in the currency of the books."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("person"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
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
    month = models.DateField(_("month"), validators=[whole_month])
    amount = models.DecimalField(
        _("amount"), max_digits=18, decimal_places=2, validators=[MinValueValidator(0)]
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner", team="team")

    class Meta:
        verbose_name = _("sales plan")
        verbose_name_plural = _("sales plans")
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "month"],
                condition=Q(owner__isnull=False),
                name="sales_plan_person_month",
                violation_error_message=_("This person has a plan for this month already."),
            ),
            models.UniqueConstraint(
                fields=["team", "month"],
                condition=Q(owner=None),
                name="sales_plan_team_month",
                violation_error_message=_("This team has a plan for this month already."),
            ),
            models.CheckConstraint(
                condition=Q(owner__isnull=False) | Q(team__isnull=False),
                name="sales_plan_of_somebody",
                violation_error_message=_("A plan is a person's or a team's."),
            ),
            models.CheckConstraint(
                condition=Q(month__day=1),
                name="sales_plan_whole_month",
                violation_error_message=_("A plan is for a month: give its first day."),
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=0),
                name="sales_plan_amount_not_negative",
                violation_error_message=_("An amount cannot be negative."),
            ),
        ]
        indexes = [models.Index(fields=["month"], name="sales_plan_by_month")]

    def __str__(self) -> str:
        return f"{self.owner or self.team} {self.month:%Y-%m}"
