"""What every service here does the same way: find and lock, look up what an argument names, write."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import Team, User
from apps.common.models import Archivable, Stamped, Versioned
from apps.crm.models import Company, Deal, Person, Tag

_Tagged = Company | Person | Deal
_Model = TypeVar("_Model", bound=models.Model)

_TREE = _("A company cannot be part of itself.")
# Constraints that models do not declare, because Django cannot express them.
_UNDECLARED = {
    "deal_stage_agrees": _("The stage does not agree with the deal's pipeline and state."),
    "company_parent_cycle": _TREE,
}


def locked(
    model: type[_Model], pk: int, *, actor: User, action: str, expected_version: int | None = None
) -> _Model:
    """
    Lock a row that `actor` sees and may do `action` to, as the policy says after the lock is held.

    :raises DoesNotExist: the row is out of the actor's sight, or there is none
    :raises PermissionDenied: the actor sees it and may not do this
    :raises ValidationError: somebody else was faster (code "stale")
    """
    rows = model._base_manager.filter(access.scope(actor, "view", model))
    # No key: whoever only points at this row, as a deal at its company, does not wait.
    row = rows.select_for_update(of=("self",), no_key=True).get(pk=pk)
    access.require(actor, action, row)
    if expected_version is not None and isinstance(row, Versioned) and row.version != expected_version:
        raise ValidationError(
            _("Somebody else has changed this meanwhile. Reload it and try again."), code="stale"
        )
    return row


def named(model: type[_Model], pk: int | None, *, actor: User, field: str) -> _Model | None:
    """
    Return the row that an argument names, as long as `actor` sees it and it is not in the trash.

    :param field: the argument, under which the refusal is reported
    :raises ValidationError: there is no such row for this actor (code "not_found")
    """
    if pk is None:
        return None
    is_oneself = model is User and pk == actor.pk
    condition = models.Q() if is_oneself else access.scope(actor, "view", model)
    if issubclass(model, Archivable):
        condition &= models.Q(archived_at=None)
    row = model._base_manager.filter(condition, pk=pk).first()
    if row is None:
        raise refusal(field, _("There is no such row, or you may not see it."), code="not_found")
    return row


def refusal(field: str, message: Any, *, code: str, **params: Any) -> ValidationError:
    """Return a refusal that belongs to one field."""
    return ValidationError({field: ValidationError(message, code=code, params=params)})


def require_active(row: Archivable) -> None:
    """Insist that a row is not in the trash. :raises ValidationError: it is (code "archived")"""
    if row.archived_at is not None:
        raise ValidationError(_("This is in the trash. Restore it first."), code="archived")


def differing(row: models.Model, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of `values` that differ from what the row holds."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


def insert(row: _Model, *, actor: User) -> _Model:
    """
    Insert a row in the actor's name, once it lies where the actor may add rows.

    :raises PermissionDenied: the actor may not add such a row
    :raises ValidationError: a field or a constraint refuses it
    """
    if isinstance(row, Stamped):
        row.created_by = row.updated_by = actor
    _clean(row, exclude=set())
    with refusals(type(row)):
        row.save(force_insert=True)
    access.require(actor, "add", row)
    return row


def write(row: _Model, values: dict[str, Any], *, actor: User) -> _Model:
    """
    Set `values` on a locked row, count its version on, and save just that.

    :raises ValidationError: a field or a constraint refuses it
    """
    for name, value in values.items():
        setattr(row, name, value)
    _clean(
        row, exclude={f.name for f in row._meta.concrete_fields if not {f.name, f.attname} & values.keys()}
    )
    saved = {*values}
    if isinstance(row, Versioned):
        row.version += 1
        saved.add("version")
    if isinstance(row, Stamped):
        row.updated_by = actor
        saved |= {"updated_by", "updated_at"}
    with refusals(type(row)):
        row.save(update_fields=saved)
    return row


def _clean(row: models.Model, *, exclude: set[str]) -> None:
    """Ask the fields' own validators; relations were looked up, constraints are the database's."""
    relations = {f.name for f in row._meta.concrete_fields if f.is_relation}
    row.clean_fields(exclude=exclude | relations)
    row.clean()


@contextmanager
def refusals(model: type[models.Model]) -> Iterator[None]:
    """Turn the database's refusal into the words of the constraint, with its name as the code."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
        raise ValidationError(_words_of(model, name), code=name or "conflict") from error


def _words_of(model: type[models.Model], name: str) -> Any:
    for constraint in model._meta.constraints:
        if constraint.name == name and constraint.violation_error_message:
            return constraint.violation_error_message
    return _UNDECLARED.get(name, _("This conflicts with another row."))


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
            team = first_team(owner) if owner else None
            values["team_id"] = team.pk if team else None
            return
    team_id = values.get("team_id")
    if team_id is not None and not actor.memberships.filter(team_id=team_id).exists():
        named(Team, team_id, actor=actor, field="team")


def set_tags(row: _Tagged, tags: Iterable[Tag]) -> bool:
    """Set a row's tags; tell whether that changed anything."""
    wanted = {tag.pk for tag in tags}
    if wanted == set(row.tags.values_list("pk", flat=True)):
        return False
    row.tags.set(wanted)
    return True


def named_tags(tag_ids: Iterable[int], *, actor: User) -> list[Tag]:
    """Return the tags with these ids. :raises ValidationError: one of them does not exist for the actor"""
    ids = set(tag_ids)
    tags = list(Tag.objects.visible_to(actor).filter(pk__in=ids))
    if len(tags) != len(ids):
        raise refusal("tags", _("There is no such tag."), code="not_found")
    return tags
