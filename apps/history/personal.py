"""What history remembers of people outside: what the columns said that are declared personal."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from apps.common.personal import Place, Subject, Turn, declare_place, not_personal, personal_columns
from apps.history.models import Blanked, Change, ChangeSet, Conflict, Creation, Undo
from apps.history.services.blanking import blank_history


def declare() -> None:
    """Declare it; called when the app is ready."""
    not_personal(ChangeSet, "What was done, named by kinds and counts, and why, in a colleague's words.")
    not_personal(Undo, "Why something was undone, in a colleague's words.")
    for model in (Blanked, Conflict, Creation):
        not_personal(model, "Kinds and keys of rows.")
    not_personal(Change, "Kinds and keys of rows.", "model", "row_id", "about")
    declare_place(
        Place(
            Change,
            {"old": None, "new": None},
            _changes,
            turn=Turn.LAST,
            erase=_blank,
            keys=lambda subject: subject.abouts(),
        )
    )


def _changes(subject: Subject) -> QuerySet[Any]:
    return Change.objects.filter(about__in=subject.abouts(), model__in=personal_columns())


def _blank(keys: Sequence[str], context: Mapping[str, Any]) -> None:
    blank_history(keys, personal_columns())
