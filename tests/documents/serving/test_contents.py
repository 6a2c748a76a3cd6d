"""Contents on their way to a browser: who gets them, with which headers, whole or in parts."""

import asyncio
import io
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.storage import storages
from django.test import AsyncClient, Client
from django.urls import reverse

from apps.accounts.models import User
from apps.documents.models import Document
from apps.documents.services import blobs, documents
from apps.documents.services.documents import Content
from apps.documents.services.renditions import make_renditions, request_renditions
from apps.documents.storage import CHUNK
from tests.accounts.factories import make_member, make_team
from tests.documents.serving import files

pytestmark = pytest.mark.django_db
Clients = Callable[[User], Client]
Maker = Callable[..., Document]
TEN = b"0123456789"


def address(document: Document, name: str = "content") -> str:
    return reverse(f"documents:{name}", args=[document.current_version_id])


def body(response: Any) -> bytes:
    return b"".join(response) if response.streaming else bytes(response.content)


def test_who_does_not_see_a_document_gets_nothing_of_it(
    admin: User, client_of: Clients, paper: Maker
) -> None:
    stranger = make_member(make_team("South"), "salesperson", "seller")
    document = paper(TEN, "text/plain")
    for name in ("content", "preview", "thumbnail"):
        assert client_of(stranger).get(address(document, name)).status_code == 404
        assert client_of(admin).get(address(document, name)).status_code in {200, 202, 302}
        anonymous = Client().get(address(document, name))
        assert (anonymous.status_code, anonymous["Location"].split("?")[0]) == (302, "/accounts/login/")
    page = reverse("documents:page", args=[document.current_version_id, 1])
    assert client_of(stranger).get(page).status_code == 404
    assert client_of(admin).post(address(document)).status_code == 405


def test_each_answer_is_shut_in(admin: User, client_of: Clients, paper: Maker) -> None:
    response = client_of(admin).get(address(paper(TEN, "text/plain", "notes.txt")))
    assert body(response) == TEN
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "frame-ancestors 'self'" in response["Content-Security-Policy"]
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response["Cache-Control"] == "private, no-cache"
    assert response["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize(
    ("kind", "said", "disposition"),
    [
        ("text/plain", "text/plain; charset=utf-8", "inline"),
        ("image/png", "image/png", "inline"),
        ("image/webp", "image/webp", "inline"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
        ("text/html", "application/octet-stream", "attachment"),
        ("application/xhtml+xml", "application/octet-stream", "attachment"),
        ("application/xml", "application/octet-stream", "attachment"),
        ("text/javascript", "application/octet-stream", "attachment"),
        ("application/vnd.mozilla.xul+xml", "application/octet-stream", "attachment"),
        ("message/rfc822", "application/octet-stream", "attachment"),
        ("odd\r\nX-Evil: 1", "application/octet-stream", "attachment"),
        # Nobody has looked through it yet.
        ("application/pdf", "application/pdf", "attachment"),
        (files.WORD, files.WORD, "attachment"),
        ("application/zip", "application/zip", "attachment"),
    ],
)
def test_only_what_cannot_act_is_shown(
    admin: User, client_of: Clients, paper: Maker, kind: str, said: str, disposition: str
) -> None:
    response = client_of(admin).get(address(paper(TEN, kind, "file.bin")))
    assert (response["Content-Type"], response["Content-Disposition"]) == (
        said,
        f'{disposition}; filename="file.bin"',
    )


def test_a_pdf_is_shown_once_it_is_known_to_be_harmless(
    admin: User, client_of: Clients, paper: Maker
) -> None:
    shown = {}
    for name, content in {"plain": files.pdf("Plain"), "active": files.active_pdf()}.items():
        document = paper(content, "application/pdf", f"{name}.pdf")
        assert document.current_version is not None
        request_renditions(document.current_version.blob)
        make_renditions(document.current_version.blob_id)
        response = client_of(admin).get(address(document))
        shown[name] = response["Content-Disposition"].split(";")[0]
    assert shown == {"plain": "inline", "active": "attachment"}


def test_whoever_wants_to_keep_it_gets_it_to_keep(admin: User, client_of: Clients, paper: Maker) -> None:
    response = client_of(admin).get(address(paper(TEN, "text/plain", "notes.txt")), {"download": ""})
    assert response["Content-Disposition"] == 'attachment; filename="notes.txt"'


@pytest.mark.parametrize(
    ("name", "header"),
    [
        (
            "Договор №5.docx",
            "attachment; filename*=utf-8''%D0%94%D0%BE%D0%B3%D0%BE%D0%B2%D0%BE%D1%80%20%E2%84%965.docx",
        ),
        ('a"b\r\nX-Evil: 1.txt', 'attachment; filename="a_bX-Evil_ 1.txt"'),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
    ],
)
def test_names_arrive_as_they_are_or_harmless(
    admin: User, client_of: Clients, paper: Maker, name: str, header: str
) -> None:
    response = client_of(admin).get(address(paper(TEN, "application/zip", name)))
    assert response["Content-Disposition"] == header
    assert "X-Evil" not in response.headers


@pytest.mark.parametrize(
    ("asked", "status", "given", "place"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 200, TEN, None),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        # What makes no sense, and several at once, asks for the whole.
        ("bytes=5-2", 200, TEN, None),
        ("bytes=-", 200, TEN, None),
        ("bytes=0-1,4-5", 200, TEN, None),
        ("lines=1-2", 200, TEN, None),
        ("bytes=" + "9" * 40 + "-", 200, TEN, None),
    ],
)
def test_parts(
    admin: User, client_of: Clients, paper: Maker, asked: str, status: int, given: bytes, place: str | None
) -> None:
    response = client_of(admin).get(address(paper(TEN, "text/plain")), headers={"Range": asked})
    assert (response.status_code, body(response), response.get("Content-Range")) == (status, given, place)
    if status != 416:
        assert response["Content-Length"] == str(len(given))


def test_what_a_browser_has_is_not_sent_again(admin: User, client_of: Clients, paper: Maker) -> None:
    document, client = paper(TEN, "text/plain"), client_of(admin)
    first = client.get(address(document))
    assert document.current_version is not None
    assert first["ETag"] == f'"{document.current_version.blob.digest}"'
    for known in (first["ETag"], f"W/{first['ETag']}", f'"other", {first["ETag"]}', "*"):
        again = client.get(address(document), headers={"If-None-Match": known})
        assert (again.status_code, body(again)) == (304, b"")
    assert client.get(address(document), headers={"If-None-Match": '"other"'}).status_code == 200
    other = client.get(address(document), headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (other.status_code, body(other)) == (200, TEN)
    same = client.get(address(document), headers={"Range": "bytes=0-1", "If-Range": first["ETag"]})
    assert (same.status_code, body(same)) == (206, b"01")


def test_the_head_alone(admin: User, client_of: Clients, paper: Maker) -> None:
    response = client_of(admin).head(address(paper(TEN, "text/plain")))
    assert (response.status_code, response["Content-Length"], body(response)) == (200, "10", b"")


def test_an_empty_file(admin: User, client_of: Clients, paper: Maker) -> None:
    document = paper(TEN, "text/plain")
    empty = blobs.keep(io.BytesIO(b""), content_type="text/plain")
    documents.add_version(document.pk, Content(empty, "empty.txt"), actor=admin)
    document.refresh_from_db()
    response = client_of(admin).get(address(document))
    assert (response.status_code, response["Content-Length"], body(response)) == (200, "0", b"")
    assert client_of(admin).get(address(document), headers={"Range": "bytes=0-"}).status_code == 416


def test_a_content_that_was_lost(admin: User, client_of: Clients, paper: Maker) -> None:
    document = paper(TEN, "text/plain")
    assert document.current_version is not None
    storages["documents"].delete(document.current_version.blob.key)
    assert client_of(admin).get(address(document)).status_code == 404


def test_nginx_is_told_where_it_is(admin: User, client_of: Clients, paper: Maker, settings: Any) -> None:
    settings.DOCUMENTS_ACCEL = "/contents/"
    document = paper(TEN, "text/html", "page.html")
    assert document.current_version is not None
    response = client_of(admin).get(address(document))
    assert response["X-Accel-Redirect"] == f"/contents/{document.current_version.blob.key}"
    assert body(response) == b""
    assert response["Content-Disposition"] == 'attachment; filename="page.html"'
    assert response["Content-Security-Policy"].startswith("sandbox")


def test_s3_is_where_the_browser_is_sent(
    admin: User, client_of: Clients, paper: Maker, settings: Any
) -> None:
    document = paper(TEN, "text/html", "Отчёт.html")
    settings.STORAGES = settings.STORAGES | {
        "documents": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": "papers",
                "access_key": "key",
                "secret_key": "secret",
                "region_name": "eu-central-1",
                "endpoint_url": "http://127.0.0.1:1",
                "signature_version": "s3v4",
                "location": "documents",
            },
        }
    }
    response = client_of(admin).get(address(document))
    place = urlsplit(response["Location"])
    asked = {name: value[0] for name, value in parse_qs(place.query).items()}
    assert document.current_version is not None
    assert (response.status_code, response["Cache-Control"]) == (302, "private, no-store")
    assert place.path == f"/papers/documents/{document.current_version.blob.key}"
    assert asked["X-Amz-Expires"] == "60"
    assert asked["response-content-type"] == "application/octet-stream"
    assert asked["response-content-disposition"].startswith("attachment; filename*=utf-8''")
    assert "secret" not in response["Location"]


@pytest.mark.django_db(transaction=True)
def test_under_asgi_a_file_is_sent_piece_by_piece(admin: User, paper: Maker) -> None:
    content = b"x" * (3 * CHUNK + 7)
    document = paper(content, "application/zip")
    client = AsyncClient()

    async def pieces() -> list[bytes]:
        await client.aforce_login(admin)
        response = await client.get(address(document))
        assert response.is_async  # type: ignore[attr-defined]
        return [piece async for piece in response]  # type: ignore[attr-defined]

    sent = asyncio.run(pieces())
    assert b"".join(sent) == content
    assert max(map(len, sent)) == CHUNK


def test_programs_get_the_same(admin: User, client_of: Clients, paper: Maker) -> None:
    document = paper(TEN, "text/html", "page.html")
    client = client_of(admin)
    place = f"/api/v1/documents/contents/{document.current_version_id}/"
    response = client.get(place, headers={"Range": "bytes=0-3"})
    assert (response.status_code, body(response)) == (206, b"0123")
    assert response["Content-Disposition"].startswith("attachment")
    stranger = client_of(make_member(make_team("South"), "salesperson", "seller"))
    for each in ("", "preview/", "page/", "thumbnail/"):
        assert stranger.get(f"{place}{each}").status_code == 404
    for each in ("thumbnail/", "page/", "page/?number=0", "page/?number=x", "page/?number=99999"):
        nothing = client.get(f"{place}{each}")
        assert (nothing.status_code, nothing.json()["code"]) == (409, "no_preview"), each
