"""The page by which people outside answer: what it shows to whom, in which language, and what it refuses."""

import io
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from PIL import Image

from apps.accounts.models import User
from apps.documents.models import Document, SignatureRecipient, SignatureRequest
from apps.documents.services import accepting, evidence, renditions, signing
from apps.documents.services.signing import Party
from tests.documents.factories import kind, make_blob, make_document
from tests.documents.signing.helpers import ANNA, BORIS, LINK, code_for, send_out, token_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_url")]
State = SignatureRecipient.State


@pytest.fixture
def paper(seller: User) -> Document:
    """A contract whose content is known to be a PDF."""
    document = make_document(seller, "Supply of pumps", b"%PDF-1.7 the contract", type=kind("contract"))
    blob = document.current_version.blob  # type: ignore[union-attr]
    blob.content_type = "application/pdf"
    blob.save()
    return document


@pytest.fixture
def request_(paper: Document, seller: User) -> SignatureRequest:
    return send_out(paper, seller, message="Please read 4.2 <b>twice</b>.")


@pytest.fixture
def path(request_: SignatureRequest) -> str:
    return f"/sign/{token_for(ANNA.email)}/"


def test_read_get_a_code_and_accept(client: Client, path: str, request_: SignatureRequest) -> None:
    page = client.get(path)
    text = page.content.decode()
    assert page.status_code == 200
    assert "Hello, Anna Client. Selma Seller asks you to read this document" in text
    assert "Please read 4.2 &lt;b&gt;twice&lt;/b&gt;." in text
    assert ANNA.email not in text
    assert "a•••@client.example" in text
    not_read = client.post(path, {"action": "code"})
    assert (not_read.status_code, "Read the document first, and say so." in not_read.content.decode()) == (
        400,
        True,
    )
    sent = client.post(path, {"action": "code", "has_read": "on"})
    assert (sent.status_code, sent["Location"]) == (302, path)
    assert "Accept the document" in client.get(path).content.decode()
    answer = {"action": "accept", "digest": request_.digest}
    wrong = client.post(path, answer | {"code": "AAAA-AAAA"})
    assert (wrong.status_code, "not the code from the latest letter" in wrong.content.decode()) == (400, True)
    done = client.post(path, answer | {"code": code_for(ANNA.email).lower()})
    assert done.status_code == 302
    assert "You accepted this document on" in client.get(path).content.decode()
    assert request_.recipients.get().state == State.ACCEPTED
    assert evidence.write_missing_evidence() == 1
    assert "Download the evidence" in client.get(path).content.decode()
    kept = client.get(f"{path}evidence/")
    assert b"".join(kept.streaming_content).startswith(b"%PDF-")  # type: ignore[attr-defined]
    assert kept["Content-Disposition"].startswith("attachment")


def test_decline_with_a_reason(client: Client, path: str, request_: SignatureRequest) -> None:
    client.post(path, {"action": "code", "has_read": "on"})
    answer = {"action": "decline", "digest": request_.digest, "code": code_for(ANNA.email)}
    refused = client.post(path, answer)
    assert (refused.status_code, "Say why you decline." in refused.content.decode()) == (400, True)
    assert client.post(path, answer | {"reason": "Too dear"}).status_code == 302
    assert "You declined this document on" in client.get(path).content.decode()
    request_.refresh_from_db()
    assert (request_.state, request_.reason) == (SignatureRequest.State.DECLINED, "Too dear")


def test_wrong_ended_and_replaced_links_are_the_same(
    client: Client, path: str, request_: SignatureRequest, seller: User
) -> None:
    # What the page carries to prove where a form comes from differs each time.
    def seen(at: str) -> tuple[int, str]:
        answer = client.get(at)
        text = answer.content.decode().replace(at, "")
        return answer.status_code, text[text.index("<main") : text.index("</main>")]

    wrong = seen("/sign/" + "A" * 43 + "/")
    assert wrong[0] == 404
    signing.resend_link(
        request_.pk,
        recipient_id=request_.recipients.get().pk,
        link=LINK,
        actor=User.objects.get(pk=seller.pk),
    )
    assert seen(path) == wrong
    newest = f"/sign/{token_for(ANNA.email)}/"
    assert seen(newest)[0] == 200
    SignatureRequest.objects.update(expires_at=timezone.now())
    assert seen(newest) == wrong
    SignatureRequest.objects.update(expires_at=timezone.now() + timedelta(days=1))
    signing.cancel_signature_request(request_.pk, actor=seller)
    assert seen(newest) == wrong
    for part in ("content/", "evidence/"):
        assert client.get(newest + part).status_code == 404


def test_the_document_is_read_where_it_does_no_harm(
    client: Client, path: str, request_: SignatureRequest
) -> None:
    page = client.get(path)
    assert "default-src 'none'" in page["Content-Security-Policy"]
    assert "script" not in page["Content-Security-Policy"]
    assert page["X-Frame-Options"] == "DENY"
    assert page["Cache-Control"].startswith("max-age=0")
    shown = client.get(f"{path}content/")
    assert b"".join(shown.streaming_content) == b"%PDF-1.7 the contract"  # type: ignore[attr-defined]
    assert shown["Content-Security-Policy"].startswith("sandbox;")
    assert (shown["X-Content-Type-Options"], shown["Cache-Control"]) == ("nosniff", "private, no-store")
    kept = client.get(f"{path}content/?keep")
    assert kept["Content-Disposition"].startswith("attachment")
    assert request_.events.filter(kind="OPENED").count() == 1
    assert client.get(f"{path}pages/1/").status_code == 404


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/xhtml+xml"])
def test_what_could_act_is_only_kept(client: Client, seller: User, content_type: str) -> None:
    document = make_document(seller, "Page", b"<script>alert(1)</script>")
    blob = make_blob(b"<script>alert(1)</script>")
    type(blob).objects.filter(pk=blob.pk).update(content_type=content_type)
    send_out(document, seller)
    answer = client.get(f"/sign/{token_for(ANNA.email)}/content/")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Content-Security-Policy"].startswith("sandbox;")


def test_the_pages_of_a_document_are_shown(client: Client, seller: User) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(picture, "PNG")
    document = make_document(seller, "Drawing", picture.getvalue(), type=kind("contract"))
    blob = document.current_version.blob  # type: ignore[union-attr]
    type(blob).objects.filter(pk=blob.pk).update(content_type="image/png")
    assert renditions.request_renditions(type(blob).objects.get(pk=blob.pk))
    renditions.make_renditions(blob.pk)
    send_out(document, seller)
    path = f"/sign/{token_for(ANNA.email)}/"
    pages = re.findall(r'<img src="([^"]+)" alt="Page 1"', client.get(path).content.decode())
    assert pages == [f"{path}pages/1/"]
    answer = client.get(pages[0])
    assert (answer.status_code, answer["Cache-Control"]) == (200, "private, no-store")
    SignatureRequest.objects.update(expires_at=timezone.now())
    assert client.get(pages[0]).status_code == 404


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_page_speaks_the_language_of_who_is_asked(
    client: Client, paper: Document, seller: User, language: str
) -> None:
    send_out(paper, seller, Party(ANNA.name, ANNA.email, locale=language))
    path = f"/sign/{token_for(ANNA.email)}/"
    page = client.get(path, headers={"accept-language": "en" if language == "ru" else "ru"})
    assert f'<html lang="{language}">' in page.content.decode()
    assert page["Content-Language"] == language
    # Unless this browser was told another one.
    client.cookies["django_language"] = "en"
    assert '<html lang="en">' in client.get(path).content.decode()


def test_no_link_comes_into_the_log(client: Client, path: str, caplog: pytest.LogCaptureFixture) -> None:
    client.post(path, {"action": "code"})
    client.get(f"{path}pages/7/")
    SignatureRequest.objects.update(expires_at=timezone.now())
    for part in ("", "content/", "evidence/"):
        assert client.get(path + part).status_code == 404
    assert path.split("/")[2] not in caplog.text


def test_a_link_that_is_locked_says_so(client: Client, path: str) -> None:
    SignatureRecipient.objects.update(wrong_codes=10)
    text = client.get(path).content.decode()
    assert "This link is locked" in text
    assert "Send me the code" not in text


def test_nothing_else_is_done_by_the_page(client: Client, path: str) -> None:
    assert client.post(path, {"action": "cancel"}).status_code == 400
    assert client.post(path, {}).status_code == 400
    assert client.put(path).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(path, {"action": "code", "has_read": "on"}).status_code == 403


def test_who_waits_for_others_has_no_link_yet(client: Client, paper: Document, seller: User) -> None:
    request = send_out(paper, seller, ANNA, Party(BORIS.name, BORIS.email, place=2))
    assert request.recipients.get(email=BORIS.email).token_digest is None
    with pytest.raises(IndexError):
        token_for(BORIS.email)


def test_an_address_opens_pages_only_so_often(
    client: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.common.limits import Limit
    from apps.documents.pages import accepting as pages

    monkeypatch.setattr(pages, "_LIMIT", Limit(2, 60))
    answers = [client.get(path).status_code for _turn in range(4)]
    assert answers == [200, 200, 429, 429]


def test_a_letter_is_opened_without_a_word_to_the_record_twice(
    client: Client, path: str, request_: SignatureRequest
) -> None:
    client.head(path)
    assert not request_.events.filter(kind="VIEWED").exists()
    for _turn in range(2):
        client.get(path)
    assert request_.events.filter(kind="VIEWED").count() == 1
    assert accepting.open_link(path.split("/")[2]).viewed_at is not None
