"""Where people are reached besides their inbox: made by themselves, confirmed, and turned off."""

import json
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext, override
from django.utils.translation import gettext as _

from apps.accounts import access
from apps.accounts.keyring import seal
from apps.accounts.models import User
from apps.accounts.owned_rows import locked
from apps.accounts.rows import refusal
from apps.accounts.services.in_person import require_in_person
from apps.notifications.models import Channel, ChannelAddress
from apps.notifications.services.planning import Letter, language_of, write_to_address
from apps.notifications.webhooks.addresses import check_url
from apps.notifications.webhooks.signing import new_secret

Reason = ChannelAddress.Reason
# More browsers and webhooks of one person are a mistake, or worse.
MOST = 20
# What an address is sent to show that it takes something.
CHECK = "address.check"
_CHECK_LASTS = timedelta(hours=1)


@transaction.atomic
def add_webhook(*, actor: User, url: str, name: str = "") -> tuple[ChannelAddress, str]:
    """
    Have the actor's notifications sent to an address of the web; return it with its secret, told only now.

    It is confirmed when it has taken the message that is sent there at once.

    :raises PermissionDenied: the actor may not, or does not act in person
    :raises ValidationError: the address is refused, or there are too many ("too_many")
    """
    _require_may_add(actor)
    try:
        check_url(url)
    except ValidationError as error:
        raise ValidationError({"address": error}) from error
    secret = new_secret()
    row = _added(actor, Channel.WEBHOOK, url, name=name, secret=secret, is_verified=False)
    with override(language_of(actor)):
        said = Letter(
            CHECK, gettext("Is this address yours?"), gettext("Once it has taken this, you are told by it.")
        )
    write_to_address(row, said, lasts=_CHECK_LASTS)
    return row, secret


@transaction.atomic
def add_browser(*, actor: User, endpoint: str, p256dh: str, auth: str, name: str = "") -> ChannelAddress:
    """
    Have the actor's notifications shown by a browser that has subscribed.

    :raises PermissionDenied: the actor may not, or does not act in person
    :raises ValidationError: the address is refused, or there are too many ("too_many")
    """
    _require_may_add(actor)
    try:
        check_url(endpoint)
    except ValidationError as error:
        raise ValidationError({"address": error}) from error
    _taken_over(Channel.PUSH, endpoint, owner=actor)
    secret = json.dumps({"p256dh": p256dh, "auth": auth})
    return _added(actor, Channel.PUSH, endpoint, name=name, secret=secret, is_verified=True)


@transaction.atomic
def link_chat(chat_id: int, *, actor: User, name: str = "") -> ChannelAddress:
    """
    Have the actor's notifications sent to a chat that is known to be theirs; earlier ones are replaced.

    :raises PermissionDenied: the actor may not
    """
    access.require(actor, "add", ChannelAddress)
    earlier = ChannelAddress.objects.filter(owner=actor, channel=Channel.TELEGRAM, disabled_at=None)
    earlier.exclude(address=str(chat_id)).update(disabled_at=timezone.now(), disabled_reason=Reason.REPLACED)
    _taken_over(Channel.TELEGRAM, str(chat_id), owner=actor)
    return _added(actor, Channel.TELEGRAM, str(chat_id), name=name, secret="", is_verified=True)


@transaction.atomic
def turn_off(address_id: int, *, actor: User) -> ChannelAddress:
    """
    Send nothing there any more. Turning it off twice is once.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change it
    """
    row = locked(ChannelAddress, address_id, actor=actor, action="change")
    if row.disabled_at is None:
        row.disabled_at, row.disabled_reason = timezone.now(), Reason.REMOVED
        row.save(update_fields=["disabled_at", "disabled_reason"])
    return row


@transaction.atomic
def turn_on(address_id: int, *, actor: User) -> ChannelAddress:
    """
    Send there again: what was wrong is mended.

    :raises DoesNotExist: it is out of sight
    :raises PermissionDenied: the actor may not change it
    :raises ValidationError: another has taken its place ("address_replaced")
    """
    row = locked(ChannelAddress, address_id, actor=actor, action="change")
    if row.disabled_reason == Reason.REPLACED:
        raise ValidationError(_("Another address has taken the place of this one."), code="address_replaced")
    row.disabled_at, row.disabled_reason = None, ""
    row.save(update_fields=["disabled_at", "disabled_reason"])
    return row


def _taken_over(channel: Channel, address: str, *, owner: User) -> None:
    """Let a browser or a chat show nobody else's messages any more."""
    others = ChannelAddress.objects.filter(channel=channel, address=address, disabled_at=None)
    others.exclude(owner=owner).update(disabled_at=timezone.now(), disabled_reason=Reason.REPLACED)


def _require_may_add(actor: User) -> None:
    access.require(actor, "add", ChannelAddress)
    require_in_person(actor)
    if ChannelAddress.objects.filter(owner=actor, disabled_at=None).count() >= MOST:
        raise refusal("address", _("These are too many: turn one off first."), code="too_many")


def _added(
    owner: User, channel: Channel, address: str, *, name: str, secret: str, is_verified: bool
) -> ChannelAddress:
    values = {
        "name": name.strip(),
        "secret": seal(secret) if secret else "",
        "verified_at": timezone.now() if is_verified else None,
        "disabled_at": None,
        "disabled_reason": "",
    }
    row, _is_new = ChannelAddress.objects.update_or_create(
        owner=owner, channel=channel, address=address, defaults=values
    )
    row.clean_fields(exclude={"owner"})
    return row
