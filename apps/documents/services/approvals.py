"""
Approving documents: who is asked, what they decide, and what becomes of the document.

Whoever changes an approval holds the lock of its document first, so that a decision, a new version and a cancellation
come one after the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, owned_rows
from apps.accounts.models import Role, Team, User
from apps.accounts.rows import refusal, refusals, write
from apps.accounts.services.access_grants import end_loans, extend_loan, lend_access
from apps.documents import events
from apps.documents.models import Approval, ApprovalRoute, ApprovalStep, Document, DocumentVersion
from apps.documents.models.approvals import planned
from apps.documents.services import signing

State = Approval.State
Status = Document.Status
# More than anybody waits for.
MOST_STEPS = 30
# What is lent is lent on when it would end within this.
_LENT_AHEAD = timedelta(days=7)


@dataclass(frozen=True)
class Ask:
    """
    Whom an approval asks: one person, or whoever plays a role in a team.

    :param place: equal places are asked together, the next when all of these have approved
    :param days: to decide, from the moment they are asked; None for as long as it takes
    """

    assignee_id: int | None = None
    team_id: int | None = None
    role_id: int | None = None
    place: int = 1
    days: int | None = None


@transaction.atomic
def request_approval(
    document_id: int,
    *,
    actor: User,
    route_id: int | None = None,
    steps: Sequence[Ask] = (),
    note: str = "",
    expected_version: int | None = None,
) -> Approval:
    """
    Send the current version of a document to be approved, by the steps of a route or by steps of one's own.

    :raises DoesNotExist: the document is out of sight
    :raises PermissionDenied: the actor may not change it, or not send it to be approved
    :raises ValidationError: "archived", "stale", "not_a_draft", "no_content", "checked_out", "out_to_sign", there is
        nobody to ask ("steps", "nobody"), or a name is not the actor's to name ("not_found")
    """
    document = owned_rows.locked(
        Document, document_id, actor=actor, action="change", expected_version=expected_version
    )
    access.require(actor, "add", Approval)
    owned_rows.require_active(document)
    _require_ready(document)
    signing.require_not_out(document)
    route = _route(route_id, document, actor=actor)
    asked = planned(route.steps.all()) if route else [_named(step, actor=actor) for step in steps]
    approval = _begin(document, asked, route=route, note=note, actor=actor)
    _set_status(document, Status.IN_REVIEW, actor=actor)
    _ask_next(approval, actor=actor)
    return approval


@transaction.atomic
def decide(
    approval_id: int,
    *,
    is_approved: bool,
    actor: User,
    comment: str = "",
    step_id: int | None = None,
    expected_version: int | None = None,
) -> Approval:
    """
    Decide about what one was asked.

    :param step_id: where one was asked twice, about which of them; without it the first
    :raises DoesNotExist: the approval is out of sight
    :raises PermissionDenied: the actor was not asked
    :raises ValidationError: "stale", it has ended ("approval_closed"), a refusal says no reason ("comment"), or the
        document is not in review any more ("not_in_review")
    """
    approval, document = _locked(approval_id, actor=actor, action="decide", expected_version=expected_version)
    _require_in_review(document)
    step = _own_step(approval, step_id, actor=actor)
    text = comment.strip()
    if not is_approved and not text:
        raise refusal("comment", _("Say what has to change."), code="required")
    state = ApprovalStep.State.APPROVED if is_approved else ApprovalStep.State.REJECTED
    _close_step(step, state, comment=text, actor=actor)
    write(approval, {}, actor=actor)
    events.publish_approval(events.APPROVAL_DECIDED, approval, actor_id=actor.pk, steps=[step])
    if not is_approved:
        _close(approval, document, State.REJECTED, reason=text, actor=actor)
    elif not approval.steps.waiting().exists() and not _ask_next(approval, actor=actor):
        _close(approval, document, State.APPROVED, actor=actor)
    return approval


@transaction.atomic
def delegate(
    approval_id: int,
    *,
    assignee_id: int,
    actor: User,
    comment: str = "",
    step_id: int | None = None,
    expected_version: int | None = None,
) -> Approval:
    """
    Give one's decision to somebody else, with the time that is left.

    :raises DoesNotExist: the approval is out of sight
    :raises PermissionDenied: the actor was not asked
    :raises ValidationError: "stale", "approval_closed", "not_in_review", or the other is not the actor's to name
        ("not_found"), has left ("inactive") or is the actor ("own_account")
    """
    approval, document = _locked(approval_id, actor=actor, action="decide", expected_version=expected_version)
    _require_in_review(document)
    step = _own_step(approval, step_id, actor=actor)
    other = owned_rows.named(User, assignee_id, actor=actor, field="assignee")
    if other is None or not other.is_active:
        raise refusal("assignee", _("This person has left."), code="inactive")
    if other.pk == actor.pk:
        raise refusal("assignee", _("This is you: decide about it."), code="own_account")
    _close_step(step, ApprovalStep.State.DELEGATED, comment=comment.strip(), actor=actor)
    heir = ApprovalStep(
        approval=approval, place=step.place, assignee=other, days=step.days, delegated_from=step
    )
    with refusals():
        heir.save(force_insert=True)
    _ask([heir], approval, document, actor=actor, due_at=step.due_at)
    write(approval, {}, actor=actor)
    events.publish_approval(events.APPROVAL_DECIDED, approval, actor_id=actor.pk, steps=[step])
    events.publish_approval(events.APPROVAL_REQUESTED, approval, actor_id=actor.pk, steps=[heir])
    return approval


@transaction.atomic
def cancel_approval(
    approval_id: int, *, actor: User, reason: str = "", expected_version: int | None = None
) -> Approval:
    """
    Take a document back from being approved; it is a draft again.

    :raises DoesNotExist: the approval is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "stale", or it has ended ("approval_closed")
    """
    approval, document = _locked(approval_id, actor=actor, action="change", expected_version=expected_version)
    _close(approval, document, State.CANCELLED, reason=reason.strip(), actor=actor)
    return approval


def require_not_in_review(document: Document) -> None:
    """Insist that nobody is asked about a locked document. :raises ValidationError: somebody is ("in_review")"""
    if document.approvals.filter(state=State.OPEN).exists():
        raise ValidationError(_("This document is in review. Cancel the approval first."), code="in_review")


def content_changed(document: Document, version: DocumentVersion, *, actor: User) -> None:
    """
    Follow a new version of a locked document: what was approved, or is being looked at, was another content.

    An approval begins anew, with everybody whom it asked in the first place; an approved document is a draft again.
    """
    old = document.approvals.select_for_update(of=("self",)).filter(state=State.OPEN).first()
    if old is not None:
        asked = planned(old.steps.filter(delegated_from=None).order_by("place", "id"))
        reason = gettext("Version %(number)s came.") % {"number": version.number}
        _end(old, State.RESTARTED, reason=reason, actor=actor)
        approval = _begin(document, asked, route=old.route, note=old.note, actor=actor)
        _ask_next(approval, actor=actor)
    elif document.status == Status.APPROVED:
        _set_status(document, Status.DRAFT, actor=actor)


def warning_before_version(document: Document) -> str:
    """Say what a new version would do to an approval; empty for nothing."""
    if document.status == Status.APPROVED:
        return gettext("This document is approved. A new version makes it a draft again.")
    approval = document.approvals.filter(state=State.OPEN).first()
    if approval is None:
        return ""
    decided = approval.steps.filter(state=ApprovalStep.State.APPROVED).count()
    if not decided:
        return gettext("This document is in review. A new version begins the approval anew.")
    text = ngettext(
        "This document is in review. A new version begins the approval anew: %(count)s decision is asked for again.",
        "This document is in review. A new version begins the approval anew: %(count)s decisions are asked for again.",
        decided,
    )
    return text % {"count": decided}


def waiting_for(actor: User) -> QuerySet[ApprovalStep]:
    """Return what waits for a person's decision, what is due first on top."""
    steps = ApprovalStep.objects.waiting().of(actor)
    steps = steps.filter(approval__in=Approval.objects.visible_to(actor, "decide"))
    return steps.select_related(
        "approval__document__type", "approval__document_version__blob", "approval__created_by", "team", "role"
    ).order_by(F("due_at").asc(nulls_last=True), "id")


def tell_overdue() -> int:
    """Tell once of each decision whose time is over; return of how many."""
    now = timezone.now()
    late = ApprovalStep.objects.waiting().filter(due_at__lte=now, overdue_told_at=None)
    ids = late.order_by("approval_id").values_list("approval_id", flat=True).distinct()
    return sum(_tell_overdue(approval_id) for approval_id in ids)


@transaction.atomic
def _tell_overdue(approval_id: int) -> int:
    now = timezone.now()
    approval = Approval.objects.select_for_update(of=("self",), no_key=True).get(pk=approval_id)
    steps = list(
        approval.steps.waiting().select_for_update(of=("self",)).filter(due_at__lte=now, overdue_told_at=None)
    )
    if steps:
        ApprovalStep.objects.filter(pk__in=[step.pk for step in steps]).update(overdue_told_at=now)
        actor_id = User.objects.system().pk
        events.publish_approval(events.APPROVAL_OVERDUE, approval, actor_id=actor_id, steps=steps)
    return len(steps)


def share_with_deciders() -> int:
    """
    Let everybody who may decide now see what they decide about, and nobody who may not any more.

    People come into a role and leave it while a decision waits, and what was lent would end by itself.

    :return: how many decisions wait
    """
    ids = list(ApprovalStep.objects.waiting().order_by("pk").values_list("pk", flat=True))
    for step_id in ids:
        _share_anew(step_id)
    return len(ids)


@transaction.atomic
def _share_anew(step_id: int) -> None:
    step = ApprovalStep.objects.select_for_update(of=("self",)).waiting().filter(pk=step_id).first()
    if step is None:
        return
    system = User.objects.system()
    deciders = {user.pk for user in step.deciders()}
    ending = timezone.now() + _LENT_AHEAD
    for loan in step.loans.live().select_related("user", "content_type"):
        if loan.user_id not in deciders:
            end_loans([loan], actor=system)
        elif loan.expires_at <= ending:
            extend_loan(loan, actor=system)
    _lend(step, step.approval, step.approval.document, actor=system)


def _require_ready(document: Document) -> None:
    if document.status == Status.IN_REVIEW:
        raise ValidationError(_("This document is in review already."), code="not_a_draft")
    if document.status != Status.DRAFT:
        raise ValidationError(_("Only a draft is sent to be approved."), code="not_a_draft")
    if document.current_version_id is None:
        raise ValidationError(
            _("There is nothing to decide about: this document has no content yet."), code="no_content"
        )
    if document.is_checked_out:
        raise ValidationError(
            _("%(name)s works on this document. It can be sent when it is checked in."),
            code="checked_out",
            params={"name": document.checked_out_by},
        )


def _require_in_review(document: Document) -> None:
    if document.status != Status.IN_REVIEW or document.archived_at is not None:
        raise ValidationError(_("This document is not in review any more."), code="not_in_review")


def _route(route_id: int | None, document: Document, *, actor: User) -> ApprovalRoute | None:
    route = owned_rows.named(ApprovalRoute, route_id, actor=actor, field="route")
    if route is not None and route.type_id != document.type_id:
        raise refusal("route", _("This way of approval is for other documents."), code="not_found")
    return route


def _named(step: Ask, *, actor: User) -> dict[str, Any]:
    """Look up whom a step of one's own names, among those whom the actor may name."""
    assignee = owned_rows.named(User, step.assignee_id, actor=actor, field="steps")
    owned_rows.named(Team, step.team_id, actor=actor, field="steps")
    owned_rows.named(Role, step.role_id, actor=actor, field="steps")
    if assignee is not None and not assignee.is_active:
        raise refusal("steps", _("This person has left."), code="inactive")
    return asdict(step)


def _begin(
    document: Document,
    asked: Sequence[dict[str, Any]],
    *,
    route: ApprovalRoute | None,
    note: str,
    actor: User,
) -> Approval:
    if not asked:
        raise refusal("steps", _("Say who is to decide."), code="steps")
    if len(asked) > MOST_STEPS:
        raise refusal(
            "steps", _("At most %(count)s decisions are asked for."), code="steps", count=MOST_STEPS
        )
    approval = owned_rows.insert(
        Approval(
            document=document,
            document_version=document.current_version,
            route=route,
            note=note.strip(),
        ),
        actor=actor,
    )
    for each in asked:
        step = ApprovalStep(approval=approval, **each)
        step.clean_fields(exclude={"approval", "assignee", "team", "role"})
        with refusals():
            step.save(force_insert=True)
    return approval


def _ask_next(approval: Approval, *, actor: User) -> bool:
    """Ask those at the next place, and tell whether there are any."""
    waiting = approval.steps.filter(state=ApprovalStep.State.WAITING).order_by("place", "id")
    first = waiting.first()
    if first is None:
        return False
    steps = list(waiting.filter(place=first.place).select_related("assignee", "team", "role"))
    _ask(steps, approval, approval.document, actor=actor)
    events.publish_approval(events.APPROVAL_REQUESTED, approval, actor_id=actor.pk, steps=steps)
    return True


def _ask(
    steps: Iterable[ApprovalStep],
    approval: Approval,
    document: Document,
    *,
    actor: User,
    due_at: Any = None,
) -> None:
    """
    Ask people, and let them see what they are asked about.

    :raises ValidationError: there is nobody any more whom a step asks ("nobody")
    """
    now = timezone.now()
    for step in steps:
        if not step.deciders().exists():
            raise ValidationError(
                _("Nobody can decide: there is nobody here any more for “%(name)s”."),
                code="nobody",
                params={"name": step.asked_name},
            )
        step.state, step.asked_at = ApprovalStep.State.ASKED, now
        step.due_at = due_at or (now + timedelta(days=step.days) if step.days else None)
        step.save(update_fields=["state", "asked_at", "due_at"])
        _lend(step, approval, document, actor=actor)


def _lend(step: ApprovalStep, approval: Approval, document: Document, *, actor: User) -> None:
    """Share document and approval with whoever is asked and could not decide by a role."""
    lent = {(loan.user_id, loan.row_label) for loan in step.loans.live().select_related("content_type")}
    reason = gettext("Asked to approve it")
    for user in step.deciders():
        for row, actions in ((document, ()), (approval, ("decide",))):
            is_lent = (user.pk, row._meta.label_lower) in lent
            if is_lent or all(access.can_by_role(user, action, row) for action in ("view", *actions)):
                continue
            step.loans.add(lend_access(row, user=user, actions=actions, reason=reason, actor=actor))


def _locked(
    approval_id: int, *, actor: User, action: str, expected_version: int | None
) -> tuple[Approval, Document]:
    found = Approval.objects.visible_to(actor).get(pk=approval_id)
    document = Document.objects.select_for_update(of=("self",), no_key=True).get(pk=found.document_id)
    approval = owned_rows.locked(
        Approval, approval_id, actor=actor, action=action, expected_version=expected_version
    )
    if approval.state != State.OPEN:
        raise ValidationError(_("This approval has ended."), code="approval_closed")
    return approval, document


def _own_step(approval: Approval, step_id: int | None, *, actor: User) -> ApprovalStep:
    """Return the step that the actor decides about. :raises PermissionDenied: there is none"""
    steps = approval.steps.waiting().of(actor).select_for_update(of=("self",)).order_by("place", "id")
    step = (steps if step_id is None else steps.filter(pk=step_id)).first()
    if step is None:
        raise PermissionDenied(_("You are not asked about this, or have decided already."))
    return step


def _close_step(step: ApprovalStep, state: str, *, comment: str, actor: User) -> None:
    step.state, step.comment, step.decided_by, step.decided_at = state, comment, actor, timezone.now()
    step.clean_fields(exclude={"approval", "assignee", "team", "role", "delegated_from", "decided_by"})
    step.save(update_fields=["state", "comment", "decided_by", "decided_at"])
    end_loans(step.loans.live().select_related("user", "content_type"), actor=actor)


def _close(approval: Approval, document: Document, state: str, *, actor: User, reason: str = "") -> None:
    """End an approval, and let the document be what came of it."""
    _end(approval, state, reason=reason, actor=actor)
    if document.status == Status.IN_REVIEW:
        status = Status.APPROVED if state == State.APPROVED else Status.DRAFT
        _set_status(document, status, actor=actor)


def _end(approval: Approval, state: str, *, reason: str, actor: User) -> None:
    steps = approval.steps.filter(state__in=[ApprovalStep.State.WAITING, ApprovalStep.State.ASKED])
    for step in steps:
        end_loans(step.loans.live().select_related("user", "content_type"), actor=actor)
    steps.update(state=ApprovalStep.State.DROPPED)
    write(approval, {"state": state, "reason": reason, "closed_at": timezone.now()}, actor=actor)
    events.publish_approval(events.APPROVAL_COMPLETED, approval, actor_id=actor.pk)


def _set_status(document: Document, status: str, *, actor: User) -> None:
    write(document, {"status": status}, actor=actor)
    events.publish_document(events.DOCUMENT_CHANGED, document.pk, actor_id=actor.pk)
