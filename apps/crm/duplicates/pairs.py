"""The pairs that may be the same, as far as somebody sees both rows."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, Model, OuterRef, QuerySet

from apps.accounts.models import User
from apps.crm.duplicates.likeness import Found, found_from
from apps.crm.models import Company, Duplicated, DuplicateDismissal, DuplicatePair, Person

MODELS: dict[str, type[Company] | type[Person]] = {Duplicated.COMPANY: Company, Duplicated.PERSON: Person}


@dataclass(frozen=True)
class Pair:
    """Two rows, and why they may be one."""

    first: Any
    second: Any
    score: int
    reasons: list[Found]


def pairs_for(
    actor: User, model: type[Company] | type[Person], *, is_dismissed: bool = False
) -> QuerySet[DuplicatePair]:
    """Return the pairs of which `actor` sees both rows, the likeliest first; of the dismissed ones only those."""
    seen: Any = model.objects.visible_to(actor).active().values("pk")
    kind = model._meta.label_lower
    said = DuplicateDismissal.objects.filter(
        kind=kind, first_id=OuterRef("first_id"), second_id=OuterRef("second_id")
    )
    pairs = DuplicatePair.objects.filter(kind=kind, first_id__in=seen, second_id__in=seen)
    shown = pairs.filter(Exists(said)) if is_dismissed else pairs.filter(~Exists(said))
    return shown.order_by("-score", "pk")


def with_rows(pairs: list[DuplicatePair], model: type[Model]) -> list[Pair]:
    """Put the rows to pairs that somebody sees: one query."""
    ids = {pk for pair in pairs for pk in (pair.first_id, pair.second_id)}
    rows: Any = model._base_manager.filter(pk__in=ids).select_related("owner")
    found = {row.pk: row for row in rows}
    return [
        Pair(found[pair.first_id], found[pair.second_id], pair.score, list(map(found_from, pair.reasons)))
        for pair in pairs
        if pair.first_id in found and pair.second_id in found
    ]
