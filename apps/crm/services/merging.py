"""Two companies, or two people, become one: each field as it was chosen, and everything that points at them moved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User
from apps.crm import events
from apps.crm.custom import PREFIX, fields_of
from apps.crm.models import Company, Deal, Person
from apps.crm.services import rows
from apps.crm.services.merge_rules import Merge, rules_of
from apps.events.services import Fact
from apps.history.context import describe

_Row = TypeVar("_Row", Company, Person)
WINNER, LOSER = "winner", "loser"
Choices = Mapping[str, str]


@dataclass(frozen=True)
class _Kind:
    """
    What is particular to one kind of rows.

    :ivar fields: what may be chosen of; the owner goes together with the team
    :ivar column: the key by which deals point at such a row
    """

    fields: tuple[str, ...]
    column: str
    label: str | Promise
    merged: Fact
    archived: Fact
    publish: Callable[..., None]
    snapshots: Callable[..., events.Snapshots]


_KINDS: dict[type[Any], _Kind] = {
    Company: _Kind(
        (
            *("name", "legal_name", "tax_id", "domain", "industry", "country", "city", "founded_year"),
            *("employee_count", "annual_revenue", "parent", "description", "owner"),
        ),
        "company",
        _("Merge of two companies"),
        events.COMPANY_MERGED,
        events.COMPANY_ARCHIVED,
        events.publish_company,
        events.company_snapshots,
    ),
    Person: _Kind(
        (*("given_name", "middle_name", "family_name", "job_title", "locale", "description", "owner"),),
        "person",
        _("Merge of two people"),
        events.PERSON_MERGED,
        events.PERSON_ARCHIVED,
        events.publish_person,
        events.person_snapshots,
    ),
}
_COLUMNS = {"parent": ("parent_id",), "owner": ("owner_id", "team_id")}
# As long as nobody says otherwise, who has the row that stays keeps it, be it everybody.
_NEVER_FILLED = {"owner"}


def choosable(model: type[Company] | type[Person]) -> tuple[str, ...]:
    """Return the fields of which one row's value is chosen, further ones too; "owner" stands for owner and team."""
    return (*_KINDS[model].fields, *(field.name for field in fields_of(model)))


def columns_of(name: str) -> tuple[str, ...]:
    """Return the columns that are chosen together."""
    return _COLUMNS.get(name, (name,))


def held(row: Company | Person, name: str) -> tuple[Any, ...]:
    """Return what a row has in a field, as it is compared: an owner together with the team."""
    if name.startswith(PREFIX):
        return (row.custom.get(name.removeprefix(PREFIX)),)
    return tuple(getattr(row, column) for column in columns_of(name))


def is_filled(winner: Company | Person, name: str) -> bool:
    """Tell whether a row that stays takes a field from the other, unless somebody says otherwise: it has none."""
    is_empty = all(value in {None, ""} for value in held(winner, name))
    return is_empty and name not in _NEVER_FILLED


def merge_companies(
    winner_id: int,
    loser_id: int,
    *,
    actor: User,
    choices: Choices | None = None,
    expected_version: int | None = None,
    loser_version: int | None = None,
) -> Company:
    """
    Make one company part of another, which takes over everything that points at it; history undoes it.

    :param choices: {field: "winner" | "loser"}; without a choice the winner's value, or the loser's where it has none
    :raises DoesNotExist: one of them is out of sight
    :raises PermissionDenied: the actor may not merge or change both, or not put the loser into the trash
    :raises ValidationError: "merged", "archived", "stale", "merge_same", "merge_choice", or a value is refused
    """
    return _merge(Company, winner_id, loser_id, actor, choices or {}, (expected_version, loser_version))


def merge_people(
    winner_id: int,
    loser_id: int,
    *,
    actor: User,
    choices: Choices | None = None,
    expected_version: int | None = None,
    loser_version: int | None = None,
) -> Person:
    """
    Make one person part of another, as :func:`merge_companies` does companies.

    :raises DoesNotExist: one of them is out of sight
    :raises PermissionDenied: the actor may not merge or change both, or not put the loser into the trash
    :raises ValidationError: "merged", "archived", "stale", "merge_same", "merge_choice", or a value is refused
    """
    return _merge(Person, winner_id, loser_id, actor, choices or {}, (expected_version, loser_version))


@transaction.atomic
def _merge(
    model: type[_Row],
    winner_id: int,
    loser_id: int,
    actor: User,
    choices: Choices,
    versions: tuple[int | None, int | None],
) -> _Row:
    kind = _KINDS[model]
    if winner_id == loser_id:
        raise ValidationError(_("A row cannot be merged into itself."), code="merge_same")
    unknown = set(choices) - set(kind.fields)
    if unknown:
        unknown -= set(choosable(model))
    if unknown or not set(choices.values()) <= {WINNER, LOSER}:
        raise ValidationError(_("There is no such choice for a merge."), code="merge_choice")
    winner, loser = _locked(model, winner_id, loser_id, actor)
    _require_current(winner, versions[0])
    _require_current(loser, versions[1])
    describe(label=str(kind.label))
    merge = Merge(winner, loser, actor)
    values = _values(winner, loser, choices, kind)
    _put_away(winner, loser, actor, values)
    rows.write(winner, values, actor=actor)
    for rule in rules_of(model):
        if rule.move is not None:
            rule.move(merge)
    # With an owner of the loser's it may have gone out of reach.
    access.require(actor, "change", winner)
    _tell(kind, merge)
    return winner


def _locked(model: type[_Row], winner_id: int, loser_id: int, actor: User) -> tuple[_Row, _Row]:
    """
    Lock what points at the loser before both rows, as whoever changes one of those does, and both in one order.

    Against everybody, also those who only point something new at them: they wait, and find that it was merged.
    """
    _required(model, winner_id, loser_id, actor)
    list(
        Deal.objects.filter(**{_KINDS[model].column: loser_id})
        .order_by("pk")
        .select_for_update(no_key=True)
        .values("pk")
    )
    has_group = issubclass(model, Company)
    if has_group:
        people = Person.objects.filter(pk__in=_employees(loser_id)).order_by("pk")
        list(people.select_for_update(no_key=True).values("pk"))
    around = Q(pk__in=[winner_id, loser_id])
    if has_group:
        around |= Q(parent=loser_id)
    list(model._base_manager.filter(around).order_by("pk").select_for_update().values("pk"))
    # Who may, and what they are, as it stands now that nobody else changes it.
    return _required(model, winner_id, loser_id, actor)


def _employees(company_id: int) -> Any:
    return Person.objects.filter(employments__company=company_id).values("pk")


def _required(model: type[_Row], winner_id: int, loser_id: int, actor: User) -> tuple[_Row, _Row]:
    """Return both rows, once the actor may merge them. :raises ValidationError: one is merged or in the trash"""
    visible = model._base_manager.filter(access.scope(actor, "view", model))
    winner, loser = visible.get(pk=winner_id), visible.get(pk=loser_id)
    for row, actions in ((winner, ("merge", "change")), (loser, ("merge", "change", "archive"))):
        for action in actions:
            access.require(actor, action, row)
    for row in (loser, winner):
        rows.require_unmerged(row)
        rows.require_active(row)
    return winner, loser


def _require_current(row: Company | Person, version: int | None) -> None:
    if version is not None and row.version != version:
        raise ValidationError(
            _("Somebody else has changed this meanwhile. Reload it and try again."), code="stale"
        )


def _values(winner: Any, loser: Any, choices: Choices, kind: _Kind) -> dict[str, Any]:
    """Return what the winner takes over of the loser's own fields."""
    values: dict[str, Any] = {}
    for name in kind.fields:
        default = LOSER if is_filled(winner, name) else WINNER
        if choices.get(name, default) == LOSER:
            values |= {column: getattr(loser, column) for column in columns_of(name)}
    values["custom"] = _further(winner, loser, choices)
    if not winner.external_id and loser.external_id:
        values |= {"external_source": loser.external_source, "external_id": loser.external_id}
    values = rows.differing(winner, values)
    if isinstance(winner, Company):
        values |= _place(winner, loser, values)
    return values


def _further(winner: Any, loser: Any, choices: Choices) -> dict[str, Any]:
    """Return what the winner has in further fields, those that are not offered any more too."""
    found = dict(winner.custom)
    for key in winner.custom.keys() | loser.custom.keys():
        default = WINNER if key in winner.custom else LOSER
        if choices.get(f"{PREFIX}{key}", default) == WINNER:
            continue
        if key in loser.custom:
            found[key] = loser.custom[key]
        else:
            found.pop(key)
    return found


def _place(winner: Company, loser: Company, values: dict[str, Any]) -> dict[str, Any]:
    """
    Keep the companies a tree: two that stand in one line stand where the upper one does.

    Otherwise the lower one would end up above itself.
    """
    if loser.pk in _above(winner):
        return rows.differing(winner, {"parent_id": loser.parent_id})
    if winner.pk in _above(loser):
        return {"parent_id": winner.parent_id} if "parent_id" in values else {}
    return {}


def _above(company: Company) -> set[int]:
    """Return the companies above one, however far."""
    found: set[int] = set()
    parent_id = company.parent_id
    while parent_id is not None and parent_id not in found:
        found.add(parent_id)
        parent_id = Company._base_manager.values_list("parent_id", flat=True).get(pk=parent_id)
    return found


def _put_away(winner: _Row, loser: _Row, actor: User, values: Mapping[str, Any]) -> None:
    """Put the loser into the trash first: what is unique among those outside of it is the winner's to take."""
    gone: dict[str, Any] = {"archived_at": timezone.now(), "merged_into_id": winner.pk}
    if "external_id" in values:
        # Under its name in another system the winner is found from now on.
        gone |= {"external_source": "", "external_id": ""}
    rows.write(loser, gone, actor=actor)


def _tell(kind: _Kind, merge: Merge) -> None:
    for tell in merge.told:
        tell()
    kind.publish(kind.archived, merge.loser.pk, actor_id=merge.actor.pk)
    merged = {"id": merge.loser.pk, "name": str(merge.loser)}
    kind.publish(kind.merged, merge.winner.pk, actor_id=merge.actor.pk, merged=merged)


def merged_into(row: Company | Person) -> Company | Person | None:
    """Return the row that a merged one is part of by now, through all later merges; None where it is not merged."""
    found: Company | Person | None = None
    seen = {row.pk}
    next_id = row.merged_into_id
    while next_id is not None and next_id not in seen:
        seen.add(next_id)
        found = type(row)._base_manager.get(pk=next_id)
        next_id = found.merged_into_id
    return found
