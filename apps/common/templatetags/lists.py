"""What the templates of a change list call."""

from typing import Any

from django import template
from django.forms import Select
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
    parts = [_select(field) if isinstance(field.field.widget, Select) else str(field) for field in form]
    return mark_safe("".join(parts))  # noqa: S308 - parts are escaped


def _select(field: Any) -> str:
    widget = field.field.widget
    attributes = {"name": field.html_name, **field.build_widget_attrs(widget.attrs)}
    if field.auto_id:
        attributes.setdefault("id", field.auto_id)
    chosen = str(field.value() or "")
    options = "".join(_option(value, label, chosen) for value, label in widget.choices)
    return f"<select{flatatt(attributes)}>{options}</select>"


def _option(value: Any, label: Any, chosen: str) -> str:
    selected = " selected" if str(value) == chosen else ""
    return f'<option value="{escape(value)}"{selected}>{escape(label)}</option>'
