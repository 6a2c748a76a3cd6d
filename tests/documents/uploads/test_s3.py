"""
Contents in S3: sent there by their senders, checked by the platform, listed and removed.

The server is moto's, which takes whatever it is sent: it looks at no signature, no expiry and no size. What of those is
ours is asked of the addresses themselves.
"""

import io
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import storages
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.documents.models import Blob, Document, IntegrityRun, UploadSession
from apps.documents.models.blobs import key_of
from apps.documents.services import blobs, stored_checks, uploads
from apps.documents.services.integrity import verify
from apps.documents.storage import DirectoryStorage, S3Contents, contents, direct
from tests.documents.corpus import packed
from tests.documents.test_services import code_of
from tests.documents.uploads.sending import BASE, begin, post, send, sha256, upload

pytestmark = pytest.mark.django_db
State = UploadSession.State
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_url: str, settings: Any, own_storage: Any) -> Iterator[S3Contents]:
    """An empty bucket in which contents lie."""
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    options = {
        "bucket_name": "papers",
        "endpoint_url": s3_url,
        "region_name": "us-east-1",
        "access_key": "key",
        "secret_key": "secret",
        "file_overwrite": True,
        "signature_version": "s3v4",
        "default_acl": None,
        "location": "documents",
        "max_memory_size": 64 * 1024,
    }
    settings.STORAGES = settings.STORAGES | {
        "documents": {"BACKEND": "apps.documents.storage.S3Contents", "OPTIONS": options}
    }
    storages._storages.pop("documents", None)  # type: ignore[attr-defined]
    storage = direct()
    assert storage is not None
    storage.connection.create_bucket(Bucket="papers")
    yield storage
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].reset()


def put(url: str, data: bytes) -> int:
    # As a browser sends a part of a file; by itself urllib would call it a form.
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data=data, method="PUT", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return int(response.status)


def keys(storage: S3Contents) -> list[str]:
    return sorted(each.key for prefix in ("sha256/", "uploads/") for each in storage.stored(prefix))


def test_straight_to_the_storage(
    admin: User, bucket: S3Contents, api: APIClient, django_capture_on_commit_callbacks: Any
) -> None:
    data = bytes(range(256)) * (40 * 1024) + b"the end"
    session = post(api, data, "scan.bin", sha256=sha256(data))
    assert session["is_direct"] is True
    size = session["part_size"]
    assert size == 8 * MIB
    refused = api.patch(
        f"{BASE}{session['id']}/content/",
        b"x",
        content_type="application/octet-stream",
        headers={"Upload-Offset": "0"},
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_direct")
    signed = api.post(f"{BASE}{session['id']}/parts/", {"numbers": [1, 2]}).json()
    assert [(part["start"], part["size"]) for part in signed["parts"]] == [
        (0, size),
        (size, len(data) - size),
    ]
    assert put(signed["parts"][0]["url"], data[:size]) == 200
    early = api.post(f"{BASE}{session['id']}/finish/")
    assert (early.status_code, early.json()["code"]) == (409, "upload_incomplete")
    # After a reload, only what is missing is sent.
    assert api.post(f"{BASE}{session['id']}/parts/", {}).json()["received"] == [1]
    put(signed["parts"][1]["url"], data[size:])
    with django_capture_on_commit_callbacks(execute=True):
        done = api.post(f"{BASE}{session['id']}/finish/").json()
    assert done["state"] == "READY", done
    blob = Blob.objects.get()
    assert (blob.digest, blob.size) == (sha256(data), len(data))
    with blobs.open_blob(blob) as file:
        assert file.read() == data
    assert keys(bucket) == [blob.key]
    assert list(bucket.unfinished("uploads/")) == []


def test_what_the_addresses_let_one_do(admin: User, bucket: S3Contents, settings: Any) -> None:
    """Moto would take anything: the address itself says for how long, how many bytes, and where to."""
    settings.UPLOAD_URL_SECONDS = 900
    session = begin(admin, b"x" * (20 * MIB), "scan.bin")
    given = uploads.sign_parts(session.pk, [3], actor=admin)["parts"][0]
    query = parse_qs(urlsplit(given["url"]).query)
    assert query["X-Amz-Expires"] == ["900"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert "content-length" in query["X-Amz-SignedHeaders"][0].split(";")
    assert query["partNumber"] == ["3"]
    assert query["uploadId"] == [session.multipart_id]
    assert urlsplit(given["url"]).path.endswith(f"/documents/uploads/{session.pk}/whole")
    assert given["size"] == 4 * MIB
    for wrong in (0, 4):
        with pytest.raises(ValidationError):
            uploads.sign_parts(session.pk, [wrong], actor=admin)


def test_what_was_sent_is_read_and_not_believed(admin: User, bucket: S3Contents) -> None:
    data = packed({"../../x": b"x"}) + b"\0" * (6 * MIB)
    declared = begin(admin, data, "papers.zip", sha256=sha256(data))
    part = uploads.sign_parts(declared.pk, [1], actor=admin)["parts"][0]
    put(part["url"], b"\1" * len(data))
    session = uploads.finish_upload(declared.pk, actor=admin)
    assert (session.state, session.refusal_code) == (State.REJECTED, "digest_differs")
    # Not of the declared size: it cannot be finished at all.
    other = begin(admin, data, "papers.zip")
    put(uploads.sign_parts(other.pk, [1], actor=admin)["parts"][0]["url"], data + b"more")
    with pytest.raises(ValidationError) as refused:
        uploads.finish_upload(other.pk, actor=admin)
    assert code_of(refused) == "upload_incomplete"
    named = begin(admin, data, "photo.png")
    put(uploads.sign_parts(named.pk, [1], actor=admin)["parts"][0]["url"], data)
    session = uploads.finish_upload(named.pk, actor=admin)
    assert session.state == State.REJECTED
    assert not Document.objects.exists()
    assert not Blob.objects.exists()


def test_a_second_attempt_finds_the_parts_together(
    admin: User, bucket: S3Contents, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UPLOAD_CHECKED_AT_ONCE = 0
    monkeypatch.setattr(uploads, "send_upload", lambda pk, attempt: None)
    data = b"\1\2\3" * (2 * MIB)
    session = begin(admin, data, "scan.bin")
    put(uploads.sign_parts(session.pk, [1], actor=admin)["parts"][0]["url"], data)
    session = uploads.finish_upload(session.pk, actor=admin)
    # A worker put them together, and died.
    parts = bucket.parts_of(session.whole_key, session.multipart_id)
    bucket.complete_multipart(session.whole_key, session.multipart_id, parts)
    UploadSession.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    uploads.sweep_uploads()
    assert uploads.check_upload(session.pk, 2).state == State.READY
    assert Blob.objects.get().digest == sha256(data)


def test_what_is_small_comes_through_the_platform(
    admin: User, bucket: S3Contents, django_capture_on_commit_callbacks: Any
) -> None:
    data = b"0123456789"
    with django_capture_on_commit_callbacks(execute=True):
        session = send(begin(admin, data), data, admin, piece=4)
        assert not session.is_direct
        assert uploads.finish_upload(session.pk, actor=admin).state == State.READY
    assert keys(bucket) == [Blob.objects.get().key]
    with django_capture_on_commit_callbacks(execute=True):
        assert upload(admin, b"in one piece").state == State.READY
    assert len(keys(bucket)) == 2


def test_giving_up_leaves_nothing(
    admin: User, bucket: S3Contents, django_capture_on_commit_callbacks: Any
) -> None:
    session = begin(admin, b"x" * (6 * MIB), "scan.bin")
    assert len(list(bucket.unfinished("uploads/"))) == 1
    with django_capture_on_commit_callbacks(execute=True):
        uploads.abort_upload(session.pk, actor=admin)
    assert list(bucket.unfinished("uploads/")) == []
    with pytest.raises(ValidationError):
        uploads.sign_parts(session.pk, [1], actor=admin)


def test_what_was_begun_and_belongs_to_nothing(
    admin: User, bucket: S3Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a process dies between the storage's answer and the row."""
    begin(admin, b"x" * (6 * MIB), "scan.bin")
    bucket.begin_multipart(f"uploads/{10**6}/whole")
    contents().save(key_of(sha256(b"orphan")), io.BytesIO(b"orphan"))
    monkeypatch.setattr(stored_checks, "_LATE", timedelta())
    monkeypatch.setattr(stored_checks, "_SETTLED", timedelta())
    run = verify(mends=True)
    assert sorted(run.findings.values_list("kind", flat=True)) == ["multipart_leftover", "orphan"]
    assert not run.findings.filter(mended_at=None).exists()
    assert len(list(bucket.unfinished("uploads/"))) == 1
    assert keys(bucket) == []
    assert not verify().findings.exists()
    assert IntegrityRun.objects.count() == 2


@pytest.mark.parametrize("where", ["directory", "bucket"])
def test_both_storages_do_the_same(where: str, request: pytest.FixtureRequest) -> None:
    if where == "bucket":
        request.getfixturevalue("bucket")
    storage = contents()
    assert isinstance(storage, S3Contents if where == "bucket" else DirectoryStorage)
    assert list(storage.stored("sha256/")) == []
    storage.save("sha256/ab/cd/x", io.BytesIO(b"hello"))
    storage.save("sha256/ab/cd/x", io.BytesIO(b"hello, again"))
    storage.copy_within("sha256/ab/cd/x", "sha256/ab/ce/y")
    storage.save("uploads/1/a", io.BytesIO(b""))
    found = sorted(storage.stored("sha256/"), key=lambda each: each.key)
    assert [(each.key, each.size) for each in found] == [("sha256/ab/cd/x", 12), ("sha256/ab/ce/y", 12)]
    assert all(each.modified_at <= timezone.now() + timedelta(seconds=5) for each in found)
    assert storage.size("sha256/ab/ce/y") == 12
    with storage.open("sha256/ab/ce/y") as file:
        assert file.read() == b"hello, again"
    storage.delete("sha256/ab/cd/x")
    storage.delete("sha256/ab/cd/x")
    assert not storage.exists("sha256/ab/cd/x")
    assert [each.key for each in storage.stored("sha256/")] == ["sha256/ab/ce/y"]
    with pytest.raises(FileNotFoundError):
        storage.open("sha256/ab/cd/x")
