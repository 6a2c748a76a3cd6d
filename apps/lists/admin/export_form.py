"""What the page before an export asks, and what it proposes."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest, QueryDict
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from apps.accounts.faces.admin import actor_of
from apps.lists.exporting.columns import Column, columns_for
from apps.lists.models import Export
from apps.lists.services.exports import default_separator

_SEPARATORS = {
    ",": _("Comma"),
    ";": _("Semicolon"),
    "\t": _("Tab"),
}
# Columns of money, beside which the currency stands.
_MONEY = {"amount", "price"}


class ExportForm:
    """
    The choices of the page, with what was sent or what is proposed.

    Not a Django form: the order of the columns is that of their boxes, and all is checked by the service.
    """

    def __init__(self, model_admin: Any, request: HttpRequest, data: QueryDict | None = None) -> None:
        self.model_admin = model_admin
        self.request = request
        self.columns = columns_for(actor_of(request), model_admin.model)
        self.data = data

    def _sent(self, name: str, proposed: str) -> str:
        return proposed if self.data is None else self.data.get(name, "")

    @property
    def chosen(self) -> list[str]:
        """The keys of the columns that are chosen, in order."""
        if self.data is not None:
            return self.data.getlist("columns")
        return list(dict.fromkeys(self._proposed()))

    def options(self) -> dict[str, Any]:
        """Return what was sent, as the service takes it."""
        return {
            "columns": self.chosen,
            "format": self._sent("format", ""),
            "language": self._sent("language", "") or None,
            "style": self._sent("style", "") or Export.Style.LOCAL,
            "separator": self._sent("separator", ""),
            "has_bom": "has_bom" in (self.data or {}),
        }

    # For the template

    def boxes(self) -> list[tuple[Column, bool]]:
        """Return all columns, those that are chosen first and in their order."""
        chosen = [self.columns[key] for key in self.chosen if key in self.columns]
        return [(column, True) for column in chosen] + [
            (column, False) for column in self.columns.values() if column not in chosen
        ]

    def listed(self) -> str:
        """Return the keys of the list's own columns."""
        return ",".join(dict.fromkeys(self._proposed()))

    def formats(self) -> list[dict[str, Any]]:
        chosen = self._sent("format", Export.Format.XLSX)
        texts = {
            Export.Format.XLSX: _(
                "For Excel and its like: numbers and dates are what they are, text stays text."
            ),
            Export.Format.CSV: _("Plain text that every program reads."),
        }
        return [
            {
                "value": format_.value,
                "label": format_.label,
                "text": texts[format_],
                "is_on": format_ == chosen,
            }
            for format_ in Export.Format
        ]

    def languages(self) -> list[dict[str, Any]]:
        chosen = self._sent("language", self._language())
        return [
            {"value": code, "label": label, "is_on": code == chosen} for code, label in settings.LANGUAGES
        ]

    def styles(self) -> list[dict[str, Any]]:
        chosen = self._sent("style", Export.Style.LOCAL)
        texts = {
            Export.Style.LOCAL: _("As people write them: 1234,50 or 1234.50"),
            Export.Style.MACHINE: _("For programs: 1234.50, 2026-11-23T14:02:00Z, codes for words"),
        }
        return [{"value": s.value, "label": texts[s], "is_on": s == chosen} for s in Export.Style]

    def separators(self) -> list[dict[str, Any]]:
        chosen = self._sent("separator", "")
        usual = _SEPARATORS[default_separator(self._language())]
        automatic = {"value": "", "label": _("As Excel expects it (%s)") % usual, "is_on": not chosen}
        return [
            automatic,
            *({"value": key, "label": label, "is_on": key == chosen} for key, label in _SEPARATORS.items()),
        ]

    def has_bom(self) -> bool:
        return self.data is None or "has_bom" in self.data

    def _language(self) -> str:
        code = get_language() or settings.LANGUAGE_CODE
        return code if code in dict(settings.LANGUAGES) else code.partition("-")[0]

    # What is proposed: the columns of the list

    def _proposed(self) -> Iterator[str]:
        """Yield the keys of the list's own columns; a list may name them itself (`export_columns`)."""
        named = getattr(self.model_admin, "export_columns", None)
        shown = named or [self._key_of(name) for name in self.model_admin.get_list_display(self.request)]
        found = [key for key in shown if key in self.columns]
        for key in found or list(self.columns)[:1]:
            yield key
            if key in _MONEY and "currency" in self.columns:
                yield "currency"

    def _key_of(self, shown: Any) -> str:
        """Return which field a column of the list is about: by its name, else by what it is sorted by."""
        name = str(shown).removesuffix("_cell")
        if name in self.columns:
            return name
        method = getattr(self.model_admin, str(shown), None)
        ordering = str(getattr(method, "admin_order_field", "") or "").lstrip("-")
        try:
            self.model_admin.opts.get_field(ordering)
        except FieldDoesNotExist:
            return ""
        # Sorted by its key, a column is about something else.
        return "" if ordering in {"id", "pk"} else ordering
