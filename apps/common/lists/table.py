"""
The rows of a list as HTML.

Django's and unfold's own rendering asks for every cell of every row again what its column is, and runs a template for
many: nine tenths of the time of a page. Here every column becomes one function, once a page, and a row is a string.
"""

from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache
from html import escape
from typing import Any, NamedTuple

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.templatetags.admin_list import _coerce_field_name  # type: ignore[attr-defined]
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import (  # type: ignore[attr-defined]
    FieldIsAForeignKeyColumnName,
    _get_non_gfk_field,
    label_for_field,
    lookup_field,
    quote,
)
from django.contrib.admin.views.main import ORDER_VAR
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db import models
from django.db.models import ManyToOneRel
from django.db.models.constants import LOOKUP_SEP
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from unfold.utils import (
    display_for_dropdown,
    display_for_field,
    display_for_header,
    display_for_label,
    display_for_value,
)
from unfold.widgets import UnfoldBooleanWidget

from apps.common.reading import one_reader

Write = Callable[[Any], str]
# Stands where a row's key comes; no model's address has it otherwise.
_KEY = "0key0"


def table(cl: Any) -> SafeString:
    """Write the table of a page: its head, with what sorts it, and its rows."""
    heads = list(_heads(cl))
    cells = list(_cells(cl, [head.label for head in heads]))
    # All that is the same in each row, with a place for each value.
    form = f"<tr>{''.join([cell.before + '%s' + cell.after for cell in cells])}</tr>"
    writers = [cell.value for cell in cells]
    with one_reader():
        rows = [_row(form, row, writers) for row in cl.result_list]
    return mark_safe(  # noqa: S308 - every value in it was escaped where it was written
        f'<div class="art-table-frame"><table id="result_list" class="result-list art-table">'
        f"<thead><tr>{''.join([head.html for head in heads])}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(form: str, row: Any, writers: list[Write]) -> str:
    try:
        return form % tuple([write(row) for write in writers])
    except ObjectDoesNotExist:
        # Something that a cell points at has gone; the cells beside it are written all the same.
        return form % tuple([_value_or_empty(write, row) for write in writers])


def _value_or_empty(write: Write, row: Any) -> str:
    try:
        return write(row)
    except ObjectDoesNotExist:
        return "–"


# The head


class Head(NamedTuple):
    """The head of a column: its name, and its cell."""

    label: str
    html: str


def _heads(cl: Any) -> Iterator[Head]:
    """Write the heads, each with the order that a click on it gives: by this column first, then as it was."""
    ways = cl.get_ordering_field_columns()
    for place, name in enumerate(cl.list_display):
        if name == "action_checkbox":
            yield Head(_("Select record"), _toggle(get_language()))
            continue
        text, attribute = label_for_field(name, cl.model, model_admin=cl.model_admin, return_attr=True)
        css = escape(_coerce_field_name(name, place) if attribute else name)
        shown = escape(str(capfirst(text)))
        if not _is_sortable(cl, name, attribute):
            html = f'<th scope="col" class="column-{css}">{shown}</th>'
        elif place in ways:
            html = _sorted_head(cl, ways, place, css, shown)
        else:
            url = _order(cl, [str(place), *_params(ways)])
            html = f'<th scope="col" class="sortable column-{css}"><a href="{url}">{shown}</a></th>'
        yield Head(str(text), html)


def _is_sortable(cl: Any, name: Any, attribute: Any) -> bool:
    if cl.sortable_by is not None and name not in cl.sortable_by:
        return False
    if isinstance(attribute, property):
        attribute = attribute.fget
    return not attribute or bool(getattr(attribute, "admin_order_field", None))


def _sorted_head(cl: Any, ways: dict[int, str], place: int, css: str, shown: str) -> str:
    is_ascending = ways[place].lower() == "asc"
    turned = ways | {place: "desc" if is_ascending else "asc"}
    others = {other: way for other, way in ways.items() if other != place}
    primary = _order(cl, [*_params({place: turned[place]}), *_params(others)])
    icon = "arrow_upward" if is_ascending else "arrow_downward"
    sorting = _icon_link(_order(cl, _params(turned)), icon, _("Toggle sorting"))
    # The only order there is cannot be taken away, only turned or replaced.
    if others:
        sorting += _icon_link(_order(cl, _params(others)), "close", _("Remove from sorting"))
    way = "ascending" if is_ascending else "descending"
    return (
        f'<th scope="col" class="sortable column-{css} sorted {way}" aria-sort="{way}">'
        f'<span class="art-sorted"><a href="{primary}">{shown}</a>{sorting}</span></th>'
    )


def _params(ways: dict[int, str]) -> list[str]:
    return [f"-{place}" if way.lower() == "desc" else str(place) for place, way in ways.items()]


def _order(cl: Any, params: list[str]) -> str:
    return escape(cl.get_query_string({ORDER_VAR: ".".join(params)}))


@lru_cache
def _toggle(_language: str | None) -> str:
    """Write the head of the boxes that select rows: one that selects all of them, as unfold has it."""
    label = _("Select all objects on this page for an action")
    attributes = {"id": "action-toggle", "class": "action-toggle", "aria-label": label}
    box = UnfoldBooleanWidget(attributes).render("action-toggle", value=False)
    text = f'<label class="art-toggle">{box}<span>{escape(_("Select all rows"))}</span></label>'
    return f'<th scope="col" class="action-checkbox-column">{text}</th>'


def _icon_link(url: str, icon: str, title: str) -> str:
    return (
        f'<a href="{url}" class="art-sort" title="{escape(title)}" aria-label="{escape(title)}">'
        f'<span class="material-symbols-outlined" aria-hidden="true">{icon}</span></a>'
    )


# The rows


class Cell(NamedTuple):
    """The cell of a column: what writes its value in a row, and what stands around it in all of them."""

    before: str
    value: Write
    after: str


def _cells(cl: Any, labels: list[str]) -> Iterator[Cell]:
    """Make of each column what writes its cell of a row."""
    address = _address(cl)
    is_linked_yet = False
    for place, name in enumerate(cl.list_display):
        if name == "action_checkbox":
            yield _checkbox(labels[place], cl.pk_attname)
            continue
        value, is_short = _value(cl, name)
        kind = "td"
        if address and _is_link(cl, name, is_first=not is_linked_yet):
            kind = "td" if is_linked_yet else "th"
            is_linked_yet = True
            value = _linked(value, address)
        yield _cell(kind, _css_name(name, place), labels[place], value, is_short=is_short)


def _is_link(cl: Any, name: Any, *, is_first: bool) -> bool:
    links = cl.list_display_links
    if links is None:
        return False
    return is_first if not links else name in links


def _css_name(name: Any, place: int) -> str:
    text = getattr(name, "__name__", "") if callable(name) else str(name)
    return text if text and text != "<lambda>" else str(place)


def _cell(kind: str, name: str, label: str, value: Write, *, is_short: bool) -> Cell:
    scope = ' scope="row"' if kind == "th" else ""
    short = " nowrap" if is_short else ""
    start = f'<{kind}{scope} class="field-{escape(name)}{short}" data-label="{escape(str(capfirst(label)))}">'
    return Cell(_constant(start), value, f"</{kind}>")


def _constant(text: str) -> str:
    """Return a text as it stands in the form of a row."""
    return text.replace("%", "%%")


def _checkbox(label: str, key: str) -> Cell:
    start = (
        f'<td class="action-checkbox" data-label="{escape(label)}"><input type="checkbox" '
        f'name="{ACTION_CHECKBOX_NAME}" class="action-select art-check" value="'
    )
    # The row's own name: to who does not see the row, "Select record" a hundred times tells nothing.
    named = escape(_("Select this object for an action - %(name)s")).split("%(name)s")
    before, after = named[0], named[-1] if len(named) > 1 else ""
    between = f'" aria-label="{before}'
    return Cell(
        _constant(start),
        lambda row: f"{escape(str(getattr(row, key)))}{between}{escape(str(row))}",
        _constant(f'{after}"></td>'),
    )


def _address(cl: Any) -> Callable[[Any], str] | None:
    """Return what writes the start of a link to a row; None where rows have no page of their own."""
    opts = cl.opts
    try:
        url = reverse(
            f"admin:{opts.app_label}_{opts.model_name}_change",
            args=(_KEY,),
            current_app=cl.model_admin.admin_site.name,
        )
    except NoReverseMatch:
        return None
    whole = add_preserved_filters({"preserved_filters": cl.preserved_filters, "opts": opts}, url, popup=False)
    before, after = (escape(part) for part in whole.split(_KEY, 1))
    if not cl.is_popup:
        key = cl.pk_attname
        return lambda row: f'<a href="{before}{_quoted(getattr(row, key))}{after}">'
    after = escape(f"{'&' if '?' in after else '?'}{IS_POPUP_VAR}=1") if IS_POPUP_VAR not in after else after
    chosen = cl.to_field or cl.pk_attname

    def opener(row: Any) -> str:
        value = escape(str(row.serializable_value(str(chosen))))
        return f'<a href="{before}{_quoted(row.pk)}{after}" data-popup-opener="{value}">'

    return opener


def _quoted(pk: Any) -> str:
    return str(pk) if type(pk) is int else escape(str(quote(pk)))


def _linked(value: Write, address: Callable[[Any], str]) -> Write:
    return lambda row: f"{address(row)}{value(row)}</a>"


# Values


def _value(cl: Any, name: Any) -> tuple[Write, bool]:
    """Return what writes a column's value, escaped, and whether it is short enough for one line."""
    empty = cl.model_admin.get_empty_value_display()
    try:
        field = _get_non_gfk_field(cl.opts, name)
    except (FieldDoesNotExist, FieldIsAForeignKeyColumnName):
        field = None
    if field is None or field.auto_created:
        return _computed(cl, name, empty), False
    is_short = isinstance(field, models.DateField | models.TimeField | models.ForeignKey)
    if isinstance(field.remote_field, ManyToOneRel):
        return _related(name, empty), is_short
    return _stored(field, empty), is_short


def _related(name: str, empty: str) -> Write:
    blank = _text(empty)

    def write(row: Any) -> str:
        other = getattr(row, name)
        return blank if other is None else escape(str(other))

    return write


def _stored(field: Any, empty: str) -> Write:
    name, blank = field.attname, _text(empty)
    if isinstance(field, models.CharField | models.TextField) and not field.flatchoices:

        def write(row: Any) -> str:
            value = getattr(row, name)
            return escape(value) if value else blank

        return write
    return _remembering(
        lambda value: _text(display_for_field(value, field, empty)), lambda row: getattr(row, name)
    )


def _computed(cl: Any, name: Any, empty: str) -> Write:
    """Write what a method of the admin, a method or attribute of the row, or a function returns."""
    admin = cl.model_admin
    if callable(name):
        attribute, read = name, name
    elif hasattr(admin, name) and name != "__str__":
        attribute = read = getattr(admin, name)
    else:
        attribute = getattr(cl.model, name, None)
        read = _reader(name, attribute)
    if isinstance(attribute, property):
        attribute = attribute.fget
    empty = getattr(attribute, "empty_value_display", empty)
    return _as_declared(attribute, name, read, empty)


def _reader(name: str, attribute: Any) -> Callable[[Any], Any]:
    if callable(attribute):
        return lambda row: getattr(row, name)()
    if LOOKUP_SEP in name:
        return lambda row: lookup_field(name, row)[2]
    return lambda row: getattr(row, name)


def _as_declared(attribute: Any, name: Any, read: Callable[[Any], Any], empty: str) -> Write:
    """Honor what `@display` says of a value: a yes or no, a label, a header, a menu."""
    label = getattr(attribute, "label", None)
    if label:
        return _remembering(lambda value: _text(display_for_label(value, empty, label)), read)
    if getattr(attribute, "dropdown", False):
        return lambda row: _text(display_for_dropdown(row, name, read(row), empty))
    if getattr(attribute, "header", False):
        return lambda row: _text(display_for_header(read(row), empty))
    if getattr(attribute, "boolean", False):
        return _remembering(lambda value: _text(display_for_value(value, empty, boolean=True)), read)
    blank = _text(empty)

    def write(row: Any) -> str:
        value = read(row)
        if type(value) is str:
            return escape(value)
        if type(value) is SafeString:
            return value
        return blank if value is None else _text(display_for_value(value, empty))

    return write


def _remembering(write: Callable[[Any], str], read: Callable[[Any], Any]) -> Write:
    """Write equal values once a page: a yes, a label, a date cost a template or a format each time."""
    known: dict[Any, str] = {}

    def remembered(row: Any) -> str:
        value = read(row)
        if not isinstance(value, Hashable) or isinstance(value, tuple):
            return write(value)
        # Equal and yet not the same: 1 and True.
        key = (type(value), value)
        if key not in known:
            known[key] = write(value)
        return known[key]

    return remembered


def _text(value: Any) -> str:
    """Escape what is not marked as HTML."""
    return value if isinstance(value, SafeString) else escape(str(value))
