"""Approval and signing in the admin and over REST: what is offered, done and refused there."""

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.documents.admin import panels
from apps.documents.models import Approval, ApprovalRoute, Document, SignatureRecipient, SignatureRequest
from apps.documents.services import accepting, approval_routes, approvals
from apps.documents.services.approvals import Ask
from tests.accounts.factories import make_member, make_team
from tests.documents.factories import kind, make_document
from tests.documents.signing.helpers import ANNA, BORIS, accept, send_out, token_for

pytestmark = pytest.mark.django_db
API = "/api/v1/documents"


@pytest.fixture
def lawyer() -> User:
    return make_member(make_team("Legal"), "salesperson", "Lena Lawyer")


@pytest.fixture
def route(admin: User, lawyer: User) -> ApprovalRoute:
    return approval_routes.create_route(
        actor=admin, name="Contracts", type_id=kind("contract").pk, steps=[Ask(assignee_id=lawyer.pk, days=3)]
    )


def as_(user: User) -> Client:
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


def post(client: Client, path: str, body: dict[str, Any], **headers: str) -> Any:
    return client.post(f"{API}/{path}", body, content_type="application/json", headers=headers or None)


# REST


def test_a_document_is_approved_over_rest(
    contract: Document, seller: User, lawyer: User, route: ApprovalRoute
) -> None:
    made = post(as_(seller), "approvals/", {"document": contract.pk, "route": route.pk, "note": "4.2"})
    assert made.status_code == 201
    assert (made.json()["state"], made.json()["steps"][0]["asked"]) == ("OPEN", "Lena Lawyer")
    client = as_(lawyer)
    waiting = client.get(f"{API}/approvals/?waiting=true").json()["results"]
    assert [each["id"] for each in waiting] == [made.json()["id"]]
    decide = f"approvals/{made.json()['id']}/decide/"
    no_reason = post(client, decide, {"decision": "reject"})
    assert (no_reason.status_code, no_reason.json()["errors"][0]["field"]) == (400, "comment")
    assert post(as_(seller), decide, {"decision": "approve"}).status_code == 403
    assert post(client, decide, {"decision": "approve"}, **{"If-Match": '"9"'}).status_code == 412
    done = post(client, decide, {"decision": "approve"})
    # What was lent for the decision is taken back with it.
    assert done.status_code == 204
    shown = as_(seller).get(f"{API}/approvals/{made.json()['id']}/").json()
    assert (shown["state"], shown["steps"][0]["decided_by"]) == ("APPROVED", lawyer.pk)


def test_an_approval_is_cancelled_and_a_decision_given_on_over_rest(
    contract: Document, seller: User, admin: User, lawyer: User
) -> None:
    made = post(as_(admin), "approvals/", {"document": contract.pk, "steps": [{"assignee": admin.pk}]})
    assert made.status_code == 201
    pk = made.json()["id"]
    given = post(as_(admin), f"approvals/{pk}/decide/", {"decision": "delegate", "assignee": lawyer.pk})
    assert [step["state"] for step in given.json()["steps"]] == ["DELEGATED", "ASKED"]
    cancelled = post(as_(seller), f"approvals/{pk}/cancel/", {"reason": "later"})
    assert (cancelled.json()["state"], cancelled.json()["reason"]) == ("CANCELLED", "later")


def test_ways_of_approval_over_rest(admin: User, seller: User, lawyer: User) -> None:
    body = {"name": "Acts", "type": kind("act").pk, "steps": [{"assignee": lawyer.pk, "days": 1}]}
    made = post(as_(admin), "approval-routes/", body)
    assert made.status_code == 201
    path = f"{API}/approval-routes/{made.json()['id']}/"
    role = Role.objects.get(key="accountant")
    steps = [{"team": make_team().pk, "role": role.pk, "place": 2}, {"assignee": admin.pk}]
    changed = as_(admin).patch(path, {"steps": steps}, content_type="application/json")
    assert [step["assignee"] for step in changed.json()["steps"]] == [admin.pk, None]
    refused = as_(admin).patch(path, {"steps": [{"place": 1}]}, content_type="application/json")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "steps")
    assert as_(seller).patch(path, {"name": "x"}, content_type="application/json").status_code == 403
    assert len(as_(seller).get(f"{API}/approval-routes/").json()["results"]) == 1


def test_a_document_is_sent_out_over_rest(contract: Document, seller: User, redis_url: str) -> None:
    body = {
        "document": contract.pk,
        "recipients": [{"name": ANNA.name, "email": ANNA.email, "locale": "ru"}],
        "expires_at": (timezone.now() + timedelta(days=3)).isoformat(),
    }
    client = as_(seller)
    made = post(client, "signature-requests/", body)
    assert made.status_code == 201
    pk, recipient = made.json()["id"], made.json()["recipients"][0]["id"]
    first = token_for(ANNA.email)
    assert first not in made.content.decode()
    assert "token" not in made.content.decode()
    again = post(client, f"signature-requests/{pk}/resend/", {"recipient": recipient})
    assert again.status_code == 200
    assert token_for(ANNA.email) != first
    told = client.get(f"{API}/signature-requests/{pk}/events/").json()
    assert [event["kind"] for event in told] == ["REQUESTED", "SENT", "SENT"]
    ended = post(client, f"signature-requests/{pk}/cancel/", {"reason": "A mistake"})
    assert ended.json()["state"] == "CANCELLED"
    assert post(client, f"signature-requests/{pk}/cancel/", {}).status_code == 409
    other = as_(make_member(make_team("South"), "salesperson", "Other"))
    assert other.get(f"{API}/signature-requests/{pk}/").status_code == 404
    assert other.get(f"{API}/signature-requests/").json()["results"] == []


@pytest.mark.parametrize(
    "body", [{}, {"recipients": []}, {"recipients": [{"name": "A", "email": "x"}]}, {"expires_at": "soon"}]
)
def test_a_wrong_body_sends_nothing(contract: Document, seller: User, body: dict[str, Any]) -> None:
    given = {
        "document": contract.pk,
        "recipients": [{"name": "A", "email": "a@example.org"}],
        "expires_at": (timezone.now() + timedelta(days=3)).isoformat(),
    }
    wrong = post(as_(seller), "signature-requests/", given | body if body else {})
    assert wrong.status_code == 400
    assert not SignatureRequest.objects.exists()


def test_lists_ask_as_many_questions_whatever_the_number_of_rows(
    seller: User, django_assert_max_num_queries: Any
) -> None:
    client = as_(seller)
    for number in range(3):
        document = make_document(seller, f"Paper {number}", f"content {number}".encode())
        approvals.request_approval(document.pk, actor=seller, steps=[Ask(assignee_id=seller.pk)])
        send_out(make_document(seller, content=f"other {number}".encode()), seller, ANNA, BORIS)
    for path, most in (("approvals/", 16), ("signature-requests/", 14)):
        with django_assert_max_num_queries(most):
            assert len(client.get(f"{API}/{path}").json()["results"]) == 3


# The admin


def test_what_waits_for_me_is_decided_there(
    contract: Document, seller: User, lawyer: User, route: ApprovalRoute
) -> None:
    approval = approvals.request_approval(contract.pk, actor=seller, route_id=route.pk, note="Look at 4.2")
    client = as_(lawyer)
    page = client.get("/admin/documents/approval/waiting/").content.decode()
    assert "Supply of pumps" in page
    assert "Look at 4.2" in page
    assert "Supply of pumps" not in as_(seller).get("/admin/documents/approval/waiting/").content.decode()
    path = f"/admin/documents/approval/{approval.pk}/decide/"
    assert client.get(path).status_code == 405
    back = client.post(path, {"decision": "reject", "back": "https://evil.example/"}, follow=True)
    assert "Say what has to change." in back.content.decode()
    assert back.redirect_chain[0][0] == "/admin/documents/approval/waiting/"
    done = client.post(path, {"decision": "approve", "step": approval.steps.get().pk}, follow=True)
    assert "Approved." in done.content.decode()
    assert "Nothing waits for you" in done.content.decode()
    approval.refresh_from_db()
    assert approval.state == Approval.State.APPROVED


def test_an_approval_is_taken_back_in_the_admin(contract: Document, seller: User, lawyer: User) -> None:
    approval = approvals.request_approval(contract.pk, actor=seller, steps=[Ask(assignee_id=seller.pk)])
    path = f"/admin/documents/approval/{approval.pk}"
    assert "Cancel approval" in as_(seller).get(f"{path}/change/").content.decode()
    assert as_(lawyer).post(f"{path}/cancel/").status_code == 404
    done = as_(seller).post(f"{path}/cancel/", {"reason": "Not yet", "back": f"{path}/change/"})
    assert done["Location"] == f"{path}/change/"
    approval.refresh_from_db()
    assert (approval.state, approval.reason) == (Approval.State.CANCELLED, "Not yet")


def test_ways_of_approval_are_made_in_the_admin(admin: User, lawyer: User) -> None:
    form: dict[str, Any] = {
        "name": "Acts",
        "type": kind("act").pk,
        "steps-TOTAL_FORMS": 2,
        "steps-INITIAL_FORMS": 0,
        "steps-0-place": 1,
        "steps-0-assignee": lawyer.pk,
        "steps-0-days": 2,
        "steps-1-place": 1,
    }
    client = as_(admin)
    wrong = client.post(
        "/admin/documents/approvalroute/add/", form | {"steps-1-role": Role.objects.get(key="auditor").pk}
    )
    assert "Name one person, or a role together with its team." in wrong.content.decode()
    made = client.post("/admin/documents/approvalroute/add/", form)
    assert made.status_code == 302, made.context["errors"]
    route = ApprovalRoute.objects.get()
    step = route.steps.get()
    assert (step.assignee, step.days) == (lawyer, 2)
    page = f"/admin/documents/approvalroute/{route.pk}/change/"
    assert client.get(page).status_code == 200
    form |= {"steps-INITIAL_FORMS": 1, "steps-0-id": step.pk, "steps-0-route": route.pk, "steps-0-days": 5}
    form |= {"name": "Acts and more", "expected_version": route.version}
    changed = client.post(page, form)
    assert changed.status_code == 302, changed.context["errors"]
    route.refresh_from_db()
    assert (route.name, route.steps.get().days) == ("Acts and more", 5)
    assert "Acts and more" in client.get("/admin/documents/approvalroute/").content.decode()


def asked(user: User, data: dict[str, Any] | None = None) -> HttpRequest:
    """Return a request for a document's page by somebody, or of one of its commands."""
    from django.contrib.messages.storage.fallback import FallbackStorage
    from django.contrib.sessions.backends.cache import SessionStore

    factory = RequestFactory()
    request = factory.get("/admin/") if data is None else factory.post("/admin/", data)
    request.user = User.objects.get(pk=user.pk)
    request.session = SessionStore()
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    return request


def said(request: HttpRequest) -> str:
    from django.contrib.messages import get_messages

    return " ".join(str(message) for message in get_messages(request))


def possible(document: Document) -> set[str]:
    document.refresh_from_db()
    ours = {"send_for_approval", "cancel_approval", "send_for_signature"}
    return {
        key for key, command in panels.commands().items() if key in ours and command.is_possible(document)
    }


def test_commands_stand_where_they_can_be_done(contract: Document, seller: User, redis_url: str) -> None:
    commands = panels.commands()
    assert possible(contract) == {"send_for_approval", "send_for_signature"}
    request = asked(seller, {"assignee": ["", str(seller.pk)], "note": "n"})
    commands["send_for_approval"].run(request, contract.pk, None)
    assert said(request) == "Sent to be approved."
    assert possible(contract) == {"cancel_approval"}
    request = asked(seller, {"reason": "later"})
    commands["cancel_approval"].run(request, contract.pk, None)
    assert possible(contract) == {"send_for_approval", "send_for_signature"}
    until = timezone.localdate() + timedelta(days=3)
    lines = {"name": [ANNA.name, "", BORIS.name], "email": [ANNA.email, "", BORIS.email], "until": str(until)}
    request = asked(seller, lines | {"email": [ANNA.email, "", "nonsense"]})
    commands["send_for_signature"].run(request, contract.pk, None)
    assert "“Boris Client”, “nonsense”" in said(request)
    request = asked(seller, lines | {"in_order": "on", "message": "Hello"})
    commands["send_for_signature"].run(request, contract.pk, None)
    assert said(request) == "Sent out to be signed."
    sent = SignatureRequest.objects.get()
    assert list(sent.recipients.order_by("place").values_list("place", "state")) == [
        (1, "ASKED"),
        (2, "WAITING"),
    ]
    assert possible(contract) == set()


def test_the_panel_shows_how_far_it_is(
    contract: Document, seller: User, lawyer: User, route: ApprovalRoute, redis_url: str
) -> None:
    panel = next(each for each in panels.panels() if each.key == "signing")
    assert panel.context(asked(seller), contract) is None
    approval = approvals.request_approval(contract.pk, actor=seller, route_id=route.pk)

    def shown(user: User) -> str:
        request = asked(user)
        context = panel.context(request, Document.objects.get(pk=contract.pk))
        assert context is not None
        return render_to_string(panel.template, {**context, "document": contract}, request)

    assert "A new version begins the approval anew." in shown(seller)
    assert 'value="approve"' not in shown(seller)
    assert 'value="approve"' in shown(lawyer)
    approvals.decide(approval.pk, is_approved=True, actor=User.objects.get(pk=lawyer.pk))
    request = send_out(contract, seller, ANNA, BORIS)
    accept(request, ANNA)
    SignatureRecipient.objects.filter(email=BORIS.email).update(wrong_codes=10)
    text = shown(seller)
    assert "Anna Client" in text
    assert "Locked after too many wrong codes" in text
    assert "Cancel signature request" in text


def test_forms_of_commands_offer_what_one_sees(
    contract: Document, seller: User, lawyer: User, admin: User, route: ApprovalRoute
) -> None:
    for command, words in (
        ("send_for_approval", ["Contracts", "Selma Seller"]),
        ("cancel_approval", ["Cancel approval"]),
        ("send_for_signature", ["Person 1", "Send for signature"]),
    ):
        template = panels.commands()[command].template
        text = render_to_string(template, {"document": contract}, asked(seller))
        assert all(word in text for word in words), text
        assert "Lena Lawyer" not in text
    text = render_to_string("admin/documents/approval/ask.html", {"document": contract}, asked(admin))
    assert "Lena Lawyer" in text


def test_requests_are_cancelled_and_sent_again_in_the_admin(
    contract: Document, seller: User, redis_url: str
) -> None:
    request = send_out(contract, seller)
    client = as_(seller)
    base = f"/admin/documents/signaturerequest/{request.pk}/"
    assert "Anna Client" in client.get(f"{base}change/").content.decode()
    first = token_for(ANNA.email)
    client.post(f"{base}resend/", {"recipient": request.recipients.get().pk})
    second = token_for(ANNA.email)
    assert second != first
    assert accepting.open_link(second).email == ANNA.email
    client.post(f"{base}resend/", {"recipient": "x"})
    client.post(f"{base}cancel/", {"reason": "no"})
    request.refresh_from_db()
    assert (request.state, request.reason) == (SignatureRequest.State.CANCELLED, "no")
    other = as_(make_member(make_team("South"), "salesperson", "Other"))
    assert other.post(f"{base}cancel/").status_code == 404
