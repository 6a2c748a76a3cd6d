"""How pages write numbers, money and times."""

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone
from django.utils.formats import date_format, get_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.common.reading import reader

register = template.Library()

_SYMBOLS = {"RUB": "₽", "USD": "$", "EUR": "€", "GBP": "£", "KZT": "₸", "BYN": "Br", "CNY": "¥"}
# What keeps the groups of one number on one line.
_THIN = "\u202f"
_NO_BREAK = "\u00a0"


@register.filter
def number(value: int | Decimal | float | str | None) -> str:
    """Write a number in the reader's way, without trailing zeros; nothing for None."""
    if value is None or value == "":
        return ""
    amount = value if isinstance(value, int | Decimal) else Decimal(str(value))
    whole = int(amount)
    grouped = _grouped(whole) if amount == whole else None
    if grouped is not None:
        return grouped
    places = 0 if amount == whole else 2
    return number_format(amount, decimal_pos=places, force_grouping=True).replace(_NO_BREAK, _THIN)


def _grouped(whole: int) -> str | None:
    """Write a whole number in groups of three: most of what lists show, in a tenth of the time."""
    separator = _separator(reader().language)
    return None if separator is None else f"{whole:,}".replace(",", separator)


@lru_cache
def _separator(language: str) -> str | None:
    """Return what stands between groups of three in a language; None where groups are others."""
    if get_format("NUMBER_GROUPING", language) != 3:
        return None
    separator = str(get_format("THOUSAND_SEPARATOR", language))
    return _THIN if separator == _NO_BREAK else separator


@register.filter
def money(value: int | Decimal | None, currency: str = "") -> str:
    """Write an amount with its currency; nothing for None."""
    if value is None:
        return ""
    sign = _SYMBOLS.get(currency, currency)
    return f"{number(value)}{_NO_BREAK}{sign}".rstrip(_NO_BREAK)


@register.filter
def when(value: datetime | date | None) -> str | SafeString:
    """Tell a time relatively up to a week ago, else as a date; the exact time stands in the title."""
    if value is None:
        return ""
    if not isinstance(value, datetime):
        return day(value)
    local = timezone.localtime(value)
    exact = f"{date_format(local, 'DATE_FORMAT')}, {date_format(local, 'TIME_FORMAT')}"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', value.isoformat(), exact, _relative(value, local)
    )


def _relative(value: datetime, local: datetime) -> str:
    days = (timezone.now() - value).days
    if days < 0 or days >= 7:
        return date_format(local, "DATE_FORMAT")
    if days == 0:
        return str(naturaltime(value))
    return ngettext("%(count)d day ago", "%(count)d days ago", days) % {"count": days}


@register.filter
def day(value: date | None) -> str | SafeString:
    """Tell a day by its distance within a week, else as a date."""
    if value is None:
        return ""
    who = reader()
    return _day(value, who.today, who.language)


# A list shows the same few hundred days over and over.
@lru_cache(maxsize=4096)
def _day(value: date, today: date, language: str) -> SafeString:
    exact = date_format(value, "DATE_FORMAT")
    near = _near((value - today).days) or exact
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), exact, near)


def _near(days: int) -> str:
    words = {-1: _("yesterday"), 0: _("today"), 1: _("tomorrow")}
    if days in words:
        return words[days]
    if 1 < days < 7:
        return ngettext("in %(count)d day", "in %(count)d days", days) % {"count": days}
    if -7 < days < -1:
        return ngettext("%(count)d day ago", "%(count)d days ago", -days) % {"count": -days}
    return ""
