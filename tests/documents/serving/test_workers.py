"""From a new document to its pictures and words, through the processes that do it."""

import io
from typing import TYPE_CHECKING

import pytest

from apps.accounts.models import User
from apps.documents.models import DocumentText, Rendition
from apps.documents.selectors import search
from apps.documents.services import blobs, documents
from apps.documents.services.documents import Content
from tests.documents.factories import kind
from tests.documents.serving import files

if TYPE_CHECKING:
    from tests.support.processes import Processes

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_a_new_document_is_seen_and_found_by_itself(artel_processes: "Processes", admin: User) -> None:
    worker = artel_processes.worker(is_awaited=False)
    relay = artel_processes.relay()
    blob = blobs.keep(io.BytesIO(files.pdf("A lighthouse")), content_type="application/pdf")
    document = documents.create_document(
        actor=admin, type_id=kind().pk, title="Brief", content=Content(blob, "brief.pdf")
    )
    ready = Rendition.objects.filter(source=blob, state="READY")
    relay.await_true(lambda: ready.count() == 3, "pictures of the document", 90)
    worker.await_true(lambda: DocumentText.objects.exclude(words=None).exists(), "its words", 90)
    assert [found.document for found in search(admin, "lighthouse")] == [document]
