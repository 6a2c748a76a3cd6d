"""Erasing what rows said before: for people who want to be forgotten."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, transaction

from apps.history.models import Blanked

_BLANK = """
update history_change set
    old = old || coalesce((select jsonb_object_agg(name, null::text) from jsonb_object_keys(old) as name
                           where name = any(%(columns)s::text[])), '{}'),
    new = new || coalesce((select jsonb_object_agg(name, null::text) from jsonb_object_keys(new) as name
                           where name = any(%(columns)s::text[])), '{}')
where about = any(%(abouts)s::text[]) and model = %(model)s
    and (old ?| %(columns)s::text[] or new ?| %(columns)s::text[])
"""


@transaction.atomic
def blank_history(abouts: Sequence[str], columns: Mapping[str, Sequence[str]]) -> None:
    """
    Erase the former values of columns in the stories of some rows; that they were changed, when and by whom stays.

    From then on nothing of these stories is undone: what would be put back is not there any more.

    :param abouts: the rows in whose stories the changes are told: "crm.person:42"
    :param columns: the database's names of the columns, by the label of their model
    """
    Blanked.objects.bulk_create((Blanked(about=about) for about in abouts), ignore_conflicts=True)
    with connection.cursor() as cursor:
        for model, names in columns.items():
            cursor.execute(_BLANK, {"columns": list(names), "abouts": list(abouts), "model": model})


def blank_rows(model: str, row_ids: Sequence[int], columns: Sequence[str], *, abouts: Sequence[str]) -> None:
    """
    Erase the former values of some rows alone, that are told about in the stories of rows which stay as they are.

    :param abouts: in which stories: "documents.document:42"
    """
    told: dict[str, Any] = {"model": model, "columns": list(columns), "abouts": list(abouts)}
    told["rows"] = [str(pk) for pk in row_ids]
    with connection.cursor() as cursor:
        cursor.execute(f"{_BLANK} and row_id = any(%(rows)s::text[])", told)


def blanked_among(abouts: Sequence[str]) -> set[str]:
    """Return those of some stories whose former values were erased."""
    return set(Blanked.objects.filter(about__in=abouts).values_list("about", flat=True))
