"""Views of a list in the admin: its columns as somebody wants them, and tabs to come back to what they have chosen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import label_for_field
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from apps.accounts import access
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, refusal_text
from apps.accounts.models import User
from apps.common.lists.changelist import COLUMNS_VAR, FILTERS_VAR, VIEW_VAR, has_index, name_of
from apps.lists.models import SavedView
from apps.lists.services import views
from apps.lists.viewing import ViewedPage, address_of, register_page

# Opens the list as it is without any view, also for whom a view opens first.
ALL = "all"
_LOOK = (COLUMNS_VAR, ORDER_VAR, VIEW_VAR)
_PASSING = (PAGE_VAR, FILTERS_VAR)
_Refusal = (PermissionDenied, ValidationError, ObjectDoesNotExist)


@dataclass(frozen=True)
class Offered:
    """
    A column that a list can show besides those that it shows at first.

    :ivar shown: as `list_display` has it: a method, a field, or what writes a row's cell
    :ivar only: what is read of each row for it
    :ivar related: relations that are fetched with the rows
    """

    shown: str | Callable[[Any], Any]
    only: tuple[str, ...] = ()
    related: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return name_of(self.shown)


@dataclass(frozen=True)
class Tab:
    """A view above its list."""

    view: SavedView
    url: str
    is_current: bool
    is_own: bool
    is_changed: bool


class ViewedAdmin(ScopedModelAdmin):
    """
    A list of which people keep views; stands before the other bases.

    :cvar list_more: columns that it can show besides those of `list_display`
    :cvar layouts: in which ways its rows are shown, the list first
    """

    list_more: tuple[Offered, ...] = ()
    layouts: tuple[str, ...] = (SavedView.Layout.LIST,)
    list_before_template = "admin/lists/views/bar.html"

    def __init__(self, model: Any, admin_site: Any) -> None:
        super().__init__(model, admin_site)
        about = ViewedPage(model, self.address_of_view, self.names, self.sortable_names, self.layouts)
        register_page(self.page_name, about)

    @property
    def media(self) -> Media:
        """What the bar and its dialogs need, besides what the page does."""
        own = Media(css={"all": ["css/exports.css", "css/views.css"]}, js=["js/views.js"])
        return super().media + own

    @property
    def page_name(self) -> str:
        """What views name this page by."""
        return str(self.opts.label_lower)

    # Columns

    def offered_columns(self, request: HttpRequest | None) -> Sequence[Offered]:
        """Return what there is besides the columns that are shown at first. :param request: None outside of pages"""
        return self.list_more

    def all_columns(self, request: HttpRequest | None = None) -> dict[str, Any]:
        """Return every column of the list by its name, as `list_display` has it."""
        remembered: dict[Any, dict[str, Any]] = {}
        if request is not None:
            remembered = request.__dict__.setdefault("_all_columns", {})
        if self not in remembered:
            found = [*self.list_display, *(each.shown for each in self.offered_columns(request))]
            remembered[self] = {name_of(shown): shown for shown in found}
        return remembered[self]

    def names(self, _actor: User) -> Sequence[str]:
        """Return the names of the columns that can be chosen."""
        return list(self.all_columns())

    def sortable_names(self, _actor: User) -> Sequence[str]:
        """Return the names of the columns that the list can be sorted by."""
        return [name for name, shown in self.all_columns().items() if self._is_sortable(shown)]

    def _is_sortable(self, shown: Any) -> bool:
        """Tell whether a list can be sorted by a column: what is offered besides needs an index that begins with it."""
        method = shown if callable(shown) else getattr(self, shown, None)
        if method is not None:
            return bool(getattr(method, "admin_order_field", ""))
        return shown in self.list_display or has_index(self.model, str(shown))

    def get_sortable_by(self, request: HttpRequest) -> Sequence[Any]:
        return [shown for shown in self.get_list_display(request) if self._is_sortable(shown)]

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        wanted = request.GET.get(COLUMNS_VAR)
        shown: Sequence[Any] = super().get_list_display(request)
        if not wanted:
            return shown
        remembered: dict[Any, Sequence[Any]] = request.__dict__.setdefault("_list_display", {})
        if self not in remembered:
            known = self.all_columns(request)
            chosen = [known[name] for name in dict.fromkeys(wanted.split(",")) if name in known]
            remembered[self] = chosen or shown
        return remembered[self]

    def get_list_display_links(self, request: HttpRequest, list_display: Sequence[Any]) -> Any:
        links = super().get_list_display_links(request, list_display)
        # A list without its usual links is opened by its first column.
        return [name for name in links if name in list_display] or list(list_display[:1])

    def get_list_only(self, shown: Sequence[Any]) -> tuple[str, ...]:
        names = super().get_list_only(shown)
        if not names:
            return names
        more = {each.shown: each.only for each in self.list_more}
        return (*names, *(name for each in shown for name in more.get(each, getattr(each, "only", ()))))

    def get_list_select_related(self, request: HttpRequest) -> Any:
        related = super().get_list_select_related(request)
        shown = self.get_list_display(request)
        more = [name for each in self.list_more if each.shown in shown for name in each.related]
        return [*related, *more] if more else related

    # The page

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if IS_POPUP_VAR in request.GET or not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        saved = self.saved_views(request)
        opening = self._opening(request, saved) if request.method == "GET" else None
        if opening is not None:
            return HttpResponseRedirect(self.address_of_view(opening, request))
        return super().changelist_view(request, self.bar_of(request, saved) | (extra_context or {}))

    def saved_views(self, request: HttpRequest) -> list[SavedView]:
        """Return the views of this page that have a name."""
        return [view for view in views.views_of(actor_of(request), self.page_name) if view.name]

    def _opening(self, request: HttpRequest, saved: list[SavedView]) -> SavedView | None:
        """Return the view that a bare address opens, or one that says nothing but a view's number."""
        if not request.GET:
            return views.opens_first(saved, actor_of(request))
        if set(request.GET) == {VIEW_VAR}:
            return _named(saved, request.GET[VIEW_VAR])
        return None

    def bar_of(self, request: HttpRequest, saved: list[SavedView], layout: str = "") -> dict[str, Any]:
        """Return what the bar with the views is written from, on the list and in its other layouts."""
        layout = layout or SavedView.Layout.LIST
        tabs = list(self._view_tabs(request, saved, layout))
        actor = actor_of(request)
        is_plain = not any(tab.is_current for tab in tabs)
        narrowing = {name for name in request.GET if name not in {*_LOOK, *_PASSING}}
        return {
            "view_tabs": tabs,
            "current_tab": next((tab for tab in tabs if tab.is_current), None),
            "all_url": f"{self._list_url()}?{VIEW_VAR}={ALL}",
            "is_all": is_plain and not narrowing,
            "all_rows": gettext("All %(rows)s") % {"rows": self.opts.verbose_name_plural},
            "may_save_views": access.can_any(actor, "add", SavedView),
            "views_url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_views"),
            "look": _look(request.GET),
            "layout": layout,
            "column_boxes": self._boxes(request) if layout == SavedView.Layout.LIST else [],
            "usual_columns": ",".join(map(name_of, self.list_display)),
        }

    def _view_tabs(self, request: HttpRequest, saved: list[SavedView], layout: str) -> Iterator[Tab]:
        actor, here = actor_of(request), self._kept(request.GET, request)
        current = _named(saved, request.GET.get(VIEW_VAR, ""))
        for view in saved:
            looks = (view.params, view.columns, view.sort, view.layout)
            yield Tab(
                view,
                self.address_of_view(view, request),
                is_current=view is current,
                is_own=view.owner_id == actor.pk,
                is_changed=view is current and looks != (*here, layout),
            )

    def _boxes(self, request: HttpRequest) -> list[tuple[str, str, bool]]:
        """Return the columns for choosing: name, label, and whether it is shown; those that are stand first, in order."""
        shown = [name_of(each) for each in self.get_list_display(request)]
        known = self.all_columns(request)
        order = [*shown, *(name for name in known if name not in shown)]
        return [(name, self._label(known[name]), name in shown) for name in order if name in known]

    def _label(self, shown: Any) -> str:
        return str(capfirst(str(label_for_field(shown, self.model, model_admin=self))))

    # Addresses

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_views"
        view = self.admin_site.admin_view(require_POST(self.views_view))
        return [path("views/", view, name=name), *super().get_urls()]

    def address_of_view(self, view: SavedView, request: HttpRequest | None = None) -> str:
        """Return where a view is looked at."""
        params = {name: str(value) for name, value in view.params.items() if self.lookup_known(name)}
        base = self._list_url() if view.layout == SavedView.Layout.LIST else self.layout_url(view)
        known = self.all_columns(request) if view.columns else {}
        columns = [name for name in view.columns if name in known]
        look = {VIEW_VAR: str(view.pk)}
        if columns:
            look[COLUMNS_VAR] = ",".join(columns)
        # A view that says nothing else has to say something, or it would lead to itself.
        look[ORDER_VAR] = ".".join(view.sort)
        return f"{base}?{urlencode(params | look)}"

    def layout_url(self, view: SavedView) -> str:
        """Return the page of a layout that is no list; for who has any."""
        return self._list_url()

    def lookup_known(self, name: str) -> bool:
        """Tell whether a filter of a view is one of this list's; what makes no sense any more is no filter."""
        return name == "q" or name not in {*_LOOK, *_PASSING}

    def _kept(self, query: QueryDict, request: HttpRequest) -> tuple[dict[str, str], list[str], list[str]]:
        """Return what of an address is kept: its filters, its columns, its order by names."""
        known = self.all_columns(request) if query.get(COLUMNS_VAR) else {}
        columns = [name for name in query.get(COLUMNS_VAR, "").split(",") if name in known]
        params = {
            name: str(query[name])
            for name in query
            if name not in {*_LOOK, *_PASSING} and self.lookup_known(name) and query[name]
        }
        shown = columns or list(map(name_of, self.list_display))
        # Django counts the boxes for selecting rows as a column.
        places = ["", *shown] if self.get_actions(request) else shown
        return params, columns, list(_by_names(query.get(ORDER_VAR, ""), places))

    # What is done to views

    def views_view(self, request: HttpRequest) -> HttpResponse:
        """Choose columns; save, change or delete a view; and go to what comes of it. A refusal is told on the list."""
        look = QueryDict(request.POST.get("look", ""))
        try:
            with transaction.atomic():
                return HttpResponseRedirect(self._done(request, look))
        except _Refusal as refusal:
            messages.error(request, refusal_text(refusal))
        return HttpResponseRedirect(f"{self._list_url()}?{look.urlencode() or f'{VIEW_VAR}={ALL}'}")

    def _done(self, request: HttpRequest, look: QueryDict) -> str:
        what, actor = request.POST.get("what", ""), actor_of(request)
        if what == "columns":
            return self._with_columns(look, request)
        if not self.has_view_permission(request):
            raise PermissionDenied
        given = request.POST.get("view", "")
        view_id = int(given) if given.isdecimal() and len(given) < 19 else 0
        if what == "delete":
            views.delete_view(view_id, actor=actor)
            return f"{self._list_url()}?{VIEW_VAR}={ALL}"
        params, columns, sort = self._kept(look, request)
        layout = request.POST.get("layout", "")
        kept: dict[str, Any] = {"params": params, "columns": columns, "sort": sort, "layout": layout}
        if what == "keep":
            return address_of(views.change_view(view_id, actor=actor, **kept))
        named: dict[str, Any] = {
            "name": request.POST.get("name", ""),
            "is_shared": request.POST.get("shared") == "1",
            "is_default": request.POST.get("default") == "1",
        }
        if what == "change":
            return address_of(views.change_view(view_id, actor=actor, **named))
        return address_of(views.save_view(actor, self.page_name, **named, **kept))

    def _with_columns(self, look: QueryDict, request: HttpRequest) -> str:
        """Return the address of the list with other columns, in the same order of rows as far as it can be."""
        _params, before, sort = self._kept(look, request)
        known = self.all_columns(request)
        chosen = [name for name in dict.fromkeys(request.POST.getlist("columns")) if name in known]
        usual = list(map(name_of, self.list_display))
        query = look.copy()
        query[COLUMNS_VAR] = ",".join(chosen or before)
        if not chosen or chosen == usual:
            query.pop(COLUMNS_VAR, None)
        query[ORDER_VAR] = ".".join(name for name in sort if name.removeprefix("-") in (chosen or usual))
        return f"{self._list_url()}?{query.urlencode()}"


def _named(saved: Sequence[SavedView], number: str) -> SavedView | None:
    return next((view for view in saved if str(view.pk) == number), None)


def _look(query: QueryDict) -> str:
    """Return an address's query without the page and the open filters."""
    look = query.copy()
    for name in _PASSING:
        look.pop(name, None)
    return look.urlencode()


def _by_names(order: str, places: Sequence[str]) -> Iterator[str]:
    """Read an order of an address, which names columns or their places."""
    for part in order.split("."):
        plain = part.removeprefix("-")
        if plain.isascii() and plain.isdecimal():
            number = int(plain[:4])
            plain = places[number] if number < len(places) else ""
        if plain in places and plain:
            yield f"{'-' * part.startswith('-')}{plain}"
