"""The client of each account: one for each process, with its pace and its meter."""

import json
import threading
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.accounts.keyring import unseal
from apps.documents.drive import metering, pace
from apps.documents.drive.client import Account, Drive, Patience
from apps.documents.drive.errors import KeyUnreadable
from apps.documents.models import DriveAccount

_lock = threading.Lock()
_clients: dict[int, tuple[tuple[Any, ...], Drive]] = {}


def client_of(account: DriveAccount) -> Drive:
    """
    Return the client of an account, made anew when its key or its address has changed.

    :raises KeyUnreadable: there is no key to read
    """
    mark = _mark_of(account)
    with _lock:
        known = _clients.get(account.pk)
        if known is not None and known[0] == mark:
            return known[1]
        client = _made(account)
        _clients[account.pk] = (mark, client)
        return client


def forget_clients() -> None:
    """Close the connections of this thread, and make every client anew when it is next asked for."""
    with _lock:
        for _mark, client in _clients.values():
            client.close()
        _clients.clear()


def key_of(account: DriveAccount) -> dict[str, str]:
    """
    Return the key file of an account, parsed.

    :raises KeyUnreadable: there is none, or it is no key file, or it was sealed under another secret
    """
    try:
        text = unseal(account.sealed) if account.sealed else Path(settings.GOOGLE_DRIVE_KEY_FILE).read_text()
        key: dict[str, str] = json.loads(text)
    except (OSError, ValueError, ImproperlyConfigured) as error:
        raise KeyUnreadable from error
    return key


def _mark_of(account: DriveAccount) -> tuple[Any, ...]:
    written: datetime | None = account.updated_at
    return (
        *(account.sealed, account.subject, written, settings.GOOGLE_DRIVE_API_ROOT),
        *(settings.GOOGLE_DRIVE_TIMEOUT_SECONDS, settings.GOOGLE_DRIVE_ATTEMPTS),
        settings.GOOGLE_DRIVE_FIRST_WAIT_SECONDS,
    )


def _made(account: DriveAccount) -> Drive:
    return Drive(
        Account(
            key_of(account),
            subject=account.subject,
            api_root=settings.GOOGLE_DRIVE_API_ROOT,
            timeout=settings.GOOGLE_DRIVE_TIMEOUT_SECONDS,
        ),
        meter=partial(metering.count, account.pk),
        pace=partial(pace.take_turn, account.pk),
        # A worker has other things to do than to wait out a minute.
        patience=Patience(
            attempts=settings.GOOGLE_DRIVE_ATTEMPTS,
            first_wait=settings.GOOGLE_DRIVE_FIRST_WAIT_SECONDS,
            longest_wait=10.0,
        ),
    )
