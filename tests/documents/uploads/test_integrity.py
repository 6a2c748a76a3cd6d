"""verify_documents: ten ways of being wrong are found, what is right is not, and what is mended stays mended."""

import io
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.documents import integrity
from apps.documents.integrity import Check, Found, Look, Wrong
from apps.documents.models import Blob, IntegrityRun, UploadSession
from apps.documents.models.blobs import key_of
from apps.documents.services import blobs, uploads
from apps.documents.services import integrity as services
from apps.documents.services.integrity import verify, verify_nightly, words_of
from apps.jobs.models import Job
from tests.accounts.factories import make_member, make_team
from tests.documents.factories import make_blob, make_document
from tests.documents.test_services import code_of
from tests.documents.uploads.sending import begin, send, sha256

pytestmark = pytest.mark.django_db


def age(place: Path) -> None:
    """Let everything in the storage be of the day before yesterday."""
    old = (timezone.now() - timedelta(days=2)).timestamp()
    for path in place.rglob("*"):
        os.utime(path, (old, old))


def kinds_of(run: IntegrityRun) -> list[str]:
    return sorted(run.findings.values_list("kind", flat=True))


@pytest.fixture
def kept(admin: User) -> Blob:
    """A content that is as it should be, with a document that has it."""
    version = make_document(admin, "Contract", content=b"as it was").current_version
    assert version is not None
    return version.blob


def test_all_is_well(kept: Blob, own_storage: Path, admin: User) -> None:
    send(begin(admin, b"hello"), b"he", admin)
    age(own_storage)
    run = verify(is_deep=True)
    assert kinds_of(run) == []
    assert run.checked["contents"] == 1
    assert run.checked["bytes"] == len(b"as it was")
    kept.refresh_from_db()
    assert kept.verified_at is not None


def test_a_content_that_is_gone(kept: Blob, own_storage: Path) -> None:
    (own_storage / kept.key).unlink()
    run = verify(mends=True)
    finding = run.findings.get()
    assert (finding.kind, finding.mended_at) == ("missing", None)
    assert "Contract" in words_of(finding)
    kept.refresh_from_db()
    assert kept.missing_since is not None
    # Whoever brings the same file again mends it.
    blobs.keep(io.BytesIO(b"as it was"), content_type="text/plain")
    assert kinds_of(verify(is_deep=True)) == []


@pytest.mark.parametrize(("damage", "is_deep"), [(b"shorter", False), (b"as it xas", True)])
def test_a_content_that_has_changed(kept: Blob, own_storage: Path, damage: bytes, is_deep: bool) -> None:
    (own_storage / kept.key).write_bytes(damage)
    assert kinds_of(verify(is_deep=is_deep)) == ["changed"]
    # What says that it is missing is read through the next time, deep or not.
    assert kinds_of(verify()) == ["changed"]
    (own_storage / kept.key).write_bytes(b"as it was")
    assert kinds_of(verify()) == []
    kept.refresh_from_db()
    assert kept.missing_since is None


def test_a_change_of_one_byte_is_found_by_reading_only(kept: Blob, own_storage: Path) -> None:
    (own_storage / kept.key).write_bytes(b"as it xas")
    assert kinds_of(verify()) == []
    assert kinds_of(verify(is_deep=True)) == ["changed"]


def test_files_that_belong_to_nothing(kept: Blob, own_storage: Path) -> None:
    key = key_of(sha256(b"orphan"))
    (own_storage / key).parent.mkdir(parents=True)
    (own_storage / key).write_bytes(b"orphan")
    partial = own_storage / Path(kept.key).parent / ".part-abc"
    partial.write_bytes(b"half")
    stray = own_storage / "sha256" / "ab" / "notes.txt"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_text("what is this")
    # What is young may still be on its way.
    assert kinds_of(verify(mends=True)) == []
    age(own_storage)
    run = verify(mends=True)
    assert kinds_of(run) == ["orphan", "orphan", "stray"]
    assert run.findings.get(mended_at=None).kind == "stray"
    assert not (own_storage / key).exists()
    assert not partial.exists()
    assert stray.exists()
    assert (own_storage / kept.key).exists()
    assert kinds_of(verify()) == ["stray"]


def test_a_content_that_nobody_uses(own_storage: Path, kept: Blob) -> None:
    blob = make_blob(b"never used")
    assert kinds_of(verify(mends=True)) == []
    Blob.objects.update(kept_at=timezone.now() - timedelta(days=2))
    run = verify(mends=True)
    assert kinds_of(run) == ["unused"]
    assert Blob.objects.get() == kept
    assert not (own_storage / blob.key).exists()


def test_leftovers_of_uploads(admin: User, own_storage: Path) -> None:
    session = send(begin(admin, b"hello"), b"hel", admin)
    gone = own_storage / f"uploads/{10**6}/0-abc"
    gone.parent.mkdir(parents=True)
    gone.write_bytes(b"x")
    age(own_storage)
    run = verify(mends=True)
    assert kinds_of(run) == ["upload_leftover"]
    assert not gone.exists()
    assert session.parts.get().key in {
        str(path.relative_to(own_storage)) for path in own_storage.rglob("*") if path.is_file()
    }


def test_work_that_stands_still(
    admin: User, own_storage: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UPLOAD_CHECKED_AT_ONCE = 0
    sent: list[int] = []
    monkeypatch.setattr(uploads, "send_upload", lambda pk, attempt: sent.append(attempt))
    session = send(begin(admin, b"hello"), b"hello", admin)
    uploads.finish_upload(session.pk, actor=admin)
    old = timezone.now() - timedelta(hours=2)
    UploadSession.objects.update(lease_until=old)
    Job.objects.create(kind="documents.bundle", title="Bundle", owner=admin, lease_until=old)
    run = verify(mends=True)
    assert kinds_of(run) == ["job_stuck", "upload_stuck"]
    assert run.findings.get(mended_at=None).kind == "job_stuck"
    assert sent == [1, 2]


# Other rooms


@pytest.fixture
def own_check() -> Iterator[dict[str, Any]]:
    wrongs: dict[str, Any] = {"a": "first", "b": "second"}

    def find(look: Look) -> Iterator[Found]:
        for key, name in list(wrongs.items()):
            look.count("bindings")
            if name == "fault":
                raise OSError("Drive is away")
            yield Found("twin", key, {"name": name})

    twin = Wrong("twin", "Twins", "%(name)s is there twice.", lambda key: wrongs.pop(key, None) is not None)
    integrity.add_check(Check("test", find, (twin,)))
    yield wrongs
    del integrity._checks["test"], integrity._kinds["twin"]


def test_another_room_adds_its_own(own_check: dict[str, Any]) -> None:
    run = verify()
    assert [words_of(finding) for finding in run.findings.order_by("subject")] == [
        "first is there twice.",
        "second is there twice.",
    ]
    assert verify(mends=True).findings.filter(mended_at=None).count() == 0
    assert kinds_of(verify()) == []


def test_what_cannot_be_looked_at_keeps_nobody_from_the_rest(
    own_check: dict[str, Any], own_storage: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_check["a"] = "fault"
    run = verify()
    assert "test" in run.fault
    assert run.finished_at is not None
    assert "Drive is away" in caplog.text


# The command, the night, the page


def test_the_command(kept: Blob, own_storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("verify_documents")
    assert json.loads(capsys.readouterr().out)["remaining"] == 0
    (own_storage / kept.key).unlink()
    orphan = own_storage / key_of(sha256(b"orphan"))
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"orphan")
    age(own_storage)
    with pytest.raises(CommandError):
        call_command("verify_documents", "--mend")
    said = capsys.readouterr()
    summary = json.loads(said.out)
    assert summary["found"] == {"missing": 1, "orphan": 1}
    assert summary["mended"] == {"orphan": 1}
    assert summary["remaining"] == 1
    assert "Contract" in said.err


def test_one_at_a_time(admin: User) -> None:
    run = IntegrityRun.objects.create()
    with pytest.raises(ValidationError) as refused:
        verify()
    assert code_of(refused) == "integrity_running"
    assert verify_nightly() == 0
    # One whose worker has died is given up.
    IntegrityRun.objects.update(advanced_at=timezone.now() - timedelta(hours=1))
    assert verify_nightly() == 0
    run.refresh_from_db()
    assert run.fault
    assert IntegrityRun.objects.filter(fault="").count() == 1


def test_the_night_forgets(settings: Any) -> None:
    old = timezone.now() - timedelta(days=settings.INTEGRITY_RETENTION_DAYS + 1)
    IntegrityRun.objects.create(finished_at=old)
    verify_nightly()
    assert not IntegrityRun.objects.filter(finished_at=old).exists()


def test_who_may_have_it_checked(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    seller, auditor = (make_member(make_team(role), role, role) for role in ("salesperson", "auditor"))
    for actor in (seller, auditor):
        with pytest.raises(PermissionDenied):
            services.request_run(actor=actor)
    sent: list[int] = []
    monkeypatch.setattr(services, "send_integrity_run", sent.append)
    assert sent == [services.request_run(actor=admin, mends=True).pk]


def test_the_page_in_plain_words(admin: User, client: Client, kept: Blob, own_storage: Path) -> None:
    client.force_login(admin)
    page = client.get("/admin/documents/integrityrun/")
    assert "Nothing has been checked yet" in page.content.decode()
    verify()
    assert "all is well" in client.get("/admin/documents/integrityrun/").content.decode()
    (own_storage / kept.key).unlink()
    orphan = own_storage / key_of(sha256(b"orphan"))
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"orphan")
    age(own_storage)
    run = verify()
    for address in ("/admin/documents/integrityrun/", f"/admin/documents/integrityrun/{run.pk}/change/"):
        text = client.get(address).content.decode()
        assert "2 findings" in text
        assert "Contents that are gone" in text
        assert "Mend what is safe" in text
        assert "Contract" in text


def test_the_button(admin: User, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "send_integrity_run", lambda pk: None)
    auditor = make_member(make_team("Audit"), "auditor", "auditor")
    client.force_login(auditor)
    assert "Check now" not in client.get("/admin/documents/integrityrun/").content.decode()
    client.post("/admin/documents/integrityrun/begin/mend/")
    assert not IntegrityRun.objects.exists()
    client.force_login(admin)
    assert client.get("/admin/documents/integrityrun/begin/mend/").status_code == 405
    answer = client.post("/admin/documents/integrityrun/begin/mend/", follow=True)
    run = IntegrityRun.objects.get()
    assert run.mends
    assert "Under way" in answer.content.decode()
    again = client.post("/admin/documents/integrityrun/begin/check/", follow=True)
    assert "under way already" in again.content.decode()
