"""What facts say about people outside, and how they are told without it."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from apps.common.personal import Place, Subject, Turn, declare_place, not_personal
from apps.events.models import Aggregate, Delivery, Event, Heartbeat, Outbox, Outgoing

# What says how something stands, and nothing about anybody.
_HARMLESS = {"kind", "status", "state", "type", "purpose", "basis", "source", "channel", "direction", "code"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ][0-9:.+Z-]*)?")
# Where a fact of something else names a person: the key, and the kind of row that a link leads to.
_NAMED_BY = {"person", "people", "participants", "converted_person", "known_person"}
_PERSON = "crm.person"
# A fact about the person's own row, and one of something else that names them.
_OWN, _NAMING = "own", "naming"


def declare() -> None:
    """Declare it; called when the app is ready."""
    for model in (Aggregate, Outbox, Outgoing, Heartbeat):
        not_personal(model, "Counters and moments.")
    not_personal(Event, "Names of kinds, and a key.", "type", "subject")
    not_personal(Delivery, "The name of a function.", "receiver")
    declare_place(
        Place(
            Event,
            {"data": {}},
            _facts,
            turn=Turn.FOLLOWING,
            erase=_blank_facts,
            keys=_subjects,
            is_told=False,
        )
    )
    declare_place(
        Place(
            Delivery,
            {"error": ""},
            lambda subject: Delivery.objects.filter(event__in=_facts(subject)).exclude(error=""),
            turn=Turn.FOLLOWING,
            erase=_blank_errors,
            keys=_subjects,
            is_told=False,
        )
    )


def subjects_of(keys: Sequence[str], *, naming: bool = True) -> list[str]:
    """Return which aggregates are meant by keys of this place, those that only name the person included or not."""
    return [key.partition(" ")[2] for key in keys if naming or key.startswith(f"{_OWN} ")]


def _subjects(subject: Subject) -> list[str]:
    found = [(_OWN, subject.keys), (_NAMING, subject.named_in)]
    return [
        f"{how} {label.partition('.')[2]}/{key}"
        for how, labels in found
        for label, keys in labels.items()
        for key in keys
        if not isinstance(key, list)
    ]


def _facts(subject: Subject) -> QuerySet[Event]:
    return Event.objects.filter(subject__in=subjects_of(_subjects(subject)))


def _blank_facts(keys: Sequence[str], context: Mapping[str, Any]) -> None:
    own = set(subjects_of(keys, naming=False))
    facts = list(Event.objects.filter(subject__in=subjects_of(keys)).select_for_update().order_by("pk"))
    for fact in facts:
        if fact.subject in own:
            fact.data = silenced(fact.data)
        else:
            fact.data = unnamed(fact.data, set(context["people"]))
    Event.objects.bulk_update(facts, ["data"], batch_size=200)


def _blank_errors(keys: Sequence[str], context: Mapping[str, Any]) -> None:
    Delivery.objects.filter(event__subject__in=subjects_of(keys)).exclude(error="").update(error="")


def silenced(data: Any, key: str = "") -> Any:
    """Return what a fact says without its words: numbers, moments and kinds stay, and its shape."""
    if isinstance(data, dict):
        return {name: silenced(value, name) for name, value in data.items()}
    if isinstance(data, list):
        return [silenced(value, key) for value in data]
    if isinstance(data, str) and key not in _HARMLESS and not _MOMENT.fullmatch(data):
        return ""
    return data


def unnamed(data: Any, people: Collection[int], key: str = "") -> Any:
    """Return what a fact says without the words about some people."""
    if isinstance(data, list):
        return [unnamed(value, people, key) for value in data]
    if not isinstance(data, dict):
        return data
    is_person = key in _NAMED_BY or data.get("type") == _PERSON
    if is_person and data.get("id") in people:
        return silenced(data)
    return {name: unnamed(value, people, name) for name, value in data.items()}
