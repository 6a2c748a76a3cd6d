"""
Why two rows may stand for one, and how much each reason weighs.

Pure: no database, no settings; the questions to the database and the look through all rows use it alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from django.utils.translation import gettext as _
from stdnum import get_cc_module
from stdnum.eu import vat
from stdnum.ru import inn

# A taxpayer's number in Russia is often written with that of the tax office behind it (nine digits).
_KPP_LENGTH = 9
# Below this, two names are not alike: what remains are words that many share.
LEAST_SCORE = 20


class Reason(StrEnum):
    """What two rows have in common."""

    TAX_ID = "tax_id"
    CONTACT = "contact"
    FORMER_CONTACT = "former_contact"
    DOMAIN = "domain"
    EXTERNAL_ID = "external_id"
    NAME_AND_COMPANY = "name_and_company"
    NAME = "name"


# Out of a hundred such pairs, so many were one.
_WEIGHTS = {
    Reason.TAX_ID: 95,
    Reason.CONTACT: 90,
    Reason.FORMER_CONTACT: 60,
    Reason.DOMAIN: 60,
    Reason.EXTERNAL_ID: 40,
    Reason.NAME_AND_COMPANY: 80,
    Reason.NAME: 50,
}
_OF_NAMES = {Reason.NAME, Reason.NAME_AND_COMPANY}


@dataclass(frozen=True)
class Found:
    """
    One reason.

    :ivar detail: what is the same, as an address
    :ivar likeness: of names, from 0 to 1
    """

    reason: Reason
    detail: str = ""
    likeness: float = 1.0

    @property
    def weight(self) -> float:
        # Names that are half alike say less than half; one letter of seven still says something.
        return _WEIGHTS[self.reason] * (self.likeness**1.5 if self.reason in _OF_NAMES else 1)

    @property
    def words(self) -> str:
        return _words(self)

    def as_json(self) -> list[Any]:
        return [self.reason.value, self.detail, round(self.likeness, 2)]


def found_from(stored: Sequence[Any]) -> Found:
    """Return a reason from what :meth:`Found.as_json` made of it."""
    reason, detail, likeness = stored
    return Found(Reason(reason), str(detail), float(likeness))


def score_of(reasons: Iterable[Found]) -> int:
    """Return from 0 to 99 how likely two rows are one: each reason takes its part of what the others leave."""
    doubt = 1.0
    for one in reasons:
        doubt *= 1 - one.weight / 100
    return min(99, round(100 * (1 - doubt)))


def distinct(reasons: Iterable[Found]) -> list[Found]:
    """Keep the strongest of what says the same, the strongest first; a name and its company are one reason."""
    best: dict[tuple[Reason, str], Found] = {}
    for one in sorted(reasons, key=lambda each: each.weight):
        best[one.reason, one.detail] = one
    if any(reason == Reason.NAME_AND_COMPANY for reason, _detail in best):
        best = {key: one for key, one in best.items() if key[0] != Reason.NAME}
    return sorted(best.values(), key=lambda each: -each.weight)


def _words(found: Found) -> str:
    if found.reason in _OF_NAMES and found.likeness < 1:
        return {
            Reason.NAME: _("Similar name"),
            Reason.NAME_AND_COMPANY: _("Similar name at the same company"),
        }[found.reason]
    said = {
        Reason.TAX_ID: _("Same tax id"),
        Reason.CONTACT: _("Same contact"),
        Reason.FORMER_CONTACT: _("Reached by the same contact before"),
        Reason.DOMAIN: _("Same domain"),
        Reason.EXTERNAL_ID: _("Same number in another system"),
        Reason.NAME_AND_COMPANY: _("Same name at the same company"),
        Reason.NAME: _("Same name"),
    }[found.reason]
    return f"{said}: {found.detail}" if found.detail else said


# Tax numbers


def tax_keys(tax_id: str, country: str) -> set[str]:
    """
    Return the ways in which the same tax number may be written, in the form that the database compares.

    :param country: as somebody wrote it; one of two letters says which country's rules hold
    """
    plain = "".join(character for character in tax_id.upper() if character.isalnum())
    if not plain:
        return set()
    keys = {plain}
    if vat.is_valid(plain):
        # The same with and without the country in front.
        keys.add(plain[2:])
    base = plain[:-_KPP_LENGTH]
    if len(plain) in {10 + _KPP_LENGTH, 12 + _KPP_LENGTH} and inn.is_valid(base):
        keys.add(base)
    if inn.is_valid(plain):
        keys.add(f"RU{plain}")
    if plain.startswith("RU") and inn.is_valid(plain[2:]):
        keys.add(plain[2:])
    rules = _rules_of(country.strip().lower()) if len(country.strip()) == 2 else None
    if rules is not None and rules.is_valid(plain):
        compact = str(rules.compact(plain))
        keys |= {compact, f"{country.strip().upper()}{compact}"}
    return keys


@cache
def _rules_of(country: str) -> Any:
    return get_cc_module(country, "vat")
