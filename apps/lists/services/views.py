"""Keeping the filters of a page: what somebody used last, and views with a name."""

import json
from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Max, Q
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, rows
from apps.accounts.models import User
from apps.lists.models import SavedView

# Tabs that one still finds anything among.
MOST = 30
Params = Mapping[str, str]

# Pages remember while they are shown, where every statement counts.
_REMEMBER = """
insert into lists_savedview
    (created_at, created_by_id, updated_at, updated_by_id, owner_id, page, name, params, is_default, position)
values (now(), %(owner)s, now(), %(owner)s, %(owner)s, %(page)s, '', %(params)s::jsonb, false, 0)
on conflict (owner_id, page, upper(name)) do update set params = excluded.params, updated_at = excluded.updated_at
"""


def views_of(actor: User, page: str) -> list[SavedView]:
    """
    List the views of a page that are the actor's, or shared with a team of theirs, in their order.

    Among them, without a name, what the actor used last.
    """
    kept = access.scope(actor, "view", SavedView) & (Q(owner=actor) | Q(team__isnull=False)) & ~Q(name="")
    views = SavedView.objects.filter(kept | Q(owner=actor, name=""), page=page)
    return list(views.select_related("owner").order_by("position", "pk"))


def remember_view(actor: User, page: str, params: Params) -> None:
    """Note what the actor used last on a page; what is nobody else's asks for no permission."""
    with connection.cursor() as cursor:
        cursor.execute(_REMEMBER, {"owner": actor.pk, "page": page, "params": json.dumps(dict(params))})


@transaction.atomic
def save_view(actor: User, page: str, name: str, params: Params, *, is_shared: bool = False) -> SavedView:
    """
    Keep filters under a name, as the last of the actor's tabs.

    :param is_shared: their first team sees the view too
    :raises PermissionDenied: the actor may not keep views
    :raises ValidationError: no name ("required") or a taken one, too many views ("too_many"), no team ("no_team")
    """
    access.require(actor, "add", SavedView)
    own = SavedView.objects.filter(owner=actor, page=page).exclude(name="")
    if own.count() >= MOST:
        raise ValidationError(_("That is enough views. Delete one that nobody needs."), code="too_many")
    last = own.aggregate(last=Max("position"))["last"] or 0
    view = SavedView(owner=actor, page=page, name=_name(name), params=dict(params), position=last + 1)
    if is_shared:
        view.team_id = _team(actor)
    return rows.insert(view, actor=actor)


@transaction.atomic
def change_view(
    view_id: int,
    *,
    actor: User,
    name: str | None = None,
    params: Params | None = None,
    is_shared: bool | None = None,
    is_default: bool | None = None,
) -> SavedView:
    """
    Change a view; what is None stays.

    :raises DoesNotExist: the view is out of sight
    :raises PermissionDenied: it is somebody else's
    :raises ValidationError: a value is refused
    """
    view = rows.locked(SavedView, view_id, actor=actor, action="change")
    values: dict[str, object] = {}
    if name is not None:
        values["name"] = _name(name)
    if params is not None:
        values["params"] = dict(params)
    if is_shared is not None:
        values["team_id"] = _team(actor) if is_shared else None
    if is_default is not None:
        SavedView.objects.filter(owner=view.owner_id, page=view.page, is_default=True).update(
            is_default=False
        )
        view.is_default = False
        values["is_default"] = is_default
    return rows.write(view, values, actor=actor)


@transaction.atomic
def delete_view(view_id: int, *, actor: User) -> None:
    """
    Forget a view.

    :raises DoesNotExist: the view is out of sight
    :raises PermissionDenied: it is somebody else's
    """
    rows.locked(SavedView, view_id, actor=actor, action="delete").delete()


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name:
        raise rows.refusal("name", _("Give the view a name."), code="required")
    return name


def _team(actor: User) -> int:
    membership = actor.memberships.filter(team__archived_at=None).order_by("pk").first()
    if membership is None:
        raise ValidationError(_("You are in no team to share it with."), code="no_team")
    return membership.team_id
