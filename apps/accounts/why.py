"""Why somebody may or may not do something to a row, in words, and as far as whoever asks may know."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import models
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext

from apps.accounts import access
from apps.accounts.models import AccessGrant, Membership, Role, RoleGrant, Team, User
from apps.accounts.scoping import Rule

# So many people are gone through at once; others are found by name.
MOST_PEOPLE = 500


@dataclass(frozen=True)
class Person:
    """Somebody who may do something to a row, and what lets them."""

    user: User
    reasons: list[str]


def explain(actor: User, action: str, row: models.Model, *, asker: User | None = None) -> list[str]:
    """
    Say, a line each, why `actor` may or may not do `action` to a saved row, and what it would take; the last line is
    the verdict.

    :param asker: who is told; what they may not see is not named
    """
    names = _Names(asker)
    if access.can(actor, action, row):
        return [*_reasons(actor, action, row, names), gettext("So they may.")]
    lines = [*_reasons(actor, action, row, names), *_needed(actor, action, row, names)]
    return [*lines, gettext("So they may not.")]


def who_may(action: str, row: models.Model, *, asker: User, term: str = "") -> list[Person]:
    """
    List who of those that the asker sees may do `action` to a row, each with what lets them.

    :param term: part of a name; only such people are looked at
    """
    people = list(_people(asker, term)[:MOST_PEOPLE])
    access.read_rights([user for user in people if not user.is_superuser])
    allowed = [user for user in people if access.can(user, action, row)]
    whole, action_on_whole = _deciding(action, row)
    told = _Told(whole, action_on_whole, allowed, _Names(asker))
    return [Person(user, told.lines(user)) for user in allowed]


def has_more_people(asker: User, term: str = "") -> bool:
    """Tell whether more people are in sight than are gone through at once."""
    return _people(asker, term)[MOST_PEOPLE : MOST_PEOPLE + 1].exists()


def _people(asker: User, term: str) -> models.QuerySet[User]:
    return User.objects.visible_to(asker).filter(is_active=True, name__icontains=term).order_by("name", "pk")


class _Names:
    """Says names to one reader; None may know all."""

    def __init__(self, asker: User | None) -> None:
        self._asker = asker
        self._known: dict[models.Model, bool] = {}

    def of(self, row: models.Model) -> str:
        """Return what a row is called, or that it is not the reader's to see."""
        if self._asker is None:
            return str(row)
        if row not in self._known:
            self._known[row] = access.can(self._asker, "view", row)
        if self._known[row]:
            return str(row)
        kind = str(type(row)._meta.verbose_name)
        return gettext("%(kind)s (not yours to see)") % {"kind": kind}

    def all_of(self, rows: Iterable[models.Model]) -> str:
        return ", ".join(self.of(row) for row in rows)


def _deciding(action: str, row: models.Model) -> tuple[models.Model, str]:
    """Return the row that decides about a row, which is another one for a part, and what is asked of that."""
    rule: Rule = type(row).access  # type: ignore[attr-defined]
    holder = _holder(row, rule) if rule.via else None
    return (row, action) if holder is None else _deciding(access.action_on_whole(action, type(row)), holder)


def _holder(part: models.Model, rule: Rule) -> models.Model | None:
    """Return the first whole that a part hangs on."""
    for path in rule.via:
        whole = access.whole_of(type(part), path)
        keys = type(part)._base_manager.filter(pk=part.pk).values(path)
        found = whole._base_manager.filter(pk__in=keys).first()
        if found is not None:
            return found
    return None


def _reasons(actor: User, action: str, row: models.Model, names: _Names) -> list[str]:
    rule: Rule = type(row).access  # type: ignore[attr-defined]
    if not actor.is_active:
        return [gettext("The account is turned off.")]
    if actor.is_superuser:
        return [gettext("They are an administrator of everything.")]
    if rule.via:
        holder = _holder(row, rule)
        if holder is None:
            return [gettext("It is part of nothing.")]
        line = gettext("It is part of: %(whole)s.") % {"whole": names.of(holder)}
        return [line, *_reasons(actor, access.action_on_whole(action, type(row)), holder, names)]
    permission = access.permission_of(action, type(row))
    granted = _granted(permission, [actor])
    lines = [_sentence(membership, grant, names) for membership, grant in granted]
    if not lines:
        lines = [gettext("None of their roles grants “%(what)s”.") % {"what": access.label_of(permission)}]
    shared = [_shared_sentence(grant, names) for grant in _shares(row, [actor], action)]
    return [*lines, *shared, *(_whose(row, rule, names) if granted else [])]


def _granted(permission: str, users: Iterable[User]) -> list[tuple[Membership, RoleGrant]]:
    """Return the places in which users hold a permission, with the grant."""
    memberships = (
        Membership.objects.filter(
            user__in=list(users), team__archived_at=None, role__grants__permission=permission
        )
        .select_related("user", "team", "role")
        .order_by("team__path", "role__name")
    )
    found = list(memberships)
    grants = {
        grant.role_id: grant
        for grant in RoleGrant.objects.filter(permission=permission, role__in={m.role_id for m in found})
    }
    return [(membership, grants[membership.role_id]) for membership in found]


def _sentence(membership: Membership, grant: RoleGrant, names: _Names) -> str:
    return gettext("As %(role)s in %(team)s: “%(what)s” reaches %(reach)s.") % {
        "role": names.of(membership.role),
        "team": names.of(membership.team),
        "what": access.label_of(grant.permission),
        "reach": grant.get_reach_display(),
    }


def _shares(row: models.Model, users: Iterable[User], action: str) -> list[AccessGrant]:
    live = AccessGrant.objects.live().on(row).filter(user__in=list(users), actions__contains=[action])
    return list(live.select_related("granted_by").order_by("-expires_at"))


def _shared_sentence(grant: AccessGrant, names: _Names) -> str:
    return gettext("Shared with them by %(who)s until %(until)s: %(reason)s") % {
        "who": names.of(grant.granted_by),
        "until": date_format(localtime(grant.expires_at), "DATETIME_FORMAT"),
        "reason": grant.reason,
    }


def _whose(row: models.Model, rule: Rule, names: _Names) -> list[str]:
    if rule.shared:
        return [gettext("Such rows are common to all who hold the permission.")]
    lines = []
    if rule.owner and rule.owner != "pk":
        owners = names.all_of(_owners(row, rule)) or gettext("nobody")
        lines.append(gettext("The row belongs to: %(owner)s.") % {"owner": owners})
    if rule.team:
        teams = names.all_of(_teams(row, rule)) or gettext("none")
        lines.append(gettext("Its team: %(team)s.") % {"team": teams})
    return lines


def _owners(row: models.Model, rule: Rule) -> list[User]:
    if not rule.owner:
        return []
    return list(User.objects.filter(pk__in=type(row)._base_manager.filter(pk=row.pk).values(rule.owner)))


def _teams(row: models.Model, rule: Rule) -> list[Team]:
    if not rule.team:
        return []
    keys = type(row)._base_manager.filter(pk=row.pk).values(rule.team)
    return list(Team.objects.filter(pk__in=keys).order_by("path"))


def _needed(actor: User, action: str, row: models.Model, names: _Names) -> list[str]:
    """Say what would let somebody do what they may not."""
    if not actor.is_active:
        return [gettext("Needed: the account is turned on.")]
    row, action = _deciding(action, row)
    model, rule = type(row), type(row).access  # type: ignore[attr-defined]
    what = access.label_of(access.permission_of(action, model))
    if rule.shared:
        lines = [gettext("Needed: a role that grants “%(what)s”.") % {"what": what}]
    else:
        teams = names.all_of(_teams(row, rule))
        lines = [
            gettext("Needed: a role that grants “%(what)s” for all rows, or in a team that reaches %(team)s.")
            % {"what": what, "team": teams}
            if teams
            else gettext("Needed: a role that grants “%(what)s” for all rows.") % {"what": what}
        ]
    if action in access.shareable_actions(model):
        lines.append(gettext("Or: the row is shared with them for a while."))
    return lines


class _Told:
    """What lets each of many people do something to one row, read at once for all of them."""

    def __init__(self, row: models.Model, action: str, users: list[User], names: _Names) -> None:
        self._names = names
        self._rule: Rule = type(row).access  # type: ignore[attr-defined]
        self._owners = {owner.pk for owner in _owners(row, self._rule)}
        self._teams = _teams(row, self._rule)
        self._granted: dict[int, list[tuple[Membership, RoleGrant]]] = {}
        for membership, grant in _granted(access.permission_of(action, type(row)), users):
            self._granted.setdefault(membership.user_id, []).append((membership, grant))
        self._shares: dict[int, list[AccessGrant]] = {}
        for share in _shares(row, users, action):
            self._shares.setdefault(share.user_id, []).append(share)

    def lines(self, user: User) -> list[str]:
        if user.is_superuser:
            return [gettext("They are an administrator of everything.")]
        granted = self._granted.get(user.pk, [])
        reaching = [each for each in granted if self._reaches(user, *each)]
        shared = [_shared_sentence(grant, self._names) for grant in self._shares.get(user.pk, [])]
        # A row of nobody is seen by all who may see such rows.
        told = reaching if reaching or shared else granted
        return [*(_sentence(*each, self._names) for each in told), *shared]

    def _reaches(self, user: User, membership: Membership, grant: RoleGrant) -> bool:
        """Tell which of several roles to name; whether they may is the policy's to say, and has been said."""
        if grant.reach == RoleGrant.Reach.ALL or self._rule.shared or user.pk in self._owners:
            return True
        place = membership.team
        if grant.reach == RoleGrant.Reach.TEAM:
            return any(team.pk == place.pk for team in self._teams)
        is_subtree = grant.reach == RoleGrant.Reach.SUBTREE
        return is_subtree and any(team.path.startswith(place.path) for team in self._teams)


def may_ask(asker: User) -> bool:
    """Tell whether somebody may be told of others' rights: whoever sees users and roles."""
    return access.can_any(asker, "view", User) and access.can_any(asker, "view", Role)
