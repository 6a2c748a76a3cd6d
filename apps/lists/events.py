"""The facts of lists: who took which rows away."""

from typing import Any

from apps.events.services import Fact
from apps.lists.models import Export

EXPORT_REQUESTED = Fact("lists.export.requested.v1")
EXPORT_FINISHED = Fact("lists.export.finished.v1")
EXPORT_DOWNLOADED = Fact("lists.export.downloaded.v1")


def export_data(export: Export, **more: Any) -> dict[str, Any]:
    """Return what facts tell of an export; nothing of what stands in its rows."""
    return {
        "id": export.pk,
        "owner": {"id": export.owner_id, "name": str(export.owner)},
        "kind": export.model_label,
        "format": export.format,
        "columns": export.columns,
        "filename": export.filename,
        "chosen": export.chosen,
        "rows": export.rows,
        "left_out": export.left_out,
        "size": export.size,
        "sha256": export.sha256,
        "downloads": export.downloads,
        "created_at": export.created_at,
        "finished_at": export.finished_at,
        "expires_at": export.expires_at,
        "job": export.job_id,
        **more,
    }
