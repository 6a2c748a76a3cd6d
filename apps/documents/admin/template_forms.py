"""Forms of templates: bringing a version, saying what it asks, and filling that in."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.accounts.models import User
from apps.documents.declarations import TYPE_WORDS, Type, Variable
from apps.documents.models import LegalEntity, Template
from apps.documents.models.templates import WORDED
from apps.documents.sources import latest_rows, source_of, sources
from apps.lists.admin.rows import VersionedForm

_INPUT = {"class": "art-input"}
# So many rows are offered to try a template on.
_TRIED_ON = 50
# What people fill in stands under this, apart from what the page itself asks.
PREFIX = "ask"


def source_choices() -> list[tuple[str, Any]]:
    """Return what papers can be about, for a choice."""
    return [("", _("nothing in particular")), *((source.key, source.label) for source in sources())]


class VersionForm(forms.Form):
    """A version that somebody brings: a Word file, or a Typst source."""

    file = forms.FileField(
        label=_("Word file"), required=False, widget=forms.FileInput({**_INPUT, "accept": ".docx"})
    )
    text = forms.CharField(
        label=_("Typst source"),
        required=False,
        strip=False,
        widget=forms.Textarea({**_INPUT, "rows": 18, "spellcheck": "false"}),
    )
    comment = forms.CharField(
        label=_("What is new"), required=False, max_length=500, widget=forms.TextInput(_INPUT)
    )
    declares_missing = forms.BooleanField(
        label=_("Ask for what it names and nobody tells"), required=False, initial=True
    )

    def __init__(self, template: Template, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        is_word = template.kind == Template.Kind.DOCX
        del self.fields["text" if is_word else "file"]
        if not is_word:
            del self.fields["declares_missing"]
            current = template.current_version
            self.fields["text"].initial = current.text if current else ""


class VariableForm(forms.Form):
    """One thing that a template asks for."""

    name = forms.SlugField(label=_("Name"), max_length=50, widget=forms.TextInput(_INPUT))
    label = forms.CharField(
        label=_("What people read"), max_length=150, required=False, widget=forms.TextInput(_INPUT)
    )
    type = forms.ChoiceField(
        label=_("Kind"),
        choices=[(str(one), TYPE_WORDS[one]) for one in Type],
        # A row that nobody has touched asks nothing.
        initial=str(Type.TEXT),
        widget=forms.Select(_INPUT),
    )
    is_required = forms.BooleanField(label=_("Required"), required=False)
    source = forms.ChoiceField(label=_("Filled from"), required=False, widget=forms.Select(_INPUT))
    default = forms.CharField(label=_("Or begins with"), required=False, widget=forms.TextInput(_INPUT))
    choices = forms.CharField(
        label=_("Choices, one a line"), required=False, widget=forms.Textarea({**_INPUT, "rows": 2})
    )

    def __init__(self, *args: Any, source: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        facts = source_of(source).facts if source else ()
        offered = [("", "–"), *((fact.name, f"{fact.label} ({fact.name})") for fact in facts)]
        field: Any = self.fields["source"]
        field.choices = offered

    def declared(self) -> dict[str, Any]:
        """Return the declaration as services take it."""
        values = dict(self.cleaned_data)
        values.pop("DELETE", None)
        lines = values["choices"].splitlines()
        return values | {"choices": [line.strip() for line in lines if line.strip()]}


VariableFormSet = forms.formset_factory(VariableForm, extra=1, can_delete=True)


def shown(variable: dict[str, Any]) -> dict[str, Any]:
    """Return a declaration as the form shows it."""
    names = ("name", "label", "type", "is_required", "source", "default")
    return {name: variable[name] for name in names} | {"choices": "\n".join(variable["choices"])}


class TryForm(forms.Form):
    """What a version is tried on."""

    target = forms.ChoiceField(label=_("Try it on"), required=False, widget=forms.Select(_INPUT))

    def __init__(self, source: str, actor: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = latest_rows(source, actor=actor, count=_TRIED_ON) if source else []
        field: Any = self.fields["target"]
        field.choices = [(row.pk, str(row)) for row in rows]


class PaperForm(forms.Form):
    """What a paper asks for: its own fields, and those of its template under names of their own."""

    title = forms.CharField(
        label=_("Title"),
        required=False,
        max_length=300,
        widget=forms.TextInput(_INPUT),
        help_text=_("Empty: the template and what the paper is about."),
    )
    paper_date = forms.DateField(
        label=_("Date"), widget=forms.DateInput({**_INPUT, "type": "date"}, format="%Y-%m-%d")
    )
    entity = forms.ModelChoiceField(
        label=_("In the name of"),
        queryset=LegalEntity.objects.none(),
        required=False,
        widget=forms.Select(_INPUT),
    )

    def __init__(self, variables: list[Variable], actor: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        entities = LegalEntity.objects.visible_to(actor).filter(archived_at=None)
        field: Any = self.fields["entity"]
        field.queryset = entities.order_by("-is_default", "name")
        field.empty_label = None
        if not entities.exists():
            del self.fields["entity"]
        for variable in variables:
            self.fields[f"{PREFIX}_{variable.name}"] = _field_of(variable)

    def inputs(self) -> dict[str, Any]:
        """Return what was filled in, as it was typed: what it means, the declarations say."""
        names = [name for name in self.fields if name.startswith(f"{PREFIX}_")]
        return {name.removeprefix(f"{PREFIX}_"): self.cleaned_data.get(name) for name in names}

    @property
    def asked(self) -> list[Any]:
        """The fields of the template."""
        return [self[name] for name in self.fields if name.startswith(f"{PREFIX}_")]

    @property
    def own(self) -> list[Any]:
        """The fields of the page."""
        return [self[name] for name in self.fields if not name.startswith(f"{PREFIX}_")]


def _field_of(variable: Variable) -> forms.Field:
    """Return the field for a variable; it takes any text, so that one place says what is wrong with it."""
    words: dict[str, Any] = {
        "label": variable.label,
        "required": False,
        "help_text": variable.help,
    }
    if variable.type == Type.YES_NO:
        return forms.BooleanField(**words)
    if variable.type == Type.CHOICE:
        offered = [("", "–"), *((one, one) for one in variable.choices)]
        return forms.ChoiceField(choices=offered, widget=forms.Select(_INPUT), **words)
    if variable.type == Type.LONG_TEXT:
        return forms.CharField(widget=forms.Textarea({**_INPUT, "rows": 3}), **words)
    widget: forms.Widget = forms.TextInput(_INPUT)
    if variable.type == Type.DATE:
        widget = forms.DateInput({**_INPUT, "type": "date"})
    elif variable.type in (Type.NUMBER, Type.MONEY):
        widget = forms.TextInput({**_INPUT, "inputmode": "decimal"})
    return forms.CharField(widget=widget, **words)


class LogoForm(forms.Form):
    """The picture that papers begin with."""

    logo = forms.FileField(
        label=_("Logo"),
        required=False,
        widget=forms.FileInput({**_INPUT, "accept": "image/png,image/jpeg"}),
        help_text=_("PNG or JPEG, at most one megabyte."),
    )


def worded(language: str) -> tuple[str, ...]:
    """Return the names of the fields for what a company of ours says of itself in a language."""
    return tuple(f"{language}_{name}" for name in WORDED)


class LegalEntityForm(VersionedForm):
    """A company of ours, with what papers in each language say instead."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for language, _words in settings.LANGUAGES:
            texts = self.instance.translations.get(language, {})
            for name, field in zip(WORDED, worded(language), strict=True):
                if field in self.fields:
                    self.initial[field] = texts.get(name, "")

    def values(self, names: list[str]) -> dict[str, Any]:
        """Return the cleaned values of fields as services take them, texts by language."""
        said = {language: worded(language) for language, _words in settings.LANGUAGES}
        translated = {field for fields in said.values() for field in fields}
        found = super().values([name for name in names if name not in translated])
        if translated & set(names):
            found["translations"] = {
                language: texts
                for language, fields in said.items()
                if (
                    texts := {
                        name: text
                        for name, field in zip(WORDED, fields, strict=True)
                        if (text := self.cleaned_data[field])
                    }
                )
            }
        return found


for _language, _words in settings.LANGUAGES:
    for _name, _field in zip(WORDED, worded(_language), strict=True):
        _column: Any = LegalEntity._meta.get_field(_name)
        LegalEntityForm.declared_fields[_field] = forms.CharField(
            label=_column.verbose_name,
            max_length=_column.max_length,
            required=False,
            widget=UnfoldAdminTextInputWidget,
        )
