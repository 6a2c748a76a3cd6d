"""What a row was in an earlier version."""

from typing import Any

from django.db import models

from apps.history.models import Change
from apps.history.tracking import tracked

# A caller who is further behind than this reads the row again.
LOOKED_THROUGH = 200


def changed_since(row: models.Model, version: int) -> dict[str, Any] | None:
    """
    Return the columns of a row that differ since a version, with the values they had in it.

    None where it is not known: not recorded, no longer kept, or too far back.
    """
    model = tracked(row._meta.label_lower)
    now = getattr(row, "version", None)
    if model is None or now is None or not 0 < version < now:
        return None
    changes = Change.objects.filter(about=f"{model.label}:{row.pk}", model=model.label, row_id=str(row.pk))
    was: dict[str, Any] = {}
    for op, old, new in changes.order_by("-id").values_list("op", "old", "new")[:LOOKED_THROUGH]:
        made = (new or {}).get("version")
        if op != "U":
            # Made in the first version, of which there is no older one.
            return (
                _python(model.fields(), was) if op == "I" and made is not None and made <= version else None
            )
        if made is not None and made <= version:
            return _python(model.fields(), was)
        was.update(old or {})
    return None


def _python(fields: dict[str, Any], was: dict[str, Any]) -> dict[str, Any]:
    return {
        fields[column].attname: fields[column].to_python(value)
        for column, value in was.items()
        if column in fields
    }
