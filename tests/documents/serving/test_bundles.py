"""Several documents as one file: what is in it, for whom, for how long."""

import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.storage import default_storage
from django.test import Client, RequestFactory
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.admin.bundles import bundle_selected
from apps.documents.models import Blob, Bundle, Document
from apps.documents.names import LONGEST
from apps.documents.services import bundle_steps, bundles, documents, sharing
from apps.documents.services.sharing import Terms
from apps.documents.storage import contents
from apps.jobs import runner
from tests.accounts.factories import make_member, make_team
from tests.documents.factories import make_content

pytestmark = pytest.mark.django_db
Maker = Callable[..., Document]
Clients = Callable[[User], Client]
API = "/api/v1/documents/bundles/"


def work(bundle: Bundle) -> Bundle:
    """Do the job of a bundle in this process, unwatched: a watcher would not see this test's transaction."""
    assert bundle.job_id is not None
    with patch.object(runner._Watch, "_keep_watch"):
        runner.run(bundle.job_id)
    return Bundle.objects.select_related("job").get(pk=bundle.pk)


def inside(bundle: Bundle) -> dict[str, bytes]:
    with (
        default_storage.open(bundle.storage_name) as file,
        zipfile.ZipFile(io.BytesIO(file.read())) as archive,
    ):
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def three(paper: Maker) -> list[int]:
    names = [("notes.txt", b"one"), ("NOTES.txt", b"two"), ("../../etc/passwd", b"three")]
    return [paper(text, "text/plain", name).pk for name, text in names]


def test_documents_in_one_file_under_harmless_names(admin: User, three: list[int]) -> None:
    bundle = work(bundles.request_bundle(three, actor=admin, name="Папка/клиента"))
    assert bundle.job is not None
    assert bundle.job.state == "SUCCEEDED", bundle.job.error
    assert bundle.file_name == "клиента.zip"
    assert inside(bundle) == {"notes.txt": b"one", "NOTES (2).txt": b"two", "passwd": b"three"}
    assert bundle.size == default_storage.size(bundle.storage_name)


@pytest.mark.parametrize(
    "name", ["a.txt", "a", "x" * 255, "Договор" * 40 + ".docx", "👩\u200d💼" * 30 + ".png"]
)
def test_names_that_repeat_are_numbered(name: str) -> None:
    names = list(bundle_steps.distinct_names([name] * 12))
    assert len({each.casefold() for each in names}) == 12
    assert all(len(each.encode()) <= LONGEST for each in names)


def test_a_large_content_takes_the_large_form(
    admin: User, three: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_steps, "_LARGE", 1)
    assert len(inside(work(bundles.request_bundle(three, actor=admin)))) == 3


def test_the_versions_of_then(admin: User, three: list[int]) -> None:
    bundle = bundles.request_bundle(three[:1], actor=admin)
    documents.add_version(three[0], make_content(b"later", "later.txt"), actor=admin)
    assert inside(work(bundle)) == {"notes.txt": b"one"}


def test_what_is_not_the_persons_to_take_is_left_out(admin: User, paper: Maker, three: list[int]) -> None:
    seller = make_member(make_team("South"), "salesperson", "seller")
    own, lost = (paper(text, "text/plain", "own.txt", owner=seller) for text in (b"own", b"lost"))
    bundle = bundles.request_bundle([*three, own.pk, lost.pk], actor=seller)
    assert bundle.chosen == 2
    Document.objects.filter(pk=lost.pk).update(owner=admin)
    bundle = work(bundle)
    assert (inside(bundle), bundle.left_out) == ({"own.txt": b"own"}, 1)
    with pytest.raises(ValidationError) as refused:
        bundles.request_bundle(three, actor=seller)
    assert refused.value.code == "no_documents"
    with pytest.raises(PermissionDenied):
        bundles.request_bundle(three, actor=make_member(make_team("Audit"), "auditor", "auditor"))


def test_too_much_at_once(admin: User, three: list[int], settings: Any) -> None:
    settings.BUNDLE_MAX_DOCUMENTS = 2
    with pytest.raises(ValidationError) as many:
        bundles.request_bundle(three, actor=admin)
    settings.BUNDLE_MAX_DOCUMENTS, settings.BUNDLE_MAX_BYTES = 10, 5
    with pytest.raises(ValidationError) as large:
        bundles.request_bundle(three, actor=admin)
    settings.BUNDLE_MAX_BYTES, settings.BUNDLE_MAX_AT_ONCE = 1000, 1
    bundles.request_bundle(three, actor=admin)
    with pytest.raises(ValidationError) as often:
        bundles.request_bundle(three, actor=admin)
    codes = [refused.value.code for refused in (many, large, often)]
    assert codes == ["bundle_too_large", "bundle_too_large", "too_many_bundles"]


def test_a_lost_content_fails_the_job_with_its_name(admin: User, three: list[int]) -> None:
    bundle = bundles.request_bundle(three, actor=admin)
    blob = Blob.objects.get(versions__document=three[0])
    contents().delete(blob.key)
    bundle = work(bundle)
    assert bundle.job is not None
    assert (bundle.job.state, "notes.txt" in str(bundle.job.error)) == ("FAILED", True)
    with pytest.raises(ValidationError) as refused:
        bundles.take_bundle(bundle.pk, actor=admin)
    assert refused.value.code == "bundle_not_ready"


def test_over_rest(admin: User, three: list[int], client_of: Clients) -> None:
    client = client_of(admin)
    asked = client.post(API, {"ids": three}, content_type="application/json")
    assert (asked.status_code, asked.json()["state"]) == (202, "QUEUED")
    place = asked["Location"]
    assert client.get(f"{place}download/").status_code == 409
    bundle = work(Bundle.objects.get())
    row = client.get(place).json()
    assert (row["state"], row["is_available"], row["chosen"]) == ("SUCCEEDED", True, 3)
    file = client.get(row["download"])
    assert (file["Content-Type"], file["Content-Disposition"].split(";")[0]) == (
        "application/zip",
        "attachment",
    )
    assert b"".join(file).startswith(b"PK")
    part = client.get(row["download"], headers={"Range": "bytes=0-1"})
    assert (part.status_code, b"".join(part)) == (206, b"PK")
    assert client.delete(place).status_code == 204
    assert client.get(f"{place}download/").json()["code"] == "bundle_expired"
    assert not default_storage.exists(bundle.storage_name)


def test_only_whoever_asked_gets_it(admin: User, paper: Maker, client_of: Clients) -> None:
    seller = make_member(make_team("South"), "salesperson", "seller")
    bundle = work(bundles.request_bundle([paper(b"own", "text/plain", owner=seller).pk], actor=seller))
    assert client_of(admin).get(f"{API}{bundle.pk}/").status_code == 200
    assert client_of(admin).get(f"{API}{bundle.pk}/download/").status_code == 403
    page = f"/admin/documents/bundle/{bundle.pk}/"
    assert "Only whoever asked" in client_of(admin).get(f"{page}change/").content.decode()
    other = make_member(make_team("North"), "salesperson", "other")
    assert client_of(other).get(f"{API}{bundle.pk}/download/").status_code == 404
    assert client_of(seller).get(f"{page}download/").status_code == 200
    assert client_of(seller).post(f"{page}remove/").status_code == 302
    assert client_of(seller).get(f"{page}download/").status_code == 410


def test_its_time_ends_unless_a_link_needs_it(admin: User, three: list[int]) -> None:
    bundle = work(bundles.request_bundle(three, actor=admin))
    terms = Terms(expires_at=timezone.now() + timedelta(days=20), max_downloads=1)
    _link, token = sharing.share_bundle(bundle.pk, terms, actor=admin)
    bundle.refresh_from_db()
    assert bundle.expires_at == terms.expires_at
    assert bundles.expire_bundles() == 0
    given = Client().post(f"/s/{token}/", {"download": "1"})
    assert b"".join(given).startswith(b"PK")
    assert Client().post(f"/s/{token}/", {"download": "1"}).status_code == 404
    Bundle.objects.update(expires_at=timezone.now())
    assert bundles.expire_bundles() == 1
    bundle.refresh_from_db()
    assert (bundle.storage_name, bundle.expired_at is None) == ("", False)


def test_a_bundle_is_shared_only_by_who_may_share_all_of_it(admin: User, paper: Maker) -> None:
    seller = make_member(make_team("South"), "salesperson", "seller")
    mine = paper(b"own", "text/plain", owner=seller)
    bundle = work(bundles.request_bundle([mine.pk], actor=seller))
    Document.objects.filter(pk=mine.pk).update(owner=admin)
    terms = Terms(expires_at=timezone.now() + timedelta(days=1))
    for actor in (seller, admin):
        with pytest.raises(PermissionDenied):
            sharing.share_bundle(bundle.pk, terms, actor=actor)


def test_the_action_below_the_list(admin: User, three: list[int], rf: RequestFactory) -> None:
    request: Any = rf.post("/admin/documents/document/")
    request.user = admin
    page = SimpleNamespace(model=Document)
    assert bundle_selected.is_offered(page, request)  # type: ignore[attr-defined]
    assert not bundle_selected.is_offered(SimpleNamespace(model=User), request)  # type: ignore[attr-defined]
    response: Any = bundle_selected(page, request, Document.objects.filter(pk__in=three))
    bundle = Bundle.objects.get()
    assert (response.status_code, bundle.chosen) == (302, 3)
    assert response["Location"] == f"/admin/documents/bundle/{bundle.pk}/change/"
    request.user = make_member(make_team("Audit"), "auditor", "auditor")
    assert not bundle_selected.is_offered(page, request)  # type: ignore[attr-defined]
