"""What is done to documents and folders is taken back by those who could do it by hand, and told; deletion is not."""

import pytest

from apps.accounts.models import User
from apps.documents.models import Document, DocumentVersion
from apps.documents.services import documents, folders, keeping
from apps.events.models import Event
from apps.history.models import Conflict
from tests.documents.factories import make_document, make_folder
from tests.history.factories import recorded, set_of, undo

pytestmark = pytest.mark.django_db


def test_edits_are_taken_back_and_told(anna: User, document: Document) -> None:
    folder = make_folder("Offers", owner=anna)
    with recorded(anna) as work:
        documents.change_document(document.pk, actor=anna, title="New", folder_id=folder.pk)
        folders.change_folder(folder.pk, actor=anna, name="Contracts")
    undo(set_of(work), anna)
    document.refresh_from_db()
    folder.refresh_from_db()
    assert (document.title, document.folder, folder.name) == ("Lease of the office", None, "Offers")
    told = Event.objects.filter(type__endswith="changed.v1").order_by("-pk")[:2]
    assert {event.data.get("title") or event.data["name"] for event in told} == {
        "Lease of the office",
        "Offers",
    }


def test_a_hold_is_taken_back_by_who_may_hold(lena: User, document: Document) -> None:
    with recorded(lena) as work:
        Document.objects.update(has_legal_hold=True)
    conflict = undo(set_of(work), lena).conflicts.get()
    assert conflict.kind == Conflict.Kind.FORBIDDEN
    document.refresh_from_db()
    assert document.has_legal_hold


def test_what_is_deleted_for_good_stays_so(admin: User) -> None:
    document = make_document(admin, "Gone", b"one")
    documents.archive_document(document.pk, actor=admin)
    with recorded(admin) as work:
        keeping.delete_document(document.pk, actor=admin)
    assert undo(set_of(work), admin).conflicts.exists()
    assert not Document.objects.exists()
    assert not DocumentVersion.objects.exists()
