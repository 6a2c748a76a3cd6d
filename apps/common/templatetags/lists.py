"""What the templates of a change list call."""

from functools import lru_cache
from typing import Any

from django import template
from django.forms import HiddenInput, Media, Select
from django.forms.utils import flatatt
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from unfold.templatetags.unfold_list import result_list
from unfold.widgets import UnfoldAdminSelectWidget

from apps.common.lists.table import table

register = template.Library()


@register.simple_tag(takes_context=True)
def list_rows(context: template.Context, cl: Any) -> SafeString:
    """Write the rows of a list; what unfold adds to rows (forms, sections, menus) it writes itself."""
    page = cl.model_admin
    adds_to_rows = page.ordering_field or getattr(page, "list_sections", ()) or context.get("actions_row")
    if cl.result_list and not (cl.formset or adds_to_rows):
        return table(cl)
    around: Any = context.flatten()
    return render_to_string("admin/change_list_results.html", {**around, **result_list(around, cl)})


@register.simple_tag
def filter_fields(form: Any) -> SafeString:
    """Write the fields of one filter; a choice of a hundred colleagues would run two hundred templates."""
    return mark_safe("".join(_filter_field(field) for field in form))  # noqa: S308 - parts are escaped


def _filter_field(field: Any) -> str:
    if type(field.field.widget) is not UnfoldAdminSelectWidget:
        return render_to_string("unfold/helpers/field.html", {"field": field})
    return (
        '<div class="flex flex-col group mb-4"><div class="flex flex-col gap-2">'
        f'<label for="{escape(field.id_for_label)}" class="block font-semibold text-important">'
        f"{escape(field.label)}</label>{_select(field)}</div></div>"
    )


@register.simple_tag
def action_fields(form: Any) -> SafeString:
    """Write the choice of what to do with the selected rows."""
    return mark_safe("".join([_action_field(field) for field in form]))  # noqa: S308 - parts are escaped


def _action_field(field: Any) -> str:
    widget = field.field.widget
    if isinstance(widget, Select):
        return _select(field)
    if isinstance(widget, HiddenInput):
        value, attributes = escape(field.value()), flatatt(_attributes(field))
        return f'<input type="hidden" name="{escape(field.html_name)}" value="{value}"{attributes}>'
    return str(field)


def _select(field: Any) -> str:
    widget = field.field.widget
    attributes = {"name": field.html_name, **_attributes(field)}
    chosen = str(field.value() or "")
    options = "".join([_option(str(value), str(label), chosen) for value, label in widget.choices])
    return f"<select{flatatt(attributes)}>{options}</select>"


def _attributes(field: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = field.build_widget_attrs(field.field.widget.attrs)
    if field.auto_id:
        attributes.setdefault("id", field.auto_id)
    return attributes


def _option(value: str, label: str, chosen: str) -> str:
    selected = " selected" if value == chosen else ""
    return f'<option value="{escape(value)}"{selected}>{escape(label)}</option>'


@register.simple_tag
def scripts_of(media: Media) -> SafeString:
    """Write the links to the scripts that a page wants, in the order that Django finds for them."""
    lists = tuple([tuple(each) for each in media._js_lists])  # type: ignore[attr-defined]
    if all(type(path) is str for paths in lists for path in paths):
        return _links(lists)
    # A path with attributes is equal to the same path with others.
    return mark_safe(str(media["js"]))  # noqa: S308 - Django has written it


@lru_cache(maxsize=200)
def _links(lists: tuple[tuple[str, ...], ...]) -> SafeString:
    whole = sum([Media(js=list(paths)) for paths in lists], Media())
    return mark_safe(str(whole["js"]))  # noqa: S308 - Django has written it
