"""Several at once, and processes that die: nothing is lost, nothing is there twice, and what is left is found."""

import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Blob, Document, DocumentVersion, UploadSession
from apps.documents.models.blobs import key_of
from apps.documents.services import blobs, uploads
from apps.documents.services.integrity import verify
from apps.documents.storage import DirectoryStorage, contents
from tests.documents.uploads.sending import begin, send, sha256
from tests.documents.uploads.test_uploads import files_in
from tests.support.processes import Processes

pytestmark = pytest.mark.django_db(transaction=True)
State = UploadSession.State


def at_once(work: Callable[[int], Any], count: int) -> list[Any]:
    """Do something in so many threads that begin together; return what each came to, refusals included."""
    barrier = threading.Barrier(count)

    def one(number: int) -> Any:
        barrier.wait(30)
        try:
            return work(number)
        except ValidationError as refused:
            return code_of_error(refused)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def code_of_error(error: ValidationError) -> str:
    return error.error_list[0].code or ""


def test_of_pieces_at_one_place_one_counts(admin: User, own_storage: Path) -> None:
    session = begin(admin, b"x" * 8)
    pieces = [bytes([65 + number]) * 4 for number in range(8)]
    came = at_once(
        lambda number: (
            uploads.receive_part(session.pk, io.BytesIO(pieces[number]), actor=admin, offset=0).offset
        ),
        8,
    )
    assert sorted(map(str, came)) == ["4"] + ["upload_offset"] * 7
    part = session.parts.get()
    # What lies there is the one piece that was counted.
    assert files_in(own_storage) == [part.key]
    assert (own_storage / part.key).read_bytes() == pieces[came.index(4)]


def test_finishing_at_once_makes_one_document(admin: User, own_storage: Path) -> None:
    session = send(begin(admin, b"hello"), b"hello", admin)
    at_once(lambda _number: uploads.finish_upload(session.pk, actor=admin), 8)
    session.refresh_from_db()
    assert session.state == State.READY
    assert Document.objects.count() == DocumentVersion.objects.count() == 1
    assert files_in(own_storage) == [Blob.objects.get().key]


def test_one_content_at_once_is_kept_once(admin: User, own_storage: Path) -> None:
    kept = at_once(lambda _number: blobs.keep(io.BytesIO(b"same"), content_type="text/plain").pk, 8)
    blob = Blob.objects.get()
    assert set(kept) == {blob.pk}
    assert blob.missing_since is None
    assert files_in(own_storage) == [blob.key]


def test_beginning_at_once_under_one_name_begins_once(admin: User) -> None:
    begun = at_once(lambda _number: begin(admin, b"hello", client_token="abc").pk, 6)
    assert set(begun) == {UploadSession.objects.get().pk}


# Deleting what nobody uses, while somebody keeps the same


def orphan(data: bytes) -> str:
    """Let a content lie in the storage for days that no row tells of."""
    key = key_of(sha256(data))
    contents().save(key, io.BytesIO(data))
    return key


def waits_for_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select exists (select 1 from pg_locks where locktype = 'advisory' and not granted)")
        return bool(cursor.fetchone()[0])


def test_who_keeps_a_content_that_is_being_deleted_keeps_it_anew(
    own_storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan(b"precious")
    deleting, go_on = threading.Event(), threading.Event()
    delete = DirectoryStorage.delete

    def slowly(storage: DirectoryStorage, name: str) -> None:
        deleting.set()
        assert go_on.wait(30)
        delete(storage, name)

    monkeypatch.setattr(DirectoryStorage, "delete", slowly)
    with ThreadPoolExecutor(2) as pool:
        removed = pool.submit(in_thread, lambda: blobs.remove_orphan(sha256(b"precious")))
        assert deleting.wait(30)
        kept = pool.submit(in_thread, lambda: blobs.keep(io.BytesIO(b"precious"), content_type="text/plain"))
        # The one who keeps stands at the lock before anything is deleted.
        await_true(waits_for_lock)
        assert not kept.done()
        go_on.set()
        assert removed.result(30) is True
        blob = kept.result(30)
    with blobs.open_blob(blob) as file:
        assert file.read() == b"precious"
    assert blob.missing_since is None


def test_what_is_being_kept_is_not_deleted(own_storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orphan(b"precious")
    saving, go_on = threading.Event(), threading.Event()
    save = DirectoryStorage._save

    def slowly(storage: DirectoryStorage, name: str, content: Any) -> str:
        saving.set()
        assert go_on.wait(30)
        return save(storage, name, content)

    monkeypatch.setattr(DirectoryStorage, "_save", slowly)
    with ThreadPoolExecutor(1) as pool:
        kept = pool.submit(in_thread, lambda: blobs.keep(io.BytesIO(b"precious"), content_type="text/plain"))
        assert saving.wait(30)
        assert blobs.remove_orphan(sha256(b"precious")) is False
        assert blobs.remove_unused(Blob.objects.get().pk) is False
        go_on.set()
        blob = kept.result(30)
    with blobs.open_blob(blob) as file:
        assert file.read() == b"precious"


def test_keeping_and_deleting_again_and_again_loses_nothing(own_storage: Path) -> None:
    """Of each content, whatever the order was: the row says that it is there, and it is."""
    contents_ = [f"content {number}".encode() for number in range(6)]

    def work(number: int) -> None:
        for turn in range(12):
            data = contents_[(number + turn) % len(contents_)]
            if number % 2:
                blobs.keep(io.BytesIO(data), content_type="text/plain")
            else:
                blobs.remove_orphan(sha256(data))
                # As if a day had passed since anybody wanted it.
                old = timezone.now() - timedelta(days=2)
                Blob.objects.filter(sha256=bytes.fromhex(sha256(data))).update(kept_at=old)
                for blob in Blob.objects.filter(sha256=bytes.fromhex(sha256(data))):
                    blobs.remove_unused(blob.pk)

    at_once(work, 6)
    last = [blobs.keep(io.BytesIO(data), content_type="text/plain") for data in contents_]
    assert files_in(own_storage) == sorted(blob.key for blob in last)
    assert not Blob.objects.exclude(missing_since=None).exists()


def in_thread(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connections.close_all()


def await_true(condition: Callable[[], bool], within: float = 30) -> None:
    ended = threading.Event()
    for _look in range(int(within / 0.02)):
        if condition():
            return
        ended.wait(0.02)
    raise AssertionError("it did not happen")


# Processes that die

_FINISH = """
import django; django.setup()
from django.core.files.storage import storages
from django.conf import settings
settings.STORAGES["documents"]["OPTIONS"]["location"] = {place!r}
from apps.accounts.models import User
from apps.documents.services import uploads
uploads.finish_upload({pk}, actor=User.objects.get(pk={actor}))
"""


@pytest.mark.parametrize(
    "place",
    ["blob.before_saving", "blob.before_told", "upload.content_kept", "upload.before_removing"],
)
def test_a_process_that_dies_while_it_finishes(
    admin: User, own_storage: Path, artel_processes: Processes, place: str
) -> None:
    data = b"0123456789" * 50
    session = send(begin(admin, data), data, admin, piece=200)
    code = _FINISH.format(place=str(own_storage), pk=session.pk, actor=admin.pk)
    died = artel_processes._start("finish", ["-c", code], {"ARTEL_FAILPOINT": place})
    assert died.wait() == -9, died.output()
    session.refresh_from_db()
    is_written = place == "upload.before_removing"
    assert session.state == (State.READY if is_written else State.VERIFYING)
    assert Document.objects.count() == int(is_written)
    if not is_written:
        # Nobody goes on until the lease is over; then the sweep sends it, and a worker finishes.
        UploadSession.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert uploads.sweep_uploads() == 1
        assert uploads.check_upload(session.pk, 2).state == State.READY
    version = DocumentVersion.objects.get()
    with blobs.open_blob(version.blob) as file:
        assert file.read() == data
    old = timezone.now() - timedelta(days=2)
    for path in own_storage.rglob("*"):
        os.utime(path, (old.timestamp(), old.timestamp()))
    run = verify(mends=True)
    found = set(run.findings.values_list("kind", flat=True))
    assert found <= {"upload_leftover", "orphan"}
    assert ("upload_leftover" in found) is is_written
    assert not run.findings.filter(mended_at=None).exists()
    assert files_in(own_storage) == [version.blob.key]
    assert not verify(is_deep=True).findings.exists()


def test_a_process_that_dies_after_a_piece(
    admin: User, own_storage: Path, artel_processes: Processes
) -> None:
    session = begin(admin, b"0123456789")
    code = _FINISH.replace(
        "uploads.finish_upload({pk},", "import io; uploads.receive_part({pk}, io.BytesIO(b'01234'), offset=0,"
    ).format(place=str(own_storage), pk=session.pk, actor=admin.pk)
    died = artel_processes._start("send", ["-c", code], {"ARTEL_FAILPOINT": "upload.part_kept"})
    assert died.wait() == -9, died.output()
    session.refresh_from_db()
    assert session.offset == 0
    assert len(files_in(own_storage)) == 1
    # The sender asks where to go on, and sends it again.
    session = send(session, b"0123456789", admin)
    assert uploads.finish_upload(session.pk, actor=admin).state == State.READY
    assert files_in(own_storage) == [Blob.objects.get().key]


def test_a_worker_checks_what_is_large(
    admin: User, own_storage: Path, artel_processes: Processes, settings: Any
) -> None:
    settings.UPLOAD_CHECKED_AT_ONCE = 4
    # It takes what is sent once it is ready, whenever that is.
    artel_processes.worker(is_awaited=False, ARTEL_HOME=str(own_storage.parent))
    session = send(begin(admin, b"hello, worker"), b"hello, worker", admin)
    assert uploads.finish_upload(session.pk, actor=admin).state == State.VERIFYING
    await_true(lambda: UploadSession.objects.get(pk=session.pk).state == State.READY, within=120)
    assert DocumentVersion.objects.get().created_by == admin
