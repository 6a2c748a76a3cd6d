"""Quotes and price books in the admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter
from unfold.widgets import UnfoldAdminSelectWidget

from apps.accounts.faces.admin import ScopedTabularInline, actor_of, call_service
from apps.common.templatetags.artel import day, money
from apps.crm.faces.links import quote_link
from apps.crm.models import PriceBook, PriceBookEntry, Quote
from apps.crm.services import prices, quotes
from apps.documents.amounts import LANGUAGES
from apps.lists.admin.rows import ArchivableAdmin, Command, TrashFilter, VersionedForm, badge, marked

_TONES = {Quote.Status.ACCEPTED: "WON", Quote.Status.REJECTED: "LOST", Quote.Status.SENT: "OPEN"}


class QuoteForm(VersionedForm):
    """A draft as people write it."""

    locale = forms.ChoiceField(label=_("language"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "locale" in self.fields:
            names = {"ru": _("Russian"), "en": _("English")}
            self.fields["locale"].choices = [(code, names[code]) for code in LANGUAGES]  # type: ignore[attr-defined]


@admin.register(Quote)
class QuoteAdmin(ArchivableAdmin):
    """Quotes begin on the page of their deal; what was sent is only read."""

    form = QuoteForm
    create = staticmethod(quotes.create_quote)
    change = staticmethod(quotes.change_quote)
    archive_action = "delete"
    actions = ()
    list_display = ("number_cell", "deal_cell", "status_cell", "total_cell", "until_cell")
    list_display_links = ("number_cell",)
    list_select_related = ("deal",)
    list_filter = (("status", ChoicesDropdownFilter), ("valid_until", RangeDateFilter))
    search_fields = ("number",)
    search_help_text = _("Number")
    change_form_outer_before_template = "admin/crm/quote/page.html"
    fields = (
        ("recipient_name", "recipient_email"),
        ("valid_until", "locale"),
        "introduction",
        "terms",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_archive_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        is_draft = not isinstance(obj, Quote) or obj.status == Quote.Status.DRAFT
        return is_draft and super().has_change_permission(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Quote], search_term: str
    ) -> tuple[QuerySet[Quote], bool]:
        # Quotes do not go to the trash.
        return super(ArchivableAdmin, self).get_search_results(request, queryset, search_term)

    @admin.display(description=_("number"), ordering="id")
    def number_cell(self, quote: Quote) -> SafeString:
        return marked("crm-number", str(quote))

    @admin.display(description=_("deal"))
    def deal_cell(self, quote: Quote) -> str:
        return quote.deal.title

    @admin.display(description=_("status"), ordering="status")
    def status_cell(self, quote: Quote) -> SafeString:
        return badge(quote.get_status_display(), _TONES.get(Quote.Status(quote.status), ""))

    @admin.display(description=_("total"))
    def total_cell(self, quote: Quote) -> SafeString:
        return marked("crm-amount", money(quote.total, quote.currency))

    @admin.display(description=_("valid until"), ordering="valid_until")
    def until_cell(self, quote: Quote) -> str:
        return day(quote.valid_until)

    def page_context(self, request: HttpRequest, row: Quote) -> dict[str, Any]:
        may_change = self.may("change", request, row)
        is_out = row.status == Quote.Status.SENT
        return {
            **super().page_context(request, row),
            "may_archive": False,
            "quote_lines": row.lines.select_related("quote").order_by("position"),
            "taxes": [each for each in row.tax_rows() if each["rate"] is not None],
            "deal_url": reverse("admin:crm_deal_change", args=[row.deal_id]),
            "paper_url": reverse("documents:content", args=[row.document.current_version_id])
            if row.document and row.document.current_version_id
            else "",
            "may_send": may_change and row.status == Quote.Status.DRAFT,
            "may_send_again": may_change and is_out and bool(row.paper_digest),
            "is_paper_made": not is_out or bool(row.paper_digest),
            "link": request.session.pop(_kept(row.pk), ""),
        }

    # Commands

    def commands(self) -> dict[str, Command]:
        return {
            "send": self._send,
            "send-again": self._send_again,
            "link": self._link,
            "discard": self._discard,
        }

    def command_view(self, request: HttpRequest, object_id: int, command: str) -> HttpResponse:
        deal_id = self.get_queryset(request).filter(pk=object_id).values_list("deal_id", flat=True).first()
        response = super().command_view(request, object_id, command)
        if deal_id is not None and not self._is_visible(request, object_id):
            # A draft that was thrown away leads back to its deal.
            return HttpResponseRedirect(reverse("admin:crm_deal_change", args=[deal_id]))
        return response

    def _send(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {"link": quote_link(request), "expected_version": version}
        if call_service(request, quotes.send_quote, pk, actor=actor_of(request), **said):
            text = gettext("Sent. The letter goes as soon as the PDF is made, within seconds.")
            messages.success(request, text)

    def _send_again(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {"link": quote_link(request), "expected_version": version}
        if call_service(request, quotes.send_again, pk, actor=actor_of(request), **said):
            messages.success(request, gettext("Sent again. The link in the earlier letter has ended."))

    def _link(self, request: HttpRequest, pk: int, version: int | None) -> None:
        said: dict[str, Any] = {"link": quote_link(request), "expected_version": version}
        done = call_service(request, quotes.new_link, pk, actor=actor_of(request), **said)
        if done:
            # Shown on the next page, once.
            request.session[_kept(pk)] = done[1]

    def _discard(self, request: HttpRequest, pk: int, version: int | None) -> None:
        call_service(request, _discarded, pk, actor=actor_of(request), expected_version=version)
        if not self._is_visible(request, pk):
            messages.success(request, gettext("The draft is thrown away."))


def _discarded(pk: int, **said: Any) -> bool:
    quotes.discard_quote(pk, **said)
    return True


def _kept(pk: int) -> str:
    return f"quote-link-{pk}"


class PriceInline(ScopedTabularInline):
    """What products cost, and when."""

    model = PriceBookEntry
    fields = ("product", "price", "currency", "valid_from", "valid_until")
    autocomplete_fields = ("product",)
    extra = 0
    ordering = ("product__name", "currency", "valid_from")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceBookEntry]:
        return super().get_queryset(request).select_related("product")


@admin.register(PriceBook)
class PriceBookAdmin(ArchivableAdmin):
    """Lists of prices."""

    add_label = _("New price book")
    create = staticmethod(prices.create_price_book)
    change = staticmethod(prices.change_price_book)
    archive = staticmethod(prices.archive_price_book)
    restore = staticmethod(prices.restore_price_book)
    archive_action = "delete"
    ordering = ("-is_default", "name")
    short_list = "As many lists of prices as an organization keeps apart."
    list_display = ("name", "is_default", "tax_cell")
    list_filter = (TrashFilter,)
    search_fields = ("name",)
    fields = ("name", "is_default", "is_tax_included")
    inlines = (PriceInline,)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        # Prices belong to a book that is there.
        return super().get_inlines(request, obj) if obj else ()

    @admin.display(description=_("VAT"))
    def tax_cell(self, book: PriceBook) -> SafeString:
        return format_html("{}", _("included") if book.is_tax_included else _("on top"))

    def save_parts(self, request: HttpRequest, row: Any, formset: Any) -> None:
        actor = actor_of(request)
        for entry in formset.deleted_objects:
            prices.remove_price(entry.pk, actor=actor)
        for entry, names in formset.changed_objects:
            prices.change_price(entry.pk, actor=actor, **_values(entry, names))
        for entry in formset.new_objects:
            prices.add_price(row.pk, actor=actor, **_values(entry, PriceInline.fields))


def _values(entry: PriceBookEntry, names: Any) -> Any:
    columns = ("product_id" if name == "product" else name for name in names)
    return {column: getattr(entry, column) for column in columns}
