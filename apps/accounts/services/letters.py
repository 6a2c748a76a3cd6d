"""
Letters: written within the caller's transaction, and sent by workers after it.

A mail server that cannot be reached costs nobody a page: the letter waits in its row, encrypted, and is tried again
until it is of no use any more. A worker killed between the server's "taken" and the commit sends it twice.
"""

import base64
import hashlib
import json
import logging
import smtplib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import get_language

from apps.accounts.letters import KINDS, NOBODY, write_letter
from apps.accounts.models import Letter, User
from apps.accounts.posting import post

logger = logging.getLogger(__name__)

# Seconds after which it is tried again: a code is waited for, a server that is down for long is left in peace.
_PAUSES = (5, 15, 60, 300, 900, 1800)
# Longer than the mail server is given; a letter whose worker has died is taken up by another after this.
_CLAIM = timedelta(seconds=60)
_BATCH = 100


def send_letter(kind: str, recipient: str, context: Mapping[str, Any], *, language: str = "") -> Letter:
    """
    Write somebody a letter and have it sent after the commit, within seconds.

    :param kind: one of `letters.KINDS`
    :param language: theirs; without it that of the user with this address, or of the moment
    """
    tongue = language or _language_of(recipient)
    written = write_letter(kind, context, language=tongue)
    body = json.dumps([written.subject, written.text, written.html]).encode()
    now = timezone.now()
    letter = Letter.objects.create(
        kind=kind,
        recipient=recipient,
        sealed=_seal().encrypt(body),
        due_at=now,
        expires_at=now + timedelta(minutes=KINDS[kind].minutes),
    )
    post(letter.pk)
    return letter


def deliver_letter(letter_id: int) -> bool:
    """
    Give a letter to the mail server, outside of any transaction; whatever fails is tried again later.

    :return: whether the server has taken it
    """
    letter = _claim(letter_id)
    if letter is None:
        return False
    try:
        subject, text, html = read_letter(letter)
        message = EmailMultiAlternatives(subject, text, settings.DEFAULT_FROM_EMAIL, [letter.recipient])
        message.attach_alternative(html, "text/html")
        message.send()
    except InvalidToken:
        logger.warning("letter %s was written with another SECRET_KEY: thrown away", letter.pk)
    except (smtplib.SMTPException, OSError) as error:
        _put_off(letter, error)
        return False
    letter.delete()
    return True


def deliver_letters() -> int:
    """
    Send the letters that are due, which no worker has been told of, or has failed to send.

    :return: how many the server has taken
    """
    due = Letter.objects.filter(due_at__lte=timezone.now()).order_by("due_at").values_list("pk", flat=True)
    return sum(deliver_letter(letter_id) for letter_id in due[:_BATCH])


def read_letter(letter: Letter) -> tuple[str, str, str]:
    """
    Return what a letter that still waits says: its subject, its text, and the same as a page.

    :raises InvalidToken: it was written with another SECRET_KEY
    """
    subject, text, html = json.loads(_seal().decrypt(bytes(letter.sealed)))
    return subject, text, html


@transaction.atomic
def _claim(letter_id: int) -> Letter | None:
    """Return a letter that is due and that nobody else sends at the moment, and say when another may."""
    now = timezone.now()
    due = Letter.objects.select_for_update(skip_locked=True).filter(pk=letter_id, due_at__lte=now)
    letter = due.first()
    if letter is None:
        return None
    if letter.expires_at <= now:
        if letter.kind != NOBODY:
            logger.warning("letter %s (%s) was never sent: %s", letter.pk, letter.kind, letter.error)
        letter.delete()
        return None
    Letter.objects.filter(pk=letter.pk).update(due_at=now + _CLAIM, attempts=F("attempts") + 1)
    return letter


def _put_off(letter: Letter, error: Exception) -> None:
    pause = _PAUSES[min(letter.attempts, len(_PAUSES) - 1)]
    # What a mail server answers may quote the letter: the kind of error and its number are enough.
    said = (
        f"{type(error).__name__} {getattr(error, 'smtp_code', getattr(error, 'errno', None) or '')}".strip()
    )
    logger.warning("letter %s (%s) not sent, again in %s s: %s", letter.pk, letter.kind, pause, said)
    due_at = timezone.now() + timedelta(seconds=pause)
    Letter.objects.filter(pk=letter.pk).update(due_at=due_at, error=said)


def _language_of(recipient: str) -> str:
    known = User.objects.filter(email=recipient.lower()).values_list("locale", flat=True).first()
    return known or get_language() or settings.LANGUAGE_CODE


def _seal() -> Fernet:
    digest = hashlib.sha256(f"artel.letters.{settings.SECRET_KEY}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
