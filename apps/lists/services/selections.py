"""Freezing what was chosen in a list."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.models import User
from apps.lists.models import SelectedRow, Selection

# How long the rows stay known after they were chosen; the work on them has ended long before.
KEPT = timedelta(days=30)


@transaction.atomic
def freeze(
    rows: QuerySet[Any], *, actor: User, action: str = "view", at_most: int | None = None
) -> Selection:
    """
    Remember which rows a queryset holds now, in its order, as far as the policy lets `actor` do `action`.

    One statement inside the database, whatever the number of rows.

    :param at_most: refuse to freeze more rows than this
    :raises ValidationError: nothing is left ("nothing_selected"), or too much ("too_many_rows")
    """
    model = rows.model
    # The primary key as last criterion, because only a total order can be frozen.
    order = [*(rows.query.order_by or model._meta.ordering or ()), "pk"]
    reachable = rows.filter(access.scope(actor, action, model)).order_by(*order)
    if at_most is not None:
        reachable = reachable[: at_most + 1]
    selection = Selection.objects.create(owner=actor, model_label=model._meta.label_lower)
    selection.count = _insert(selection, reachable)
    if selection.count == 0:
        raise ValidationError(_("Nothing is selected."), code="nothing_selected")
    if at_most is not None and selection.count > at_most:
        message = _("At most %(limit)s rows at once. Narrow the list down with filters.")
        raise ValidationError(message, code="too_many_rows", params={"limit": f"{at_most:,}"})
    selection.save(update_fields=["count"])
    return selection


def _insert(selection: Selection, rows: QuerySet[Any]) -> int:
    """Write the rows' keys without fetching them. :return: how many"""
    keys, parameters = rows.values_list("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        # The inner statement is the ORM's, its values are parameters.
        insert = (
            "INSERT INTO lists_selectedrow (selection_id, position, row_id) "  # noqa: S608
            f"SELECT %s, row_number() OVER (), chosen.* FROM ({keys}) chosen"
        )
        cursor.execute(insert, [selection.pk, *parameters])
        return int(cursor.rowcount)


def keys_after(selection_id: int, position: int, count: int) -> Sequence[tuple[int, int]]:
    """
    Return the next rows of a selection: (position, primary key), at most `count`, in order.

    :param position: the last place that is done; 0 to begin
    """
    rows = SelectedRow.objects.filter(selection_id=selection_id, position__gt=position)
    return list(rows.order_by("position").values_list("position", "row_id")[:count])


def in_selection(selection: Selection) -> QuerySet[models.Model]:
    """Return the chosen rows that are still there, unordered and unscoped."""
    keys = SelectedRow.objects.filter(selection=selection).values("row_id")
    return selection.model._default_manager.filter(pk__in=keys)


def expire_selections() -> int:
    """Forget selections beyond their time. :return: how many"""
    old = Selection.objects.filter(created_at__lt=timezone.now() - KEPT)
    SelectedRow.objects.filter(selection__in=old)._raw_delete("default")
    return int(old.delete()[0])
