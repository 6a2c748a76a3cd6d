"""What happens to ways of approval. Approvals that have begun keep the steps that they began with."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, owned_rows
from apps.accounts.models import Role, Team, User
from apps.accounts.rows import differing, refusal, refusals, write
from apps.documents.models import ApprovalRoute, ApprovalRouteStep, DocumentType
from apps.documents.models.approvals import planned
from apps.documents.services.approvals import MOST_STEPS, Ask


class RouteFields(TypedDict, total=False):
    """What people write on a way of approval."""

    name: str
    type_id: int


@transaction.atomic
def create_route(*, actor: User, steps: Sequence[Ask] = (), **fields: Unpack[RouteFields]) -> ApprovalRoute:
    """
    Add a way of approval with its steps.

    :raises PermissionDenied: the actor may not add ways of approval
    :raises ValidationError: a value or a step is refused, or there is one of this name ("approval_route_name_unique")
    """
    access.require(actor, "add", ApprovalRoute)
    owned_rows.named(DocumentType, fields.get("type_id"), actor=actor, field="type")
    route = owned_rows.insert(ApprovalRoute(**fields), actor=actor)
    _write_steps(route, steps, actor=actor)
    return route


@transaction.atomic
def change_route(
    route_id: int,
    *,
    actor: User,
    steps: Sequence[Ask] | None = None,
    expected_version: int | None = None,
    **fields: Unpack[RouteFields],
) -> ApprovalRoute:
    """
    Change a way of approval; steps that are given take the place of all it has.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: "archived", "stale", or a value or a step is refused
    """
    route = owned_rows.locked(
        ApprovalRoute, route_id, actor=actor, action="change", expected_version=expected_version
    )
    owned_rows.require_active(route)
    changes = differing(route, dict(fields))
    owned_rows.named(DocumentType, changes.get("type_id"), actor=actor, field="type")
    are_steps_new = steps is not None and [asdict(step) for step in steps] != planned(_steps_of(route))
    if steps is not None and are_steps_new:
        route.steps.all().delete()
        _write_steps(route, steps, actor=actor)
    if changes or are_steps_new:
        write(route, changes, actor=actor)
    return route


@transaction.atomic
def archive_route(route_id: int, *, actor: User, expected_version: int | None = None) -> ApprovalRoute:
    """
    Stop using a way of approval; what has begun by it goes on.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not archive it
    :raises ValidationError: "archived", "stale"
    """
    route = owned_rows.locked(
        ApprovalRoute, route_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.archive(route, actor=actor)
    return route


@transaction.atomic
def restore_route(route_id: int, *, actor: User, expected_version: int | None = None) -> ApprovalRoute:
    """
    Use a way of approval again.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not restore it
    :raises ValidationError: "not_archived", "stale", or its name is another's by now
    """
    route = owned_rows.locked(
        ApprovalRoute, route_id, actor=actor, action="archive", expected_version=expected_version
    )
    owned_rows.restore(route, actor=actor)
    return route


def _steps_of(route: ApprovalRoute) -> Sequence[ApprovalRouteStep]:
    return list(route.steps.order_by("place", "id"))


def _write_steps(route: ApprovalRoute, steps: Sequence[Ask], *, actor: User) -> None:
    if len(steps) > MOST_STEPS:
        text = _("At most %(count)s decisions are asked for.")
        raise refusal("steps", text, code="steps", count=MOST_STEPS)
    for each in sorted(steps, key=lambda step: step.place):
        owned_rows.named(User, each.assignee_id, actor=actor, field="steps")
        owned_rows.named(Team, each.team_id, actor=actor, field="steps")
        owned_rows.named(Role, each.role_id, actor=actor, field="steps")
        step = ApprovalRouteStep(route=route, **asdict(each))
        try:
            step.clean_fields(exclude={"route", "assignee", "team", "role"})
            with refusals():
                step.save(force_insert=True)
        except ValidationError as refused:
            raise refusal("steps", " ".join(refused.messages), code="steps") from refused
