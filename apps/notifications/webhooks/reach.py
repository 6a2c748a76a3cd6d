"""
Which facts an endpoint may be told: those about rows that its owner may see, and may take away as files.

The subject of a fact names a row ("deal/42"). Facts about what is no kind of rows (a folder of Google Drive) go only to
administrators of everything.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cache

from django.apps import apps
from django.db import models
from django.db.models import Q

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.scoping import Rule
from apps.events.models import Event

# Where the name in the subject is not that of the model.
_NAMED_OTHERWISE = {
    "accounts.access": "accounts.accessgrant",
    "accounts.consent": "accounts.consentgrant",
    "accounts.impersonation": "accounts.impersonationsession",
    "crm.import": "crm.importbatch",
    "documents.signature": "documents.signaturerequest",
    "notifications.webhook": "notifications.webhookendpoint",
}


def subject_of(event: Event) -> tuple[type[models.Model] | None, int]:
    """Return what kind of rows a fact is about, if any, and the key of its row."""
    aggregate, _slash, pk = event.subject.partition("/")
    return model_of(event.type.partition(".")[0], aggregate), int(pk)


@cache
def model_of(app_label: str, aggregate: str) -> type[models.Model] | None:
    """Return the model of what facts call `aggregate`; None where there are no such rows for anybody to see."""
    label = _NAMED_OTHERWISE.get(f"{app_label}.{aggregate}", f"{app_label}.{aggregate.replace('_', '')}")
    try:
        model = apps.get_model(label)
    except LookupError:
        return None
    return model if isinstance(getattr(model, "access", None), Rule) else None


def told_to(owner: User, events: Sequence[Event]) -> list[Event]:
    """Return those of some facts that may leave for an endpoint of `owner`: one query for each kind of rows at most."""
    if access.is_everything(owner):
        return list(events)
    keys: dict[type[models.Model], set[int]] = {}
    for event in events:
        model, pk = subject_of(event)
        if model is not None:
            keys.setdefault(model, set()).add(pk)
    reached = {model: _reached(owner, model, some) for model, some in keys.items()}
    return [event for event in events if _is_among(event, reached)]


def _is_among(event: Event, reached: dict[type[models.Model], Collection[int]]) -> bool:
    model, pk = subject_of(event)
    return model is not None and pk in reached[model]


def _reached(owner: User, model: type[models.Model], keys: set[int]) -> Collection[int]:
    """Return the keys of the rows that `owner` may see and take away; all, gone ones too, where they reach all."""
    wanted = ("view", "export")
    if all(access.reaches_all(owner, action, model) for action in wanted):
        return keys
    condition = Q(pk__in=keys)
    for action in wanted:
        condition &= access.scope(owner, action, model)
    return set(model._base_manager.filter(condition).values_list("pk", flat=True))


def matches(patterns: Iterable[str], event_type: str) -> bool:
    """Tell whether a type of facts is one of those that somebody wants to hear of."""
    return any(_compiled(pattern).fullmatch(event_type) for pattern in patterns)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")))
