"""
What tasks and notifications are about: rows of many kinds, each with its name and its page.

Who may not see a row is not told its name. An app above says of a kind of its rows that tasks may be about them:
`register("bot.chat", icon="chat")`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.core.exceptions import ValidationError
from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from apps.accounts import access
from apps.accounts.models import User

_kinds: dict[str, str] = {}


def register(label: str, *, icon: str) -> None:
    """Let tasks and notifications be about rows of a kind. :param icon: a name among the Material Symbols"""
    _kinds[label] = icon


def declare() -> None:
    """Declare the kinds of the apps below."""
    for label, icon in (
        ("crm.deal", "handshake"),
        ("crm.lead", "person_add"),
        ("crm.company", "apartment"),
        ("crm.person", "person"),
        ("crm.quote", "request_quote"),
        ("crm.automationrule", "bolt"),
        ("documents.document", "description"),
        ("jobs.job", "progress_activity"),
        ("payments.invoice", "receipt_long"),
        ("lists.export", "download"),
        ("notifications.task", "task_alt"),
    ):
        register(label, icon=icon)


Key = tuple[int, int]


@dataclass(frozen=True)
class Target:
    """One thing that something is about, as somebody sees it. :ivar label: "crm.deal" """

    label: str
    pk: int
    name: str
    kind: str
    url: str
    icon: str


def model_of(label: str) -> type[models.Model] | None:
    """Return the model of a kind of rows that something may be about; None where there is no such kind."""
    return apps.get_model(label) if label in _kinds else None


def row_of(label: str, pk: int) -> models.Model | None:
    """Return a row of a kind that something may be about, whoever asks; None where it has gone."""
    model = model_of(label)
    return None if model is None else model._base_manager.filter(pk=pk).first()


def seen_targets(reader: User) -> "GenericPrefetch[Any]":
    """Return the prefetch of what rows are about, as far as somebody sees it: one query for each kind on a page."""
    querysets = []
    for label in _kinds:
        model = apps.get_model(label)
        querysets.append(model._base_manager.filter(access.scope(reader, "view", model)))
    return GenericPrefetch("target", querysets)


def named_target(label: str, pk: int, *, actor: User) -> models.Model:
    """
    Return the row that something is to be about.

    :raises ValidationError: there is no such row for this actor (code "not_found")
    """
    model = model_of(label)
    row = None
    if model is not None:
        row = model._base_manager.filter(access.scope(actor, "view", model), pk=pk).first()
    if row is None:
        message = _("There is no such row, or you may not see it.")
        raise ValidationError({"about": ValidationError(message, code="not_found")})
    return row


def targets_of(keys: Iterable[Key], *, reader: User) -> dict[Key, Target]:
    """Return the things of some keys (content type, primary key) that somebody sees: one query for each kind."""
    by_kind: dict[int, set[int]] = {}
    for kind_id, pk in keys:
        by_kind.setdefault(kind_id, set()).add(pk)
    found: dict[Key, Target] = {}
    for kind_id, pks in by_kind.items():
        kind = ContentType.objects.get_for_id(kind_id)
        model = model_of(f"{kind.app_label}.{kind.model}")
        if model is None:
            continue
        for row in model._base_manager.filter(access.scope(reader, "view", model), pk__in=pks):
            found[kind_id, row.pk] = target_of(row)
    return found


def target_of(row: models.Model) -> Target:
    """Return a row as a target, for whom it is known that they see it."""
    meta = row._meta
    return Target(
        meta.label_lower,
        row.pk,
        str(row),
        str(meta.verbose_name),
        _page(meta.label_lower, row.pk),
        _kinds.get(meta.label_lower, "link"),
    )


def _page(label: str, pk: int) -> str:
    try:
        return reverse(f"admin:{label.replace('.', '_')}_change", args=[pk])
    except NoReverseMatch:
        return ""
