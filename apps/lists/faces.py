"""What the admin and the API do the same way: asking who takes very much away, and handing a file out."""

from typing import IO, Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import FileResponse

from apps.accounts.models import User
from apps.lists.models import Export
from apps.lists.selectors.exports import about_how_many
from apps.lists.services.exports import exportable, may_export

_TYPES = {
    Export.Format.CSV: "text/csv; charset=utf-8",
    Export.Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def needs_recent(rows: QuerySet[Any], actor: User) -> bool:
    """Tell whether so much is taken away that whoever asks should have shown recently who they are."""
    return may_export(actor, rows.model) and bool(
        about_how_many(exportable(rows, actor)) > settings.EXPORT_REAUTH_ROWS
    )


def file_response(export: Export, file: IO[bytes]) -> FileResponse:
    """Return a file as something to be kept, which no browser shows, guesses about, or remembers."""
    response = FileResponse(
        file,
        as_attachment=True,
        filename=export.filename,
        content_type=_TYPES[Export.Format(export.format)],
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
