"""What is sent out to whom, what they answer, and what becomes of the document."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.utils import timezone

from apps.accounts.models import AuthEvent, User
from apps.common.origin import Origin, origin
from apps.documents.models import (
    Blob,
    Document,
    DocumentType,
    SignatureEvent,
    SignatureRecipient,
    SignatureRequest,
)
from apps.documents.services import accepting, approvals, documents, signing
from apps.documents.services.approvals import Ask
from apps.documents.services.documents import Target
from apps.documents.services.signing import Party
from apps.events.models import Event
from tests.accounts.factories import make_member, make_team
from tests.accounts.letters import delivered
from tests.crm.factories import make_deal
from tests.documents.factories import kind, make_content, make_document
from tests.documents.signing.helpers import (
    ANNA,
    BORIS,
    LINK,
    accept,
    code_for,
    send_out,
    token_for,
    with_code,
)
from tests.documents.test_services import code_of, facts

pytestmark = pytest.mark.django_db
State, RecipientState = SignatureRequest.State, SignatureRecipient.State


def kinds(request: SignatureRequest) -> list[str]:
    return list(request.events.order_by("position").values_list("kind", flat=True))


def test_everybody_accepts_and_the_document_is_signed(
    contract: Document, seller: User, redis_url: str
) -> None:
    DocumentType.objects.filter(code="contract").update(retention_days=10)
    deal = make_deal(owner=seller)
    documents.link_document(contract.pk, Target("crm.deal", deal.pk), actor=seller)
    request = send_out(contract, seller, ANNA, BORIS, message="Please sign by Friday.")
    accept(request, ANNA)
    contract.refresh_from_db()
    assert contract.status == Document.Status.DRAFT
    accept(request, BORIS)
    contract.refresh_from_db()
    request.refresh_from_db()
    assert (request.state, contract.status) == (State.COMPLETED, Document.Status.SIGNED)
    assert contract.retain_until_date == timezone.localdate() + timedelta(days=10)
    signed = Event.objects.get(type="documents.document.signed.v1")
    assert (signed.data["status"], signed.data["links"][0]["id"]) == ("SIGNED", deal.pk)
    ours = [fact for fact in facts() if ".signature." in fact or ".signed." in fact]
    assert ours == [
        "documents.signature.requested.v1",
        "documents.signature.accepted.v1",
        "documents.signature.accepted.v1",
        "documents.signature.completed.v1",
        "documents.document.signed.v1",
    ]
    told = [str(text) for text in delivered()]
    assert sum("Everybody who was asked has accepted" in text for text in told) == 2


def test_the_record_says_who_from_where_and_about_what(
    contract: Document, seller: User, redis_url: str
) -> None:
    request = send_out(contract, seller)
    came = origin.set(Origin("203.0.113.7", "Firefox"))
    try:
        token = token_for(ANNA.email)
        accepting.note_view(token)
        accepting.note_view(token)
        accepting.note_opened(token)
        accept(request, ANNA)
    finally:
        origin.reset(came)
    assert kinds(request) == [
        *["REQUESTED", "SENT", "VIEWED", "OPENED", "CODE_SENT", "ACCEPTED", "COMPLETED"],
    ]
    events = list(request.events.order_by("position"))
    assert {event.digest for event in events} == {request.digest, contract.current_version.blob.digest}  # type: ignore[union-attr]
    assert (events[5].address, events[5].agent, events[5].data["email"]) == (
        "203.0.113.7",
        "Firefox",
        ANNA.email,
    )
    assert [event.previous for event in events] == ["", *(event.hash for event in events[:-1])]
    # No secret stands in the record: neither the code nor what opens the link.
    assert token not in str([event.data for event in events])
    ended = AuthEvent.objects.get(kind="signature_ended")
    assert ended.data["head"] == f"7:{events[-1].hash}"


def test_one_after_the_other(contract: Document, seller: User, redis_url: str) -> None:
    request = send_out(contract, seller, ANNA, Party(BORIS.name, BORIS.email, place=2))
    boris = request.recipients.get(email=BORIS.email)
    assert (boris.state, boris.token_digest) == (RecipientState.WAITING, None)
    accept(request, ANNA)
    boris.refresh_from_db()
    assert boris.state == RecipientState.ASKED
    accept(request, BORIS)
    request.refresh_from_db()
    assert request.state == State.COMPLETED


def test_somebody_declines_and_all_links_end(contract: Document, seller: User, redis_url: str) -> None:
    request = send_out(contract, seller, ANNA, BORIS)
    token = token_for(ANNA.email)
    code = with_code(token, ANNA.email)
    with pytest.raises(ValidationError) as refused:
        accepting.decline(token, code=code, reason=" ")
    assert code_of(refused) == "required"
    accepting.decline(token, code=code, reason="The price is too high.")
    request.refresh_from_db()
    contract.refresh_from_db()
    assert (request.state, request.reason) == (State.DECLINED, "The price is too high.")
    assert contract.status == Document.Status.DRAFT
    assert accepting.open_link(token).state == RecipientState.DECLINED
    with pytest.raises(ObjectDoesNotExist):
        accepting.open_link(token_for(BORIS.email))
    assert "documents.signature.declined.v1" in facts()
    # It may be sent out anew.
    assert send_out(contract, seller).state == State.OPEN


def test_a_link_ends_with_its_time(contract: Document, seller: User) -> None:
    request = send_out(contract, seller)
    token = token_for(ANNA.email)
    SignatureRequest.objects.update(expires_at=timezone.now())
    # At once, whether or not anybody has cleared up yet.
    with pytest.raises(ObjectDoesNotExist):
        accepting.open_link(token)
    with pytest.raises(ObjectDoesNotExist):
        accepting.send_code(token, has_read=True)
    assert [signing.expire_requests(), signing.expire_requests()] == [1, 0]
    request.refresh_from_db()
    assert request.state == State.EXPIRED
    assert kinds(request)[-1] == "EXPIRED"
    assert facts().count("documents.signature.expired.v1") == 1


def test_a_request_is_taken_back(contract: Document, seller: User) -> None:
    request = send_out(contract, seller)
    token = token_for(ANNA.email)
    signing.cancel_signature_request(request.pk, actor=seller, reason="A mistake")
    with pytest.raises(ObjectDoesNotExist):
        accepting.open_link(token)
    assert "has taken “Supply of pumps” back" in delivered()[-1]
    with pytest.raises(ValidationError) as refused:
        signing.cancel_signature_request(request.pk, actor=seller)
    assert code_of(refused) == "signature_closed"


def test_a_link_that_is_sent_anew_ends_the_earlier_one(
    contract: Document, seller: User, redis_url: str
) -> None:
    request = send_out(contract, seller)
    first = token_for(ANNA.email)
    anna = request.recipients.get()
    SignatureRecipient.objects.update(wrong_codes=10)
    signing.resend_link(request.pk, recipient_id=anna.pk, link=LINK, actor=seller)
    second = token_for(ANNA.email)
    assert second != first
    with pytest.raises(ObjectDoesNotExist):
        accepting.open_link(first)
    assert not accepting.is_locked(accepting.open_link(second))
    accept(request, ANNA)
    with pytest.raises(ValidationError) as refused:
        signing.resend_link(request.pk, recipient_id=anna.pk, link=LINK, actor=seller)
    assert code_of(refused) == "signature_closed"


def test_while_it_is_out_the_content_stays(contract: Document, seller: User) -> None:
    request = send_out(contract, seller)
    for change in (
        lambda: documents.add_version(contract.pk, make_content(b"two"), actor=seller),
        lambda: documents.archive_document(contract.pk, actor=seller),
        lambda: approvals.request_approval(contract.pk, actor=seller, steps=[Ask(assignee_id=seller.pk)]),
    ):
        with pytest.raises(ValidationError) as refused:
            change()
        assert code_of(refused) == "out_to_sign"
    with pytest.raises(ValidationError) as refused:
        send_out(contract, seller)
    assert code_of(refused) == "signature_request_open_once"
    signing.cancel_signature_request(request.pk, actor=seller)
    assert documents.add_version(contract.pk, make_content(b"two"), actor=seller).number == 2


def test_only_what_was_sent_out_is_accepted(contract: Document, seller: User, redis_url: str) -> None:
    request = send_out(contract, seller)
    token = token_for(ANNA.email)
    code = with_code(token, ANNA.email)
    with pytest.raises(ValidationError) as refused:
        accepting.accept(token, code=code, digest="0" * 64, link=LINK)
    assert code_of(refused) == "content_changed"
    # Somebody with a hand in the tables puts another content under the version.
    Blob.objects.filter(pk=contract.current_version.blob_id).update(sha256=b"\1" * 32)  # type: ignore[union-attr]
    for digest in (request.digest, "01" * 32):
        code = with_code(token, ANNA.email)
        with pytest.raises(ValidationError) as refused:
            accepting.accept(token, code=code, digest=digest, link=LINK)
        assert code_of(refused) == "content_changed"
    assert request.recipients.get().state == RecipientState.ASKED


def test_another_version_in_its_place_is_not_accepted(
    contract: Document, seller: User, redis_url: str
) -> None:
    request = send_out(contract, seller)
    other = make_document(seller, content=b"other").current_version
    Document.objects.filter(pk=contract.pk).update(current_version=other)
    token = token_for(ANNA.email)
    code = with_code(token, ANNA.email)
    with pytest.raises(ValidationError) as refused:
        accepting.accept(token, code=code, digest=request.digest, link=LINK)
    assert code_of(refused) == "content_changed"


def test_a_code_is_asked_for_by_who_has_read(contract: Document, seller: User, redis_url: str) -> None:
    send_out(contract, seller)
    token = token_for(ANNA.email)
    with pytest.raises(ValidationError) as refused:
        accepting.send_code(token, has_read=False)
    assert code_of(refused) == "not_read"
    for _turn in range(5):
        accepting.send_code(token, has_read=True)
    with pytest.raises(ValidationError) as refused:
        accepting.send_code(token, has_read=True)
    assert code_of(refused) == "too_many_codes"


def test_a_code_is_for_one_person_and_the_latest_counts(
    contract: Document, seller: User, redis_url: str
) -> None:
    request = send_out(contract, seller, ANNA, BORIS)
    annas, boriss = token_for(ANNA.email), token_for(BORIS.email)
    first = with_code(annas, ANNA.email)
    with pytest.raises(ValidationError) as refused:
        accepting.accept(boriss, code=first, digest=request.digest, link=LINK)
    assert code_of(refused) == "code_gone"
    second = with_code(annas, ANNA.email)
    with pytest.raises(ValidationError) as refused:
        accepting.accept(annas, code=first, digest=request.digest, link=LINK)
    assert code_of(refused) == "code_wrong"
    accepting.accept(annas, code=second, digest=request.digest, link=LINK)
    with pytest.raises(ValidationError) as refused:
        accepting.accept(annas, code=second, digest=request.digest, link=LINK)
    assert code_of(refused) == "decided"


def test_wrong_codes_lock_the_link(contract: Document, seller: User, redis_url: str) -> None:
    request = send_out(contract, seller)
    token = token_for(ANNA.email)
    said: list[str] = []
    for turn in range(14):
        if turn % 3 == 0 and turn < 12:
            # Three wrong ones end a code; another one is asked for.
            accepting.send_code(token, has_read=True) if turn < 10 else None
        with pytest.raises(ValidationError) as refused:
            accepting.accept(token, code="WRONG-CODE", digest=request.digest, link=LINK)
        said.append(code_of(refused))
    assert said == ["code_wrong"] * 10 + ["locked"] * 4
    assert kinds(request).count("CODE_WRONG") == 10
    assert kinds(request).count("LOCKED") == 1
    # The right one does not help any more.
    with pytest.raises(ValidationError) as refused:
        accepting.accept(token, code=code_for(ANNA.email), digest=request.digest, link=LINK)
    assert code_of(refused) == "locked"
    with pytest.raises(ValidationError) as refused:
        accepting.send_code(token, has_read=True)
    assert code_of(refused) == "locked"


@pytest.mark.parametrize("forged", ["", "x", "a" * 43, "\ud800", "../../admin", "%00" * 3])
def test_forged_links_lead_nowhere(contract: Document, seller: User, forged: str) -> None:
    send_out(contract, seller)
    with pytest.raises(ObjectDoesNotExist):
        accepting.open_link(forged)


def test_only_hashes_of_links_are_kept(contract: Document, seller: User) -> None:
    send_out(contract, seller)
    token = token_for(ANNA.email)
    kept = str(SignatureRecipient.objects.values().get()) + str(list(SignatureEvent.objects.values()))
    kept += str(list(Event.objects.values()))
    assert token not in kept


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": "IN_REVIEW"}, "in_review"),
        ({"status": "SIGNED"}, "document_final"),
        ({"status": "VOID"}, "document_final"),
        ({"current_version": None}, "no_content"),
        ({"archived_at": timezone.now()}, "archived"),
    ],
)
def test_what_is_not_sent_out(contract: Document, seller: User, change: dict[str, Any], code: str) -> None:
    Document.objects.filter(pk=contract.pk).update(**change)
    with pytest.raises(ValidationError) as refused:
        send_out(contract, seller)
    assert code_of(refused) == code


@pytest.mark.parametrize(
    ("parties", "days", "code"),
    [
        ([], 1, "parties"),
        ([Party("A", f"a{number}@example.org") for number in range(21)], 1, "parties"),
        ([Party("A", "nonsense")], 1, "parties"),
        ([Party("", "a@example.org")], 1, "parties"),
        ([Party("A", "a@example.org"), Party("B", "A@example.org")], 1, "parties"),
        ([Party("A", "a@example.org", locale="xx")], 1, "parties"),
        ([ANNA], 0, "expires_at"),
        ([ANNA], 91, "expires_at"),
    ],
)
def test_to_whom_and_until_when(
    contract: Document, seller: User, parties: list[Party], days: int, code: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        signing.request_signature(
            contract.pk,
            parties=parties,
            expires_at=timezone.now() + timedelta(days=days),
            link=LINK,
            actor=seller,
        )
    assert code_of(refused) == code
    assert not SignatureRequest.objects.exists()


def test_who_may_send_out(contract: Document) -> None:
    with pytest.raises(ObjectDoesNotExist):
        send_out(contract, make_member(make_team("South"), "salesperson", "Other"))
    with pytest.raises(PermissionDenied):
        send_out(contract, make_member(make_team("Audit"), "auditor", "Otto"))
    assert not SignatureRequest.objects.exists()


def test_letters_speak_the_language_of_who_gets_them(
    contract: Document, seller: User, redis_url: str
) -> None:
    send_out(contract, seller, Party("Анна", "anna@client.example", locale="ru"))
    accepting.send_code(token_for(ANNA.email), has_read=True)
    texts = delivered()
    assert len(texts) == 2
    assert kind("contract").code == "contract"
