"""Products: what is sold, at its list price."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from apps.crm.imports.fields import FieldType, ImportField, ImportKind
from apps.crm.imports.kinds.columns import external_id
from apps.crm.imports.loading import Loader, Match
from apps.crm.imports.sql import literal
from apps.crm.models import Product


class ProductLoader(Loader):
    """Writes products; a price without a currency is in the import's."""

    def matches(self) -> Mapping[str, Match]:
        return {
            "external_id": self.external_match(),
            "sku": self.named_match("sku", "sku", condition="sku <> ''"),
            "name": self.named_match("name", "name"),
        }

    def expressions(self) -> dict[str, str]:
        found = super().expressions()
        if "price" in self.mapped:
            given = literal(self.batch.options["currency"])
            found["currency"] = (
                f"case when r.data ? 'price' then coalesce({self.value('currency')}, {given}) end"
            )
        return found

    def changes(self) -> list[str]:
        conditions = super().changes()
        if "currency" not in self.mapped:
            # A known price keeps its currency unless the file names another.
            conditions = [each for each in conditions if not each.endswith("t.currency")]
        return conditions

    def updates(self) -> dict[str, str]:
        updates = super().updates()
        if "currency" in updates and "currency" not in self.mapped:
            updates["currency"] = f"coalesce(nullif(t.currency, ''), {self.expressions()['currency']}, '')"
        return updates


PRODUCTS = ImportKind(
    key="products",
    label=_("products"),
    model=Product,
    fields=(
        ImportField(
            "name",
            _("name"),
            aliases=(
                "product",
                "product name",
                "title",
                "item",
                "товар",
                "продукт",
                "номенклатура",
                "наименование",
            ),
            required=True,
            column="name",
            matches=True,
            unique=True,
        ),
        ImportField(
            "sku",
            _("SKU"),
            aliases=("article", "code", "product code", "артикул", "код", "код товара"),
            max_length=64,
            column="sku",
            matches=True,
            unique=True,
        ),
        ImportField(
            "family",
            _("family"),
            aliases=("series", "category", "group", "line", "серия", "категория", "группа"),
            max_length=100,
            column="family",
        ),
        ImportField(
            "price",
            _("list price"),
            FieldType.DECIMAL,
            aliases=("sales price", "price", "unit price", "cost", "цена", "стоимость"),
            max_length=16,
            column="price",
            cast="numeric(18,2)",
        ),
        ImportField(
            "currency",
            _("currency"),
            FieldType.CURRENCY,
            aliases=("currency code", "валюта"),
            column="currency",
        ),
        external_id("id", "product id"),
    ),
    match_by=("external_id", "sku", "name"),
    loader=ProductLoader,
)
