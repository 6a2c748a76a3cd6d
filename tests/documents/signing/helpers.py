"""Sending documents out, and answering as whoever is sent them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.core import mail
from django.db import connection
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Document, SignatureRequest
from apps.documents.services import accepting, signing
from apps.documents.services.signing import Party
from tests.accounts.letters import code_in, delivered, link_in

LINK = "http://testserver/sign/"
ANNA = Party("Anna Client", "anna@client.example")
BORIS = Party("Boris Client", "boris@client.example")


def send_out(document: Document, actor: User, *parties: Party, **values: Any) -> SignatureRequest:
    """Send a document out, to Anna where nobody is named."""
    values.setdefault("expires_at", timezone.now() + timedelta(days=7))
    return signing.request_signature(document.pk, parties=parties or [ANNA], link=LINK, actor=actor, **values)


def token_for(email: str) -> str:
    """Return the secret of the link that somebody was sent last."""
    delivered()
    letters = [letter for letter in mail.outbox if letter.to == [email] and "/sign/" in str(letter.body)]
    return urlsplit(link_in(str(letters[-1].body))).path.strip("/").split("/")[-1]


def code_for(email: str) -> str:
    """Return the code that somebody was sent last."""
    delivered()
    letters = [letter for letter in mail.outbox if letter.to == [email] and "/sign/" not in str(letter.body)]
    return code_in(str(letters[-1].body))


def with_code(token: str, email: str) -> str:
    """Say that the document was read, and return the code that comes."""
    accepting.send_code(token, has_read=True)
    return code_for(email)


def accept(request: SignatureRequest, party: Party) -> None:
    """Accept as one of those who were sent the document."""
    token = token_for(party.email)
    code = with_code(token, party.email)
    accepting.accept(token, code=code, digest=request.digest, link=LINK)


GUARDED = ("event", "head", "request", "recipient")
_TABLES = [f"documents_signature{name}" for name in GUARDED]


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def guards() -> list[tuple[str, str]]:
    """List the triggers that keep the record, with their tables."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select tgrelid::regclass::text, tgname from pg_trigger "
            "where tgname like 'signature%%' and not tgisinternal order by 2"
        )
        rows: list[tuple[str, str]] = cursor.fetchall()
    return rows


def turn_on() -> None:
    """Turn all guards on: the tests' own database lets tables be emptied."""
    for table, trigger in guards():
        execute(f"alter table {table} enable always trigger {trigger}")


@contextmanager
def without_triggers() -> Iterator[None]:
    """Act as the owner of the tables can."""
    execute(
        "set constraints all immediate", *(f"alter table {table} disable trigger all" for table in _TABLES)
    )
    yield
    execute(*(f"alter table {table} enable trigger all" for table in _TABLES))
    turn_on()
