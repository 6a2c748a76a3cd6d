"""
The form of an e-mail address, a phone number and a Telegram name in which two of them compare.

Pure: no database, no settings; the services and the import use it alike.
"""

import re

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

_EMAIL = EmailValidator()
_INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060\ufeff\xad]")
_TELEGRAM_LINK = re.compile(r"^(?:https?://)?(?:t|telegram)\.me/", re.IGNORECASE)
_TELEGRAM_NAME = re.compile(r"[a-z][a-z0-9_]{3,31}", re.ASCII)


def normalise(kind: str, raw: str, region: str) -> str:
    """
    Return the comparable form: "anna@example.org", "+74951234567", "@anna".

    :param kind: a value of ContactPoint.Kind
    :param region: the country (ISO 3166, "RU") of a phone number that names none
    :raises ValidationError: it is no such thing (codes "email", "phone", "telegram", "kind")
    """
    text = _INVISIBLE.sub("", raw).strip()
    if kind == "EMAIL":
        return _email(text)
    if kind == "PHONE":
        return _phone(text, region)
    if kind == "TELEGRAM":
        return _telegram(text)
    raise ValidationError(_("Unknown kind of contact."), code="kind")


def _email(text: str) -> str:
    local, _at, domain = text.removeprefix("mailto:").rpartition("@")
    refusal = ValidationError(
        _("“%(value)s” is not an e-mail address."), code="email", params={"value": text}
    )
    try:
        address = f"{local}@{domain.encode('idna').decode('ascii')}".lower()
        _EMAIL(address)
    except (UnicodeError, ValidationError) as error:
        raise refusal from error
    if len(address) > 254:
        raise refusal
    return address


def _phone(text: str, region: str) -> str:
    refusal = ValidationError(_("“%(value)s” is not a phone number."), code="phone", params={"value": text})
    try:
        number = phonenumbers.parse(text.removeprefix("tel:"), region)
    except phonenumbers.NumberParseException as error:
        raise refusal from error
    # Possible rather than valid: which ranges are in use changes faster than the library's tables.
    if not phonenumbers.is_possible_number(number):
        raise refusal
    base = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{base};ext={number.extension}" if number.extension else base


def _telegram(text: str) -> str:
    name = _TELEGRAM_LINK.sub("", text).removeprefix("@").rstrip("/").lower()
    if not _TELEGRAM_NAME.fullmatch(name):
        raise ValidationError(
            _("“%(value)s” is not a Telegram name."),
            code="telegram",
            params={"value": text},
        )
    return f"@{name}"
