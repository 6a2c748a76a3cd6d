"""The stream of a document: that something happened, to whoever may see it, and nothing else."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Document
from apps.documents.services import documents
from apps.documents.services.renditions import make_renditions, request_renditions
from apps.documents.services.sharing import Terms, share_document
from apps.events.streams import source_of
from tests.accounts.factories import make_member, make_team
from tests.documents.factories import make_content, make_document
from tests.documents.signing.helpers import send_out

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(admin: User) -> Document:
    document = make_document(admin, "Secret of state", content=b"one")
    documents.add_version(document.pk, make_content(b"two"), actor=admin)
    documents.change_document(document.pk, actor=admin, title="Secret of church")
    return document


def test_whatever_the_page_shows_moves_it(document: Document, admin: User) -> None:
    source, key = source_of(f"document:{document.pk}")
    version = document.versions.get(number=2)

    def preview() -> None:
        request_renditions(version.blob)
        make_renditions(version.blob_id)

    moves: list[Callable[[], object]] = [
        lambda: documents.change_document(document.pk, actor=admin, title="Secret of opera"),
        preview,
        lambda: share_document(
            document.pk, Terms(expires_at=timezone.now() + timedelta(days=1)), actor=admin
        ),
        lambda: send_out(document, admin),
    ]
    epoch, head = source.head(key)
    for move in moves:
        assert source.read(key, head, 10) == []
        move()
        [event] = source.read(key, head, 10)
        # Never what has happened: that is asked for by who may.
        assert (event.seq > head, event.data) == (True, {})
        assert source.head(key) == (epoch, event.seq)
        assert source.state(key) == (event.seq, {})
        head = event.seq


@pytest.mark.parametrize("key", ["", "x", "-1", "1" * 19, "٣"])
def test_what_is_no_key_is_no_stream(admin: User, key: str) -> None:
    source, _key = source_of("document:1")
    assert not source.may_watch(admin, key)


def test_only_who_sees_it_may_watch(document: Document, admin: User) -> None:
    source, key = source_of(f"document:{document.pk}")
    assert source.may_watch(admin, key)
    assert not source.may_watch(make_member(make_team("South"), "salesperson", "seller"), key)
