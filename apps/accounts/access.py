"""
The access policy: the one place that decides who may do what to which row.

A permission is "app.action_model" ("crm.win_deal"). A role grants it with a reach: own rows, rows of the team
of the membership, of that team's subtree, or all. A single row may be shared with somebody for a while besides. A
list and an object check cannot differ, because the second is derived from the first.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.core.exceptions import EmptyResultSet, FieldDoesNotExist, PermissionDenied
from django.db import connection, models
from django.db.models import Func, Q, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import AccessGrant, RoleGrant, Team, User
from apps.accounts.scopes import allows
from apps.accounts.scoping import Rule

NOTHING = Q(pk__in=[])
# Not an empty Q, which Django drops from an OR instead of letting it decide.
EVERYTHING = ~NOTHING
_VERBS: dict[str, str | Promise] = {
    "view": _("see"),
    "add": _("add"),
    "change": _("change"),
    "delete": _("delete"),
    "move": _("move"),
    "win": _("win"),
    "lose": _("lose"),
    "reopen": _("reopen"),
    "assign": _("give to somebody else"),
    "archive": _("archive and restore"),
    "qualify": _("qualify"),
    "disqualify": _("disqualify and recycle"),
    "hold": _("put on legal hold"),
    "void": _("declare void"),
    "merge": _("merge"),
    "cancel": _("cancel"),
    "retry": _("retry"),
    "export": _("take away as a file"),
    "undo": _("undo"),
    "impersonate": _("act as"),
    "disclose": _("take away all that is kept about them"),
    "erase": _("rehearse the erasure of"),
    "apply": _("erase for good"),
    "issue": _("issue"),
    "credit": _("credit"),
    "writeoff": _("write off"),
    "allocate": _("allocate"),
    "refund": _("refund"),
    "reverse": _("reverse"),
}
# What is not shared row by row: making new rows is about no row, acting as somebody is all that they may, and what is
# merged, told or erased is taken for good.
_NEVER_SHARED = {"add", "apply", "disclose", "erase", "impersonate", "merge"}
# What nobody does while they act as somebody else, whatever either of them may: it would outlast the hour.
_NEVER_AS_SOMEBODY = frozenset(
    f"accounts.{action}_{model}"
    for model in ("role", "membership", "accessgrant", "apikey", "application", "impersonationsession")
    for action in ("add", "change", "delete")
) | {"accounts.impersonate_user"}


@dataclass
class Reaches:
    """How far one permission of one user reaches."""

    is_all: bool = False
    is_own: bool = False
    team_ids: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Share:
    """That single rows of a kind are shared with a user: the kind's content type, and until when at the latest."""

    kind_id: int
    until: datetime


@dataclass(frozen=True)
class Rights:
    """
    All that one user may do.

    :ivar grants: how far each permission reaches by their roles
    :ivar shares: the permissions that they have for single rows, whatever their roles
    :ivar lapses_at: when the next of what was shared with them ends, and other rows are meant
    :ivar follows: what others have worked out of these rights alone; it goes with them
    """

    grants: dict[str, Reaches]
    shares: dict[str, Share]
    lapses_at: datetime | None = None
    follows: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def has_lapsed(self) -> bool:
        return self.lapses_at is not None and self.lapses_at <= timezone.now()


def _rule(model: type[models.Model]) -> Rule:
    """Return the model's rule. :raises TypeError: the model declares none, so nobody may be let near it"""
    rule = getattr(model, "access", None)
    if not isinstance(rule, Rule):
        raise TypeError(f"{model._meta.label} has no access rule")
    return rule


def whole_of(model: type[models.Model], via: str) -> type[models.Model]:
    """Return the model that `via` ("order__deal") leads to."""
    for step in via.split("__"):
        related = model._meta.get_field(step).related_model
        if not isinstance(related, type):
            raise FieldDoesNotExist(f"{model._meta.label}.{step} leads to no row")
        model = related
    return model


def permission_of(action: str, model: type[models.Model]) -> str:
    """
    Return the permission that guards `action` on `model`.

    A part of a whole has no permissions of its own: seeing it is seeing the whole, what the rule passes on is the
    same action on the whole, and anything else is changing the whole.
    """
    via = _rule(model).via
    if via:
        return permission_of(action_on_whole(action, model), whole_of(model, via[0]))
    return f"{model._meta.app_label}.{action}_{model._meta.model_name}"


def grants_of(user: User) -> dict[str, Reaches]:
    """Return how far each permission of `user` reaches by their roles, as far as they may use it just now."""
    return rights_of(user).grants


def rights_of(user: User) -> Rights:
    """
    Return what `user` may do, by their roles and by what is shared with them.

    Two queries, remembered on the instance; outside of a transaction also in this process, until `perm_version`
    changes, which the database raises with whatever decides about rights, or something shared ends.
    """
    remembered: tuple[int, Rights] | None = getattr(user, "_rights", None)
    if remembered is not None and remembered[0] == user.perm_version and not remembered[1].has_lapsed():
        return remembered[1]
    # What a transaction has changed may yet be rolled back, and its version be given again.
    is_settled = not connection.in_atomic_block
    rights = _settled_rights(user) if is_settled else _read_rights([user])[user.pk]
    user._rights = (user.perm_version, rights)  # type: ignore[attr-defined]
    return rights


# What follows from being allowed everything.
_follows_from_everything: dict[Any, Any] = {}


def what_follows(user: User) -> dict[Any, Any]:
    """
    Return where to keep what follows from what `user` may do at all and from nothing else; it goes with these rights.

    Questions about rows do not belong there: rows change.
    """
    return _follows_from_everything if is_everything(user) else rights_of(user).follows


# The rights of whom this process has seen lately.
_settled: dict[Any, Rights] = {}
_MOST_SETTLED = 2048


def _settled_rights(user: User) -> Rights:
    identity = identity_of(user)
    rights = _settled.get(identity)
    if rights is None or rights.has_lapsed():
        rights = _read_rights([user])[user.pk]
        if len(_settled) >= _MOST_SETTLED:
            _settled.clear()
        _settled[identity] = rights
    return rights


def read_rights(users: Iterable[User]) -> None:
    """Read what many users may do in two queries, and remember it on them."""
    people = list(users)
    found = _read_rights(people)
    for user in people:
        user._rights = (user.perm_version, found[user.pk])  # type: ignore[attr-defined]


def _read_rights(users: list[User]) -> dict[int, Rights]:
    people = {user.pk: user for user in users}
    by_role = RoleGrant.objects.filter(
        role__memberships__user__in=people, role__memberships__team__archived_at=None
    ).values_list(
        "role__memberships__user",
        "permission",
        "reach",
        "role__memberships__team_id",
        "role__memberships__team__path",
        Cast(Value(None), models.DateTimeField()),
    )
    # Together with the roles, what is shared costs no query of its own.
    rows = list(by_role.union(_shared_with(people)))
    subtrees = _subtrees(
        {path for _u, _name, reach, _team, path, _t in rows if reach == RoleGrant.Reach.SUBTREE}
    )
    grants: dict[int, defaultdict[str, Reaches]] = {pk: defaultdict(Reaches) for pk in people}
    shares: dict[int, dict[str, Share]] = {pk: {} for pk in people}
    lapses: dict[int, datetime] = {}
    for user_id, permission, reach, place, path, until in rows:
        if reach == _ROW:
            lapses[user_id] = min(lapses.get(user_id, until), until)
            for name in _permissions_on(path, permission.split(",")):
                if not is_withheld(people[user_id], name):
                    known = shares[user_id].setdefault(name, Share(place, until))
                    shares[user_id][name] = max(known, Share(place, until), key=lambda share: share.until)
        elif not is_withheld(people[user_id], permission):
            _add_reach(grants[user_id][permission], reach, place, subtrees.get(path, set()))
    return {pk: Rights(dict(grants[pk]), shares[pk], lapses.get(pk)) for pk in people}


def _add_reach(reaches: Reaches, reach: str, team_id: int, subtree: set[int]) -> None:
    reaches.is_own = True
    if reach == RoleGrant.Reach.ALL:
        reaches.is_all = True
    elif reach == RoleGrant.Reach.TEAM:
        reaches.team_ids.add(team_id)
    elif reach == RoleGrant.Reach.SUBTREE:
        reaches.team_ids |= subtree


# Stands where roles have a reach, in what is read about rights.
_ROW = "ROW"


def _shared_with(user_ids: Iterable[int]) -> models.QuerySet[Any, Any]:
    """
    Return what is shared with users, in the columns in which roles are read: actions for the permission, the kind of
    row for the team.
    """
    kind = Concat(
        "content_type__app_label", Value("."), "content_type__model", output_field=models.CharField()
    )
    actions = Func("actions", Value(","), function="array_to_string", output_field=models.CharField())
    live = AccessGrant.objects.live().filter(user__in=user_ids)
    return live.values_list("user", actions, Value(_ROW), "content_type", kind, "expires_at")


def _permissions_on(kind: str, actions: Iterable[str]) -> list[str]:
    app_label, _dot, model_name = kind.partition(".")
    return [f"{app_label}.{action}_{model_name}" for action in actions]


def identity_of(user: User) -> tuple[Any, ...]:
    """Return what all that `user` may do depends on: equal ones may do the same, as far as nothing shared ends."""
    return user.pk, user.perm_version, user.key_scopes, user.impersonation is not None


def reaches_of(user: User, permission: str) -> Reaches | None:
    """Return how far a permission of `user` reaches; None where they do not hold it, or not with their key."""
    if not user.is_active or is_withheld(user, permission):
        return None
    return Reaches(is_all=True, is_own=True) if user.is_superuser else grants_of(user).get(permission)


def has_share(user: User, permission: str) -> bool:
    """Tell whether `user` has a permission for single rows that are shared with them."""
    return user.is_active and not user.is_superuser and permission in rights_of(user).shares


def is_everything(user: User) -> bool:
    """Tell whether `user` may do everything, whatever the roles: an administrator in person, not by a limited key."""
    is_in_person = user.key_scopes is None and user.impersonation is None
    return user.is_active and user.is_superuser and is_in_person


def is_withheld(user: User, permission: str) -> bool:
    """
    Tell whether a permission is not to be used, whether `user` holds it or not: their key is for something else, or
    somebody acts as them and this is never done so.
    """
    if user.key_scopes is not None and not allows(user.key_scopes, permission):
        return True
    if user.impersonation is None:
        return False
    return permission in _NEVER_AS_SOMEBODY or permission.partition(".")[2].startswith("export_")


def _subtrees(paths: set[str]) -> dict[str, set[int]]:
    """Return the ids of the teams at and below each path."""
    if not paths:
        return {}
    anywhere = Q()
    for path in paths:
        anywhere |= Q(path__startswith=path)
    teams = list(Team.objects.filter(anywhere).values_list("pk", "path"))
    return {path: {pk for pk, place in teams if place.startswith(path)} for path in paths}


def scope(actor: User, action: str, model: type[models.Model]) -> Q:
    """
    Return the condition under which `actor` may do `action` to a row of `model`.

    Filters on a multi-valued relation are wrapped in a subquery, so the condition never multiplies rows. What is shared
    with the actor ends by the clock of the database, whenever the condition is asked.

    :raises TypeError: the model has no access rule
    """
    return _scope(actor, action, model, is_with_shares=True)


def scope_by_role(actor: User, action: str, model: type[models.Model]) -> Q:
    """Return the same condition without what is only shared with them for a while."""
    return _scope(actor, action, model, is_with_shares=False)


def _scope(actor: User, action: str, model: type[models.Model], *, is_with_shares: bool) -> Q:
    rule = _rule(model)
    if not actor.is_active:
        return NOTHING
    if is_everything(actor):
        return EVERYTHING
    if rule.via:
        return _scope_of_part(actor, action, model, rule.via, is_with_shares=is_with_shares)
    permission = permission_of(action, model)
    if is_withheld(actor, permission):
        return NOTHING
    if actor.is_superuser:
        return EVERYTHING
    rights = rights_of(actor)
    reaches = rights.grants.get(permission)
    if reaches is not None and (reaches.is_all or rule.shared):
        return EVERYTHING
    condition = NOTHING if reaches is None else _reached(actor, action, reaches, rule, model)
    share = rights.shares.get(permission)
    return condition | _shared(actor, action, share) if share and is_with_shares else condition


def _shared(actor: User, action: str, share: Share) -> Q:
    """Return the condition for single rows that are shared with `actor` as yet."""
    grants = AccessGrant.objects.live().filter(user=actor.pk, content_type=share.kind_id)
    return Q(pk__in=grants.filter(actions__contains=[action]).values("object_id"))


def action_on_whole(action: str, part: type[models.Model]) -> str:
    """Return what doing `action` to a part asks for on the whole."""
    return action if action == "view" or action in _rule(part).passes else "change"


def _scope_of_part(
    actor: User, action: str, model: type[models.Model], via: tuple[str, ...], *, is_with_shares: bool
) -> Q:
    """Return the condition under which one of the wholes that a part hangs on lets `actor` in."""
    condition = NOTHING
    for path in via:
        whole = whole_of(model, path)
        inner = _scope(actor, action_on_whole(action, model), whole, is_with_shares=is_with_shares)
        if inner == EVERYTHING:
            condition |= _single(model, path, Q(**{f"{path}__isnull": False}))
        elif inner != NOTHING:
            condition |= _single(model, path, Q(**{f"{path}__in": whole._base_manager.filter(inner)}))
    return condition


def _single(model: type[models.Model], path: str, condition: Q) -> Q:
    """Keep a condition on what hangs on many wholes from multiplying the rows of the query it is put into."""
    has_many = model._meta.get_field(path.partition("__")[0]).one_to_many
    return _once(model, path, condition) if has_many else condition


def _reached(actor: User, action: str, reaches: Reaches, rule: Rule, model: type[models.Model]) -> Q:
    """Return the condition for reaches short of all."""
    condition = NOTHING
    if rule.owner:
        condition |= _once(model, rule.owner, Q(**{rule.owner: actor.pk}))
    if rule.team and reaches.team_ids:
        condition |= _once(model, rule.team, Q(**{f"{rule.team}__in": reaches.team_ids}))
    if rule.unowned and action == "view" and rule.owner and rule.team:
        condition |= Q(**{f"{rule.owner}__isnull": True, f"{rule.team}__isnull": True})
    return condition


def _once(model: type[models.Model], path: str, condition: Q) -> Q:
    """Keep a condition on a relation from multiplying the rows of the query it is put into."""
    return Q(pk__in=model._base_manager.filter(condition).values("pk")) if "__" in path else condition


def is_shared(permission: str) -> bool:
    """Tell whether holding a permission at all is holding it everywhere."""
    model, _what = _parse(permission)
    return model is not None and _rule(model).shared


def reaches_all(actor: User, action: str, model: type[models.Model]) -> bool:
    """Tell whether `actor` may do `action` to every row of `model`, those yet to come too."""
    return scope(actor, action, model) == EVERYTHING


def reaches_others(actor: User, action: str, model: type[models.Model]) -> bool:
    """Tell whether `actor` may do `action` to rows of other people, be it only of a team."""
    permission = permission_of(action, model)
    if not actor.is_active or is_withheld(actor, permission):
        return False
    if actor.is_superuser:
        return True
    reaches = grants_of(actor).get(permission)
    return reaches is not None and (reaches.is_all or bool(reaches.team_ids))


def reach_key(actor: User, action: str, model: type[models.Model]) -> str:
    """
    Name the rows of `model` on which `actor` may do `action`, for what is remembered about them: another name
    as soon as other rows are meant, and one name for all who reach all.
    """
    if reaches_all(actor, action, model):
        return "all"
    key = "" if actor.key_scopes is None else ",".join(sorted(actor.key_scopes))
    # As soon as something shared ends, the next end is another.
    lapses_at = None if actor.is_superuser else rights_of(actor).lapses_at
    ends = "" if lapses_at is None else f".{lapses_at.timestamp()}"
    return f"{actor.pk}.{actor.perm_version}.{key}{ends}"


def settle(actor: User) -> None:
    """
    Remember, before a transaction begins, what the rights of `actor` are: those that everybody knows of.

    What follows from them may then be remembered for other requests too, unless the transaction makes us `forget`.
    """
    if not connection.in_atomic_block:
        rights_of(actor)
        actor.__dict__["_settled"] = actor.perm_version


def forget(actor: User) -> None:
    """Read the rights of `actor` anew when next asked: what they reach has changed in this transaction."""
    actor.__dict__.pop("_rights", None)
    actor.__dict__.pop("_settled", None)


def can(actor: User, action: str, row: models.Model) -> bool:
    """Tell whether `actor` may do `action` to this saved row: the list's condition, asked of one row."""
    return can_with(actor, action, type(row), row.pk)


def can_with(
    actor: User, action: str, model: type[models.Model], pk: int, *, is_active: bool = False
) -> bool:
    """
    Tell the same of a row that is known by its key; False where there is none.

    :param is_active: only as long as it is not in the trash
    """
    sql, params = asked(actor, action, model, is_active=is_active)
    if not sql:
        return False
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, pk])
        return cursor.fetchone() is not None


def asked(
    actor: User, action: str, model: type[models.Model], *, is_active: bool = False, key: str = "%s"
) -> tuple[str, tuple[Any, ...]]:
    """
    Return the same as a question to the database, which finds something where the answer is yes.

    Its last value is the key, left out here. Several questions may be put into one statement; it is empty where no key
    is let in.

    :param key: where the statement itself knows the key, the expression for it, in place of the last value
    """
    if actor.__dict__.get("_settled") != actor.perm_version:
        return _question(_rows_with(actor, action, model, is_active=is_active), key)
    name = (identity_of(actor), action, model, is_active, key)
    question = _questions.get(name)
    if question is None:
        question = _question(_rows_with(actor, action, model, is_active=is_active), key)
        if len(_questions) >= _MOST_QUESTIONS:
            _questions.clear()
        _questions[name] = question
    return question


# By whom it is asked for: writing a question down takes longer than the answer.
_questions: dict[Any, tuple[str, tuple[Any, ...]]] = {}
_MOST_QUESTIONS = 4000


def _question(rows: models.QuerySet[Any], key: str) -> tuple[str, tuple[Any, ...]]:
    """Write a question about a key down; empty where no key has a place in it."""
    try:
        sql, params = rows.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return "", ()
    # The policy's own condition, with its values apart.
    return f"select 1 from ({sql}) found (key) where key = {key}", tuple(params)  # noqa: S608


def _rows_with(
    actor: User, action: str, model: type[models.Model], *, is_active: bool
) -> models.QuerySet[Any]:
    rows = model._base_manager.filter(scope(actor, action, model))
    return rows.filter(archived_at=None) if is_active else rows


def can_by_role(actor: User, action: str, row: models.Model) -> bool:
    """Tell whether `actor` may do `action` to a saved row for good, and not because it is shared with them."""
    rows = type(row)._base_manager.filter(scope_by_role(actor, action, type(row)))
    return rows.filter(pk=row.pk).exists()


def has_shares(actor: User) -> bool:
    """Tell whether anything is shared with `actor` at all, which is rare."""
    return not actor.is_superuser and bool(rights_of(actor).shares)


def has_lapsed(actor: User) -> bool:
    """Tell, without asking the database, whether something has ended by itself since the rights of `actor` were read."""
    if actor.impersonation is not None and actor.impersonation.expires_at <= timezone.now():
        return True
    remembered: tuple[int, Rights] | None = getattr(actor, "_rights", None)
    return remembered is not None and remembered[1].has_lapsed()


def can_any(actor: User, action: str, model: type[models.Model]) -> bool:
    """Tell whether `actor` may do `action` to rows of `model` at all, be it only own ones."""
    if not actor.is_active:
        return False
    if is_everything(actor):
        return True
    via = _rule(model).via
    if via:
        return any(can_any(actor, action_on_whole(action, model), whole_of(model, path)) for path in via)
    permission = permission_of(action, model)
    if is_withheld(actor, permission):
        return False
    if actor.is_superuser:
        return True
    rights = rights_of(actor)
    return permission in rights.grants or permission in rights.shares


def require(actor: User, action: str, subject: models.Model | type[models.Model]) -> None:
    """
    Insist that `actor` may do `action` to a saved row, or to rows of a model at all.

    :raises PermissionDenied: they may not
    """
    allowed = can_any(actor, action, subject) if isinstance(subject, type) else can(actor, action, subject)
    if not allowed:
        raise PermissionDenied


def has_perm(user: User, permission: str, row: models.Model | None = None) -> bool:
    """Answer Django's question in the policy's words; a permission of no known model is nobody's."""
    model, action = _parse(permission)
    if model is None or not isinstance(getattr(model, "access", None), Rule):
        return is_everything(user)
    return can_any(user, action, model) if row is None else can(user, action, row)


def has_module_perms(user: User, app_label: str) -> bool:
    """Tell whether the user holds any permission in an app."""
    if not user.is_active:
        return False
    if user.is_superuser and user.key_scopes is None:
        return True
    rights = rights_of(user)
    return any(name.startswith(f"{app_label}.") for name in (*rights.grants, *rights.shares))


def _parse(permission: str) -> tuple[type[models.Model] | None, str]:
    """Split "crm.win_deal" into the model and the action."""
    app_label, _dot, codename = permission.partition(".")
    action, _underscore, model_name = codename.rpartition("_")
    try:
        return apps.get_model(app_label, model_name), action
    except LookupError:
        return None, action


def label_of(permission: str) -> str:
    """Say a permission in words: "see · deal"."""
    return f"{verb_of(permission)} · {subject_of(permission)}"


def verb_of(permission: str) -> str | Promise:
    """Say what a permission lets one do: "see", "win"."""
    _model, action = _parse(permission)
    return _VERBS.get(action) or action.replace("_", " ")


def subject_of(permission: str) -> str | Promise:
    """Say what kind of rows a permission is about: "deal"."""
    model, _action = _parse(permission)
    return permission if model is None else model._meta.verbose_name or permission


def subjects_of(permission: str) -> str | Promise:
    """Say the same of many: "deals"."""
    model, _action = _parse(permission)
    return permission if model is None else model._meta.verbose_name_plural or permission


def all_permissions() -> list[str]:
    """List every permission a role can grant: each scoped model's own actions, sorted."""
    names = set()
    for model in apps.get_models():
        rule = getattr(model, "access", None)
        if isinstance(rule, Rule) and not rule.via:
            # What can be listed can be taken away as a file: a right of its own, whatever the model.
            exports = ["export"] if "view" in model._meta.default_permissions else []
            actions = [*model._meta.default_permissions, *exports]
            codenames = [f"{action}_{model._meta.model_name}" for action in actions]
            codenames += [codename for codename, _label in model._meta.permissions]
            names |= {f"{model._meta.app_label}.{codename}" for codename in codenames}
    return sorted(names)


def actions_of(model: type[models.Model]) -> list[str]:
    """List what can be done to rows of a model that has permissions of its own, as their permissions name it."""
    return [action for name in all_permissions() for found, action in [_parse(name)] if found is model]


def shareable_actions(model: type[models.Model]) -> list[str]:
    """List what can be shared of single rows of a model; nothing of parts, which follow their whole."""
    rule = _rule(model)
    if rule.via or rule.by_roles_alone:
        return []
    # People, teams and roles are looked at by it, and changed by roles alone.
    is_about_rights = model._meta.app_label == "accounts"
    never = _NEVER_SHARED | (set(actions_of(model)) - {"view"} if is_about_rights else set())
    return [action for action in actions_of(model) if action not in never]
