"""The form in which a person says what to change: for each thing a way, and for each way the value it needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.db import models
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.formats import sanitize_separators
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.lists.bulk import Bulk, Change, How, Way

# As many rows as a person still looks through; others are found by typing.
_LISTED = 100


@dataclass
class Value:
    """What one way needs to know: a widget with what was typed."""

    how: str
    label: str
    widget: str
    help_text: str
    name: str


@dataclass
class Row:
    """One thing that can be changed."""

    key: str
    label: str
    ways: list[tuple[str, str]]
    how: str
    values: list[Value] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class ChangeForm:
    """
    What can be changed of rows of one model, with what was chosen so far, or typed and refused.

    :param stored: what was chosen before, as the bulk change keeps it
    :param typed: what was sent; its values are shown again as they are
    """

    def __init__(
        self,
        bulk: Bulk,
        *,
        actor: User,
        site: Any,
        stored: Mapping[str, Mapping[str, Any]] | None = None,
        typed: QueryDict | None = None,
        errors: Mapping[str, list[str]] | None = None,
    ) -> None:
        self.media = forms.Media()
        self._bulk = bulk
        self._actor = actor
        self._site = site
        self._stored = stored or {}
        self._typed = typed
        self._errors = errors or {}
        offered = bulk.offered_to(actor)
        self.rows = [self._row(change) for change in offered if not change.is_deed]
        self.deeds = self._deeds([change for change in offered if change.is_deed])

    def _row(self, change: Change) -> Row:
        how = self._how(change)
        ways = [("", _("leave as it is")), *((str(way.how), str(way.label)) for way in change.ways)]
        row = Row(change.key, capfirst(str(change.label)), ways, how, errors=self._errors.get(change.key, []))
        row.values = [self._value(change, way, way.field(self._actor)) for way in change.ways if way.field]
        return row

    def _deeds(self, changes: list[Change]) -> Row | None:
        """Put all deeds into one row, as only one is done at a time."""
        if not changes:
            return None
        keys = {change.key for change in changes}
        stored = next((key for key in self._stored if key in keys), "")
        how = stored if self._typed is None else self._typed.get("deed", "")
        ways = [("", _("nothing")), *((change.key, str(change.label)) for change in changes)]
        wrong = next((key for key in keys if key in self._errors), "deed")
        row = Row(wrong, _("And do"), ways, how, errors=self._errors.get(wrong, []))
        for change in changes:
            way = change.ways[0]
            if way.field:
                value = self._value(change, way, way.field(self._actor))
                value.how = change.key
                row.values.append(value)
        return row

    def _how(self, change: Change) -> str:
        if self._typed is not None:
            return self._typed.get(f"how-{change.key}", "")
        return str(self._stored.get(change.key, {}).get("how", ""))

    def _value(self, change: Change, way: Way, offered: forms.Field) -> Value:
        name = _name(change.key, way.how)
        widget = self._widget(change, offered)
        value = self._shown(change, way, name, widget)
        attrs = {"id": f"id_{name}", "aria-label": f"{change.label}: {way.label}"}
        if self._errors.get(change.key):
            attrs |= {"aria-invalid": "true", "aria-describedby": f"error-{change.key}"}
        self.media += widget.media
        rendered = str(widget.render(name, value, attrs))
        return Value(str(way.how), str(way.label), rendered, str(offered.help_text), name)

    def _shown(self, change: Change, way: Way, name: str, widget: forms.Widget) -> Any:
        if self._typed is not None:
            return widget.value_from_datadict(self._typed, MultiValueDict(), name)
        stored = self._stored.get(change.key, {})
        return stored.get("value") if stored.get("how") == way.how else None

    def _widget(self, change: Change, offered: forms.Field) -> forms.Widget:
        if isinstance(offered, forms.ModelChoiceField):
            return self._choice(change, offered)
        if isinstance(offered, forms.DateField):
            return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "class": "art-input"})
        if isinstance(offered, forms.ChoiceField):
            offered.widget.attrs["class"] = "art-input"
            return offered.widget
        attrs = {"class": "art-input", **offered.widget_attrs(offered.widget)}
        if isinstance(offered, forms.IntegerField | forms.DecimalField):
            whole = not isinstance(offered, forms.DecimalField)
            attrs = {"class": "art-input", "inputmode": "numeric" if whole else "decimal"}
        return forms.TextInput(attrs)

    def _choice(self, change: Change, offered: Any) -> forms.Widget:
        is_many = isinstance(offered, forms.ModelMultipleChoiceField)
        if change.relation and offered.queryset is not None and self._is_long(offered.queryset):
            relation: Any = (change.relation_of or self._bulk.model)._meta.get_field(change.relation)
            kind = AutocompleteSelectMultiple if is_many else AutocompleteSelect
            widget = kind(
                relation, self._site, attrs={"class": "unfold-admin-autocomplete", "data-width": "100%"}
            )
            # So that what is chosen already is named, and nothing out of reach.
            widget.choices = offered.choices
            return widget
        offered.widget.attrs["class"] = "art-input"
        offered.widget.is_required = True
        return offered.widget

    def _is_long(self, rows: models.QuerySet[Any]) -> bool:
        has_page = self._site.is_registered(rows.model)
        return has_page and len(rows.order_by().values_list("pk", flat=True)[: _LISTED + 1]) > _LISTED


def _name(key: str, how: str) -> str:
    return f"{how}-{key}"


def given(bulk: Bulk, post: QueryDict, *, actor: User) -> dict[str, dict[str, Any]]:
    """Read what a sent form says is to be changed; values stay as they were typed."""
    found = {}
    for change in bulk.offered_to(actor):
        how = How.DO if change.is_deed else post.get(f"how-{change.key}", "")
        is_chosen = post.get("deed") == change.key if change.is_deed else bool(how)
        if is_chosen:
            found[change.key] = {"how": str(how), "value": _given(change, str(how), post, actor)}
    return found


def _given(change: Change, how: str, post: QueryDict, actor: User) -> Any:
    way = next((way for way in change.ways if way.how == how), None)
    if way is None or way.field is None:
        return None
    offered, name = way.field(actor), _name(change.key, how)
    if isinstance(offered, forms.ModelMultipleChoiceField):
        return post.getlist(name)
    value = post.get(name, "").strip()
    is_number = isinstance(offered, forms.DecimalField | forms.IntegerField)
    return sanitize_separators(value.replace(" ", "").replace("−", "-")) if is_number else value
