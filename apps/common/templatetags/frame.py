"""What stands around every page, written without a template for each entry."""

from html import escape
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_LINK = (
    "flex h-[38px] items-center -mx-3 px-3 rounded-default hover:text-primary-600 dark:hover:text-primary-500"
)
_ACTIVE = " active bg-base-100 font-semibold text-primary-600 dark:bg-white/[.06] dark:text-primary-500"
_ICON = '<span class="material-symbols-outlined md-18 mr-3 w-[18px]" aria-hidden="true">'


@register.simple_tag
def navigation_items(items: list[dict[str, Any]]) -> SafeString:
    """Write the entries of a group of the sidebar."""
    return mark_safe("".join(_entry(item) for item in items if item["has_permission"]))  # noqa: S308 - escaped


def _entry(item: dict[str, Any]) -> str:
    active, current = (_ACTIVE, ' aria-current="page"') if item["active"] else ("", "")
    url = escape(str(item.get("link_callback") or item["link"]))
    icon = f"{_ICON}{escape(str(item['icon']))}</span>" if item.get("icon") else ""
    badge = (
        render_to_string("unfold/helpers/app_list_badge.html", {"item": item}) if item.get("badge") else ""
    )
    title = escape(str(item["title"]))
    return f'<li><a href="{url}" class="{_LINK}{active}"{current}>{icon}<span>{title}</span>{badge}</a></li>'
