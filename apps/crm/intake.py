"""What a stranger's form says, made into what a lead takes: everything in it is hostile until it has been looked at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.crm.models import LeadForm
from apps.crm.models.leads import FORM_FIELDS

# Of the fields that a form may bring besides ours, and of each.
_MOST_EXTRA, _LONGEST_NAME, _LONGEST_EXTRA = 30, 64, 1_000
_LONGEST = {
    "name": 200,
    "company_name": 200,
    "email": 254,
    "phone": 64,
    "telegram": 64,
    "message": 10_000,
    "country": 100,
    "language": 8,
}
_WAYS = ("email", "phone", "telegram")
_AGREED = {"1", "on", "true", "yes"}
# Line ends and the like would be headers of letters, and rows of lists.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")


@dataclass(frozen=True)
class Message:
    """
    What was sent with a form.

    :ivar values: what the lead takes, by our names
    :ivar extra: what the form brought besides
    :ivar submission_id: the sender's own name for it, by which a second sending is known
    """

    values: dict[str, str]
    extra: dict[str, str] = field(default_factory=dict)
    submission_id: str = ""
    has_agreed: bool = False


def is_of_robot(form: LeadForm, given: Mapping[str, Any]) -> bool:
    """Tell whether the field was filled in that people do not see."""
    return bool(given.get(form.honeypot))


def read_message(form: LeadForm, given: Mapping[str, Any]) -> Message:
    """
    Read what was sent with a form, by its map of fields.

    :param given: names and plain values
    :raises ValidationError: a value is nested or too long, or there is no way to answer, by the form's own names
    """
    values: dict[str, str] = {}
    extra: dict[str, str] = {}
    special = {"submission_id": "", "consent": ""}
    refused: dict[str, ValidationError] = {}
    for name, value in given.items():
        ours = form.field_map.get(name, name)
        try:
            text = _text(value)
            if ours in FORM_FIELDS:
                values[ours] = _fitting(ours, text)
            elif ours in special:
                special[ours] = _line(text)
            elif name != form.honeypot:
                _keep(extra, name, text)
        except ValidationError as error:
            refused[str(name)[:_LONGEST_NAME]] = error
    if len(special["submission_id"]) > 64:
        refused["submission_id"] = _too_long(64)
    if not refused and not any(values.get(way) for way in _WAYS):
        refused[_name_for(form, "email")] = ValidationError(
            _("Leave an e-mail address, a phone number or a Telegram name, so that you can be answered."),
            code="contact_required",
        )
    has_agreed = special["consent"].lower() in _AGREED
    if form.is_consent_required and not has_agreed:
        refused[_name_for(form, "consent")] = ValidationError(
            _("Without your consent this cannot be taken."), code="consent_required"
        )
    if refused:
        raise ValidationError(refused)
    return Message(values, extra, special["submission_id"], has_agreed and bool(form.consent_text))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else ""
    if isinstance(value, str | int | float):
        # What UTF-8 cannot say, PostgreSQL cannot store.
        return str(value).encode("utf-8", "ignore").decode()
    raise ValidationError(_("Plain values only, nothing within another."), code="nested")


def _fitting(name: str, text: str) -> str:
    clean = _NOT_IN_TEXT.sub("", text).strip() if name == "message" else _line(text)
    if len(clean) > _LONGEST[name]:
        raise _too_long(_LONGEST[name])
    return clean


def _line(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text).split())


def _too_long(limit: int) -> ValidationError:
    return ValidationError(
        _("The text is longer than %(limit)s characters."), code="too_long", params={"limit": limit}
    )


def _keep(extra: dict[str, str], name: Any, text: str) -> None:
    if len(extra) < _MOST_EXTRA and text:
        extra[_line(str(name))[:_LONGEST_NAME]] = _NOT_IN_TEXT.sub("", text)[:_LONGEST_EXTRA]


def _name_for(form: LeadForm, ours: str) -> str:
    """Return what the form calls one of our fields."""
    return next((theirs for theirs, mapped in form.field_map.items() if mapped == ours), ours)
