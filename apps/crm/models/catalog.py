"""What is sold, at which prices, and the words that rows are marked with."""

from datetime import date
from decimal import Decimal

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeBoundary, RangeOperators
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Imported, Stamped, Versioned, unique_source

CURRENCY = "^[A-Z]{3}$"
currency_code = RegexValidator(
    CURRENCY, _("A currency is three capital letters, as in RUB."), code="currency"
)


PERCENT = [MinValueValidator(0), MaxValueValidator(100)]


class Product(Stamped, Versioned, Archivable, Imported):
    """Something that is sold, at its list price."""

    name = models.CharField(_("name"), max_length=200)
    sku = models.CharField(_("SKU"), max_length=64, blank=True, default="")
    family = models.CharField(_("family"), max_length=100, blank=True, default="")
    price = models.DecimalField(
        _("list price"),
        max_digits=18,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )
    currency = models.CharField(
        _("currency"), max_length=3, blank=True, default="", validators=[currency_code]
    )
    # As papers write it beside a quantity: "h", "pcs".
    unit = models.CharField(_("unit"), max_length=16, blank=True, default="", db_default="")
    tax_rate = models.DecimalField(
        _("VAT, %"), max_digits=5, decimal_places=2, null=True, blank=True, validators=PERCENT
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [
            models.UniqueConstraint(
                Upper("name"),
                name="product_name_unique",
                condition=models.Q(archived_at=None),
                violation_error_message=_("There is a product of this name already."),
            ),
            models.UniqueConstraint(
                fields=["sku"],
                name="product_sku_unique",
                condition=models.Q(archived_at=None) & ~models.Q(sku=""),
                violation_error_message=_("There is a product with this SKU already."),
            ),
            models.CheckConstraint(
                condition=models.Q(price=None) | models.Q(price__gte=0),
                name="product_price_not_negative",
                violation_error_message=_("A price cannot be negative."),
            ),
            models.CheckConstraint(
                condition=models.Q(price=None) | ~models.Q(currency=""),
                name="product_price_has_currency",
                violation_error_message=_("A price needs a currency."),
            ),
            models.CheckConstraint(
                condition=models.Q(currency="") | models.Q(currency__regex=CURRENCY),
                name="product_currency_code",
                violation_error_message=_("A currency is three capital letters, as in RUB."),
            ),
            unique_source("product"),
        ]
        indexes = [
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="product_name_trgm"),
            GinIndex(OpClass(Upper("sku"), name="gin_trgm_ops"), name="product_sku_trgm"),
        ]

    def __str__(self) -> str:
        return self.name


class PriceBook(Stamped, Versioned, Archivable):
    """A list of prices under a name; the usual one is asked unless somebody names another."""

    name = models.CharField(_("name"), max_length=100)
    is_default = models.BooleanField(_("default"), default=False)
    is_tax_included = models.BooleanField(_("prices include VAT"), default=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("price book")
        verbose_name_plural = _("price books")
        constraints = [
            models.UniqueConstraint(
                Upper("name"),
                name="price_book_name_unique",
                condition=Q(archived_at=None),
                violation_error_message=_("There is a price book of this name already."),
            ),
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True, archived_at=None),
                name="price_book_one_default",
                violation_error_message=_("There is a default price book already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


def _days(first: str, last: str) -> Func:
    """Return the days from one to another, both of them, which may have no end."""
    return Func(
        first,
        last,
        RangeBoundary(inclusive_lower=True, inclusive_upper=True),
        function="daterange",
        output_field=DateRangeField(),
    )


class PriceBookEntryQuerySet(ScopedQuerySet["PriceBookEntry"]):
    """Prices."""

    def of_day(self, day: date) -> "PriceBookEntryQuerySet":
        """Keep the prices that hold on a day: at most one of a product in a currency and book."""
        return self.filter(Q(valid_until=None) | Q(valid_until__gte=day), valid_from__lte=day)


class PriceBookEntry(models.Model):
    """What a product costs in a currency, from one day on, and until another where there is one."""

    price_book = models.ForeignKey(
        PriceBook,
        verbose_name=_("price book"),
        on_delete=models.CASCADE,
        related_name="entries",
        db_index=False,
    )
    product = models.ForeignKey(
        Product, verbose_name=_("product"), on_delete=models.PROTECT, related_name="prices"
    )
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    price = models.DecimalField(
        _("price"), max_digits=18, decimal_places=2, validators=[MinValueValidator(Decimal())]
    )
    valid_from = models.DateField(_("valid from"))
    valid_until = models.DateField(_("valid until"), null=True, blank=True)

    objects = PriceBookEntryQuerySet.as_manager()
    access = Rule(via=("price_book",))

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=F("valid_from")),
                name="price_ends_after_it_begins",
                violation_error_message=_("A price cannot end before it begins."),
            ),
            models.CheckConstraint(
                condition=Q(price__gte=0),
                name="price_not_negative",
                violation_error_message=_("A price cannot be negative."),
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=CURRENCY),
                name="price_currency_code",
                violation_error_message=_("A currency is three capital letters, as in RUB."),
            ),
            ExclusionConstraint(
                name="price_ranges_apart",
                expressions=[
                    ("price_book", RangeOperators.EQUAL),
                    ("product", RangeOperators.EQUAL),
                    ("currency", RangeOperators.EQUAL),
                    (_days("valid_from", "valid_until"), RangeOperators.OVERLAPS),
                ],
                violation_error_message=_("The product has another price in these days."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product}: {self.price} {self.currency}"


class Tag(Stamped):
    """A word that companies, people and deals are marked with."""

    name = models.CharField(_("name"), max_length=64)
    color = models.CharField(
        _("color"),
        max_length=7,
        blank=True,
        default="",
        validators=[RegexValidator("^#[0-9a-f]{6}$", _("A color is written as in #1a2b3c."), code="color")],
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        constraints = [
            models.UniqueConstraint(
                Upper("name"),
                name="tag_name_unique",
                violation_error_message=_("There is a tag of this name already."),
            )
        ]

    def __str__(self) -> str:
        return self.name
