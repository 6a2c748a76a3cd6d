"""Whether a tax number is one of the country that it is said to be of. Pure: python-stdnum knows the rules."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import stdnum
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.crm.countries import country_code

_KPP_LENGTH = 9
# Numbers of people, of vehicles and of goods are no numbers of companies, whatever their shape.
_ALSO = {
    "ru": ("inn", "ogrn"),
    "us": ("ein",),
    "de": ("vat", "stnr"),
    "pl": ("nip", "regon"),
    "fr": ("tva", "siren", "siret"),
    "ua": ("edrpou",),
}
_USUAL = ("vat", "tin", "businessid", "orgnr")


def check_tax_id(tax_id: str, country: str) -> None:
    """
    Insist that a tax number is one of its country, where the country's rules are known.

    :param country: as somebody wrote it; where nobody knows it, every number will do
    :raises ValidationError: it is mistyped, or another country's ("tax_id")
    """
    if not is_plausible(tax_id, country):
        raise ValidationError(
            _("“%(value)s” is no tax id of this country: a digit is wrong or missing."),
            code="tax_id",
            params={"value": tax_id},
        )


def is_plausible(tax_id: str, country: str) -> bool:
    """Tell whether a tax number may be one of a country; where its rules are not known, any may."""
    plain = "".join(character for character in tax_id.upper() if character.isalnum())
    code = country_code(country).lower()
    rules = _rules(code) if code else ()
    if not plain or not rules:
        return True
    return any(rule.is_valid(written) for rule in rules for written in _ways(plain, code))


def _ways(plain: str, code: str) -> set[str]:
    """Return the ways to read a number: with the country in front or not, a Russian one also with its KPP behind."""
    ways = {plain, plain.removeprefix(code.upper())}
    if code == "ru" and len(plain) in {10 + _KPP_LENGTH, 12 + _KPP_LENGTH}:
        ways.add(plain[:-_KPP_LENGTH])
    return ways


@cache
def _rules(code: str) -> tuple[Any, ...]:
    # The names of keywords have a line behind them there.
    package = {"is": "is_", "in": "in_", "do": "do"}.get(code, code)
    if package not in {each.name for each in iter_modules(stdnum.__path__)}:
        return ()
    country = import_module(f"stdnum.{package}")
    there = {each.name for each in iter_modules(country.__path__)}
    aliases = [name for name in _USUAL if name in there or hasattr(country, name)]
    names = dict.fromkeys([*_ALSO.get(code, ()), *aliases])
    return tuple(_module(country, name) for name in names)


def _module(country: Any, name: str) -> Any:
    found = getattr(country, name, None)
    return found if found is not None else import_module(f"{country.__name__}.{name}")
