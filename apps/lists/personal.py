"""What lists keep about people outside: rows of bulk changes, filters that name them, and files on their way."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast, Upper

from apps.common.personal import Place, Subject, Turn, declare_place, not_personal
from apps.lists.models import (
    BulkEdit,
    BulkRow,
    Export,
    ExportPart,
    SavedView,
    SelectedRow,
    Selection,
)
from apps.lists.services.exports import clear_exports

_PARTS = "The rows go with the file that they are parts of."


def declare() -> None:
    """Declare it; called when the app is ready."""
    for model in (Selection, SelectedRow):
        not_personal(model, "Keys of rows.")
    not_personal(BulkEdit, "What was changed in many rows at once, and says nothing about one of them.")
    not_personal(
        SavedView,
        "What somebody calls a list, and how they look at it.",
        "page",
        "name",
        "columns",
        "sort",
        "layout",
    )
    not_personal(
        Export,
        "What was taken away, by kinds and columns; what the file held goes with it.",
        *("model_label", "columns", "language", "separator", "filename", "sha256"),
    )
    declare_place(
        Place(
            BulkRow,
            {"values": None, "reason": ""},
            _bulk_rows,
            turn=Turn.FOLLOWING,
            is_told=False,
            is_searched=True,
        )
    )
    declare_place(
        Place(SavedView, {"params": {}}, _views, turn=Turn.FOLLOWING, is_told=False, is_searched=True)
    )
    declare_place(
        Place(
            Export,
            {"storage_name": ""},
            _exports,
            goes="The file is removed, with everything in it.",
            turn=Turn.FOLLOWING,
            erase=_clear,
            is_told=False,
            is_searched=True,
        )
    )
    declare_place(
        Place(
            ExportPart,
            {"data": None},
            lambda subject: ExportPart.objects.filter(export__in=_exports(subject)),
            goes=_PARTS,
            turn=Turn.FOLLOWING,
            erase=_delete_parts,
            is_told=False,
            is_searched=True,
        )
    )


def _with_rows_of(subject: Subject, label: str) -> Q:
    """Return a condition on rows of long work: those that are about the person, or name them."""
    condition = Q(pk__in=[])
    for keys in (subject.keys, subject.named_in):
        for of, found in keys.items():
            numbers = [key for key in found if isinstance(key, int)]
            condition |= Q(**{label: of}) & Q(row_id__in=numbers)
    return condition


def _bulk_rows(subject: Subject) -> QuerySet[Any]:
    own = Subject(subject.keys)
    return BulkRow.objects.filter(_with_rows_of(own, "edit__model_label"))


def _views(subject: Subject) -> QuerySet[Any]:
    condition = Q(pk__in=[])
    for word in subject.words:
        condition |= Q(text__contains=word.upper())
    return SavedView.objects.alias(text=Upper(Cast("params", TextField()))).filter(condition)


def _exports(subject: Subject) -> QuerySet[Any]:
    held = SelectedRow.objects.filter(_with_rows_of(subject, "selection__model_label"))
    return Export.objects.filter(expired_at=None, selection__in=held.values("selection"))


def _clear(keys: Sequence[int], context: Mapping[str, Any]) -> None:
    clear_exports(keys)


def _delete_parts(keys: Sequence[int], context: Mapping[str, Any]) -> None:
    ExportPart.objects.filter(pk__in=keys).delete()
