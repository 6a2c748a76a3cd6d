"""Who changed a row last, column by column, for pages on which two people meet."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import models

from apps.accounts.faces.merging import Author
from apps.accounts.models import User
from apps.history.models import Change, ChangeSet
from apps.history.selectors.stories import latest
from apps.history.selectors.words import Words

# So many of the latest changes are looked through: nobody keeps a page open for longer.
LOOKED_THROUGH = 200


@dataclass
class LastAuthors:
    """Finds who changed what of a row and its parts last; asks the database when first asked itself."""

    row: models.Model
    actor: User

    def __call__(self, label: str, row_id: str, column: str) -> Author | None:
        """
        Return who touched a row last.

        :param row_id: "" for any row of the model, as for tags, which are rows of the table between
        :param column: "" for any column
        """
        for change in self._changes:
            if change.model == label and row_id in {"", change.row_id} and _is_about(change, column):
                name = self._names_of_sets.get(change.change_set_id, "")
                return Author(name, change.at) if name else None
        return None

    @cached_property
    def _changes(self) -> list[Change]:
        return latest(self.row._meta.label_lower, str(self.row.pk), limit=LOOKED_THROUGH)

    @cached_property
    def _names_of_sets(self) -> dict[int, str]:
        sets = {change.change_set_id for change in self._changes}
        actors = dict(ChangeSet.objects.filter(pk__in=sets).values_list("pk", "actor_id"))
        words = Words(self.actor)
        for actor_id in actors.values():
            words.expect_key(User, actor_id)
        return {pk: words.known_name(User, actor_id) for pk, actor_id in actors.items()}


def _is_about(change: Change, column: str) -> bool:
    values: dict[str, Any] = change.new or change.old or {}
    return not column or column in values
