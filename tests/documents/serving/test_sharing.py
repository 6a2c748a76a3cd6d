"""Links for people without an account: what they open, when they end, and what is written down of them."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import connections
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Document, ShareLink, ShareVisit
from apps.documents.services import documents, sharing
from apps.documents.services.renditions import make_renditions, request_renditions
from apps.documents.services.sharing import Terms
from apps.events.models import Event
from tests.accounts.factories import make_member, make_team
from tests.documents.factories import make_content
from tests.documents.serving import files

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_url")]
Maker = Callable[..., Document]
Clients = Callable[[User], Client]
API = "/api/v1/documents/share-links/"


def terms(**fields: Any) -> Terms:
    return Terms(**{"expires_at": timezone.now() + timedelta(days=1), **fields})


def shared(document: Document, actor: User, **fields: Any) -> tuple[ShareLink, str]:
    """Share a document; return the link and its address."""
    link, token = sharing.share_document(document.pk, terms(**fields), actor=actor)
    return link, f"/s/{token}/"


def download(address: str, client: Client | None = None) -> Any:
    return (client or Client()).post(address, {"download": "1"})


def kinds(link: ShareLink) -> list[str]:
    return list(link.visits.order_by("pk").values_list("kind", flat=True))


@pytest.fixture
def document(paper: Maker) -> Document:
    return paper(files.pdf("Shared words"), "application/pdf", "offer.pdf", title="Our offer")


def test_whoever_has_the_link_sees_and_takes_the_document(admin: User, document: Document) -> None:
    assert document.current_version is not None
    request_renditions(document.current_version.blob)
    make_renditions(document.current_version.blob_id)
    link, address = shared(document, admin)
    page = Client().get(address)
    text = page.content.decode()
    assert page.status_code == 200
    assert "Our offer" in text
    assert "offer.pdf" in text
    assert f"{address}pages/1/" in text
    assert Client().get(f"{address}pages/1/")["Content-Type"] == "image/webp"
    # With "no-referrer", browsers would send the form from nowhere, and we would refuse it.
    assert page["Referrer-Policy"] == "same-origin"
    assert "script" not in page["Content-Security-Policy"]
    file = download(address)
    assert b"".join(file) == files.pdf("Shared words")
    assert file["Content-Disposition"] == 'attachment; filename="offer.pdf"'
    assert "no-store" in file["Cache-Control"]
    link.refresh_from_db()
    assert (link.downloads, kinds(link)) == (1, ["OPENED", "DOWNLOADED"])
    visit = link.visits.first()
    assert visit is not None
    assert visit.address == "127.0.0.1"


def test_the_secret_is_kept_by_nobody(admin: User, document: Document, client_of: Clients) -> None:
    link, address = shared(document, admin, password="open sesame")
    token = address.split("/")[2]
    row = str(ShareLink.objects.filter(pk=link.pk).values().get())
    fact = Event.objects.get(type="documents.share_link.created.v1")
    for place in (row, str(fact.data), client_of(admin).get(f"{API}{link.pk}/").content.decode()):
        assert token not in place
        assert "open sesame" not in place
    assert len(token) == 43
    assert fact.data["has_password"] is True


def test_a_link_that_leads_nowhere_is_answered_as_one_that_never_was(
    admin: User, document: Document, paper: Maker
) -> None:
    links = {name: shared(document, admin) for name in ("expired", "revoked", "used up")}
    gone = shared(trashed := paper(b"x", "text/plain"), admin)[1]
    ShareLink.objects.filter(pk=links["expired"][0].pk).update(expires_at=timezone.now())
    sharing.revoke_link(links["revoked"][0].pk, actor=admin)
    ShareLink.objects.filter(pk=links["used up"][0].pk).update(max_downloads=1, downloads=1)
    documents.archive_document(trashed.pk, actor=admin)
    never = "/s/" + "a" * 43 + "/"
    answers = set()
    for address in (never, gone, *(address for _link, address in links.values())):
        for response in (Client().get(address), download(address), Client().get(f"{address}pages/1/")):
            # The way back to the page in another language names the address itself, as it was asked for.
            text = response.content.decode().replace(response.wsgi_request.path, "")
            answers.add((response.status_code, text.split("csrfmiddlewaretoken")[0]))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 404
    assert not ShareVisit.objects.exists()


def test_a_password_is_asked_for_first(admin: User, document: Document) -> None:
    link, address = shared(document, admin, password="open sesame")
    client = Client()
    assert "Our offer" not in client.get(address).content.decode()
    assert download(address, client).status_code == 200
    assert client.get(f"{address}pages/1/").status_code == 404
    wrong = client.post(address, {"password": "open"})
    assert (wrong.status_code, "Our offer" in wrong.content.decode()) == (403, False)
    right = client.post(address, {"password": "open sesame"})
    assert (right.status_code, right["Location"]) == (303, address)
    cookie = client.cookies["artel_share"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (address, True, "Strict")
    assert "Our offer" in client.get(address).content.decode()
    assert b"".join(download(address, client)).startswith(b"%PDF")
    link.refresh_from_db()
    assert (link.downloads, kinds(link)) == (1, ["WRONG_PASSWORD", "OPENED", "DOWNLOADED"])
    # What opens one link opens no other.
    _other, elsewhere = shared(document, admin, password="open sesame")
    client.cookies["artel_share"] = cookie.value
    assert "Our offer" not in client.get(elsewhere).content.decode()


def test_passwords_are_not_guessed(admin: User, document: Document, settings: Any) -> None:
    settings.SHARE_PASSWORDS = 3
    link, address = shared(document, admin, password="open sesame")
    for _attempt in range(3):
        assert Client().post(address, {"password": "guess"}).status_code == 403
    refused = Client().post(address, {"password": "open sesame"})
    assert (refused.status_code, "Too many" in refused.content.decode()) == (403, True)
    assert kinds(link) == ["WRONG_PASSWORD"] * 3
    # From elsewhere it is not tried so often yet.
    assert Client(REMOTE_ADDR="10.0.0.9").post(address, {"password": "open sesame"}).status_code == 303


def test_links_are_not_guessed(admin: User, settings: Any) -> None:
    settings.SHARE_VIEWS = 3
    client = Client(headers={"Accept-Language": "ru"})
    assert [client.get(f"/s/{number}/").status_code for number in range(4)] == [404, 404, 404, 429]
    response = client.get("/s/9/")
    assert int(response["Retry-After"]) > 0
    assert Client(REMOTE_ADDR="10.0.0.9").get("/s/1/").status_code == 404


def test_the_form_is_ours(admin: User, document: Document) -> None:
    _link, address = shared(document, admin)
    assert download(address, Client(enforce_csrf_checks=True)).status_code == 403


def test_the_version_that_was_shared_or_the_newest(admin: User, document: Document) -> None:
    pinned, newest = shared(document, admin)[1], shared(document, admin, is_newest=True)[1]
    documents.add_version(document.pk, make_content(b"second", "second.txt"), actor=admin)
    assert b"".join(download(pinned)).startswith(b"%PDF")
    assert b"".join(download(newest)) == b"second"


def test_without_a_preview_there_is_none(admin: User, document: Document) -> None:
    assert document.current_version is not None
    request_renditions(document.current_version.blob)
    make_renditions(document.current_version.blob_id)
    _link, address = shared(document, admin, has_preview=False)
    assert "pages/1" not in Client().get(address).content.decode()
    assert Client().get(f"{address}pages/1/").status_code == 404


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expiry_refused"),
        ({"expires_at": timezone.now() + timedelta(days=400)}, "expiry_refused"),
        ({"max_downloads": 0}, "limit_refused"),
        ({"password": "short"}, "password_too_short"),
    ],
)
def test_terms_that_are_refused(admin: User, document: Document, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        shared(document, admin, **fields)
    assert [error.code for errors in refused.value.error_dict.values() for error in errors] == [code]
    assert not ShareLink.objects.exists()


def test_sharing_is_a_right(admin: User, document: Document, paper: Maker) -> None:
    seller = make_member(make_team("South"), "salesperson", "seller")
    auditor = make_member(make_team("Audit"), "auditor", "auditor")
    own = paper(b"own", "text/plain", owner=seller)
    link, _address = shared(own, seller)
    with pytest.raises(ObjectDoesNotExist):
        shared(document, seller)
    with pytest.raises(PermissionDenied):
        shared(document, auditor)
    with pytest.raises(PermissionDenied):
        sharing.revoke_link(link.pk, actor=auditor)
    assert sharing.revoke_link(link.pk, actor=admin).revoked_by == admin
    assert [link.state() for link in ShareLink.objects.visible_to(seller)] == [ShareLink.State.REVOKED]
    theirs, _address = shared(document, admin)
    with pytest.raises(ObjectDoesNotExist):
        sharing.revoke_link(theirs.pk, actor=seller)


def test_nothing_to_share(admin: User, document: Document) -> None:
    empty = Document.objects.create(title="Empty", type=document.type, owner=admin, created_by=admin)
    with pytest.raises(ValidationError) as refused:
        shared(empty, admin)
    assert refused.value.code == "no_content"


@pytest.mark.django_db(transaction=True)
def test_of_two_hundred_at_once_five_get_it(admin: User, document: Document) -> None:
    link, address = shared(document, admin, max_downloads=5)
    together = threading.Barrier(20)

    def ten_times(_number: int) -> list[int]:
        together.wait()
        try:
            return [download(address, Client(REMOTE_ADDR=f"10.0.{_number}.1")).status_code for _ in range(10)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        statuses = Counter(status for found in pool.map(ten_times, range(20)) for status in found)
    assert statuses == {200: 5, 404: 195}
    link.refresh_from_db()
    assert (link.downloads, kinds(link).count("DOWNLOADED")) == (5, 5)


def test_over_rest(admin: User, document: Document, client_of: Clients) -> None:
    client = client_of(admin)
    body = {
        "document": document.pk,
        "expires_at": (timezone.now() + timedelta(days=1)).isoformat(),
        "note": "Olga",
    }
    made = client.post(API, body, content_type="application/json")
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    address = made.json()["url"].removeprefix("http://testserver")
    assert download(address).status_code == 200
    (row,) = client.get(API, {"document": document.pk}).json()["results"]
    assert (row["note"], row["state"], row["downloads"], "url" in row) == ("Olga", "OPEN", 1, False)
    visits = client.get(f"{API}{row['id']}/visits/").json()["results"]
    assert [visit["kind"] for visit in visits] == ["DOWNLOADED"]
    assert client.post(f"{API}{row['id']}/revoke/").json()["state"] == "REVOKED"
    assert download(address).status_code == 404
    for wrong in (
        {},
        {**body, "bundle": 1},
        {**body, "document": 0},
        {**body, "expires_at": "2001-01-01T00:00:00Z"},
    ):
        assert client.post(API, wrong, content_type="application/json").status_code == 400


def test_in_the_admin(admin: User, document: Document, client_of: Clients) -> None:
    client = client_of(admin)
    new = f"/admin/documents/sharelink/new/document/{document.pk}/"
    assert client.get(new).status_code == 200
    assert client.post(new, {"days": "7", "password": "short"}).status_code == 422
    page = client.post(new, {"days": "7", "note": "For Olga", "max_downloads": "3"})
    assert "no-store" in page["Cache-Control"]
    link = ShareLink.objects.get()
    assert (link.note, link.max_downloads, link.has_preview) == ("For Olga", 3, False)
    address = page.context["address"].removeprefix("http://testserver")
    assert Client().get(address).status_code == 200
    shown = client.get(f"/admin/documents/sharelink/{link.pk}/change/").content.decode()
    assert "127.0.0.1" in shown
    assert address not in shown
    assert client.post(f"/admin/documents/sharelink/{link.pk}/revoke/").status_code == 302
    assert Client().get(address).status_code == 404
    seller = make_member(make_team("South"), "salesperson", "seller")
    assert client_of(seller).get(new).status_code == 404
    assert client_of(seller).get(new.replace("document/", "nothing/", 2)).status_code == 404


def test_old_visits_are_forgotten(admin: User, document: Document, settings: Any) -> None:
    link, address = shared(document, admin)
    Client().get(address)
    ShareVisit.objects.update(at=timezone.now() - timedelta(days=settings.SHARE_VISIT_DAYS + 1))
    Client().get(address)
    assert sharing.expire_visits() == 1
    assert link.visits.count() == 1
