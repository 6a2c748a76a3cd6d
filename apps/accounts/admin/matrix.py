"""What roles let people do, as it reads: "Salesperson may see, change own deals"."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from apps.accounts import access
from apps.accounts.models import Role, RoleGrant

Words = str | Promise
_REACH = RoleGrant.Reach
# From the nearest to the farthest, as they are read.
_SENTENCES: dict[str, Words] = {
    _REACH.OWN.value: _("may %(verbs)s own %(rows)s"),
    _REACH.TEAM.value: _("may %(verbs)s %(rows)s of the team"),
    _REACH.SUBTREE.value: _("may %(verbs)s %(rows)s of the team and the teams below it"),
    _REACH.ALL.value: _("may %(verbs)s all %(rows)s"),
}
# What has more words than a verb comes after the rows.
_OF_THEM: dict[str, Words] = {
    "assign": _("give them to somebody else"),
    "export": _("take them away as a file"),
}


@dataclass(frozen=True)
class Kind:
    """One kind of row, and what each role lets people do to it, in sentences."""

    title: str
    roles: list[tuple[Role, list[str]]]


@dataclass(frozen=True)
class Difference:
    """A permission that two roles give differently."""

    kind: str
    verb: Words
    reaches: list[Words]


class AccessForm(forms.Form):
    """Which roles, kinds of rows and actions to show."""

    role = forms.ModelChoiceField(
        label=_("Role"),
        queryset=Role.objects.none(),
        required=False,
        empty_label=_("all"),
        widget=UnfoldAdminSelectWidget,
    )
    other = forms.ModelChoiceField(
        label=_("Beside"),
        queryset=Role.objects.none(),
        required=False,
        empty_label=_("no other"),
        widget=UnfoldAdminSelectWidget,
    )
    kind = forms.ChoiceField(label=_("Kind"), required=False, widget=UnfoldAdminSelectWidget)
    verb = forms.ChoiceField(label=_("What is done"), required=False, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, roles: list[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        known = Role.objects.filter(pk__in=[role.pk for role in roles]).order_by("name")
        fields["role"].queryset = fields["other"].queryset = known
        kinds = {kind_of(name): capfirst(str(access.subjects_of(name))) for name in access.all_permissions()}
        verbs = {action_of(name): access.verb_of(name) for name in access.all_permissions()}
        fields["kind"].choices = [("", _("all")), *sorted(kinds.items(), key=lambda each: each[1])]
        fields["verb"].choices = [("", _("anything")), *sorted(verbs.items(), key=lambda each: str(each[1]))]


def kind_of(permission: str) -> str:
    """Return the kind of row that a permission is about: "crm.deal"."""
    return f"{permission.partition('.')[0]}.{permission.rpartition('_')[2]}"


def action_of(permission: str) -> str:
    """Return what a permission lets one do: "win"."""
    return permission.partition(".")[2].rpartition("_")[0]


class AccessMatrix:
    """
    Some roles by kinds of rows.

    :param roles: with their grants fetched
    :param kind: one kind of row ("crm.deal") to keep to
    :param verb: one action ("view") to keep to
    """

    def __init__(self, roles: list[Role], *, kind: str = "", verb: str = "") -> None:
        self._roles = roles
        self._held = {role.pk: {g.permission: g.reach for g in role.grants.all()} for role in roles}
        self._permissions = [
            name
            for name in access.all_permissions()
            if kind in {"", kind_of(name)} and verb in {"", action_of(name)}
        ]

    def kinds(self) -> list[Kind]:
        """Return the kinds of rows, by name, of which any of the roles gives anything or not."""
        by_kind: dict[str, list[str]] = {}
        for name in self._permissions:
            by_kind.setdefault(kind_of(name), []).append(name)
        found = [
            Kind(
                capfirst(str(access.subjects_of(names[0]))),
                [(role, list(self._sentences(role, names))) for role in self._roles],
            )
            for names in by_kind.values()
        ]
        return sorted(found, key=lambda each: each.title)

    def _sentences(self, role: Role, names: list[str]) -> Iterator[str]:
        held = self._held[role.pk]
        rows = access.subjects_of(names[0])
        for reach, sentence in _SENTENCES.items():
            given = [name for name in names if held.get(name) == reach]
            if given:
                yield _sentence(sentence, sorted(given, key=_order), rows)

    def differences(self) -> list[Difference]:
        """Return what the roles give differently."""
        found = []
        for name in self._permissions:
            reaches = [self._held[role.pk].get(name, "") for role in self._roles]
            if len(set(reaches)) > 1:
                told: list[Words] = [_REACH(reach).label if reach else gettext("not") for reach in reaches]
                found.append(Difference(capfirst(str(access.subjects_of(name))), access.verb_of(name), told))
        return sorted(found, key=lambda each: each.kind)


def _sentence(sentence: Words, names: list[str], rows: Words) -> str:
    """Say what is done to rows within one reach: "may see and change own deals; take them away as a file"."""
    verbs = [str(access.verb_of(name)) for name in names if action_of(name) not in _OF_THEM]
    more = [str(_OF_THEM[action_of(name)]) for name in names if action_of(name) in _OF_THEM]
    if not verbs:
        verbs, more = [str(access.verb_of(name)) for name in names], []
    told = str(sentence) % {"verbs": get_text_list(verbs, gettext("and")), "rows": rows}
    return "; ".join([told, *more])


def _order(permission: str) -> tuple[int, str]:
    """Seeing first, then what comes with every kind of row, then the rest."""
    usual = ["view", "add", "change", "delete"]
    action = action_of(permission)
    return (usual.index(action) if action in usual else len(usual), action)
