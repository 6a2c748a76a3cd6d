"""What the admin and the API do the same way: handing out what is kept about a person."""

from typing import IO

from django.http import FileResponse

from apps.crm.models import Disclosure


def disclosure_response(disclosure: Disclosure, file: IO[bytes]) -> FileResponse:
    """Return a file as something to be kept, which no browser shows, guesses about, or remembers."""
    response = FileResponse(
        file, as_attachment=True, filename=disclosure.file_name, content_type="application/zip"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
