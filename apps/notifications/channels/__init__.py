"""
The ways by which people are reached besides their inbox: one small interface, and who sends by it.

A channel only sends. What is sent, whether, when and how often is decided by `services.delivering`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from django.utils.module_loading import import_string

from apps.notifications.models import Channel


@dataclass(frozen=True)
class Deed:
    """A button in a message: what it is called, and the page on which it is done."""

    label: str
    url: str


@dataclass(frozen=True)
class Message:
    """
    What is to be sent, in the words of whoever gets it.

    :ivar key: the same however often it is sent; by it the other side tells what it knows already
    :ivar address: where to, as the channel writes it
    :ivar secret: what the address came with, opened
    :ivar unsubscribe: the page on which one says that one wants no more of it; empty where there is no such choice
    """

    key: str
    kind: str
    address: str
    secret: str
    subject: str
    text: str
    language: str
    url: str = ""
    button: str = ""
    deeds: Sequence[Deed] = field(default_factory=tuple)
    unsubscribe: str = ""
    is_urgent: bool = False


@dataclass(frozen=True)
class Outcome:
    """
    How sending ended.

    :ivar error: one of `Delivery.Error`; empty where it was taken
    :ivar code: the number that the other side has answered
    :ivar is_final: trying again is of no use
    :ivar disables: one of `ChannelAddress.Reason`, where nothing can be sent there any more
    :ivar retry_after: seconds for which the other side wants nothing more by this channel from anybody of us
    :ivar is_uncertain: it may have been taken all the same
    :ivar moved_to: the address that has taken the place of this one
    """

    error: str = ""
    code: int | None = None
    is_final: bool = False
    disables: str = ""
    retry_after: float | None = None
    is_uncertain: bool = False
    provider_id: str = ""
    moved_to: str = ""


class Sender(Protocol):
    """One channel."""

    def send(self, message: Message) -> Outcome:
        """Send one message and say how that ended; raises nothing that the other side can cause."""


@dataclass(frozen=True)
class Rate:
    """
    So many messages in so many seconds.

    :ivar reserve: of these, so many are left for what is urgent
    """

    count: int
    seconds: float = 1.0
    reserve: int = 0


# Where what comes twice under a key is shown once, by the other side or by the program in which it is read.
TELLS_TWINS = frozenset({Channel.EMAIL, Channel.WEBHOOK, Channel.PUSH})
_SENDERS = {
    Channel.EMAIL: "apps.notifications.channels.mail.Mail",
    Channel.TELEGRAM: "apps.notifications.channels.telegram.Telegram",
    Channel.WEBHOOK: "apps.notifications.channels.webhook.Webhook",
    Channel.PUSH: "apps.notifications.channels.push.Push",
}


@cache
def sender_of(channel: str) -> Sender:
    """Return who sends by a channel; only the process that sends imports it."""
    made: Sender = import_string(_SENDERS[Channel(channel)])()
    return made
