"""A mail server that messages really reach, on a free port: it takes, refuses or drops as it is told to."""

import email
import email.policy
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from config.local.redis import free_port


@dataclass
class Mailbox:
    """What the server has taken, and what it says next."""

    port: int = field(default_factory=free_port)
    letters: list[EmailMessage] = field(default_factory=list)
    # By address, what is said to whoever wants to send there.
    recipients: dict[str, str] = field(default_factory=dict)
    # What is said to letters, one after another; then they are taken.
    script: deque[str] = field(default_factory=deque)

    @property
    def environment(self) -> dict[str, str]:
        """What lets a process of the platform send here."""
        return {
            "EMAIL_URL": f"smtp://127.0.0.1:{self.port}",
            "DJANGO_SETTINGS_MODULE": "config.settings.base",
            "ARTEL_FAILPOINTS": "true",
        }

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self.recipients:
            return self.recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.script:
            return self.script.popleft()
        letter = email.message_from_bytes(envelope.content, _class=EmailMessage, policy=email.policy.default)
        self.letters.append(letter)
        return "250 OK"

    def ids(self) -> list[str]:
        return [str(letter["Message-ID"]) for letter in self.letters]


@contextmanager
def running() -> Iterator[Mailbox]:
    """Serve until the end of the block."""
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=box.port)
    server.start()
    try:
        yield box
    finally:
        server.stop()


def text_of(letter: EmailMessage, kind: str = "plain") -> str:
    """Return one of the two bodies of a letter."""
    part = letter.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")
