"""Roles: what they grant, and how far."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from apps.accounts import access, events, rows
from apps.accounts.models import Membership, Role, RoleGrant, User
from apps.accounts.roles import READY_MADE, granted_by
from apps.accounts.services.auth_events import record_auth_event
from apps.accounts.services.in_person import require_in_person
from apps.accounts.services.limits import require_everywhere, tell_watchers
from apps.events.services import publish


@transaction.atomic
def create_role(name: str, *, description: str = "", actor: User) -> Role:
    """
    Make a role that grants nothing yet.

    :raises PermissionDenied: the actor may not add roles
    :raises ValidationError: there is one of this name
    """
    require_in_person(actor)
    access.require(actor, "add", Role)
    role = rows.insert(Role(name=name, description=description), actor=actor)
    publish(events.ROLE_CHANGED, role.pk, events.role_data(role, {}), actor_id=actor.pk)
    _record(role, actor)
    return role


def _record(role: Role, actor: User, **changes: Any) -> None:
    """Put it on record that a role is not what it was, under the name that it has now."""
    data = {"role": role.name, "role_id": role.pk} | changes
    record_auth_event("role_changed", user=None, actor=actor, data=data)


@transaction.atomic
def describe_role(
    role_id: int, name: str, description: str, *, actor: User, expected_version: int | None = None
) -> Role:
    """
    Give a role another name and description.

    :raises PermissionDenied: the actor may not change roles
    :raises ValidationError: there is one of this name
    """
    require_in_person(actor)
    role = rows.locked(Role, role_id, actor=actor, action="change", expected_version=expected_version)
    values = rows.differing(role, {"name": name, "description": description})
    if values:
        before = role.name
        rows.write(role, values, actor=actor)
        grants = dict(role.grants.values_list("permission", "reach"))
        publish(events.ROLE_CHANGED, role.pk, events.role_data(role, grants), actor_id=actor.pk)
        _record(role, actor, name_before=before)
    return role


@transaction.atomic
def require_second_factor(
    role_id: int, *, is_required: bool, actor: User, expected_version: int | None = None
) -> Role:
    """
    Say whether everybody who has a role needs a second factor; it holds from their next request on.

    :raises PermissionDenied: the actor may not change roles
    :raises ValidationError: somebody else was faster (code "stale")
    """
    require_in_person(actor)
    role = rows.locked(Role, role_id, actor=actor, action="change", expected_version=expected_version)
    if role.requires_mfa == is_required:
        return role
    rows.write(role, {"requires_mfa": is_required}, actor=actor)
    access.forget(actor)
    tell_watchers(Membership.objects.filter(role=role).values_list("user_id", flat=True).distinct())
    grants = dict(role.grants.values_list("permission", "reach"))
    publish(events.ROLE_CHANGED, role.pk, events.role_data(role, grants), actor_id=actor.pk)
    _record(role, actor, requires_mfa=is_required)
    return role


@transaction.atomic
def set_role_grants(
    role_id: int, grants: Mapping[str, str], *, actor: User, expected_version: int | None = None
) -> Role:
    """
    Let a role grant exactly this.

    :param grants: the reach by permission ({"crm.view_deal": "TEAM"})
    :raises PermissionDenied: the actor may not, or does not hold everywhere what is added
    :raises ValidationError: there is no such permission or reach, or somebody else was faster (code "stale")
    """
    require_in_person(actor)
    role = rows.locked(Role, role_id, actor=actor, action="change", expected_version=expected_version)
    before = dict(role.grants.values_list("permission", "reach"))
    changed = {name: reach for name, reach in grants.items() if before.get(name) != reach}
    if not changed and before.keys() == grants.keys():
        return role
    _require_known(changed)
    require_everywhere(actor, changed)
    role.grants.exclude(permission__in=grants.keys() - changed.keys()).delete()
    _grant(role, changed)
    rows.write(role, {}, actor=actor)
    access.forget(actor)
    tell_watchers(Membership.objects.filter(role=role).values_list("user_id", flat=True).distinct())
    publish(events.ROLE_CHANGED, role.pk, events.role_data(role, dict(grants)), actor_id=actor.pk)
    _record(role, actor, granted=changed, taken=sorted(before.keys() - grants.keys()))
    return role


@transaction.atomic
def delete_role(role_id: int, *, actor: User, expected_version: int | None = None) -> None:
    """
    Remove a role that nobody plays.

    :raises DoesNotExist: the actor does not see such a role
    :raises PermissionDenied: the actor may not delete roles
    :raises ValidationError: somebody plays it (code "role_in_use"), it came with the platform (code "role_ready_made"),
        or somebody else was faster (code "stale")
    """
    role = rows.locked(Role, role_id, actor=actor, action="delete", expected_version=expected_version)
    if role.key is not None:
        text = _("This role comes with the platform. Take its permissions away instead.")
        raise ValidationError(text, code="role_ready_made")
    # Whoever is being given the role waits for the lock, and finds it gone.
    if role.memberships.exists():
        raise ValidationError(_("Somebody still has this role."), code="role_in_use")
    pk = role.pk
    role.grants.all().delete()
    role.delete()
    role.pk = pk
    publish(events.ROLE_DELETED, pk, events.role_data(role, {}), actor_id=actor.pk)
    record_auth_event("role_deleted", user=None, actor=actor, data={"role": role.name, "role_id": pk})


def _grant(role: Role, grants: Mapping[str, str]) -> None:
    RoleGrant.objects.bulk_create(
        RoleGrant(role=role, permission=name, reach=reach) for name, reach in sorted(grants.items())
    )


def _require_known(grants: Mapping[str, str]) -> None:
    known = set(access.all_permissions())
    for permission, reach in grants.items():
        if permission not in known or reach not in RoleGrant.Reach.values:
            raise ValidationError(
                _("There is no such permission: %(name)s.") % {"name": f"{permission} ({reach})"},
                code="unknown_permission",
            )


@transaction.atomic
def sync_roles() -> None:
    """
    Bring the ready-made roles up to date with what the installed apps have come to offer.

    A permission is offered to a role once: what administrators took away or changed since stays as they left
    it.
    """
    known = access.all_permissions()
    for ready in READY_MADE:
        # A role's name is the company's to change: written once, in the installation's language.
        with override(settings.LANGUAGE_CODE):
            defaults = {"name": _(ready.name), "description": _(ready.description)}
        role, _created = Role.objects.select_for_update().get_or_create(key=ready.key, defaults=defaults)
        offered = set(role.offered)
        held = set(role.grants.values_list("permission", flat=True))
        fresh = {name: reach for name, reach in granted_by(ready, known).items() if name not in offered}
        if fresh:
            _grant(role, {name: reach for name, reach in fresh.items() if name not in held})
            role.offered = sorted(offered | fresh.keys())
            role.save(update_fields=["offered"])
