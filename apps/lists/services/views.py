"""Keeping how somebody looks at a page: what they used last, and views with a name."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Max, Q
from django.utils.translation import gettext_lazy as _

from apps.accounts import access, rows
from apps.accounts.models import User
from apps.lists.models import SavedView
from apps.lists.viewing import page_of

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


def opens_first(views: Sequence[SavedView], actor: User) -> SavedView | None:
    """
    Return which of the views of a page opens when nothing else is asked for; None where none does.

    That is the actor's own choice, else the one that a colleague shares and has chosen for it.
    """
    chosen = [view for view in views if view.is_default and view.name]
    own = [view for view in chosen if view.owner_id == actor.pk]
    return next(iter([*own, *chosen]), None)


def remember_view(actor: User, page: str, params: Params) -> None:
    """Note what the actor used last on a page; what is nobody else's asks for no permission."""
    with connection.cursor() as cursor:
        cursor.execute(_REMEMBER, {"owner": actor.pk, "page": page, "params": json.dumps(dict(params))})


@transaction.atomic
def save_view(
    actor: User,
    page: str,
    name: str,
    params: Params,
    *,
    columns: Sequence[str] = (),
    sort: Sequence[str] = (),
    layout: str = "",
    is_shared: bool = False,
    is_default: bool = False,
) -> SavedView:
    """
    Keep how a page is looked at under a name, as the last of the actor's tabs.

    :param columns: by their names, in order; none for those that the page has at first
    :param sort: names of columns, with a minus for descending; none for the page's own order
    :param layout: one of `SavedView.Layout`; "" for the page's first
    :param is_shared: their first team sees the view too
    :raises PermissionDenied: the actor may not keep views
    :raises ValidationError: no name ("required") or a taken one, too many views ("too_many"), no team ("no_team"), no
        such page, column, order or layout ("unknown_page", "unknown_column", "unknown_sort", "unknown_layout")
    """
    access.require(actor, "add", SavedView)
    given = _judged(actor, page, {"params": params, "columns": columns, "sort": sort, "layout": layout})
    own = SavedView.objects.filter(owner=actor, page=page).exclude(name="")
    if own.count() >= MOST:
        raise ValidationError(_("That is enough views. Delete one that nobody needs."), code="too_many")
    last = own.aggregate(last=Max("position"))["last"] or 0
    view = SavedView(owner=actor, page=page, name=_name(name), position=last + 1, **given)
    if is_shared:
        view.team_id = _team(actor)
    if is_default:
        _take_default(view)
        view.is_default = True
    return rows.insert(view, actor=actor)


@transaction.atomic
def change_view(
    view_id: int,
    *,
    actor: User,
    name: str | None = None,
    params: Params | None = None,
    columns: Sequence[str] | None = None,
    sort: Sequence[str] | None = None,
    layout: str | None = None,
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
    look = {"params": params, "columns": columns, "sort": sort, "layout": layout}
    values = _judged(actor, view.page, {key: value for key, value in look.items() if value is not None})
    if name is not None:
        values["name"] = _name(name)
    if is_shared is not None:
        values["team_id"] = _team(actor) if is_shared else None
    if is_default is not None:
        _take_default(view)
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


def _take_default(view: SavedView) -> None:
    SavedView.objects.filter(owner=view.owner_id, page=view.page, is_default=True).update(is_default=False)


def _judged(actor: User, page: str, look: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a page is looked at as it is kept, once the page has said that there is all of it."""
    about = page_of(page, actor)
    found: dict[str, Any] = {}
    if "params" in look:
        found["params"] = dict(look["params"])
    if "columns" in look:
        _insist_known("columns", look["columns"], about.columns(actor), "unknown_column")
        found["columns"] = list(dict.fromkeys(look["columns"]))
    if "sort" in look:
        wanted = [name.removeprefix("-") for name in look["sort"]]
        _insist_known("sort", wanted, about.sortable(actor), "unknown_sort")
        found["sort"] = list(look["sort"])
    if "layout" in look:
        layout = look["layout"] or about.layouts[0]
        _insist_known("layout", [layout], about.layouts, "unknown_layout")
        found["layout"] = layout
    return found


def _insist_known(field: str, wanted: Iterable[str], known: Iterable[str], code: str) -> None:
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        text = _("There is no such thing here: %(names)s.")
        error = ValidationError(text, code=code, params={"names": ", ".join(unknown)})
        raise ValidationError({field: error})


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
