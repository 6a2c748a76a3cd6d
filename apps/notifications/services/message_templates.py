"""Words of messages that administrators write in place of the platform's own, and how they would look."""

from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from apps.accounts import access, rows
from apps.accounts.models import User
from apps.accounts.rows import refusal
from apps.notifications.models import Channel, MessageTemplate, Notification
from apps.notifications.selectors.inbox import Item, items_of
from apps.notifications.services.writing import Written, digest_words, words_of
from apps.notifications.telling.kinds import kind_of
from apps.notifications.telling.words import DIGEST, check_text

_DIGEST_SHOWN = 10


class TemplateFields(TypedDict, total=False):
    """What people write."""

    kind: str
    channel: str
    locale: str
    subject: str
    body: str


@dataclass(frozen=True)
class Preview:
    """How words would look. :ivar is_sample: nothing of this kind has happened to whoever looks"""

    subject: str
    text: str
    is_sample: bool


@transaction.atomic
def create_template(*, actor: User, **fields: Unpack[TemplateFields]) -> MessageTemplate:
    """
    Say a kind of messages in one's own words.

    :raises PermissionDenied: the actor may not add words
    :raises ValidationError: a value is refused, "unknown_kind", "unknown_name", "bad_braces", or it exists already
    """
    access.require(actor, "add", MessageTemplate)
    row = MessageTemplate(**fields)
    _check(row)
    return rows.insert(row, actor=actor)


@transaction.atomic
def change_template(
    template_id: int, *, actor: User, expected_version: int | None = None, **fields: Unpack[TemplateFields]
) -> MessageTemplate:
    """
    Change words; what is not named stays.

    :raises DoesNotExist: they are out of sight
    :raises PermissionDenied: the actor may not change them
    :raises ValidationError: a value is refused, "stale", "unknown_name", "bad_braces", there are such words already
    """
    row = rows.locked(
        MessageTemplate, template_id, actor=actor, action="change", expected_version=expected_version
    )
    changes: dict[str, Any] = rows.differing(row, dict(fields))
    if not changes:
        return row
    for name, value in changes.items():
        setattr(row, name, value)
    _check(row)
    return rows.write(row, changes, actor=actor)


@transaction.atomic
def delete_template(template_id: int, *, actor: User) -> None:
    """
    Go back to the platform's own words.

    :raises DoesNotExist: they are out of sight
    :raises PermissionDenied: the actor may not delete them
    """
    rows.locked(MessageTemplate, template_id, actor=actor, action="delete").delete()


def preview(*, actor: User, kind: str, channel: str, locale: str, subject: str, body: str) -> Preview:
    """
    Return how words would look about what the actor was last told of this kind, or about something made up.

    :raises PermissionDenied: the actor may not change words
    :raises ValidationError: "unknown_kind", "unknown_name", "bad_braces"
    """
    if not access.can_any(actor, "change", MessageTemplate):
        raise PermissionDenied
    _check(MessageTemplate(kind=kind, channel=channel, locale=locale, subject=subject, body=body))
    own = Written(subject, body)
    with override(locale):
        items = _latest(actor, kind)
        if kind == DIGEST:
            found = digest_words(items, actor, channel, locale, own)
        else:
            item = items[0] if items else _sample(actor, kind)
            found = words_of(item, actor, channel, locale, own)
    return Preview(found.subject, found.text, is_sample=not items)


def _latest(actor: User, kind: str) -> list[Item]:
    told = Notification.objects.filter(recipient=actor).select_related("actor").order_by("-pk")
    if kind == DIGEST:
        return items_of(told[:_DIGEST_SHOWN], reader=actor)
    return items_of(told.filter(kind=kind)[:1], reader=actor)


def _sample(actor: User, kind: str) -> Item:
    """Return a notification of a kind that nobody was told."""
    found = kind_of(kind)
    title = "" if found is None else found.title(actor.name, f"“{_('Something')}”", {"count": 1})
    return Item(Notification(recipient=actor, kind=kind, actor=actor), "info", title, None)


def _check(row: MessageTemplate) -> None:
    if row.kind != DIGEST and kind_of(row.kind) is None:
        raise refusal("kind", _("There is no such kind of notifications."), code="unknown_kind")
    if row.channel not in Channel or row.locale not in dict(settings.LANGUAGES):
        raise refusal("channel", _("There is no such channel or language."), code="unknown_kind")
    for field in ("subject", "body"):
        try:
            check_text(getattr(row, field), row.kind)
        except ValidationError as error:
            raise ValidationError({field: error}) from error
