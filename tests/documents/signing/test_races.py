"""Two at once, or thirty-two, over connections of their own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import connections

from apps.accounts.models import User
from apps.documents.models import Approval, Document, SignatureRecipient, SignatureRequest
from apps.documents.services import accepting, approvals, documents, evidence, signing
from apps.documents.services.approvals import Ask
from apps.documents.services.verifying_signatures import verify_signatures
from apps.events.models import Event
from tests.documents.factories import make_content
from tests.documents.signing.helpers import ANNA, BORIS, LINK, send_out, token_for, with_code

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_url")]
MANY = 32


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at the same moment; return what each returned, or the code of its refusal."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        try:
            return call()
        except ValidationError as refused:
            by_field = getattr(refused, "error_dict", None)
            return next(iter(by_field.values()))[0].code if by_field else refused.error_list[0].code
        except (PermissionDenied, ObjectDoesNotExist) as refused:
            return type(refused).__name__
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def told(fact: str) -> int:
    return Event.objects.filter(type=f"documents.{fact}.v1").count()


def test_two_approvers_at_once_end_an_approval_once(contract: Document, seller: User, admin: User) -> None:
    approval = approvals.request_approval(
        contract.pk,
        actor=admin,
        steps=[Ask(assignee_id=admin.pk), Ask(assignee_id=seller.pk)],
    )

    def decide(pk: int) -> Callable[[], str]:
        return lambda: approvals.decide(approval.pk, is_approved=True, actor=User.objects.get(pk=pk)).state

    said = at_once(decide(admin.pk), decide(seller.pk))
    assert sorted(said) == ["APPROVED", "OPEN"]
    contract.refresh_from_db()
    assert contract.status == Document.Status.APPROVED
    assert (told("approval.decided"), told("approval.completed")) == (2, 1)


def test_one_decision_made_twice_is_one(contract: Document, seller: User) -> None:
    approval = approvals.request_approval(
        contract.pk, actor=seller, steps=[Ask(assignee_id=seller.pk), Ask(assignee_id=seller.pk, place=2)]
    )
    step = approval.steps.get(place=1)

    def decide() -> str:
        actor = User.objects.get(pk=seller.pk)
        return approvals.decide(approval.pk, is_approved=True, step_id=step.pk, actor=actor).state

    said = at_once(*[decide] * 8)
    assert sorted(said) == ["OPEN", *["PermissionDenied"] * 7]
    assert told("approval.decided") == 1


def test_a_decision_and_a_new_version_at_once(contract: Document, seller: User) -> None:
    approval = approvals.request_approval(contract.pk, actor=seller, steps=[Ask(assignee_id=seller.pk)])
    content = make_content(b"two")

    def decide() -> str:
        return approvals.decide(approval.pk, is_approved=True, actor=User.objects.get(pk=seller.pk)).state

    def add() -> int:
        return documents.add_version(contract.pk, content, actor=User.objects.get(pk=seller.pk)).number

    said = at_once(decide, add)
    assert said[1] == 2
    contract.refresh_from_db()
    # Whichever came first: nobody has approved the second version.
    if said[0] == "APPROVED":
        assert contract.status == Document.Status.DRAFT
    else:
        assert said[0] == "approval_closed"
        assert contract.status == Document.Status.IN_REVIEW
        assert Approval.objects.get(state=Approval.State.OPEN).document_version.number == 2


def test_a_document_is_sent_out_once(contract: Document, seller: User) -> None:
    def send() -> str:
        return send_out(contract, User.objects.get(pk=seller.pk)).state

    said = at_once(*[send] * 8)
    assert sorted(said) == ["OPEN", *["signature_request_open_once"] * 7]
    assert SignatureRequest.objects.count() == 1


def test_one_code_used_32_times_at_once_accepts_once(contract: Document, seller: User) -> None:
    request = send_out(contract, seller)
    token = token_for(ANNA.email)
    code = with_code(token, ANNA.email)

    def accept() -> str:
        return accepting.accept(token, code=code, digest=request.digest, link=LINK).state

    said = at_once(*[accept] * MANY)
    assert said.count("ACCEPTED") == 1
    assert {*said} <= {"ACCEPTED", "decided", "code_used", "locked"}
    assert request.events.filter(kind="ACCEPTED").count() == 1
    assert (told("signature.accepted"), told("signature.completed"), told("document.signed")) == (1, 1, 1)
    assert verify_signatures() == 1


def test_no_more_wrong_codes_are_tried_than_the_link_bears(contract: Document, seller: User) -> None:
    request = send_out(contract, seller)
    token = token_for(ANNA.email)
    accepting.send_code(token, has_read=True)
    SignatureRecipient.objects.update(wrong_codes=8)

    def guess() -> None:
        accepting.accept(token, code="WRONG", digest=request.digest, link=LINK)

    said = at_once(*[guess] * MANY)
    assert said.count("code_wrong") == 2
    assert {*said} <= {"code_wrong", "code_gone", "locked"}
    assert request.events.filter(kind="CODE_WRONG").count() == 2
    assert request.events.filter(kind="LOCKED").count() == 1


def test_an_answer_and_a_cancellation_at_once(contract: Document, seller: User) -> None:
    for _round in range(3):
        Document.objects.exclude(pk=contract.pk).delete()
        request = send_out(contract, seller)
        token = token_for(ANNA.email)
        code = with_code(token, ANNA.email)

        def accept(token: str = token, code: str = code, digest: str = request.digest) -> str:
            return accepting.accept(token, code=code, digest=digest, link=LINK).state

        def cancel(pk: int = request.pk) -> str:
            return signing.cancel_signature_request(pk, actor=User.objects.get(pk=seller.pk)).state

        said = at_once(accept, cancel)
        request.refresh_from_db()
        contract.refresh_from_db()
        if said[0] == "ACCEPTED":
            assert said[1] == "signature_closed"
            assert (request.state, contract.status) == ("COMPLETED", "SIGNED")
            break
        assert (said[1], request.state, contract.status) == ("CANCELLED", "CANCELLED", "DRAFT")
    assert verify_signatures() >= 1


def test_all_accept_at_once_and_the_document_is_signed_once(contract: Document, seller: User) -> None:
    request = send_out(contract, seller, ANNA, BORIS)
    held = {party.email: token_for(party.email) for party in (ANNA, BORIS)}
    codes = {email: with_code(token, email) for email, token in held.items()}

    def accept(email: str) -> Callable[[], str]:
        return lambda: (
            accepting.accept(held[email], code=codes[email], digest=request.digest, link=LINK).state
        )

    assert at_once(accept(ANNA.email), accept(BORIS.email)) == ["ACCEPTED", "ACCEPTED"]
    assert (told("signature.completed"), told("document.signed")) == (1, 1)
    at_once(*[lambda: evidence.write_evidence(request.pk)] * 4)
    assert Document.objects.filter(type__code="evidence").count() == 1
    assert request.events.filter(kind="EVIDENCE").count() == 1
    assert verify_signatures() == 1
