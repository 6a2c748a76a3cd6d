"""What is sold, and the words that rows are marked with."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Imported, Stamped, Versioned, unique_source

CURRENCY = "^[A-Z]{3}$"
currency_code = RegexValidator(
    CURRENCY, _("A currency is three capital letters, as in RUB."), code="currency"
)


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
