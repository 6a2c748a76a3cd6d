"""
The access policy: the one place that decides who may do what to which row.

A permission is "app.action_model" ("crm.win_deal"). A role grants it with a reach: own rows, rows of the team
of the membership, of that team's subtree, or all. A list and an object check cannot differ, because the
second is derived from the first.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.core.exceptions import EmptyResultSet, FieldDoesNotExist, PermissionDenied
from django.db import connection, models
from django.db.models import F, Q
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import RoleGrant, Team, User
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
    "cancel": _("cancel"),
    "retry": _("retry"),
    "export": _("take away as a file"),
}


@dataclass
class Reaches:
    """How far one permission of one user reaches."""

    is_all: bool = False
    is_own: bool = False
    team_ids: set[int] = field(default_factory=set)


def _rule(model: type[models.Model]) -> Rule:
    """Return the model's rule. :raises TypeError: the model declares none, so nobody may be let near it"""
    rule = getattr(model, "access", None)
    if not isinstance(rule, Rule):
        raise TypeError(f"{model._meta.label} has no access rule")
    return rule


def _whole(model: type[models.Model], via: str) -> type[models.Model]:
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

    A part of a whole has no permissions of its own: seeing it is seeing the whole, anything else is changing
    the whole.
    """
    via = _rule(model).via
    if via:
        return permission_of(_action_on_whole(action), _whole(model, via[0]))
    return f"{model._meta.app_label}.{action}_{model._meta.model_name}"


def grants_of(user: User) -> dict[str, Reaches]:
    """
    Return how far each permission of `user` reaches, as far as the key lets them that they came with.

    Two queries, remembered on the instance; outside of a transaction also in this process, until `perm_version`
    changes, which the database raises with whatever decides about rights.
    """
    remembered: tuple[int, dict[str, Reaches]] | None = getattr(user, "_grants", None)
    if remembered is not None and remembered[0] == user.perm_version:
        return remembered[1]
    # What a transaction has changed may yet be rolled back, and its version be given again.
    is_settled = not connection.in_atomic_block
    grants = _settled_grants(*identity_of(user)) if is_settled else _read_grants(user.pk, user.key_scopes)
    user._grants = (user.perm_version, grants)  # type: ignore[attr-defined]
    return grants


@lru_cache(maxsize=2048)
def _settled_grants(user_id: int, perm_version: int, key_scopes: frozenset[str] | None) -> dict[str, Reaches]:
    return _read_grants(user_id, key_scopes)


def _read_grants(user_id: int, key_scopes: frozenset[str] | None) -> dict[str, Reaches]:
    grants: defaultdict[str, Reaches] = defaultdict(Reaches)
    rows = list(
        RoleGrant.objects.filter(role__memberships__user=user_id, role__memberships__team__archived_at=None)
        .values_list("permission", "reach", "role__memberships__team_id", "role__memberships__team__path")
        .distinct()
    )
    subtrees = _subtrees({path for _name, reach, _team, path in rows if reach == RoleGrant.Reach.SUBTREE})
    for permission, reach, team_id, path in rows:
        if key_scopes is not None and not allows(key_scopes, permission):
            continue
        reaches = grants[permission]
        reaches.is_own = True
        if reach == RoleGrant.Reach.ALL:
            reaches.is_all = True
        elif reach == RoleGrant.Reach.TEAM:
            reaches.team_ids.add(team_id)
        elif reach == RoleGrant.Reach.SUBTREE:
            reaches.team_ids |= subtrees[path]
    return dict(grants)


def identity_of(user: User) -> tuple[int, int, frozenset[str] | None]:
    """Return what all that `user` may do depends on: equal ones may do the same."""
    return user.pk, user.perm_version, user.key_scopes


def is_everything(user: User) -> bool:
    """Tell whether `user` may do everything, whatever the roles: an administrator in person, not by a limited key."""
    return user.is_active and user.is_superuser and user.key_scopes is None


def is_out_of_key(user: User, permission: str) -> bool:
    """Tell whether `user` came with a key that does not let them use a permission, whether they hold it or not."""
    return user.key_scopes is not None and not allows(user.key_scopes, permission)


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

    Filters on a multi-valued relation are wrapped in a subquery, so the condition never multiplies rows.

    :raises TypeError: the model has no access rule
    """
    rule = _rule(model)
    if not actor.is_active:
        return NOTHING
    if is_everything(actor):
        return EVERYTHING
    if rule.via:
        return _scope_of_part(actor, action, model, rule.via)
    permission = permission_of(action, model)
    if is_out_of_key(actor, permission):
        return NOTHING
    if actor.is_superuser:
        return EVERYTHING
    reaches = grants_of(actor).get(permission)
    if reaches is None:
        return NOTHING
    if reaches.is_all or rule.shared:
        return EVERYTHING
    return _reached(actor, action, reaches, rule, model)


def _action_on_whole(action: str) -> str:
    return "view" if action == "view" else "change"


def _scope_of_part(actor: User, action: str, model: type[models.Model], via: tuple[str, ...]) -> Q:
    """Return the condition under which one of the wholes that a part hangs on lets `actor` in."""
    condition = NOTHING
    for path in via:
        whole = _whole(model, path)
        inner = scope(actor, _action_on_whole(action), whole)
        if inner == EVERYTHING:
            condition |= Q(**{f"{path}__isnull": False})
        elif inner != NOTHING:
            condition |= Q(**{f"{path}__in": whole._base_manager.filter(inner)})
    return condition


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
    if not actor.is_active or is_out_of_key(actor, permission):
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
    return f"{actor.pk}.{actor.perm_version}.{key}"


def settle(actor: User) -> None:
    """
    Remember, before a transaction begins, what the rights of `actor` are: those that everybody knows of.

    What follows from them may then be remembered for other requests too, unless the transaction makes us `forget`.
    """
    if not connection.in_atomic_block:
        grants_of(actor)
        actor.__dict__["_settled"] = actor.perm_version


def forget(actor: User) -> None:
    """Read the grants of `actor` anew when next asked: what they reach has changed in this transaction."""
    actor.__dict__.pop("_grants", None)
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
    actor: User, action: str, model: type[models.Model], *, is_active: bool = False
) -> tuple[str, tuple[Any, ...]]:
    """
    Return the same as a question to the database, which finds something where the answer is yes.

    Its last value is the key, left out here. Several questions may be put into one statement; it is empty where no key
    is let in.
    """
    if actor.__dict__.get("_settled") != actor.perm_version:
        return _question(_rows_with(actor, action, model, is_active=is_active))
    key = (identity_of(actor), action, model, is_active)
    question = _questions.get(key)
    if question is None:
        question = _question(_rows_with(actor, action, model, is_active=is_active))
        if len(_questions) >= _MOST_QUESTIONS:
            _questions.clear()
        _questions[key] = question
    return question


# By whom it is asked for: writing a question down takes longer than the answer.
_questions: dict[Any, tuple[str, tuple[Any, ...]]] = {}
_MOST_QUESTIONS = 4000


def _question(rows: models.QuerySet[Any]) -> tuple[str, tuple[Any, ...]]:
    """Write a question down whose last value is a key; empty where no key has a place in it."""
    try:
        sql, params = rows.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return "", ()
    # The policy's own condition, with its values apart.
    return f"select 1 from ({sql}) found (key) where key = %s", tuple(params)  # noqa: S608


def _rows_with(
    actor: User, action: str, model: type[models.Model], *, is_active: bool
) -> models.QuerySet[Any]:
    rows = model._base_manager.filter(scope(actor, action, model))
    return rows.filter(archived_at=None) if is_active else rows


def can_any(actor: User, action: str, model: type[models.Model]) -> bool:
    """Tell whether `actor` may do `action` to rows of `model` at all, be it only own ones."""
    if not actor.is_active:
        return False
    if is_everything(actor):
        return True
    via = _rule(model).via
    if via:
        return any(can_any(actor, _action_on_whole(action), _whole(model, path)) for path in via)
    permission = permission_of(action, model)
    if is_out_of_key(actor, permission):
        return False
    return actor.is_superuser or permission in grants_of(actor)


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
    return is_everything(user) or any(name.startswith(f"{app_label}.") for name in grants_of(user))


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


def explain(actor: User, action: str, row: models.Model) -> list[str]:
    """
    Say, a line each, why `actor` may or may not do `action` to a saved row; the last line is the verdict.
    """
    lines = _reasons(actor, action, row)
    verdict = gettext("So they may.") if can(actor, action, row) else gettext("So they may not.")
    return [*lines, verdict]


def _reasons(actor: User, action: str, row: models.Model) -> list[str]:
    model = type(row)
    rule = _rule(model)
    if not actor.is_active:
        return [gettext("The account is turned off.")]
    if actor.is_superuser:
        return [gettext("They are an administrator of everything.")]
    if rule.via:
        return _reasons_of_whole(actor, action, row, rule.via)
    permission = permission_of(action, model)
    grants = RoleGrant.objects.filter(permission=permission, role__memberships__user=actor).select_related(
        "role"
    )
    rows = grants.annotate(team=F("role__memberships__team__name"))
    if not rows:
        return [gettext("None of their roles grants “%(what)s”.") % {"what": label_of(permission)}]
    lines = [
        gettext("As %(role)s in %(team)s: “%(what)s” reaches %(reach)s.")
        % {
            "role": grant.role,
            "team": grant.team,
            "what": label_of(permission),
            "reach": grant.get_reach_display(),
        }
        for grant in rows
    ]
    return [*lines, *_whose(row, rule)]


def _whose(row: models.Model, rule: Rule) -> list[str]:
    if rule.shared:
        return [gettext("Such rows are common to all who hold the permission.")]
    model = type(row)._base_manager.filter(pk=row.pk)
    lines = []
    if rule.owner and rule.owner != "pk":
        owner = User.objects.filter(pk__in=model.values(rule.owner)).first()
        lines.append(gettext("The row belongs to: %(owner)s.") % {"owner": owner or gettext("nobody")})
    if rule.team:
        teams = Team.objects.filter(pk__in=model.values(rule.team)).order_by("path")
        names = ", ".join(team.name for team in teams) or gettext("none")
        lines.append(gettext("Its team: %(team)s.") % {"team": names})
    return lines


def _reasons_of_whole(actor: User, action: str, row: models.Model, via: tuple[str, ...]) -> list[str]:
    for path in via:
        whole = _whole(type(row), path)
        holder = whole._base_manager.filter(
            pk__in=type(row)._base_manager.filter(pk=row.pk).values(path)
        ).first()
        if holder is not None:
            line = gettext("It is part of: %(whole)s.") % {"whole": holder}
            return [line, *_reasons(actor, _action_on_whole(action), holder)]
    return [gettext("It is part of nothing.")]


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
