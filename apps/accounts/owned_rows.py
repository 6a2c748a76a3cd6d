"""What services of business rows do the same way: look up what an argument names, whose a row is, the trash."""

from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, rows
from apps.accounts.models import Team, User
from apps.accounts.rows import refusal, write
from apps.common.models import Archivable

_Model = TypeVar("_Model", bound=models.Model)


def locked(
    model: type[_Model], pk: int, *, actor: User, action: str, expected_version: int | None = None
) -> _Model:
    """
    Lock a row that `actor` sees and may do `action` to; new rows may still point at it.

    :raises DoesNotExist: the row is out of the actor's sight, or there is none
    :raises PermissionDenied: the actor sees it and may not do this
    :raises ValidationError: somebody else was faster (code "stale")
    """
    return rows.locked(
        model, pk, actor=actor, action=action, expected_version=expected_version, lets_point=True
    )


def insert(row: _Model, *, actor: User) -> _Model:
    """
    Insert a row in the actor's name, once it lies where the actor may add rows.

    :raises PermissionDenied: the actor may not add such a row
    :raises ValidationError: a field or a constraint refuses it
    """
    rows.insert(row, actor=actor)
    access.require(actor, "add", row)
    return row


def named(model: type[_Model], pk: int | None, *, actor: User, field: str) -> _Model | None:
    """
    Return the row that an argument names, as long as `actor` sees it and it is not in the trash.

    :param field: the argument, under which the refusal is reported
    :raises ValidationError: there is no such row for this actor (code "not_found")
    """
    if pk is None:
        return None
    if isinstance(actor, model) and pk == actor.pk:
        return actor
    condition = access.scope(actor, "view", model)
    if issubclass(model, Archivable):
        condition &= models.Q(archived_at=None)
    row = model._base_manager.filter(condition, pk=pk).first()
    if row is None:
        raise refusal(field, _("There is no such row, or you may not see it."), code="not_found")
    return row


def require_named(model: type[models.Model], pk: int | None, *, actor: User, field: str) -> None:
    """
    Insist on the same where the row itself is not needed.

    :raises ValidationError: there is no such row for this actor (code "not_found")
    """
    is_active = issubclass(model, Archivable)
    if pk is not None and not access.can_with(actor, "view", model, pk, is_active=is_active):
        raise refusal(field, _("There is no such row, or you may not see it."), code="not_found")


def require_active(row: Archivable) -> None:
    """Insist that a row is not in the trash. :raises ValidationError: it is (code "archived")"""
    if row.archived_at is not None:
        raise ValidationError(_("This is in the trash. Restore it first."), code="archived")


def archive(row: Any, *, actor: User) -> None:
    """Put a locked row into the trash. :raises ValidationError: it is there already (code "archived")"""
    require_active(row)
    write(row, {"archived_at": timezone.now()}, actor=actor)


def restore(row: Any, *, actor: User) -> None:
    """Take a locked row out of the trash. :raises ValidationError: it is not there, or its place is taken"""
    if row.archived_at is None:
        raise ValidationError(_("This is not in the trash."), code="not_archived")
    write(row, {"archived_at": None}, actor=actor)


def first_team(user: User) -> Team | None:
    """Return the team that a user joined first, where new rows of theirs belong."""
    membership = user.memberships.filter(team__archived_at=None).order_by("pk").select_related("team").first()
    return membership.team if membership else None


def first_team_id(user: User) -> int | None:
    """Return the key of the same."""
    memberships = user.memberships.filter(team__archived_at=None).order_by("pk")
    return memberships.values_list("team_id", flat=True).first()


def owner_and_team(values: dict[str, Any], *, actor: User) -> None:
    """
    Look up `owner_id` and `team_id` among `values` and give a new owner's rows their team.

    :raises ValidationError: an owner or team is not the actor's to name ("not_found"), or the owner has left
        ("inactive")
    """
    if "owner_id" in values:
        owner = named(User, values["owner_id"], actor=actor, field="owner")
        if owner is not None and not owner.is_active:
            raise refusal("owner", _("This person has left."), code="inactive")
        if "team_id" not in values:
            values["team_id"] = first_team_id(owner) if owner else None
            return
    team_id = values.get("team_id")
    if team_id is not None and not actor.memberships.filter(team_id=team_id).exists():
        named(Team, team_id, actor=actor, field="team")
