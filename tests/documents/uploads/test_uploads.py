"""Taking a file in, in pieces: what is counted, what is refused, and what becomes of it."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Blob, Document, UploadSession
from apps.documents.services import blobs, uploads
from apps.documents.services.documents import Target
from apps.documents.services.uploads import WrongOffset
from apps.events.models import Event
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_deal
from tests.documents.corpus import ACTIVE, HARMLESS, REFUSED, Sample, pdf
from tests.documents.factories import kind, make_document, make_folder
from tests.documents.test_services import code_of
from tests.documents.uploads.sending import begin, send, sha256, upload

pytestmark = pytest.mark.django_db
State = UploadSession.State


@pytest.fixture
def committed(django_capture_on_commit_callbacks: Any) -> Any:
    """Do what follows a commit, as a test's own transaction never commits."""
    return django_capture_on_commit_callbacks


def files_in(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())


def test_a_file_in_pieces_becomes_a_document(admin: User, own_storage: Path, committed: Any) -> None:
    data = b"0123456789" * 100
    with committed(execute=True):
        session = send(begin(admin, data, "Notes.txt", sha256=sha256(data)), data, admin, piece=300)
        assert session.offset == 1000
        assert session.parts.count() == 4
        session = uploads.finish_upload(session.pk, actor=admin)
    assert session.state == State.READY
    document = Document.objects.get()
    version = document.current_version
    assert version is not None
    assert (document.title, version.file_name, version.blob.digest) == ("Notes", "Notes.txt", sha256(data))
    with blobs.open_blob(version.blob) as file:
        assert file.read() == data
    assert session.document_version == version
    # Of the pieces nothing is left.
    assert files_in(own_storage) == [version.blob.key]
    assert [event.type for event in Event.objects.all()] == ["documents.document.created.v1"]


def test_what_a_document_is_to_be(admin: User) -> None:
    deal, folder = make_deal(owner=admin), make_folder("Contracts")
    session = upload(
        admin,
        pdf(),
        "contract.pdf",
        type_id=kind("contract").pk,
        title="Delivery",
        folder_id=folder.pk,
        targets=[Target("crm.deal", deal.pk)],
        comment="as agreed",
    )
    document = Document.objects.get()
    assert session.state == State.READY
    assert (document.title, document.folder, document.type.code) == ("Delivery", folder, "contract")
    assert document.links.get().target_id == deal.pk
    assert document.current_version is not None
    assert document.current_version.comment == "as agreed"


def test_a_version_of_a_document(admin: User) -> None:
    document = make_document(admin, content=b"one")
    session = upload(admin, b"two", document_id=document.pk)
    document.refresh_from_db()
    assert document.current_version == session.document_version
    assert document.versions.count() == 2


def test_an_empty_file(admin: User) -> None:
    assert upload(admin, b"").state == State.READY
    assert Blob.objects.get().size == 0


@pytest.mark.parametrize("sample", [*HARMLESS, *ACTIVE], ids=lambda sample: sample.name)
def test_the_corpus_is_taken(admin: User, sample: Sample) -> None:
    session = upload(admin, sample.data, sample.name, declared_type=sample.declared_type)
    assert session.state == State.READY, session.refusal
    assert session.document_version is not None
    blob = session.document_version.blob
    assert blob.content_type == sample.content_type
    assert blob.is_active is sample.is_active
    assert set(blob.flags) == sample.flags


@pytest.mark.parametrize("sample", REFUSED, ids=lambda sample: f"{sample.name}-{sample.code}")
def test_the_corpus_is_refused_in_words(
    admin: User, sample: Sample, own_storage: Path, committed: Any
) -> None:
    with committed(execute=True):
        session = upload(admin, sample.data, sample.name, declared_type=sample.declared_type)
    assert (session.state, session.refusal_code) == (State.REJECTED, sample.code)
    assert session.refusal
    assert not Document.objects.exists()
    assert not Blob.objects.exists()
    assert files_in(own_storage) == []


def test_what_came_is_not_what_was_declared(admin: User) -> None:
    session = upload(admin, b"hello", sha256=sha256(b"other"))
    assert (session.state, session.refusal_code) == (State.REJECTED, "digest_differs")


def test_a_type_refuses_what_it_does_not_take(admin: User) -> None:
    kind().__class__.objects.filter(code="file").update(allowed_types=["application/pdf"], max_size=10)
    with pytest.raises(ValidationError) as refused:
        begin(admin, b"x" * 11)
    assert code_of(refused) == "too_large"
    session = upload(admin, b"hello")
    assert (session.state, session.refusal_code) == (State.REJECTED, "type_refused")


def test_what_would_be_refused_in_the_end_is_refused_at_once(admin: User) -> None:
    document = make_document(admin, content=b"one")
    Document.objects.update(status="SIGNED")
    with pytest.raises(ValidationError) as refused:
        begin(admin, document_id=document.pk)
    assert code_of(refused) == "document_final"
    with pytest.raises(ValidationError) as refused:
        begin(admin, folder_id=10**9)
    assert code_of(refused) == "not_found"
    assert not UploadSession.objects.exists()
    assert Document.objects.count() == 1
    assert not Event.objects.exists()


def test_what_happens_to_the_document_meanwhile_counts(admin: User) -> None:
    document = make_document(admin, content=b"one")
    session = send(begin(admin, b"two", document_id=document.pk), b"two", admin)
    Document.objects.update(status="SIGNED")
    session = uploads.finish_upload(session.pk, actor=admin)
    assert (session.state, session.refusal_code) == (State.REJECTED, "document_final")
    assert "signed" in session.refusal


def test_pieces_come_in_order_or_not_at_all(admin: User, own_storage: Path) -> None:
    session = begin(admin, b"0123456789")
    uploads.receive_part(session.pk, io.BytesIO(b"0123"), actor=admin, offset=0)
    for offset in (0, 3, 5, 10):
        with pytest.raises(WrongOffset) as refused:
            uploads.receive_part(session.pk, io.BytesIO(b"x"), actor=admin, offset=offset)
        assert refused.value.offset == 4
    with pytest.raises(ValidationError) as finished:
        uploads.finish_upload(session.pk, actor=admin)
    assert code_of(finished) == "upload_incomplete"
    assert len(files_in(own_storage)) == 1


@pytest.mark.parametrize("length", [7, None])
def test_more_than_declared(admin: User, own_storage: Path, length: int | None) -> None:
    session = begin(admin, b"12345")
    with pytest.raises(ValidationError) as refused:
        uploads.receive_part(session.pk, io.BytesIO(b"1234567"), actor=admin, offset=0, length=length)
    assert code_of(refused) == "too_long"
    session.refresh_from_db()
    assert session.offset == 0
    assert files_in(own_storage) == []


class Breaking(io.BytesIO):
    """A body whose sender goes away after some bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        if not piece:
            raise OSError("the connection is gone")
        return piece


def test_what_came_before_the_connection_broke_counts(admin: User) -> None:
    data = b"0123456789"
    session = begin(admin, data)
    session = uploads.receive_part(session.pk, Breaking(b"0123456"), actor=admin, offset=0, length=10)
    assert session.offset == 7
    session = uploads.receive_part(session.pk, Breaking(b""), actor=admin, offset=7)
    assert (session.offset, session.parts.count()) == (7, 1)
    session = uploads.receive_part(session.pk, io.BytesIO(b"789"), actor=admin, offset=7)
    assert uploads.finish_upload(session.pk, actor=admin).state == State.READY
    assert Blob.objects.get().digest == sha256(data)


def test_asking_twice_is_asking_once(admin: User) -> None:
    first = begin(admin, client_token="abc")
    assert begin(admin, client_token="abc") == first
    with pytest.raises(ValidationError) as refused:
        begin(admin, b"longer than that", client_token="abc")
    assert code_of(refused) == "token_reused"
    other = User.objects.create(name="Olga Other", email="olga@example.org", is_superuser=True)
    assert begin(other, client_token="abc") != first


def test_finishing_twice_is_finishing_once(admin: User) -> None:
    session = upload(admin)
    again = uploads.finish_upload(session.pk, actor=admin)
    assert again.document_version == session.document_version
    assert Document.objects.count() == 1


def test_what_failed_is_taken_up_by_whoever_asks_again(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session = send(begin(admin, b"hello"), b"hello", admin)

    def fail(*_args: object) -> None:
        raise OSError("the storage is away")

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "_checked", fail)
        with pytest.raises(OSError, match="away"):
            uploads.finish_upload(session.pk, actor=admin)
    session.refresh_from_db()
    assert (session.state, session.attempt) == (State.VERIFYING, 1)
    assert uploads.finish_upload(session.pk, actor=admin).state == State.READY
    assert Document.objects.count() == 1


def test_what_somebody_is_at_is_left_to_them(admin: User) -> None:
    session = send(begin(admin, b"hello"), b"hello", admin)
    leased = timezone.now() + timedelta(minutes=1)
    UploadSession.objects.update(state=State.VERIFYING, attempt=1, lease_until=leased)
    assert uploads.finish_upload(session.pk, actor=admin).state == State.VERIFYING
    assert not Document.objects.exists()
    # They have died: their time is over.
    UploadSession.objects.update(lease_until=timezone.now())
    assert uploads.finish_upload(session.pk, actor=admin).state == State.READY


def test_what_fails_each_time_is_refused_in_the_end(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session = send(begin(admin, b"hello"), b"hello", admin)

    def fail(*_args: object) -> None:
        raise OSError("the storage is away")

    monkeypatch.setattr(uploads, "_checked", fail)
    for _attempt in range(5):
        with pytest.raises(OSError, match="away"):
            uploads.finish_upload(session.pk, actor=admin)
    session = uploads.finish_upload(session.pk, actor=admin)
    assert (session.state, session.refusal_code) == (State.REJECTED, "not_checked")


def test_too_much_on_its_way(admin: User, settings: Any) -> None:
    settings.UPLOAD_MAX_OPEN = 2
    settings.UPLOAD_MAX_OPEN_BYTES = 100
    begin(admin, b"x" * 60)
    with pytest.raises(ValidationError) as refused:
        begin(admin, b"x" * 60)
    assert code_of(refused) == "too_many_uploads"
    begin(admin, b"x")
    with pytest.raises(ValidationError) as refused:
        begin(admin, b"x")
    assert code_of(refused) == "too_many_uploads"
    settings.UPLOAD_MAX_BYTES = 4
    with pytest.raises(ValidationError) as refused:
        begin(admin, b"hello")
    assert code_of(refused) == "too_large"


def test_pieces_that_are_too_small(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_PARTS", 2)
    session = begin(admin, b"abc")
    with pytest.raises(ValidationError) as refused:
        send(session, b"abc", admin, piece=1)
    assert code_of(refused) == "too_many_parts"


def test_somebody_elses_upload(admin: User) -> None:
    seller, auditor = (make_member(make_team(role), role, role) for role in ("salesperson", "auditor"))
    session = begin(admin)
    with pytest.raises(ObjectDoesNotExist):
        uploads.receive_part(session.pk, io.BytesIO(b"x"), actor=seller, offset=0)
    with pytest.raises(PermissionDenied):
        uploads.receive_part(session.pk, io.BytesIO(b"x"), actor=auditor, offset=0)
    with pytest.raises(PermissionDenied):
        uploads.abort_upload(session.pk, actor=auditor)
    with pytest.raises(PermissionDenied):
        begin(auditor)


def test_giving_up(admin: User, own_storage: Path, committed: Any) -> None:
    session = begin(admin, b"hello")
    uploads.receive_part(session.pk, io.BytesIO(b"he"), actor=admin, offset=0)
    with committed(execute=True):
        assert uploads.abort_upload(session.pk, actor=admin).state == State.ABORTED
    assert uploads.abort_upload(session.pk, actor=admin).state == State.ABORTED
    assert files_in(own_storage) == []
    with pytest.raises(ValidationError) as refused:
        uploads.receive_part(session.pk, io.BytesIO(b"llo"), actor=admin, offset=2)
    assert code_of(refused) == "upload_not_open"
    done = upload(admin)
    with pytest.raises(ValidationError) as refused:
        uploads.abort_upload(done.pk, actor=admin)
    assert code_of(refused) == "upload_not_open"


def test_the_sweep_gives_up_and_forgets(admin: User, own_storage: Path, committed: Any) -> None:
    session = begin(admin, b"hello")
    uploads.receive_part(session.pk, io.BytesIO(b"he"), actor=admin, offset=0)
    fresh = begin(admin, b"fresh")
    UploadSession.objects.filter(pk=session.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(ValidationError):
        uploads.receive_part(session.pk, io.BytesIO(b"llo"), actor=admin, offset=2)
    with committed(execute=True):
        assert uploads.sweep_uploads() == 1
    session.refresh_from_db()
    assert session.state == State.EXPIRED
    assert files_in(own_storage) == []
    UploadSession.objects.filter(pk=session.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with committed(execute=True):
        assert uploads.sweep_uploads() == 1
    assert UploadSession.objects.get() == fresh


def test_what_is_large_is_a_workers(admin: User, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UPLOAD_CHECKED_AT_ONCE = 4
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(uploads, "send_upload", lambda pk, attempt: sent.append((pk, attempt)))
    session = upload(admin, b"hello")
    assert session.state == State.VERIFYING
    assert sent == [(session.pk, 1)]
    with pytest.raises(ValidationError):
        uploads.abort_upload(session.pk, actor=admin)
    # The message is lost; the sweep sends another, and the first attempt writes nothing any more.
    assert uploads.sweep_uploads() == 0
    UploadSession.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert uploads.sweep_uploads() == 1
    assert sent == [(session.pk, 1), (session.pk, 2)]
    # So does whoever asks meanwhile.
    UploadSession.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert uploads.finish_upload(session.pk, actor=admin).state == State.VERIFYING
    assert sent == [(session.pk, 1), (session.pk, 2), (session.pk, 3)]
    assert uploads.check_upload(session.pk, 1).state == State.VERIFYING
    assert uploads.check_upload(session.pk, 3).state == State.READY
    assert uploads.check_upload(session.pk, 3).state == State.READY
    assert Document.objects.count() == 1


def test_what_cannot_be_checked_is_told(admin: User, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UPLOAD_CHECKED_AT_ONCE = 4
    monkeypatch.setattr(uploads, "send_upload", lambda pk, attempt: None)
    session = upload(admin, b"hello")
    for _attempt in range(5):
        UploadSession.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        uploads.sweep_uploads()
    session.refresh_from_db()
    assert (session.state, session.refusal_code) == (State.REJECTED, "not_checked")


def test_a_key_with_limits_waits_for_the_answer(admin: User, settings: Any) -> None:
    settings.UPLOAD_CHECKED_AT_ONCE = 0
    admin.key_scopes = frozenset({"all"})
    assert upload(admin).state == State.READY
