"""What the database refuses, whoever writes: asked in SQL, past every service."""

import pytest

from apps.accounts.models import User
from apps.documents.models import Document
from tests.crm.test_deal_constraints import execute, refused_by
from tests.documents.factories import make_document, make_folder

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(admin: User) -> Document:
    return make_document(admin, content=b"one")


@pytest.fixture
def signed(document: Document) -> Document:
    Document.objects.filter(pk=document.pk).update(status="SIGNED", number="C-1")
    return document


def test_a_version_is_never_changed_nor_deleted_alone(document: Document) -> None:
    version = document.current_version_id
    change = "update documents_documentversion set comment = 'other' where id = %s"
    assert refused_by(change, version) == "document_version_append_only"
    execute("update documents_document set current_version_id = null where id = %s", document.pk)
    delete = "delete from documents_documentversion where id = %s"
    assert refused_by(delete, version) == "document_version_append_only"


@pytest.mark.parametrize(
    "change",
    [
        "title = 'other'",
        "number = 'C-2'",
        "current_version_id = null",
        "type_id = (select max(id) from documents_documenttype)",
        "status = 'DRAFT'",
        "status = 'APPROVED'",
    ],
)
def test_a_signed_document_is_never_changed(signed: Document, change: str) -> None:
    assert refused_by(f"update documents_document set {change} where id = %s", signed.pk) == (
        "document_signed_immutable"
    )


def test_a_signed_document_becomes_void_and_stays_so(signed: Document) -> None:
    execute(
        "update documents_document set status = 'VOID', description = 'by mistake' where id = %s", signed.pk
    )
    back = "update documents_document set status = 'SIGNED' where id = %s"
    assert refused_by(back, signed.pk) == "document_signed_immutable"


def test_a_signed_document_gets_no_version(signed: Document) -> None:
    insert = """
        insert into documents_documentversion
            (document_id, number, blob_id, file_name, source, comment, created_at, created_by_id)
        select document_id, 2, blob_id, file_name, source, '', now(), created_by_id
        from documents_documentversion where document_id = %s"""
    assert refused_by(insert, signed.pk) == "document_signed_immutable"


@pytest.mark.parametrize("held", ["has_legal_hold = true", "retain_until_date = current_date"])
def test_what_is_held_is_not_deleted(admin: User, held: str) -> None:
    document = make_document(admin)
    execute(f"update documents_document set {held} where id = %s", document.pk)
    assert refused_by("delete from documents_document where id = %s", document.pk) == "document_held"


def test_signed_without_content(admin: User) -> None:
    document = make_document(admin)
    sign = "update documents_document set status = 'SIGNED' where id = %s"
    assert refused_by(sign, document.pk) == "document_signed_has_content"


def test_folders_are_a_tree(admin: User) -> None:
    above = make_folder()
    below = make_folder(parent=make_folder(parent=above))
    move = "update documents_folder set parent_id = %s where id = %s"
    assert refused_by(move, below.pk, above.pk) == "folder_cycle"


def test_two_folders_of_one_name_at_one_place() -> None:
    folder = make_folder("Contracts")
    twin = "insert into documents_folder (name, created_at, updated_at, version) values (%s, now(), now(), 1)"
    assert refused_by(twin, "CONTRACTS") == "folder_name_unique"
    make_folder("Contracts", parent=folder)
