"""Who is asked about a document, in which order, what they decide, and what becomes of the document."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.utils import timezone

from apps.accounts.models import AccessGrant, Membership, Role, Team, User
from apps.documents.models import Approval, ApprovalRoute, ApprovalRouteStep, ApprovalStep, Document
from apps.documents.services import approvals, documents
from apps.documents.services.approvals import Ask
from apps.events.models import Event
from tests.accounts.factories import make_member, make_team, make_user
from tests.documents.factories import kind, make_content
from tests.documents.test_services import code_of, facts

pytestmark = pytest.mark.django_db
State, StepState = Approval.State, ApprovalStep.State


def route_of(*steps: dict[str, Any], type_code: str = "contract") -> ApprovalRoute:
    route = ApprovalRoute.objects.create(name="Contracts", type=kind(type_code))
    for step in steps:
        ApprovalRouteStep.objects.create(route=route, **step)
    return route


def again(user: User) -> User:
    """Return somebody as the next request sees them."""
    return User.objects.get(pk=user.pk)


@pytest.fixture
def lawyer() -> User:
    """Sees no papers of their own accord but their own."""
    return make_member(make_team("Legal"), "salesperson", "Lena Lawyer")


@pytest.fixture
def boss() -> User:
    return make_member(make_team("Board"), "salesperson", "Boris Boss")


@pytest.fixture
def approval(contract: Document, seller: User, lawyer: User, boss: User) -> Approval:
    """The lawyer is asked first, and then the boss."""
    route = route_of({"place": 1, "assignee": lawyer, "days": 2}, {"place": 2, "assignee": boss})
    return approvals.request_approval(contract.pk, actor=seller, route_id=route.pk, note="Look at 4.2.")


def test_one_after_the_other_and_approved(
    approval: Approval, contract: Document, lawyer: User, boss: User
) -> None:
    contract.refresh_from_db()
    assert contract.status == Document.Status.IN_REVIEW
    assert [step.state for step in approval.steps.order_by("place")] == [StepState.ASKED, StepState.WAITING]
    approvals.decide(approval.pk, is_approved=True, actor=again(lawyer))
    contract.refresh_from_db()
    assert contract.status == Document.Status.IN_REVIEW
    done = approvals.decide(approval.pk, is_approved=True, actor=again(boss))
    contract.refresh_from_db()
    assert (done.state, contract.status) == (State.APPROVED, Document.Status.APPROVED)
    assert [fact for fact in facts() if fact.startswith("documents.")] == [
        "documents.document.changed.v1",
        "documents.approval.requested.v1",
        "documents.approval.decided.v1",
        "documents.approval.requested.v1",
        "documents.approval.decided.v1",
        "documents.approval.completed.v1",
        "documents.document.changed.v1",
    ]


def test_who_is_asked_sees_the_document_until_they_have_decided(
    approval: Approval, contract: Document, lawyer: User, boss: User
) -> None:
    assert Document.objects.visible_to(again(lawyer)).get() == contract
    assert not Document.objects.visible_to(again(boss)).exists()
    with pytest.raises(PermissionDenied):
        documents.change_document(contract.pk, actor=again(lawyer), title="Mine")
    approvals.decide(approval.pk, is_approved=True, actor=again(lawyer))
    assert not Document.objects.visible_to(again(lawyer)).exists()
    assert Document.objects.visible_to(again(boss)).get() == contract
    approvals.decide(approval.pk, is_approved=True, actor=again(boss))
    assert not AccessGrant.objects.live().exists()


def test_only_who_is_asked_decides(
    approval: Approval, seller: User, admin: User, boss: User, lawyer: User
) -> None:
    for stranger, refused in (
        (seller, PermissionDenied),
        (admin, PermissionDenied),
        (boss, ObjectDoesNotExist),
    ):
        with pytest.raises(refused):
            approvals.decide(approval.pk, is_approved=True, actor=again(stranger))
    approvals.decide(approval.pk, is_approved=True, actor=again(lawyer))
    # Whoever has decided is no longer asked, and what was lent to them is taken back.
    with pytest.raises(ObjectDoesNotExist):
        approvals.decide(approval.pk, is_approved=False, comment="no", actor=again(lawyer))


def test_a_key_that_only_reads_decides_nothing(approval: Approval, lawyer: User) -> None:
    program = again(lawyer)
    program.key_scopes = frozenset({"read"})
    with pytest.raises(PermissionDenied):
        approvals.decide(approval.pk, is_approved=True, actor=program)
    assert approval.steps.filter(state=StepState.ASKED).count() == 1


def test_a_refusal_says_why_and_makes_it_a_draft_again(
    approval: Approval, contract: Document, lawyer: User
) -> None:
    with pytest.raises(ValidationError) as refused:
        approvals.decide(approval.pk, is_approved=False, actor=again(lawyer), comment="  ")
    assert code_of(refused) == "required"
    done = approvals.decide(approval.pk, is_approved=False, actor=again(lawyer), comment="No penalty clause.")
    contract.refresh_from_db()
    assert (done.state, done.reason, contract.status) == (
        State.REJECTED,
        "No penalty clause.",
        Document.Status.DRAFT,
    )
    assert approval.steps.get(place=2).state == StepState.DROPPED
    told = Event.objects.get(type="documents.approval.completed.v1").data
    assert (told["state"], told["reason"], told["document"]["title"]) == (
        "REJECTED",
        "No penalty clause.",
        "Supply of pumps",
    )


def test_at_one_place_all_are_asked_together(
    contract: Document, seller: User, lawyer: User, boss: User
) -> None:
    route = route_of({"place": 1, "assignee": lawyer}, {"place": 1, "assignee": boss})
    approval = approvals.request_approval(contract.pk, actor=seller, route_id=route.pk)
    approvals.decide(approval.pk, is_approved=True, actor=again(boss))
    contract.refresh_from_db()
    assert contract.status == Document.Status.IN_REVIEW
    approvals.decide(approval.pk, is_approved=True, actor=again(lawyer))
    contract.refresh_from_db()
    assert contract.status == Document.Status.APPROVED


def test_a_role_in_a_team_is_whoever_plays_it_now(contract: Document, seller: User, boss: User) -> None:
    team, role = Team.objects.get(name="Board"), Role.objects.get(key="salesperson")
    route = route_of({"place": 1, "team": team, "role": role})
    approval = approvals.request_approval(contract.pk, actor=seller, route_id=route.pk)
    newcomer = make_member(team, "salesperson", "Nina New")
    assert not Document.objects.visible_to(again(newcomer)).exists()
    assert approvals.share_with_deciders() == 1
    Membership.objects.filter(user=boss).delete()
    approvals.share_with_deciders()
    assert not Approval.objects.visible_to(again(boss)).exists()
    done = approvals.decide(approval.pk, is_approved=True, actor=again(newcomer))
    assert done.state == State.APPROVED


def test_what_was_lent_lasts_as_long_as_the_decision_waits(approval: Approval, lawyer: User) -> None:
    AccessGrant.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    approvals.share_with_deciders()
    ends = AccessGrant.objects.live().filter(user=lawyer).values_list("expires_at", flat=True)
    assert len(ends) == 2
    assert min(ends) > timezone.now() + timedelta(days=60)


def test_nobody_plays_the_role(contract: Document, seller: User) -> None:
    role = Role.objects.get(key="salesperson")
    route = route_of({"place": 1, "team": make_team("Empty"), "role": role})
    with pytest.raises(ValidationError) as refused:
        approvals.request_approval(contract.pk, actor=seller, route_id=route.pk)
    assert code_of(refused) == "nobody"
    contract.refresh_from_db()
    assert contract.status == Document.Status.DRAFT


def test_a_decision_is_given_to_somebody_else(
    approval: Approval, contract: Document, lawyer: User, admin: User
) -> None:
    colleague = make_member(make_team(), "salesperson", "Clara Colleague")
    # Who to name is the policy's to say: the lawyer, who sees nobody else, names nobody.
    with pytest.raises(ValidationError) as refused:
        approvals.delegate(approval.pk, assignee_id=colleague.pk, actor=again(lawyer))
    assert code_of(refused) == "not_found"
    Membership.objects.create(
        user=lawyer, team=Team.objects.get(name="Legal"), role=Role.objects.get(key="accountant")
    )
    due_at = approval.steps.get(place=1).due_at
    approvals.delegate(approval.pk, assignee_id=colleague.pk, comment="On holiday", actor=again(lawyer))
    heir = approval.steps.get(delegated_from__isnull=False)
    assert (heir.assignee, heir.due_at, heir.state) == (colleague, due_at, StepState.ASKED)
    with pytest.raises(PermissionDenied):
        approvals.decide(approval.pk, is_approved=True, actor=again(lawyer))
    approvals.decide(approval.pk, is_approved=True, actor=again(colleague))
    assert approval.steps.get(place=2).state == StepState.ASKED


def test_a_new_version_begins_the_approval_anew(
    approval: Approval, contract: Document, seller: User, lawyer: User, boss: User
) -> None:
    approvals.decide(approval.pk, is_approved=True, actor=again(lawyer))
    assert "1 decision is asked for again" in approvals.warning_before_version(contract)
    documents.add_version(contract.pk, make_content(b"two"), actor=seller)
    approval.refresh_from_db()
    contract.refresh_from_db()
    assert (approval.state, contract.status) == (State.RESTARTED, Document.Status.IN_REVIEW)
    anew = contract.approvals.get(state=State.OPEN)
    assert (anew.document_version.number, anew.note) == (2, "Look at 4.2.")
    assert [step.state for step in anew.steps.order_by("place")] == [StepState.ASKED, StepState.WAITING]
    approvals.decide(anew.pk, is_approved=True, actor=again(lawyer))
    approvals.decide(anew.pk, is_approved=True, actor=again(boss))
    contract.refresh_from_db()
    assert contract.status == Document.Status.APPROVED
    assert "draft again" in approvals.warning_before_version(contract)
    documents.add_version(contract.pk, make_content(b"three"), actor=seller)
    contract.refresh_from_db()
    assert contract.status == Document.Status.DRAFT
    assert approvals.warning_before_version(contract) == ""


def test_who_sends_it_takes_it_back(
    approval: Approval, contract: Document, seller: User, lawyer: User
) -> None:
    with pytest.raises(PermissionDenied):
        approvals.cancel_approval(approval.pk, actor=again(lawyer))
    with pytest.raises(ValidationError) as refused:
        documents.archive_document(contract.pk, actor=seller)
    assert code_of(refused) == "in_review"
    done = approvals.cancel_approval(approval.pk, actor=seller, reason="Not yet")
    contract.refresh_from_db()
    assert (done.state, contract.status) == (State.CANCELLED, Document.Status.DRAFT)
    with pytest.raises(ValidationError) as refused:
        approvals.cancel_approval(approval.pk, actor=seller)
    assert code_of(refused) == "approval_closed"
    assert documents.archive_document(contract.pk, actor=seller).archived_at is not None


def test_a_decision_that_is_late_is_told_once(approval: Approval) -> None:
    assert approvals.tell_overdue() == 0
    approval.steps.filter(place=1).update(due_at=timezone.now())
    assert [approvals.tell_overdue(), approvals.tell_overdue()] == [1, 0]
    told = Event.objects.get(type="documents.approval.overdue.v1").data
    assert told["about"] == [approval.steps.get(place=1).pk]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": "APPROVED"}, "not_a_draft"),
        ({"status": "VOID"}, "not_a_draft"),
        ({"current_version": None}, "no_content"),
        ({"archived_at": timezone.now()}, "archived"),
    ],
)
def test_what_is_not_sent(contract: Document, seller: User, change: dict[str, Any], code: str) -> None:
    Document.objects.filter(pk=contract.pk).update(**change)
    with pytest.raises(ValidationError) as refused:
        approvals.request_approval(contract.pk, actor=seller, steps=[Ask(assignee_id=seller.pk)])
    assert code_of(refused) == code


def test_steps_of_ones_own_name_whom_one_sees(contract: Document, seller: User, lawyer: User) -> None:
    for steps, code in (
        ([], "steps"),
        ([Ask(assignee_id=lawyer.pk)], "not_found"),
        ([Ask()], "approvalstep_asks_somebody"),
        ([Ask(assignee_id=seller.pk, days=0)], "min_value"),
        ([Ask(assignee_id=seller.pk)] * 31, "steps"),
    ):
        with pytest.raises(ValidationError) as refused:
            approvals.request_approval(contract.pk, actor=seller, steps=steps)
        assert code_of(refused) == code
    assert not Approval.objects.exists()
    approval = approvals.request_approval(contract.pk, actor=seller, steps=[Ask(assignee_id=seller.pk)])
    assert approvals.decide(approval.pk, is_approved=True, actor=seller).state == State.APPROVED


def test_a_route_of_another_type(contract: Document, seller: User, lawyer: User) -> None:
    route = route_of({"place": 1, "assignee": lawyer}, type_code="act")
    with pytest.raises(ValidationError) as refused:
        approvals.request_approval(contract.pk, actor=seller, route_id=route.pk)
    assert code_of(refused) == "not_found"


def test_somebody_elses_document_is_not_sent(contract: Document) -> None:
    other = make_member(make_team("South"), "salesperson", "Other")
    with pytest.raises(ObjectDoesNotExist):
        approvals.request_approval(contract.pk, actor=other, steps=[Ask(assignee_id=other.pk)])


def test_somebody_who_has_left_is_not_asked(contract: Document, seller: User) -> None:
    gone = make_user("Gone", is_active=False)
    route = route_of({"place": 1, "assignee": gone})
    with pytest.raises(ValidationError) as refused:
        approvals.request_approval(contract.pk, actor=seller, route_id=route.pk)
    assert code_of(refused) == "nobody"
