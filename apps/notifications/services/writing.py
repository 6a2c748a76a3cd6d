"""Writing a message that was taken, in the words of whoever gets it, as it stands at this moment."""

import json
import logging
from dataclasses import dataclass

import redis
from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from apps.accounts.keyring import unseal
from apps.accounts.models import User
from apps.notifications.channels import Deed, Message
from apps.notifications.models import Channel, Delivery, MessageTemplate, Notification
from apps.notifications.selectors.inbox import Item, items_of
from apps.notifications.services.deeds import DEEDS, issue
from apps.notifications.services.planning import language_of
from apps.notifications.telling.kinds import Kind, kind_of
from apps.notifications.telling.words import DIGEST, built_in, filled

logger = logging.getLogger(__name__)

_SALT = "artel.unsubscribe"
_DEED_CHANNELS = {Channel.EMAIL, Channel.TELEGRAM}
# More lines than these nobody reads; the inbox has them all.
_LINES = 50
# No column holds more, and no line of a letter either.
_LONGEST_SUBJECT = 200


@dataclass(frozen=True)
class Written:
    """What a message says."""

    subject: str
    text: str


def message_of(row: Delivery) -> Message:
    """
    Write what a delivery sends.

    :raises ImproperlyConfigured: it was sealed under another secret than ours
    """
    owner = row.owner
    language = language_of(owner)
    with override(language):
        if row.message:
            return _letter(row, language)
        if row.notification is not None:
            return _notification(row, row.notification, language)
        return _digest(row, language)


def _letter(row: Delivery, language: str) -> Message:
    subject, text, url = json.loads(unseal(row.message))
    return _message(row, Written(_one_line(subject), text), language, url=url, button=_("Open"))


def _notification(row: Delivery, told: Notification, language: str) -> Message:
    item = items_of([told], reader=row.owner)[0]
    kind = kind_of(told.kind)
    written = words_of(item, row.owner, row.channel, language)
    page = reverse("admin:inbox_open", args=[told.pk])
    deeds = () if kind is None or row.channel not in _DEED_CHANNELS else _deeds(kind, told)
    return _message(
        row, written, language, url=f"{settings.OIDC_ISSUER}{page}", button=_("Look at it"), deeds=deeds
    )


def words_of(item: Item, reader: User, channel: str, language: str, own: Written | None = None) -> Written:
    """
    Return what is said about one notification by a channel, in the language that is active.

    :param own: words that are only tried; else those of the administrators, or the platform's
    """
    row = item.row
    kind = kind_of(row.kind)
    values = {
        "title": item.title,
        "name": reader.name,
        "who": row.actor.name if row.actor is not None else _("Somebody"),
        "what": item.target.name if item.target is not None else "",
        "why": "" if kind is None else str(kind.label),
    }
    return _filled(own or _template(row.kind, channel, language), values)


def digest_words(
    items: list[Item], reader: User, channel: str, language: str, own: Written | None = None
) -> Written:
    """Return what is said about many notifications at once, in the language that is active."""
    lines = [f"– {item.title}" for item in items[:_LINES]]
    if len(items) > _LINES:
        lines.append(_("… and %(count)d more in the inbox") % {"count": len(items) - _LINES})
    values = {"name": reader.name, "count": str(len(items)), "list": "\n".join(lines)}
    return _filled(own or _template(DIGEST, channel, language), values)


def _template(kind: str, channel: str, language: str) -> Written:
    own = MessageTemplate.objects.filter(kind=kind, channel=channel, locale=language).first()
    if own is not None:
        return Written(own.subject, own.body)
    subject, body = built_in(kind, channel)
    return Written(str(subject), str(body))


def _filled(words: Written, values: dict[str, str]) -> Written:
    return Written(_one_line(filled(words.subject, values)), filled(words.text, values))


def _digest(row: Delivery, language: str) -> Message:
    members = row.members.select_related("notification__target_type", "notification__actor").order_by("id")
    # What was read meanwhile, or is out of sight, is no news.
    told = [each.notification for each in members if each.notification and each.notification.read_at is None]
    items = [
        item
        for item in items_of(told, reader=row.owner)
        if item.target is not None or item.row.target_id is None
    ]
    written = digest_words(items, row.owner, row.channel, language)
    url = f"{settings.OIDC_ISSUER}{reverse('admin:inbox')}"
    return _message(row, written, language, url=url, button=_("Open the inbox"))


def _message(
    row: Delivery, written: Written, language: str, *, url: str, button: str, deeds: tuple[Deed, ...] = ()
) -> Message:
    is_urgent = row.priority >= Delivery.Priority.URGENT
    return Message(
        key=str(row.key),
        kind=row.kind,
        address=row.address.address,
        secret=unseal(row.address.secret) if row.address.secret else "",
        subject=written.subject,
        text=written.text,
        language=language,
        url=url,
        button=button if url else "",
        deeds=deeds,
        unsubscribe="" if is_urgent else unsubscribe_url(row.owner_id, row.kind, row.channel),
        is_urgent=is_urgent,
    )


def _deeds(kind: Kind, told: Notification) -> tuple[Deed, ...]:
    found = []
    try:
        for name in kind.deeds:
            if secret := issue(told, name):
                page = reverse("notifications:deed", args=[secret])
                found.append(Deed(str(DEEDS[name].label), f"{settings.OIDC_ISSUER}{page}"))
    except redis.RedisError as error:
        # The message is worth more than its buttons.
        logger.warning("a message goes without buttons: %s", error)
        return ()
    return tuple(found)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_SUBJECT]


# Being told no more


def unsubscribe_url(user_id: int, kind: str, channel: str) -> str:
    """Return the page on which somebody says that they want no more of a kind by a channel."""
    said = signing.dumps([user_id, kind, channel], salt=_SALT)
    return f"{settings.OIDC_ISSUER}{reverse('notifications:unsubscribe', args=[said])}"


def unsubscribed(said: str) -> tuple[int, str, str]:
    """
    Return who wants no more of what by which channel.

    :raises BadSignature: we have not written this
    """
    user_id, kind, channel = signing.loads(said, salt=_SALT)
    return user_id, kind, channel
