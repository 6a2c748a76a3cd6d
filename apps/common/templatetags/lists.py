"""What the templates of a change list call."""

from functools import lru_cache
from typing import Any

from django import template
from django.contrib.admin.views.main import SEARCH_VAR
from django.forms import HiddenInput, Media, Select
from django.forms.utils import flatatt
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from unfold.templatetags.unfold import action_list
from unfold.templatetags.unfold_list import result_list
from unfold.widgets import UnfoldAdminSelectWidget

from apps.common.lists.table import table
from apps.common.templatetags.frame import cut, filled, mark

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
        return _remembered_select(*_parts_of_select(field))
    if isinstance(widget, HiddenInput):
        value, attributes = escape(field.value()), flatatt(_attributes(field))
        return f'<input type="hidden" name="{escape(field.html_name)}" value="{value}"{attributes}>'
    return str(field)


def _select(field: Any) -> SafeString:
    return _written_select(*_parts_of_select(field))


def _parts_of_select(field: Any) -> tuple[tuple[tuple[str, Any], ...], tuple[tuple[str, str], ...], str]:
    attributes = {"name": field.html_name, **_attributes(field)}
    choices = tuple([(str(value), str(label)) for value, label in field.field.widget.choices])
    return tuple(attributes.items()), choices, str(field.value() or "")


def _written_select(
    attributes: tuple[tuple[str, Any], ...], choices: tuple[tuple[str, str], ...], chosen: str
) -> SafeString:
    options = "".join([_option(value, label, chosen) for value, label in choices])
    return mark_safe(f"<select{flatatt(dict(attributes))}>{options}</select>")  # noqa: S308 - parts are escaped


# The same few for all lists and people.
_remembered_select = lru_cache(maxsize=200)(_written_select)


def _attributes(field: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = field.build_widget_attrs(field.field.widget.attrs)
    if field.auto_id:
        attributes.setdefault("id", field.auto_id)
    return attributes


def _option(value: str, label: str, chosen: str) -> str:
    selected = " selected" if value == chosen else ""
    return f'<option value="{escape(value)}"{selected}>{escape(label)}</option>'


@register.simple_tag
def kept_filters(cl: Any) -> SafeString:
    """Write what the form of the search sends along: the filters and the order."""
    return mark_safe(  # noqa: S308 - parts are escaped
        "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, values in (
                cl.filter_params | {name: [value] for name, value in cl.look.items()}
            ).items()
            if name != SEARCH_VAR
            for value in values
        )
    )


@register.simple_tag
def page_steps(cl: Any) -> SafeString:
    """Write the ways to turn pages."""
    return mark_safe("".join([_step(step) for step in cl.steps]))  # noqa: S308 - parts are escaped


def _step(step: Any) -> str:
    if not step.url:
        icon = f'<span class="material-symbols-outlined">{step.icon}</span>'
        return f'<span class="art-page-step" aria-hidden="true">{icon}</span>'
    label = escape(step.label)
    return (
        f'<a class="art-page-step" href="{escape(step.url)}" rel="{step.name}" aria-label="{label}" '
        f'title="{label}"><span class="material-symbols-outlined" aria-hidden="true">{step.icon}</span></a>'
    )


# What a link above a list says, where it is nothing but a link.
_LINK = {"title", "icon", "path"}


@register.simple_tag(takes_context=True)
def head_actions(context: template.Context) -> SafeString | str:
    """Write what a page offers beside its name; links above a list are written once, with the addresses put in anew."""
    offered = context.get("actions_list") or ()
    others = ("actions_detail", "actions_items", "nav_global")
    if any(context.get(name) for name in others) or any(set(action) != _LINK for action in offered):
        return str(mark_safe(action_list(context)))  # noqa: S308 - unfold's template has written it
    pieces = _links_above(tuple([(str(action["title"]), action["icon"]) for action in offered]))
    return filled(pieces, {f"path{place}": action["path"] for place, action in enumerate(offered)})


@lru_cache(maxsize=100)
def _links_above(offered: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    actions = [
        {"title": title, "icon": icon, "path": mark(f"path{place}")}
        for place, (title, icon) in enumerate(offered)
    ]
    return cut(render_to_string("unfold/helpers/tab_actions.html", {"actions_list": actions}))


@register.simple_tag
def scripts_of(media: Media) -> SafeString:
    """Write the links to the scripts that a page wants, in the order that Django finds for them."""
    lists = tuple([tuple(each) for each in media._js_lists])  # type: ignore[attr-defined]
    if all(type(path) is str for paths in lists for path in paths):
        return _links(lists)
    # A path with attributes is equal to the same path with others.
    return mark_safe(str(media["js"]))  # noqa: S308 - Django has written it


@register.simple_tag
def styles_of(media: Media) -> SafeString:
    """Write the links to the styles that a page wants, in the order that Django finds for them."""
    lists = tuple(
        [
            tuple([(medium, tuple(paths)) for medium, paths in each.items()])
            for each in media._css_lists  # type: ignore[attr-defined]
        ]
    )
    if all(type(path) is str for each in lists for _medium, paths in each for path in paths):
        return _style_links(lists)
    return mark_safe(str(media["css"]))  # noqa: S308 - Django has written it


@lru_cache(maxsize=200)
def _style_links(lists: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...]) -> SafeString:
    whole = sum([Media(css={medium: list(paths) for medium, paths in each}) for each in lists], Media())
    return mark_safe(str(whole["css"]))  # noqa: S308 - Django has written it


@lru_cache(maxsize=200)
def _links(lists: tuple[tuple[str, ...], ...]) -> SafeString:
    whole = sum([Media(js=list(paths)) for paths in lists], Media())
    return mark_safe(str(whole["js"]))  # noqa: S308 - Django has written it
