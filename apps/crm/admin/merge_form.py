"""The fields in which two rows differ, with what each says and which of the two is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.custom import fields_of, told
from apps.crm.models import Company, Person
from apps.crm.services import merging


@dataclass(frozen=True)
class Field:
    """
    One field in which they differ.

    :ivar winner: what the row that stays says, in words
    :ivar chosen: whose value stays, "winner" or "loser"
    """

    name: str
    label: str
    winner: str
    loser: str
    chosen: str


def differing_fields(
    winner: Company | Person, loser: Company | Person, sent: Mapping[str, Any], *, actor: User
) -> list[Field]:
    """List the fields in which two rows differ, each as it was chosen, or as it would be by itself."""
    fields = []
    further = _further(winner, loser, actor)
    for name in merging.choosable(type(winner)):
        one, other = merging.held(winner, name), merging.held(loser, name)
        if one == other:
            continue
        default = merging.LOSER if merging.is_filled(winner, name) else merging.WINNER
        given = sent.get(f"field-{name}", default)
        chosen = given if given in {merging.WINNER, merging.LOSER} else default
        if name in further:
            fields.append(Field(name, *further[name], chosen))
            continue
        fields.append(
            Field(name, _label(winner, name), _shown(winner, name, actor), _shown(loser, name, actor), chosen)
        )
    return fields


def _further(
    winner: Company | Person, loser: Company | Person, actor: User
) -> dict[str, tuple[str, str, str]]:
    """Return label and both texts of each further field, by its name."""
    offered = fields_of(type(winner)) if winner.custom or loser.custom else []
    one, other = (told(row, actor=actor, fields=offered) for row in (winner, loser))
    return {
        mine.field.name: (mine.field.label, mine.text, theirs.text)
        for mine, theirs in zip(one, other, strict=True)
    }


def _label(row: Any, name: str) -> str:
    if name == "owner":
        return _("Owner and team")
    return capfirst(str(row._meta.get_field(name).verbose_name))


def _shown(row: Any, name: str, actor: User) -> str:
    if name == "owner":
        if row.owner_id is None and row.team_id is None:
            return _("everybody's")
        return " · ".join(str(part) for part in (row.owner, row.team) if part is not None)
    value = getattr(row, name)
    if isinstance(value, Company) and not access.can(actor, "view", value):
        return _("a company that you may not see")
    return "" if value is None else str(value)
