"""What currencies were worth on a day, as somebody published it, and how asking for it went."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Stamped

_CODE = r"^[A-Z]{3}$"


class Provider(models.TextChoices):
    """Who says what a currency is worth."""

    CBR = "CBR", _("Bank of Russia")
    ECB = "ECB", _("European Central Bank")
    MANUAL = "MANUAL", pgettext_lazy("source of a rate", "by hand")


class ExchangeRate(Stamped):
    """What so many units of a currency were worth in another on a day; never changed, only followed by a revision."""

    provider = models.CharField(_("source"), max_length=8, choices=Provider, editable=False)
    base = models.CharField(_("currency"), max_length=3)
    quote = models.CharField(_("in"), max_length=3)
    # "100 JPY are worth 52.1 RUB" has a nominal of 100.
    nominal = models.PositiveIntegerField(_("units"), default=1)
    rate = models.DecimalField(_("rate"), max_digits=20, decimal_places=10)
    valid_on = models.DateField(_("on"))
    # A provider corrects itself, and people do: the last one counts, and what went by the first one keeps it.
    revision = models.PositiveSmallIntegerField(default=1, editable=False)
    reason = models.CharField(_("reason"), max_length=250, blank=True, default="")
    # Of the file that it stood in.
    sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("published rate")
        verbose_name_plural = _("published rates")
        default_permissions = ("add", "view")
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "base", "quote", "valid_on", "revision"],
                name="exchange_rate_unique",
                violation_error_message=_("There is a rate of this currency for this day already."),
            ),
            models.CheckConstraint(
                condition=Q(rate__gt=0) & Q(nominal__gt=0),
                name="exchange_rate_positive",
                violation_error_message=_("A rate is more than zero."),
            ),
            models.CheckConstraint(
                condition=Q(base__regex=_CODE) & Q(quote__regex=_CODE),
                name="exchange_rate_currency_code",
                violation_error_message=_("A currency is three capital letters, as in RUB."),
            ),
            models.CheckConstraint(
                condition=~Q(base=models.F("quote")),
                name="exchange_rate_two_currencies",
                violation_error_message=_("A currency is worth itself."),
            ),
            models.CheckConstraint(
                condition=Q(provider=Provider.MANUAL) ^ Q(reason=""),
                name="exchange_rate_reason",
                violation_error_message=_("Say why this rate is written by hand."),
            ),
        ]
        indexes = [
            models.Index(fields=["base", "quote", "-valid_on"], name="exchange_rate_latest"),
        ]

    def __str__(self) -> str:
        rate = f"{self.rate.normalize():f}"
        return f"{self.nominal} {self.base} = {rate} {self.quote}, {self.valid_on}"


class RateSource(models.Model):
    """How asking one provider went last: a figure for the people who look after the platform."""

    provider = models.CharField(_("source"), max_length=8, choices=Provider, primary_key=True)
    tried_at = models.DateTimeField(_("asked"), null=True)
    succeeded_at = models.DateTimeField(_("answered"), null=True)
    # The day of the newest rates that it gave.
    latest_day = models.DateField(_("newest rates"), null=True)
    # Why the last try came to nothing; empty when it came to something.
    error = models.CharField(_("trouble"), max_length=32, blank=True, default="")
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("source of rates")
        verbose_name_plural = _("sources of rates")
        default_permissions = ()

    def __str__(self) -> str:
        return self.get_provider_display()
