"""Uploads over REST: as tus clients and our own page send them."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.documents.models import Document
from tests.access.world import client_with_key
from tests.crm.factories import make_deal
from tests.documents.factories import kind, make_document
from tests.documents.uploads.sending import BASE, PIECE, patch, post, sha256

pytestmark = pytest.mark.django_db


def test_the_whole_way(api: APIClient, admin: User) -> None:
    deal = make_deal(owner=admin)
    data = b"hello, world"
    session = post(
        api,
        data,
        sha256=sha256(data),
        title="Greeting",
        targets=[{"type": "crm.deal", "id": deal.pk, "role": "CONTRACT"}],
    )
    assert (session["state"], session["offset"], session["is_direct"]) == ("OPEN", 0, False)
    first = patch(api, session["id"], data[:5], 0)
    assert (first.status_code, first["Upload-Offset"]) == (204, "5")
    told = api.head(f"{BASE}{session['id']}/content/")
    assert (told.status_code, told["Upload-Offset"], told["Upload-Length"]) == (204, "5", "12")
    assert told["Cache-Control"] == "no-store"
    early = api.post(f"{BASE}{session['id']}/finish/")
    assert (early.status_code, early.json()["code"]) == (409, "upload_incomplete")
    wrong = patch(api, session["id"], data[:5], 0)
    assert (wrong.status_code, wrong.json()["code"], wrong["Upload-Offset"]) == (409, "upload_offset", "5")
    assert patch(api, session["id"], data[5:], 5)["Upload-Offset"] == "12"
    done = api.post(f"{BASE}{session['id']}/finish/")
    assert (done.status_code, done.json()["state"]) == (200, "READY")
    document = Document.objects.get(pk=done.json()["document"])
    assert (document.title, document.current_version_id) == ("Greeting", done.json()["document_version"])
    assert document.links.get().role == "CONTRACT"


def test_a_refusal_stands_in_the_answer(api: APIClient) -> None:
    session = post(api, b"<html><script>", "photo.png")
    patch(api, session["id"], b"<html><script>", 0)
    done = api.post(f"{BASE}{session['id']}/finish/").json()
    assert (done["state"], done["refusal_code"]) == ("REJECTED", "type_contradicts")
    assert ".png" in done["refusal"]


def test_a_version(api: APIClient, admin: User) -> None:
    document = make_document(admin, content=b"one")
    body = {"file_name": "a.txt", "size": 3, "document": document.pk}
    session = api.post(BASE, body).json()
    assert session["document"] == document.pk
    patch(api, session["id"], b"two", 0)
    api.post(f"{BASE}{session['id']}/finish/")
    document.refresh_from_db()
    assert document.current_version is not None
    assert document.current_version.number == 2
    refused = api.post(BASE, body | {"title": "other"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "title")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"size": -1}, "size"),
        ({"file_name": ""}, "file_name"),
        ({"type": None}, "type"),
        ({"sha256": "x" * 64}, "sha256"),
        ({"targets": [{"type": "crm.deal", "id": 10**9}]}, "targets"),
        ({"targets": [{"type": "accounts.nothing", "id": 1}]}, "targets"),
        ({"folder": 10**9}, "folder"),
    ],
)
def test_what_cannot_begin(api: APIClient, change: dict[str, Any], field: str) -> None:
    body = {"file_name": "a.txt", "size": 3, "type": kind().pk, **change}
    answer = api.post(BASE, body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_a_piece_says_what_it_is_and_where_it_begins(api: APIClient) -> None:
    session = post(api, b"hello")
    assert patch(api, session["id"], b"hello", 0, content_type="application/json").status_code == 415
    for offset in ("", "x", "-1", "9" * 30):
        answer = api.patch(
            f"{BASE}{session['id']}/content/", b"hello", content_type=PIECE, headers={"Upload-Offset": offset}
        )
        assert answer.status_code == 400, offset
    assert patch(api, session["id"], b"hello, and more", 0).status_code == 413
    assert api.head(f"{BASE}{session['id']}/content/")["Upload-Offset"] == "0"


def test_to_the_platform_not_to_the_storage(api: APIClient) -> None:
    session = post(api, b"hello")
    answer = api.post(f"{BASE}{session['id']}/parts/", {"numbers": [1]})
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_not_direct")


def test_giving_up(api: APIClient) -> None:
    session = post(api, b"hello")
    assert api.delete(f"{BASE}{session['id']}/").status_code == 204
    assert api.get(f"{BASE}{session['id']}/").json()["state"] == "ABORTED"
    assert patch(api, session["id"], b"hello", 0).status_code == 409


def test_the_same_twice(api: APIClient) -> None:
    first = post(api, b"hello", client_token="mine")
    assert post(api, b"hello", client_token="mine")["id"] == first["id"]
    other = api.post(BASE, {"file_name": "b.txt", "size": 1, "type": kind().pk, "client_token": "mine"})
    assert (other.status_code, other.json()["code"]) == (422, "token_reused")


def test_a_program_with_a_limited_key(admin: User) -> None:
    reader = client_with_key(admin, ["read"])
    body = json.dumps({"file_name": "a.txt", "size": 5, "type": kind().pk})
    assert reader.post(BASE, body, content_type="application/json").status_code == 403
    writer = client_with_key(
        admin,
        [
            "read",
            *(f"documents.{name}" for name in ("add_uploadsession", "change_uploadsession", "add_document")),
        ],
    )
    session = writer.post(BASE, body, content_type="application/json").json()
    headers = {"Upload-Offset": "0"}
    sent = writer.patch(f"{BASE}{session['id']}/content/", b"hello", content_type=PIECE, headers=headers)
    assert sent.status_code == 204, sent.content
    assert writer.post(f"{BASE}{session['id']}/finish/").json()["state"] == "READY"
