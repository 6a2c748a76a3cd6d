"""The fields that a form shows, on our own page of it and in the piece of HTML for other sites."""

from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.crm.models import LeadForm

_LABELS: dict[str, Any] = {
    "name": pgettext_lazy("form", "Your name"),
    "company_name": _("Company"),
    "email": _("E-mail"),
    "phone": _("Phone"),
    "telegram": _("Telegram"),
    "message": _("What is it about?"),
    "country": _("Country"),
    "language": _("Language"),
}
_KINDS = {"email": ("email", "email"), "phone": ("tel", "tel"), "message": ("textarea", "")}
_AUTOCOMPLETE = {"name": "name", "company_name": "organization", "country": "country-name"}
_USUAL = ("name", "email", "phone", "message")


@dataclass(frozen=True)
class ShownField:
    """One field as it is called on the site."""

    name: str
    label: str
    type: str
    autocomplete: str


def page_context(form: LeadForm) -> dict[str, Any]:
    """Return what the fields of a form are drawn from."""
    theirs = {ours: name for name, ours in form.field_map.items()}
    shown = [ours for ours in form.field_map.values() if ours in _LABELS] or _USUAL
    fields = [_field(ours, theirs.get(ours, ours)) for ours in shown]
    return {"form": form, "fields": fields, "consent_name": theirs.get("consent", "consent")}


def _field(ours: str, name: str) -> ShownField:
    kind, complete = _KINDS.get(ours, ("text", _AUTOCOMPLETE.get(ours, "off")))
    return ShownField(name, str(_LABELS[ours]), kind, complete)


def snippet_of(form: LeadForm, url: str) -> str:
    """Return the piece of HTML that puts a form on any site, without a script."""
    context = {**page_context(form), "url": url}
    lines = render_to_string("crm/form_snippet.html", context).splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())
