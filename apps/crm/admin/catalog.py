"""Products, tags and the reasons for losing, in the admin."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.common.templatetags.artel import money
from apps.crm.models import LostReason, Product, Tag
from apps.crm.services import catalog
from apps.lists.admin.rows import (
    ArchivableAdmin,
    DeletableAdmin,
    ServiceAdmin,
    TrashFilter,
    UnversionedForm,
    VersionedForm,
)


class ProductForm(VersionedForm):
    """A product; its price is in the organization's currency unless another is named."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        cleaned["currency"] = str(cleaned.get("currency", "")).upper()
        if cleaned.get("price") is not None and not cleaned["currency"]:
            cleaned["currency"] = settings.BASE_CURRENCY
        return cleaned


@admin.register(Product)
class ProductAdmin(ArchivableAdmin):
    """What is sold."""

    add_label = _("New product")
    form = ProductForm
    create = staticmethod(catalog.create_product)
    change = staticmethod(catalog.change_product)
    archive = staticmethod(catalog.archive_product)
    restore = staticmethod(catalog.restore_product)
    archive_action = "delete"
    ordering = ("name", "id")
    list_display = ("name", "sku_cell", "family", "price_cell")
    list_filter = (TrashFilter,)
    extra_lookups = ("family",)
    search_fields = ("name", "sku")
    search_help_text = _("Name or SKU")
    fields = ("name", ("sku", "family"), ("price", "currency"), ("tax_rate", "unit"))

    @admin.display(description=_("SKU"), ordering="sku")
    def sku_cell(self, product: Product) -> str:
        return product.sku or "–"

    @admin.display(description=_("list price"), ordering="price")
    def price_cell(self, product: Product) -> SafeString:
        return format_html(
            '<span class="crm-amount">{}</span>', money(product.price, product.currency) or "–"
        )


@admin.register(Tag)
class TagAdmin(DeletableAdmin):
    """Words that rows are marked with."""

    add_label = _("New tag")
    create = staticmethod(catalog.create_tag)
    change = staticmethod(catalog.change_tag)
    delete = staticmethod(catalog.delete_tag)
    ordering = ("name",)
    short_list = "As many words as people can keep apart."
    list_display = ("name", "color")
    search_fields = ("name",)
    fields = ("name", "color")


@admin.register(LostReason)
class LostReasonAdmin(ServiceAdmin):
    """Why deals are lost; one that is no longer offered stays on the deals that have it."""

    add_label = _("New lost reason")
    form = UnversionedForm
    create = staticmethod(catalog.create_lost_reason)
    change = staticmethod(catalog.change_lost_reason)
    ordering = ("name",)
    short_list = "As many reasons as people can keep apart."
    list_display = ("name", "is_active")
    search_fields = ("name",)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name", "is_active"] if obj and not obj.is_unknown else ["name"]
