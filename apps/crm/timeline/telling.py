"""
Facts worth telling in a timeline, in the words of whoever reads it.

An app whose facts belong there writes them down from a receiver (`services.activities.record_fact`) and says here in
which words they are told; what the reader may not see is not named.

    register_telling("payments.invoice.paid.v1", "paid", _invoice_paid)

where the function takes the details of several such facts and the reader, and returns a sentence for each.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.crm.models import Activity
from apps.documents.models import Document

Words = Callable[[Sequence[dict[str, Any]], User], list[str]]

_tellings: dict[str, tuple[str, Words]] = {}


def register_telling(fact: str, icon: str, words: Words) -> None:
    """
    Say in which words a fact is told.

    :param icon: a name among the Material Symbols
    """
    _tellings[fact] = (icon, words)


def told(activities: Sequence[Activity], *, reader: User) -> dict[int, tuple[str, str]]:
    """Return icon and sentence of each activity that is a fact of the system; one question for each kind of facts."""
    by_fact: dict[str, list[Activity]] = {}
    for activity in activities:
        if activity.kind == Activity.Kind.SYSTEM:
            by_fact.setdefault(activity.fact, []).append(activity)
    found: dict[int, tuple[str, str]] = {}
    for fact, some in by_fact.items():
        icon, words = _tellings.get(fact, ("info", _unknown))
        sentences = words([activity.details for activity in some], reader)
        found |= {activity.pk: (icon, text) for activity, text in zip(some, sentences, strict=True)}
    return found


def _unknown(details: Sequence[dict[str, Any]], reader: User) -> list[str]:
    return [_("Something happened of which this version does not know.") for _each in details]


def _documents_signed(details: Sequence[dict[str, Any]], reader: User) -> list[str]:
    visible = Document.objects.visible_to(reader).in_bulk([each["document"] for each in details])
    return [
        _("“%(document)s” was signed") % {"document": visible[each["document"]].title}
        if each["document"] in visible
        else _("A document was signed")
        for each in details
    ]


def declare() -> None:
    """Say how the facts of the apps below are told."""
    register_telling("documents.document.signed.v1", "draw", _documents_signed)
