"""Documents over REST: what it shows, takes and refuses, and that PostgreSQL writes what the serializer would."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.models import Team, User
from apps.documents.api import shapes
from apps.documents.api.documents import DocumentViewSet
from apps.documents.models import Document, DocumentType, Folder, Tag
from apps.documents.services import documents
from apps.documents.services.documents import Target
from tests.crm.factories import make_deal
from tests.crm.test_api import client_of
from tests.documents.factories import kind, make_content, make_document, make_folder

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/documents"


def url(document: Document, action: str = "") -> str:
    return f"{ROOT}/documents/{document.pk}/{action + '/' if action else ''}"


@pytest.fixture
def client(anna: User) -> APIClient:
    return client_of(anna)


def test_a_document_is_written_down_with_what_it_belongs_to(
    client: APIClient, anna: User, team: Team
) -> None:
    deal = make_deal("Forty desks", owner=anna, team=team)
    body = {
        "title": "Contract",
        "type": kind("contract").pk,
        "targets": [{"type": "crm.deal", "id": deal.pk, "role": "CONTRACT"}],
    }
    response = client.post(f"{ROOT}/documents/", body)
    assert response.status_code == 201, response.data
    shown = response.json()
    assert (shown["type_code"], shown["status"], shown["owner"]) == ("contract", "DRAFT", anna.pk)
    page = reverse("admin:crm_deal_change", args=[deal.pk])
    told = {"type": "crm.deal", "id": deal.pk, "title": "Forty desks", "url": page}
    assert [(link["target"], link["role"]) for link in shown["links"]] == [(told, "CONTRACT")]
    # Rows that PostgreSQL writes say the same.
    assert client.get(url(Document.objects.get())).json()["links"] == shown["links"]
    assert (shown["current_number"], shown["sha256"]) == (None, None)
    assert response["ETag"] == '"1"'


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"title": ""}, "title", "blank"),
        ({"type": 10**9}, "type", "does_not_exist"),
        ({"folder": 10**9}, "folder", "does_not_exist"),
        ({"targets": [{"type": "crm.deal", "id": 10**9}]}, "targets", "not_found"),
        ({"targets": [{"type": "documents.blob", "id": 1}]}, "targets", "not_found"),
    ],
)
def test_a_body_that_cannot_be_is_refused_by_field(
    client: APIClient, body: dict[str, Any], field: str, code: str
) -> None:
    response = client.post(f"{ROOT}/documents/", {"title": "x", "type": kind().pk, **body})
    assert response.status_code == 400, response.data
    assert {(error["field"], error["code"]) for error in response.json()["errors"]} == {(field, code)}
    assert not Document.objects.exists()


def test_what_postgresql_writes_is_what_the_serializer_says(
    client: APIClient, anna: User, team: Team, document: Document
) -> None:
    deal = make_deal(owner=anna, team=team)
    documents.link_document(document.pk, Target("crm.deal", deal.pk), actor=anna)
    until = timezone.now() + timedelta(hours=1)
    Document.objects.update(
        folder=make_folder("Common"),
        checked_out_by=anna,
        checked_out_until=until,
        retain_until_date=until.date(),
        number="C-1",
    )
    document.tags.add(Tag.objects.create(name="urgent"))
    make_document(anna, "Without content")
    rows = DocumentViewSet.queryset
    assert rows is not None
    expected = [shapes.DocumentSerializer(row).data for row in rows.order_by("-pk")]
    listed = client.get(f"{ROOT}/documents/").json()["results"]
    assert listed == _plain(expected)
    assert client.get(url(document)).json() == listed[1]
    assert listed[1]["sha256"] == document.current_version.blob.digest  # type: ignore[union-attr]


def _plain(found: Any) -> Any:
    import json

    from rest_framework.utils.encoders import JSONEncoder

    return json.loads(json.dumps(found, cls=JSONEncoder))


def test_a_list_costs_the_same_at_any_length(client: APIClient, anna: User) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"{ROOT}/documents/").status_code == 200
        return len(captured)

    make_document(anna, content=b"one")
    # The first request remembers what its reader may see.
    count()
    few = count()
    for place in range(30):
        make_document(anna, content=b"%d" % place)
    assert count() == few


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("status=DRAFT", True),
        ("status=SIGNED", False),
        ("title__icontains=lease", True),
        ("search=lease", True),
        ("search=nothing", False),
        ("type__code=file", True),
        ("folder__isnull=true", True),
        ("has_legal_hold=false", True),
        ("target=crm.deal", True),
        ("target=crm.deal:{deal}", True),
        ("target=crm.deal:999999", False),
        ("target=crm.nothing", False),
        ("target=x:y", False),
        ("archived_at__isnull=true", True),
    ],
)
def test_lists_are_filtered(
    client: APIClient, anna: User, team: Team, document: Document, query: str, is_found: bool
) -> None:
    deal = make_deal(owner=anna, team=team)
    documents.link_document(document.pk, Target("crm.deal", deal.pk), actor=anna)
    response = client.get(f"{ROOT}/documents/?{query.format(deal=deal.pk)}")
    assert response.status_code == 200, response.data
    assert bool(response.json()["results"]) is is_found


def test_an_edit_names_the_version_that_it_saw(client: APIClient, document: Document) -> None:
    assert client.patch(url(document), {"title": "New"}, HTTP_IF_MATCH='"1"').status_code == 200
    late = client.patch(url(document), {"title": "Late"}, HTTP_IF_MATCH='"1"')
    assert late.status_code == 412
    assert late.json()["current"]["title"] == "New"


def test_giving_away_takes_the_right(client: APIClient, anna: User, lena: User, document: Document) -> None:
    assert client.patch(url(document), {"owner": lena.pk}).status_code in {400, 403}
    assert client_of(lena).patch(url(document), {"owner": lena.pk}).status_code == 200
    document.refresh_from_db()
    assert document.owner == lena


def test_states_are_changed_by_actions(admin: User, document: Document) -> None:
    client = client_of(admin)
    steps: list[tuple[str, dict[str, Any] | None, int, str, Any]] = [
        ("check-out", {"hours": 2}, 200, "checked_out_by", admin.pk),
        ("check-in", None, 200, "checked_out_by", None),
        ("hold", {"reason": "A lawsuit"}, 200, "hold_reason", "A lawsuit"),
        ("archive", None, 400, "code", "on_hold"),
        ("release", None, 200, "has_legal_hold", False),
        ("void", {"reason": ""}, 400, "code", "invalid"),
        ("void", {"reason": "Wrong"}, 200, "status", "VOID"),
        ("check-out", {}, 400, "code", "document_final"),
        ("archive", None, 200, "void_reason", "Wrong"),
        ("restore", None, 200, "archived_at", None),
    ]
    for action, body, status, field, value in steps:
        response = client.post(url(document, action), body)
        assert response.status_code == status, (action, response.data)
        assert response.json()[field] == value, (action, response.json())


def test_versions_and_links_of_a_document(client: APIClient, anna: User, document: Document) -> None:
    documents.add_version(document.pk, make_content(b"two", comment="Better"), actor=anna)
    versions = client.get(url(document, "versions")).json()["results"]
    assert [(each["number"], each["comment"], each["size"]) for each in versions] == [
        (2, "Better", 3),
        (1, "", 3),
    ]
    deal = make_deal("Forty desks", owner=anna)
    body = {"type": "crm.deal", "id": deal.pk}
    made = client.post(url(document, "links"), body)
    assert made.status_code == 201
    assert client.post(url(document, "links"), body).json() == made.json()
    listed = client.get(url(document, "links")).json()["results"]
    assert [each["target"]["title"] for each in listed] == ["Forty desks"]
    link = f"{ROOT}/document-links/{listed[0]['id']}/"
    assert client.get(link).json()["document"] == document.pk
    assert client.delete(link).status_code == 204
    assert not document.links.exists()


def test_only_what_lies_in_the_trash_is_deleted(admin: User, document: Document) -> None:
    client = client_of(admin)
    assert client.delete(url(document)).json()["code"] == "not_archived"
    client.post(url(document, "archive"))
    assert client.delete(url(document)).status_code == 204
    assert not Document.objects.exists()


def test_folders_over_rest(client: APIClient, anna: User) -> None:
    made = client.post(f"{ROOT}/folders/", {"name": "Offers"})
    assert made.status_code == 201, made.data
    outer = Folder.objects.get()
    assert made.json()["owner"] == anna.pk
    inner = client.post(f"{ROOT}/folders/", {"name": "2026", "parent": outer.pk}).json()
    address = f"{ROOT}/folders/{outer.pk}/"
    refused = client.patch(address, {"parent": inner["id"]})
    assert (refused.status_code, refused.json()["code"]) == (400, "folder_cycle")
    refused = client.post(f"{address}archive/")
    assert refused.json()["code"] == "folder_not_empty"
    assert client.post(f"{address}archive/", {"with_content": True}).status_code == 200
    assert not Folder.objects.active().exists()
    assert client.post(f"{address}restore/").status_code == 200
    assert Folder.objects.active().count() == 2


def test_types_and_tags_over_rest(admin: User, client: APIClient) -> None:
    rules = client_of(admin)
    body = {"code": "power", "name": "Power of attorney", "trash_days": 7}
    made = rules.post(f"{ROOT}/document-types/", body)
    assert made.status_code == 201, made.data
    address = f"{ROOT}/document-types/{made.json()['id']}/"
    changed = rules.patch(address, {"retention_days": 100, "code": "other"})
    assert (changed.json()["retention_days"], changed.json()["code"]) == (100, "power")
    assert rules.post(f"{address}archive/").status_code == 200
    assert DocumentType.objects.get(code="power").archived_at is not None
    assert client.post(f"{ROOT}/document-types/", body).status_code == 403
    tag = client.post(f"{ROOT}/tags/", {"name": "urgent"})
    assert tag.status_code == 201
    twin = client.post(f"{ROOT}/tags/", {"name": "URGENT"})
    assert twin.json()["code"] == "document_tag_name_unique"
    one = f"{ROOT}/tags/{tag.json()['id']}/"
    assert client.patch(one, {"name": "later"}).status_code == 403
    assert rules.patch(one, {"name": "later"}).json()["name"] == "later"
    assert rules.delete(one).status_code == 204


def test_somebody_elses_document_is_not_there(client: APIClient, boris: User) -> None:
    foreign = make_document(boris, "Secret", b"two")
    for address in (url(foreign), url(foreign, "versions"), url(foreign, "links")):
        assert client.get(address).status_code == 404
    assert client.post(url(foreign, "check-out")).status_code == 404
