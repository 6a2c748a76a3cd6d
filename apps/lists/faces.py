"""What the admin and the API do the same way: handing a file out."""

from typing import IO

from django.http import FileResponse

from apps.lists.models import Export

_TYPES = {
    Export.Format.CSV: "text/csv; charset=utf-8",
    Export.Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


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
