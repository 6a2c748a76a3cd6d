"""Finding documents by what stands on them and in them, and never what one may not see."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from apps.accounts.models import User
from apps.documents.models import Document, DocumentText
from apps.documents.selectors import matching_documents, search
from apps.documents.services import documents, texts
from apps.documents.services.documents import Target
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_company
from tests.documents.factories import kind, make_content
from tests.documents.serving import files

pytestmark = pytest.mark.django_db
Maker = Callable[..., Document]
Clients = Callable[[User], Client]


def read(document: Document) -> str:
    """Do what a worker does with a new content."""
    texts.request_text(document.pk)
    texts.read_text(document.pk)
    return DocumentText.objects.get(pk=document.pk).text


def found(actor: User, term: str) -> list[Document]:
    return [each.document for each in search(actor, term)]


@pytest.mark.parametrize(
    ("content", "content_type", "word"),
    [
        (files.pdf("A lighthouse", "by the sea"), "application/pdf", "lighthouse"),
        (files.docx("Договор на поставку маяков"), files.WORD, "маяк"),
        (files.xlsx(["Маяк", 12.5], ["price", None]), files.SHEET, "маяки"),
        ("Маяк у моря".encode(), "text/plain", "маяками"),
        ("Маяк у моря".encode("cp1251"), "text/plain", "маяки"),
        ("\ufeffLighthouses".encode("utf-16"), "text/plain", "lighthouse"),
    ],
)
def test_words_are_found_in_every_kind_of_file(
    admin: User, paper: Maker, content: bytes, content_type: str, word: str
) -> None:
    document = paper(content, content_type, title="Contract")
    paper(b"nothing of the kind", "text/plain", title="Other")
    read(document)
    assert found(admin, word) == [document]


def test_what_cannot_be_read_has_no_words_and_is_not_tried_again(admin: User, paper: Maker) -> None:
    for content, content_type in [
        (b"broken", files.WORD),
        (files.archive({"word/document.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}), files.WORD),
        (files.SVG, "image/svg+xml"),
    ]:
        document = paper(content, content_type)
        assert read(document) == ""
        assert texts.unread_documents(10) == []
        assert not texts.request_text(document.pk)


def test_a_text_with_more_words_than_postgresql_takes(admin: User, paper: Maker) -> None:
    words = " ".join(f"word{number}x{number * 7919 % 104729}" for number in range(90_000))
    document = paper(f"lighthouse {words}".encode(), "text/plain")
    assert len(read(document)) > 1_000_000
    assert found(admin, "lighthouse") == [document]


def test_titles_numbers_and_parties(admin: User, paper: Maker) -> None:
    company = make_company("Marine Lights")
    lamp = documents.create_document(
        actor=admin,
        type_id=kind().pk,
        title="Contract about lamps",
        content=make_content(b"text"),
        targets=[Target("crm.company", company.pk)],
    )
    Document.objects.filter(pk=lamp.pk).update(number="C-2026-00017")
    paper(b"text", "text/plain", title="Contract about ropes")
    for term in ("lamps", "2026-00017", "marine", "contract marine", "LIGHTS lamps"):
        assert found(admin, term) == [lamp], term
    assert found(admin, "ropes marine") == []
    assert found(admin, "") == found(admin, "\x00") == found(admin, '" "') == []


def test_the_best_come_first_with_the_words_around(admin: User, paper: Maker) -> None:
    text = paper(b"before the lighthouse & after", "text/plain", title="Notes")
    title = paper(b"nothing", "text/plain", title="The lighthouse")
    for document in (text, title):
        read(document)
    results = search(admin, "lighthouse")
    assert [each.document for each in results] == [title, text]
    assert results[0].rank > results[1].rank
    snippet = results[1].snippet
    assert [piece.text for piece in snippet if piece.is_match] == ["lighthouse"]
    assert "".join(piece.text for piece in snippet) == "before the lighthouse & after"


def test_the_trash_is_not_searched_but_its_list_is(admin: User, paper: Maker) -> None:
    document = paper(b"lighthouse", "text/plain")
    read(document)
    documents.archive_document(document.pk, actor=admin)
    assert found(admin, "lighthouse") == []
    assert list(matching_documents(Document.objects.all(), "lighthouse")) == [document]


def test_a_new_version_has_other_words(admin: User, paper: Maker) -> None:
    document = paper(b"lighthouse", "text/plain")
    read(document)
    documents.add_version(document.pk, make_content(b"windmill"), actor=admin)
    assert texts.request_text(document.pk)
    # Until it is read, it is found by neither.
    assert found(admin, "lighthouse") == []
    read(document)
    assert found(admin, "windmill") == [document]


def test_the_words_of_others_are_nowhere(admin: User, paper: Maker, client_of: Clients) -> None:
    seller = make_member(make_team("South"), "salesperson", "seller")
    secret = paper(b"canaryofothers sings", "text/plain", "canaryofothers.txt", title="canaryofothers")
    own = paper(b"my own words", "text/plain", owner=seller)
    for document in (secret, own):
        read(document)
    assert found(seller, "canaryofothers") == []
    assert found(seller, "words") == [own]
    client = client_of(seller)
    for term in ("canaryofothers", "sings", "canary"):
        answer = client.get("/api/v1/documents/search/", {"q": term})
        assert answer.json() == {"results": []}
    assert "canaryofothers" in str(client_of(admin).get("/api/v1/documents/search/", {"q": "sings"}).json())


def test_rest_answers_with_pieces(admin: User, paper: Maker, client_of: Clients) -> None:
    document = paper(b"before the lighthouse", "text/plain", title="Notes")
    read(document)
    (result,) = client_of(admin).get("/api/v1/documents/search/", {"q": "lighthouse"}).json()["results"]
    assert (result["id"], result["title"], result["version_id"]) == (
        document.pk,
        "Notes",
        document.current_version_id,
    )
    assert {"text": "lighthouse", "is_match": True} in result["snippet"]


def test_the_search_asks_as_often_whatever_it_finds(
    admin: User, paper: Maker, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        read(paper(f"lighthouse {number}".encode(), "text/plain"))
    with django_assert_max_num_queries(3):
        assert len(search(admin, "lighthouse")) == 12


def test_documents_of_before_are_prepared_by_a_command(admin: User, paper: Maker) -> None:
    document = paper(files.pdf("lighthouse"), "application/pdf")
    call_command("prepare_documents", verbosity=0)
    assert found(admin, "lighthouse") == [document]
    assert document.current_version is not None
    assert document.current_version.blob.renditions.filter(state="READY").count() == 3
