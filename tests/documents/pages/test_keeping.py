"""How long documents are kept: hold, void, retention, and what is deleted for good."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Blob, Document, DocumentType, DocumentVersion
from apps.documents.services import documents, keeping
from apps.documents.storage import contents
from apps.documents.tasks import purge_documents
from apps.events.models import Event
from apps.jobs import runner
from apps.jobs.models import Job
from tests.accounts.factories import make_member, make_team
from tests.documents.factories import kind, make_document
from tests.documents.test_services import code_of

pytestmark = pytest.mark.django_db


def facts() -> list[str]:
    return [kind.split(".")[2] for kind in Event.objects.order_by("pk").values_list("type", flat=True)]


def long_ago(days: int) -> dict[str, Any]:
    return {"archived_at": timezone.now() - timedelta(days=days)}


def test_a_hold_keeps_it_where_it_is(admin: User) -> None:
    document = make_document(admin, content=b"one")
    held = keeping.hold_document(document.pk, reason=" A lawsuit ", actor=admin)
    assert (held.has_legal_hold, held.hold_reason) == (True, "A lawsuit")
    with pytest.raises(ValidationError) as refused:
        documents.archive_document(document.pk, actor=admin)
    assert code_of(refused) == "on_hold"
    with pytest.raises(ValidationError) as refused:
        keeping.hold_document(document.pk, reason="again", actor=admin)
    assert code_of(refused) == "on_hold"
    released = keeping.release_document(document.pk, actor=admin)
    assert (released.has_legal_hold, released.hold_reason) == (False, "")
    with pytest.raises(ValidationError) as refused:
        keeping.release_document(document.pk, actor=admin)
    assert code_of(refused) == "not_on_hold"
    documents.archive_document(document.pk, actor=admin)
    assert facts() == ["held", "released", "archived"]
    assert Event.objects.filter(type__contains="held").get().data["reason"] == "A lawsuit"


def test_a_hold_is_no_salespersons(admin: User) -> None:
    seller = make_member(make_team("North"), "salesperson", "seller")
    document = make_document(seller)
    with pytest.raises(PermissionDenied):
        keeping.hold_document(document.pk, reason="mine", actor=seller)


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_reason_is_needed(admin: User, reason: str) -> None:
    document = make_document(admin)
    for service in (keeping.hold_document, keeping.void_document):
        with pytest.raises(ValidationError) as refused:
            service(document.pk, reason=reason, actor=admin)
        assert code_of(refused) == "required"


def test_void_is_the_end_and_its_time_begins(admin: User) -> None:
    DocumentType.objects.filter(code="file").update(retention_days=10)
    document = make_document(admin, content=b"one")
    Document.objects.update(status="SIGNED")
    void = keeping.void_document(document.pk, reason="A wrong sum", actor=admin)
    assert (void.status, void.void_reason) == ("VOID", "A wrong sum")
    assert void.retain_until_date == keeping.today() + timedelta(days=10)
    with pytest.raises(ValidationError) as refused:
        keeping.void_document(document.pk, reason="again", actor=admin)
    assert code_of(refused) == "void"
    assert Event.objects.get().data["reason"] == "A wrong sum"


def test_retention_begins_with_the_type_and_is_never_shortened(admin: User) -> None:
    DocumentType.objects.filter(code="file").update(retention_days=30)
    document = make_document(admin, content=b"one")
    with transaction.atomic():
        keeping.start_retention(document, actor=admin)
    assert Document.objects.get().retain_until_date == keeping.today() + timedelta(days=30)
    Document.objects.update(retain_until_date=date(2999, 1, 1))
    document = Document.objects.get()
    keeping.start_retention(document, actor=admin)
    assert Document.objects.get().retain_until_date == date(2999, 1, 1)
    DocumentType.objects.update(retention_days=None)
    other = make_document(admin)
    keeping.start_retention(other, actor=admin)
    assert Document.objects.get(pk=other.pk).retain_until_date is None


def test_deleted_for_good_with_its_versions_and_the_content_stays(admin: User) -> None:
    document = make_document(admin, content=b"one", **long_ago(1))
    keeping.delete_document(document.pk, actor=admin)
    assert not Document.objects.exists()
    assert not DocumentVersion.objects.exists()
    assert contents().exists(Blob.objects.get().key)
    told = Event.objects.get()
    assert (told.type, told.data["title"]) == ("documents.document.deleted.v1", document.title)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"archived_at": None}, "not_archived"),
        ({"has_legal_hold": True}, "on_hold"),
        ({"retain_until_date": date(2999, 1, 1)}, "retained"),
    ],
)
def test_what_is_kept_is_not_deleted(admin: User, fields: dict[str, Any], code: str) -> None:
    document = make_document(admin, content=b"one", **{**long_ago(1), **fields})
    with pytest.raises(ValidationError) as refused:
        keeping.delete_document(document.pk, actor=admin)
    assert code_of(refused) == code
    assert Document.objects.exists()


def test_only_who_may_delete_deletes(admin: User) -> None:
    seller = make_member(make_team("North"), "salesperson", "seller")
    document = make_document(seller, **long_ago(1))
    with pytest.raises(PermissionDenied):
        keeping.delete_document(document.pk, actor=seller)


def test_the_trash_is_emptied_by_a_job(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_AT_ONCE", 2)
    DocumentType.objects.filter(code="file").update(trash_days=30)
    gone = [make_document(admin, content=b"old %d" % n, **long_ago(31)) for n in range(3)]
    signed = make_document(admin, content=b"signed", **long_ago(31))
    Document.objects.filter(pk=signed.pk).update(status="SIGNED")
    kept = [
        make_document(admin, content=b"not yet", **long_ago(29)),
        make_document(admin, content=b"held", has_legal_hold=True, **long_ago(31)),
        make_document(admin, content=b"retained", retain_until_date=keeping.today(), **long_ago(31)),
        make_document(admin, content=b"slow", type=_slow_type(), **long_ago(31)),
        make_document(admin, content=b"in use"),
    ]
    purge_documents()
    job = Job.objects.get(kind=keeping.PURGE)
    assert (job.owner, job.total) == (User.objects.system(), 4)
    # One at a time.
    assert keeping.start_purge() is None
    runner.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.result) == ("SUCCEEDED", {"deleted": 4, "left": 0})
    left = set(Document.objects.values_list("pk", flat=True))
    assert left == {each.pk for each in kept}
    assert not left & {each.pk for each in [*gone, signed]}
    # Nothing is left to do.
    assert keeping.start_purge() is None


def _slow_type() -> DocumentType:
    DocumentType.objects.filter(code="contract").update(trash_days=365)
    return kind("contract")


def test_what_something_else_needs_is_left_and_told(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (make_document(admin, content=b"%d" % n, **long_ago(400)) for n in range(2))
    delete = Document.delete

    def refuse_first(self: Document, *args: object, **kwargs: object) -> object:
        if self.pk == first.pk:
            from django.db.models import ProtectedError

            raise ProtectedError("needed", {first})
        return delete(self)

    monkeypatch.setattr(Document, "delete", refuse_first)
    job = keeping.start_purge()
    assert job is not None
    runner.run(job.pk)
    job.refresh_from_db()
    assert job.result == {"deleted": 1, "left": 1}
    assert list(Document.objects.all()) == [first]
    assert second.pk not in Document.objects.values_list("pk", flat=True)
