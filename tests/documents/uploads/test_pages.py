"""The page that asks for files: for a folder, an object, a document, and not for what one does not see."""

import json
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import DocumentType
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_deal
from tests.documents.factories import make_document, make_folder
from tests.documents.uploads.sending import upload

pytestmark = pytest.mark.django_db
ADDRESS = "/admin/documents/uploadsession/add/"


def values_on(client: Client, query: str) -> dict[str, Any]:
    page = client.get(ADDRESS + query)
    assert page.status_code == 200
    found = re.search(r'data-values="([^"]*)"', page.content.decode())
    assert found is not None
    values: dict[str, Any] = json.loads(unescape(found[1]))
    return values


def test_what_the_address_names(admin: User, client: Client) -> None:
    client.force_login(admin)
    deal, folder = make_deal("Desks <b>", owner=admin), make_folder("Contracts")
    document = make_document(admin, "Old", content=b"one")
    assert values_on(client, "") == {}
    assert values_on(client, f"?folder={folder.pk}&target=crm.deal:{deal.pk}") == {
        "folder": folder.pk,
        "targets": [{"type": "crm.deal", "id": deal.pk}],
    }
    assert values_on(client, f"?document={document.pk}") == {"document": document.pk}
    text = client.get(f"{ADDRESS}?target=crm.deal:{deal.pk}").content.decode()
    assert "Desks &lt;b&gt;" in text
    assert "Desks <b>" not in text


@pytest.mark.parametrize(
    "query",
    ["?folder=x", "?document=999999", "?target=crm.deal:1x", "?target=crm.nothing:1", "?target=auth.group:1"],
)
def test_what_is_not_there(admin: User, client: Client, query: str) -> None:
    client.force_login(admin)
    assert client.get(ADDRESS + query).status_code == 404


def test_what_is_out_of_sight(admin: User, client: Client) -> None:
    seller = make_member(make_team("South"), "salesperson", "seller")
    deal, document = make_deal(owner=admin), make_document(admin, content=b"one")
    client.force_login(seller)
    assert client.get(ADDRESS).status_code == 200
    assert client.get(f"{ADDRESS}?target=crm.deal:{deal.pk}").status_code == 404
    assert client.get(f"{ADDRESS}?document={document.pk}").status_code == 404
    auditor = make_member(make_team("Audit"), "auditor", "auditor")
    client.force_login(auditor)
    assert client.get(ADDRESS).status_code == 403


def test_types_in_the_trash_are_not_offered(admin: User, client: Client) -> None:
    client.force_login(admin)
    assert "Contract</option>" in client.get(ADDRESS).content.decode()
    DocumentType.objects.filter(code="contract").update(archived_at=timezone.now())
    assert "Contract</option>" not in client.get(ADDRESS).content.decode()


def test_the_list_tells_why_a_file_was_not_taken(admin: User, client: Client) -> None:
    client.force_login(admin)
    upload(admin, b"<html>", "photo.png")
    upload(admin, b"hello", "notes.txt")
    text = client.get("/admin/documents/uploadsession/").content.decode()
    assert "The name ends in .png" in text
    assert "notes.txt" in text
