"""Fetch new letters from the mailbox of MAIL_IMAP_URL."""

import imaplib
from collections import Counter
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from apps.crm.mailing import imap
from apps.crm.services.mail import receive_mail


class Command(BaseCommand):
    """Each letter is marked as seen once it is taken in, so that one that fails comes again."""

    help = "Fetch new letters from the mailbox of MAIL_IMAP_URL; run it every minute."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.MAIL_IMAP_URL:
            raise CommandError("MAIL_IMAP_URL names no mailbox.")
        outcomes: Counter[str] = Counter()
        try:
            with imap.opened(settings.MAIL_IMAP_URL) as mailbox:
                for letter in mailbox.unseen(most_bytes=settings.MAIL_MAX_BYTES):
                    outcomes[self._take_in(letter)] += 1
                    mailbox.mark_seen(letter.uid)
        except (imaplib.IMAP4.error, OSError) as error:
            # What the server says may repeat the login.
            raise CommandError(f"The mailbox could not be read: {type(error).__name__}") from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            ", ".join(f"{name}: {count}" for name, count in sorted(outcomes.items())) or "nothing new"
        )

    def _take_in(self, letter: imap.Fetched) -> str:
        if letter.raw is None:
            self.stderr.write(f"Letter {letter.uid} is larger than is taken in.")
            return "refused"
        try:
            return receive_mail(letter.raw).outcome.value
        except ValidationError as error:
            self.stderr.write(f"Letter {letter.uid}: {' '.join(error.messages)}")
            return "refused"
