"""
Two people on one row: what each made of it, field by field, and a form that holds both.

A page carries what it showed, signed. When it comes back and the row is something else by then, what only the
other person changed is taken over, what both changed is asked about, and nothing is saved until the one who is
here has seen it. Tags and rows of inlines count as the row they are edited with.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core import signing
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from django.http import HttpRequest, QueryDict
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _

from apps.accounts.faces.form_values import NOTHING, Value, Values, in_words, initial, kept_fields, put, typed
from apps.accounts.models import User

# What the page showed, and what was chosen of a field that both have changed.
OPENED = "opened_on"
CHOICE = "keep:"
MINE, THEIRS = "mine", "theirs"
# A hostile page cannot make us look at more rows of an inline than Django itself would.
MOST_ROWS = 2000

Parts = dict[str, dict[str, Values]]


@dataclass(frozen=True)
class Author:
    """Who changed something last, as far as the reader may know, and when."""

    name: str
    at: datetime


# Finds who changed last a column of a row ("crm.deal", "7", "amount"), or "" for any of its columns.
Authors = Callable[[str, str, str], Author | None]


@dataclass
class Shown:
    """
    What a page showed of a row.

    :param parts: by the prefix of the inline, then by row
    :param asked: what the fields were that both have changed and nobody has decided on
    """

    version: int
    fields: Values = field(default_factory=dict)
    parts: Parts = field(default_factory=dict)
    asked: Values = field(default_factory=dict)
    is_known: bool = True


@dataclass
class Difference:
    """A field that is not what it was, three times in words; `mine` is None where nothing was typed."""

    key: str
    label: str
    base: str
    theirs: str
    mine: str | None
    author: Author | None = None
    is_asked: bool = False


@dataclass(frozen=True)
class Page:
    """What the form and the inlines of a row's page are made of, as the row is now, and what was sent."""

    row: models.Model
    form: Any
    formsets: Mapping[str, Any]
    data: QueryDict
    authors: Authors


def shown(form: Any, formsets: Mapping[str, Any]) -> Shown:
    """Read what forms that nobody has touched show of a row."""
    return Shown(
        version=getattr(form.instance, "version", 0),
        fields={name: initial(form, name) for name in kept_fields(form)},
        parts={prefix: _rows_of(formset) for prefix, formset in formsets.items()},
    )


def _rows_of(formset: Any) -> dict[str, Values]:
    return {
        str(form.instance.pk): {name: initial(form, name) for name in kept_fields(form)}
        for form in formset.initial_forms
        if form.instance.pk is not None
    }


def seal(what: Shown, row: models.Model, user: User) -> str:
    """Return what the page carries; nobody but this person can hand it in, and for no other row."""
    return signing.dumps(asdict(what), salt=_salt(row, user), compress=True)


def opened(data: QueryDict, row: models.Model, user: User) -> Shown | None:
    """Read what the page that was sent had shown; of one that says only which version, nothing but that."""
    try:
        return Shown(**signing.loads(data.get(OPENED, ""), salt=_salt(row, user)))
    except (signing.BadSignature, TypeError, ValueError):
        version = data.get("expected_version", "")
        is_told = version.isdecimal() and len(version) < 19
        return Shown(version=int(version), is_known=False) if is_told else None


def _salt(row: models.Model, user: User) -> str:
    return f"artel.opened:{row._meta.label_lower}:{row.pk}:{user.pk}"


class Merging:
    """
    Brings what was typed together with what the row has become.

    :ivar differences: what the person is shown; empty where the form may be saved
    """

    def __init__(self, page: Page, before: Shown) -> None:
        self.page = page
        self.data = page.data
        self.now = shown(page.form, page.formsets)
        # Of a page that told nothing but its version, that is all there is to go by.
        is_same = not before.is_known and before.version == self.now.version
        self.before = replace(self.now, asked={}) if is_same else before
        self.differences: list[Difference] = []
        self.is_undecided = False
        # A version that moved without the page's fields says that something else was done to the row.
        self.is_moved = self.before.version != self.now.version
        for name, form_field in kept_fields(page.form).items():
            self._merge_field(name, name, form_field, self._column_of(name))
        for prefix, formset in page.formsets.items():
            self._merge_rows(prefix, formset)

    @property
    def is_stale(self) -> bool:
        return self.is_moved or bool(self.differences)

    def refusal(self) -> ValidationError:
        if self.is_undecided:
            text = _("Choose which of the two shall stand, where both of you changed something.")
        else:
            text = _("Nothing is saved yet: somebody else has changed this since you opened it.")
        return ValidationError(text, code="stale")

    # Fields

    def _merge_field(self, key: str, name: str, form_field: Any, column: tuple[str, str, str]) -> None:
        base = self.before.fields.get(key)
        self._three(
            key,
            str(form_field.label or key),
            form_field,
            name,
            base,
            self.now.fields[key],
            column,
        )

    def _three(
        self,
        key: str,
        label: str,
        form_field: Any,
        name: str,
        base: Value | None,
        theirs: Value,
        column: tuple[str, str, str],
    ) -> None:
        mine = typed(form_field, self.data, name)
        is_pending = False
        if key in self.before.asked:
            choice = self.data.get(f"{CHOICE}{key}")
            is_pending = choice not in {MINE, THEIRS}
            if is_pending:
                base = self.before.asked[key]
            elif choice == THEIRS and base is not None:
                mine = base
                put(self.data, form_field, name, base)
        if theirs in (base, mine):
            return
        if base is not None and mine == base:
            put(self.data, form_field, name, theirs)
            self._tell(key, label, form_field, base, theirs, None, column)
            return
        self.is_undecided |= is_pending
        self.now.asked[key] = "" if base is None else base
        self._tell(key, label, form_field, base, theirs, mine, column)

    def _tell(
        self,
        key: str,
        label: str,
        form_field: Any,
        base: Value | None,
        theirs: Value,
        mine: Value | None,
        column: tuple[str, str, str],
    ) -> None:
        self.differences.append(
            Difference(
                key=key,
                label=label,
                base=in_words(form_field, base),
                theirs=in_words(form_field, theirs),
                mine=None if mine is None else in_words(form_field, mine),
                author=self.page.authors(*column),
                is_asked=mine is not None,
            )
        )

    def _column_of(self, name: str) -> tuple[str, str, str]:
        row = self.page.row
        return column_of(type(row), str(row.pk), name)

    # Rows of inlines

    def _merge_rows(self, prefix: str, formset: Any) -> None:
        if f"{prefix}-TOTAL_FORMS" not in self.data:
            return
        rows = _Sent(self.data, prefix, formset)
        base, now = self.before.parts.get(prefix, {}), self.now.parts[prefix]
        forms = {str(form.instance.pk): form for form in formset.initial_forms}
        for pk, form in forms.items():
            if pk not in rows.places:
                if pk not in base:
                    self._added(rows, prefix, form)
            elif rows.is_deleted(pk):
                self._deleted_here(rows, prefix, form, base.get(pk))
            else:
                self._merge_row(rows, prefix, form, base.get(pk))
        for pk in [pk for pk in rows.places if pk not in now]:
            self._removed(rows, prefix, pk, base.get(pk))
        rows.write([pk for pk in now if pk in rows.places])

    def _merge_row(self, rows: "_Sent", prefix: str, form: Any, base: Values | None) -> None:
        pk = str(form.instance.pk)
        if not rows.is_editable:
            return
        for name, form_field in kept_fields(form).items():
            key = f"{prefix}/{pk}/{name}"
            label = f"{form.instance}: {form_field.label or name}"
            before = None if base is None else base.get(name)
            column = column_of(type(form.instance), pk, name)
            theirs = self.now.parts[prefix][pk][name]
            self._three(key, label, form_field, rows.name(pk, name), before, theirs, column)

    def _added(self, rows: "_Sent", prefix: str, form: Any) -> None:
        """Take over a row that somebody else added."""
        pk = str(form.instance.pk)
        rows.add(pk, self.now.parts[prefix][pk], form)
        column = column_of(type(form.instance), pk, "")
        self._tell_row(f"{prefix}/{pk}", form, NOTHING, str(form.instance), None, column)

    def _deleted_here(self, rows: "_Sent", prefix: str, form: Any, base: Values | None) -> None:
        """Ask about a row that is deleted here and was changed elsewhere."""
        pk = str(form.instance.pk)
        key = f"{prefix}/{pk}"
        choice = self.data.get(f"{CHOICE}{key}") if key in self.before.asked else None
        if choice == THEIRS:
            rows.keep(pk, self.now.parts[prefix][pk], form)
            return
        is_pending = key in self.before.asked and choice is None
        if base == self.now.parts[prefix][pk] and not is_pending:
            return
        self.is_undecided |= is_pending
        self.now.asked[key] = ""
        column = column_of(type(form.instance), pk, "")
        self._tell_row(key, form, _row_in_words(form, base), str(form.instance), _("deleted"), column)

    def _removed(self, rows: "_Sent", prefix: str, pk: str, base: Values | None) -> None:
        """Leave out a row that somebody else removed; one that was changed here meanwhile stays, as a new one."""
        form = rows.formset.empty_form
        mine = rows.values(pk)
        is_untouched = rows.is_deleted(pk) or not rows.is_editable or (base is not None and mine == base)
        was_deleted = rows.is_deleted(pk)
        rows.drop(pk) if is_untouched else rows.renew(pk)
        if was_deleted:
            return
        typed_here = None if is_untouched else _row_in_words(form, mine)
        column = column_of(rows.formset.model, pk, "")
        self._tell_row(
            f"{prefix}/{pk}", form, _row_in_words(form, base or mine), _("deleted"), typed_here, column
        )

    def _tell_row(
        self, key: str, form: Any, base: str, theirs: str, mine: str | None, column: tuple[str, str, str]
    ) -> None:
        label = str(form._meta.model._meta.verbose_name)
        author = self.page.authors(*column)
        is_asked = key in self.now.asked
        self.differences.append(Difference(key, label, base, theirs, mine, author, is_asked))


def column_of(model: type[models.Model], pk: str, name: str) -> tuple[str, str, str]:
    """Return where history keeps what becomes of a form's field: a column, or for tags the table between."""
    label = model._meta.label_lower
    try:
        found: Any = model._meta.get_field(name) if name else None
    except FieldDoesNotExist:
        return (label, pk, "")
    if found is None:
        return (label, pk, "")
    if found.many_to_many:
        return (found.remote_field.through._meta.label_lower, "", "")
    return (label, pk, found.column)


def _row_in_words(form: Any, values: Values | None) -> str:
    if values is None:
        return NOTHING
    fields = kept_fields(form)
    texts = [in_words(fields[name], value) for name, value in values.items() if name in fields]
    return " · ".join([text for text in texts if text != NOTHING][:4]) or NOTHING


class _Sent:
    """The rows of one inline as they were sent, written anew when rows come or go."""

    def __init__(self, data: QueryDict, prefix: str, formset: Any) -> None:
        self.data = data
        self.prefix = prefix
        self.formset = formset
        self.key = str(formset.model._meta.pk.name)
        self.is_editable = getattr(formset, "has_change_permission", True)
        self.total = self._count("TOTAL_FORMS")
        self.places: dict[str, int] = {}
        for place in range(min(self._count("INITIAL_FORMS"), self.total)):
            self.places.setdefault(data.get(f"{prefix}-{place}-{self.key}", ""), place)
        self.places.pop("", None)
        self.fields = kept_fields(formset.empty_form)
        self.is_changed = False

    def _count(self, name: str) -> int:
        text = self.data.get(f"{self.prefix}-{name}", "")
        return min(int(text), MOST_ROWS) if text.isdecimal() and len(text) < 9 else 0

    def name(self, pk: str, name: str) -> str:
        return f"{self.prefix}-{self.places[pk]}-{name}"

    def is_deleted(self, pk: str) -> bool:
        return bool(self.data.get(self.name(pk, "DELETE")))

    def values(self, pk: str) -> Values:
        return {name: typed(found, self.data, self.name(pk, name)) for name, found in self.fields.items()}

    def add(self, pk: str, values: Values, form: Any) -> None:
        self.places[pk] = self.total
        self.total += 1
        self.data[self.name(pk, self.key)] = pk
        self._fill(pk, values, form)
        self.is_changed = True

    def keep(self, pk: str, values: Values, form: Any) -> None:
        self.data.pop(self.name(pk, "DELETE"), None)
        self._fill(pk, values, form)

    def _fill(self, pk: str, values: Values, form: Any) -> None:
        for name, found in kept_fields(form).items():
            put(self.data, found, self.name(pk, name), values[name])

    def drop(self, pk: str) -> None:
        self._take(self.places.pop(pk))
        self.is_changed = True

    def renew(self, pk: str) -> None:
        """Let a row that is gone be added again."""
        self.data[self.name(pk, self.key)] = ""
        self.places.pop(pk)
        self.is_changed = True

    def _take(self, place: int) -> dict[str, list[str]]:
        start = f"{self.prefix}-{place}-"
        names = [name for name in self.data if name.startswith(start)]
        return {name.removeprefix(start): self.data.pop(name) for name in names}

    def write(self, existing: list[str]) -> None:
        """Number the rows again: those that are there first, as Django reads them."""
        if not self.is_changed:
            return
        places = [self.places[pk] for pk in existing]
        others = [place for place in range(self.total) if place not in places]
        taken = [found for place in [*places, *others] if (found := self._take(place))]
        for place, values in enumerate(taken):
            for name, sent in values.items():
                self.data.setlist(f"{self.prefix}-{place}-{name}", sent)
        self.data[f"{self.prefix}-INITIAL_FORMS"] = str(len(places))
        self.data[f"{self.prefix}-TOTAL_FORMS"] = str(len(taken))


def typed_in_words(before: Shown, data: QueryDict, model: type[models.Model]) -> str:
    """Return the texts that were typed into a form whose fields are no longer the person's to fill in."""
    names = {field.name: field for field in model._meta.concrete_fields if not field.is_relation}
    texts = []
    for name, base in before.fields.items():
        sent = data.get(name, "").replace("\r\n", "\n").strip()
        if name in names and isinstance(base, str) and sent and not _is_equal(sent, base):
            texts.append(f"{capfirst(names[name].verbose_name)}: {Truncator(sent).chars(1000)}")
    return "; ".join(texts)


def _is_equal(one: str, other: str) -> bool:
    try:
        return one == other or Decimal(one) == Decimal(other)
    except ArithmeticError:
        return False


def clear_choices(data: QueryDict) -> None:
    for name in [name for name in data if name.startswith(CHOICE)]:
        data.pop(name)


def expected_version(request: HttpRequest) -> int | None:
    """Return the version that the page being saved was brought together with, for services."""
    found: int | None = request.__dict__.get("_merged_version")
    return found
