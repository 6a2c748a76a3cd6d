"""The names that stand in tables: of those rows that the reader may see."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from apps.accounts.models import Team, User


def names_of(
    model: type[User] | type[Team], keys: Iterable[int | None], actor: User
) -> dict[int | None, str]:
    """Return how rows are called by their keys; what is out of sight has no name."""
    wanted = set(keys)
    # What belongs to the reader is known to them, whatever they may see besides.
    rows: Any = model.objects.visible_to(actor)
    found: dict[int | None, str] = {row.pk: str(row) for row in rows.filter(pk__in=wanted - {None})}
    if model is User and actor.pk in wanted:
        found[actor.pk] = str(actor)
    hidden = _("somebody") if model is User else _("another team")
    return {key: found.get(key, _("no team") if key is None else hidden) for key in wanted}
