"""The change list of every admin page: rows by key, numbers by estimate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR
from django.db import models
from django.db.models import QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from unfold.views import ChangeList

from apps.common.lists.estimates import Count, counted, estimate
from apps.common.lists.keyset import (
    FIRST,
    LAST,
    BadCursor,
    Column,
    Page,
    Place,
    columns_of,
    read_page,
    read_place,
    write_place,
)
from apps.common.lists.lean import lean
from apps.common.lists.search import among, rare_keys

# Opens the filters beside the list.
FILTERS_VAR = "_filters"
# Which columns are shown, and which view of the list this is: neither narrows it.
COLUMNS_VAR, VIEW_VAR = "columns", "view"


def name_of(shown: Any) -> str:
    """Return what a column is called in addresses, and wherever somebody chooses it."""
    return str(getattr(shown, "__name__", shown)).removesuffix("_cell")


def has_index(model: type[models.Model], column: str) -> bool:
    """Tell whether a list of all rows can be read in the order of a column."""
    field = model._meta.get_field(column)
    if getattr(field, "unique", False):
        return True
    return any(
        list(index.fields[:1]) in ([column], [f"-{column}"]) and index.condition is None
        for index in model._meta.indexes
    )


@dataclass(frozen=True)
class Step:
    """One way to turn pages."""

    name: str
    label: str
    icon: str
    url: str | None


class KeysetChangeList(ChangeList):  # type: ignore[misc]
    """
    A list that reads one page and one row more, however long it is.

    The address carries where the page begins (`p`); whoever changes a filter or the order is on the first page again.
    """

    page: Page
    keyset: Sequence[Column]
    # Whether the filters are open; what they offer is read only then.
    shows_filters = False
    # What of its address says how it is looked at.
    look: dict[str, str]
    # The keys of what a search has found, where it is not much.
    matches: list[Any] | None = None

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.look = {name: request.GET[name] for name in (COLUMNS_VAR, VIEW_VAR) if name in request.GET}
        super().__init__(request, *args, **kwargs)

    def get_results(self, request: HttpRequest) -> None:
        self.shows_filters = FILTERS_VAR in request.GET
        self.keyset = columns_of(self.queryset, self.queryset.query.order_by)
        place = self._place(request)
        rows = self.rows_of(self.queryset)
        self.page = read_page(rows, self.keyset, place, self.list_per_page)
        self.result_list: Any = self.page.rows
        if self.list_editable:
            # A formset wants a queryset.
            self.result_list = rows.filter(pk__in=[row.pk for row in self.page.rows])
        # Names that Django's and unfold's templates read.
        self.multi_page = self.can_show_all = False
        self.show_full_result_count, self.full_result_count = False, None
        self.show_admin_actions = True
        self.paginator = None

    def _place(self, request: HttpRequest) -> Place:
        try:
            return read_place(request.GET.get(PAGE_VAR, ""), self.keyset)
        except BadCursor:
            if request.method == "GET":
                text = _("The address of that page of the list does not fit any more. Here is the first one.")
                messages.warning(request, text)
            return FIRST

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return what a column is sorted by; nothing for one that no index stands behind, whatever the address says."""
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None
        return super().get_ordering_field(field_name)

    def _number_order(self) -> None:
        """Take an order by names of columns (`o=-amount.title`) for one by their places, as Django's lists have it."""
        order = self.params.get(ORDER_VAR)
        if not order or not any(letter.isalpha() for letter in order):
            return
        places = {name_of(shown): place for place, shown in enumerate(self.list_display)}
        parts = [part for part in order.split(".") if part.removeprefix("-") in places]
        written = ".".join(f"{'-' * part.startswith('-')}{places[part.removeprefix('-')]}" for part in parts)
        for params, value in ((self.params, written), (self.filter_params, [written])):
            params.pop(ORDER_VAR)
            if written:
                params[ORDER_VAR] = value

    def rows_of(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the queryset that a page is read with: of each row what its cells show, where the page says it."""
        names = self.model_admin.get_list_only(self.list_display)
        return lean(queryset.only(*names) if names else queryset)

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """
        Return the rows that match, of all pages.

        Few matches of a search are told by their keys alone, whatever the planner thinks of them (see `search`): it would
        look for them once more. Rows that match in several ways are found once by their keys as well: DISTINCT would
        sort all of them.
        """
        for name in (FILTERS_VAR, COLUMNS_VAR, VIEW_VAR):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        self._number_order()
        found: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        self.matches = rare_keys(found) if self.query.strip() else None
        if self.matches is not None:
            matching = self.root_queryset.filter(among("pk", self.matches))
        elif found.query.distinct:
            keys = found.order_by().values("pk")
            keys.query.distinct = False
            matching = self.root_queryset.filter(pk__in=keys)
        else:
            return found
        related: QuerySet[Any] = self.apply_select_related(matching)
        return related.order_by(*found.query.order_by)

    def _get_deterministic_ordering(self, ordering: Any) -> list[Any]:
        """End with the primary key, going the way of the column before it: one index then serves both ways."""
        keys = {"pk", self.lookup_opts.pk.name, self.lookup_opts.pk.attname}
        parts = list(ordering)
        if any(isinstance(part, str) and part.removeprefix("-") in keys for part in parts):
            return parts
        return [*parts, "-pk" if not parts or _is_descending(parts[-1]) else "pk"]

    @cached_property
    def result_count(self) -> Count:
        """How many rows match: exact where the page shows them all, or where they are few."""
        known = self.page.rows if self.page.is_whole else self.matches
        if known is not None:
            return Count(len(set(known)), is_exact=True)
        return estimate(self.queryset, at_least=len(self.page.rows) + 1)

    @property
    def filters_url(self) -> str:
        """The address of this list with its filters open."""
        return str(self.get_query_string({FILTERS_VAR: "1"}))

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Lead on with the columns and the view that the list is looked at with."""
        return str(super().get_query_string(self.look | (new_params or {}), remove))

    @property
    def kept_params(self) -> dict[str, list[str]]:
        """What the form of the filters sends along: the search, the order, look-ups that no filter shows."""
        shown = {name for spec in self.filter_specs for name in spec.used_parameters}
        kept = {name: values for name, values in self.filter_params.items() if name not in shown}
        return kept | {name: [value] for name, value in self.look.items()}

    @cached_property
    def count_text(self) -> str:
        """How many rows match, in words: "1,480 deals", "about 1.2 million deals"."""
        return counted(self.result_count, str(self.opts.verbose_name), str(self.opts.verbose_name_plural))

    @cached_property
    def steps(self) -> list[Step]:
        """The ways to turn pages: first, previous, next, last; without an address where there is nothing to turn."""
        if self.page.is_whole:
            return []
        before, behind = self.page.previous, self.page.next
        return [
            Step("first", _("First page"), "first_page", self._url(FIRST) if before else None),
            Step("previous", _("Previous page"), "chevron_left", self._url(before) if before else None),
            Step("next", _("Next page"), "chevron_right", self._url(behind) if behind else None),
            Step("last", _("Last page"), "last_page", self._url(LAST) if behind else None),
        ]

    @property
    def has_more(self) -> bool:
        """Whether there are other pages."""
        return bool(self.steps)

    @property
    def offers_all(self) -> bool:
        """Whether the rows of all pages can be selected at once."""
        return not self.model_admin.list_disable_select_all

    @property
    def shown(self) -> int:
        """How many rows the page has."""
        return len(self.result_list)

    def _url(self, place: Place) -> str:
        if place == FIRST:
            return str(self.get_query_string(remove=[PAGE_VAR]))
        return str(self.get_query_string({PAGE_VAR: write_place(place, self.keyset)}))


def _is_descending(part: Any) -> bool:
    if isinstance(part, str):
        return part.startswith("-")
    return isinstance(part, OrderBy) and part.descending
