"""Large files leave in pieces: the server does not grow with them."""

import hashlib
import os
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from django.core.files.storage import storages
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory

from apps.accounts.models import User
from apps.documents.faces.serving import respond_with
from apps.documents.models import Blob, DocumentVersion
from apps.documents.storage import CHUNK
from tests.documents.factories import make_document

if TYPE_CHECKING:
    from tests.support.processes import Server

pytestmark = pytest.mark.django_db(transaction=True)
SIZE = 300 * 1024 * 1024


def large_version(owner: User) -> DocumentVersion:
    """Make a version whose content is a file full of holes, which takes neither time nor disk."""
    digest = hashlib.sha256(b"large").digest()
    blob = Blob.objects.create(sha256=digest, md5=b"0" * 16, size=SIZE, content_type="application/zip")
    path = Path(storages["documents"].path(blob.key))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        os.truncate(file.fileno(), SIZE)
    document = make_document(owner)
    return DocumentVersion.objects.create(
        document=document, number=1, blob=blob, file_name="large.zip", source="UPLOAD", created_by=owner
    )


def test_a_server_of_sockets_and_pages_does_not_grow(artel_server: "Server", admin: User) -> None:
    version = large_version(admin)
    client = Client()
    client.force_login(admin)
    request: Any = urllib.request.Request(f"{artel_server.url}/documents/versions/{version.pk}/content/")
    request.add_header("Cookie", f"sessionid={client.cookies['sessionid'].value}")
    process = psutil.Process(artel_server.pid)
    urllib.request.urlopen(f"{artel_server.url}/accounts/login/").read()
    before, most, received = process.memory_info().rss, 0, 0
    with urllib.request.urlopen(request) as response:
        while piece := response.read(8 * CHUNK):
            received += len(piece)
            most = max(most, process.memory_info().rss)
    assert received == SIZE
    assert most - before < 48 * 1024 * 1024


def test_under_wsgi_it_is_a_piece_at_a_time(admin: User) -> None:
    response = respond_with(large_version(admin), RequestFactory().get("/"), as_attachment=True)
    assert isinstance(response, StreamingHttpResponse)
    sizes = {len(piece) for piece in response}
    response.close()
    assert sizes == {CHUNK}
