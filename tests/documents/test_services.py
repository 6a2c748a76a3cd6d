"""Writing documents down, adding versions, linking them, and the trash."""

import io
from datetime import timedelta

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Blob, Document, DocumentType
from apps.documents.names import safe_file_name
from apps.documents.services import blobs, documents
from apps.documents.services.documents import Target
from apps.documents.storage import contents
from apps.events.models import Event
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_deal
from tests.documents.factories import kind, make_content, make_document, make_folder

pytestmark = pytest.mark.django_db


def facts() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("type", flat=True))


def code_of(refused: pytest.ExceptionInfo[ValidationError]) -> str:
    """Return the code of the first refusal."""
    by_field = getattr(refused.value, "error_dict", None)
    errors = next(iter(by_field.values())) if by_field else refused.value.error_list
    return str(errors[0].code)


def test_a_document_with_its_first_version(admin: User) -> None:
    document = documents.create_document(
        actor=admin, type_id=kind().pk, title="Notes", content=make_content(b"abc", "../../notes.txt")
    )
    version = document.current_version
    assert version is not None
    assert (version.number, version.file_name, version.blob.size) == (1, "notes.txt", 3)
    with blobs.open_blob(version.blob) as file:
        assert file.read() == b"abc"
    assert document.owner == admin
    assert facts() == ["documents.document.created.v1"]
    content = Event.objects.get().data["content"]
    assert (content["version"], content["sha256"]) == (1, version.blob.digest)


def test_one_content_is_kept_once() -> None:
    one, two = (blobs.keep(io.BytesIO(b"same"), content_type="text/plain") for _ in range(2))
    assert one == two
    assert Blob.objects.count() == 1
    assert contents().exists(one.key)


def test_a_content_that_was_lost_is_kept_again() -> None:
    blob = blobs.keep(io.BytesIO(b"lost"), content_type="text/plain")
    contents().delete(blob.key)
    Blob.objects.filter(pk=blob.pk).update(missing_since=timezone.now())
    again = blobs.keep(io.BytesIO(b"lost"), content_type="text/plain")
    assert again.missing_since is None
    assert contents().exists(blob.key)


def test_versions_count_up_and_the_same_content_adds_none(admin: User) -> None:
    document = make_document(admin, content=b"one")
    second = documents.add_version(document.pk, make_content(b"two"), actor=admin)
    again = documents.add_version(document.pk, make_content(b"two"), actor=admin)
    assert second.number == 2
    assert again == second
    document.refresh_from_db()
    assert document.current_version == second
    assert facts() == ["documents.document.version_added.v1"]


def test_a_document_of_a_deal_is_its_owners(admin: User) -> None:
    team = make_team("North")
    seller = make_member(team, "salesperson", "seller")
    deal = make_deal(owner=seller, team=team)
    document = documents.create_document(
        actor=admin, type_id=kind().pk, title="Brief", targets=[Target("crm.deal", deal.pk)]
    )
    assert (document.owner, document.team) == (seller, team)
    assert Document.objects.visible_to(seller).get() == document
    assert document.links.get().target_name == str(deal)


def test_an_object_out_of_sight_is_none(admin: User) -> None:
    seller = make_member(make_team("South"), "salesperson", "seller")
    deal = make_deal(owner=admin)
    for target in (Target("crm.deal", deal.pk), Target("crm.nothing", 1), Target("documents.blob", 1)):
        with pytest.raises(ValidationError) as refused:
            documents.create_document(actor=seller, type_id=kind().pk, title="x", targets=[target])
        assert code_of(refused) == "not_found"


def test_somebody_elses_document_does_not_exist(admin: User) -> None:
    seller = make_member(make_team("South"), "salesperson", "seller")
    document = make_document(admin, content=b"secret")
    with pytest.raises(ObjectDoesNotExist):
        documents.change_document(document.pk, actor=seller, title="mine")
    with pytest.raises(ObjectDoesNotExist):
        documents.add_version(document.pk, make_content(b"mine"), actor=seller)


def test_an_auditor_reads_and_changes_nothing(admin: User) -> None:
    auditor = make_member(make_team("Audit"), "auditor", "auditor")
    document = make_document(admin, content=b"one")
    assert Document.objects.visible_to(auditor).get() == document
    with pytest.raises(PermissionDenied):
        documents.archive_document(document.pk, actor=auditor)
    with pytest.raises(PermissionDenied):
        documents.create_document(actor=auditor, type_id=kind().pk, title="x")


def test_who_works_on_it_keeps_others_out(admin: User) -> None:
    other = User.objects.create(name="Olga Other", email="olga@example.org", is_superuser=True)
    until = timezone.now() + timedelta(hours=1)
    document = make_document(admin, content=b"one", checked_out_by=other, checked_out_until=until)
    with pytest.raises(ValidationError) as refused:
        documents.add_version(document.pk, make_content(b"two"), actor=admin)
    assert code_of(refused) == "checked_out"
    assert "Olga Other" in refused.value.messages[0]
    assert documents.add_version(document.pk, make_content(b"two"), actor=other).number == 2
    Document.objects.update(checked_out_until=timezone.now())
    assert documents.add_version(document.pk, make_content(b"three"), actor=admin).number == 3


def test_a_signed_document_takes_nothing(admin: User) -> None:
    document = make_document(admin, content=b"one")
    Document.objects.update(status="SIGNED")
    with pytest.raises(ValidationError) as refused:
        documents.add_version(document.pk, make_content(b"two"), actor=admin)
    assert code_of(refused) == "document_final"


def test_a_type_says_what_it_takes(admin: User) -> None:
    DocumentType.objects.filter(code="file").update(allowed_types=["application/pdf"])
    with pytest.raises(ValidationError) as refused:
        documents.create_document(actor=admin, type_id=kind().pk, title="x", content=make_content())
    assert code_of(refused) == "type_refused"
    DocumentType.objects.filter(code="file").update(allowed_types=[], max_size=2)
    with pytest.raises(ValidationError) as refused:
        documents.create_document(actor=admin, type_id=kind().pk, title="x", content=make_content(b"abc"))
    assert code_of(refused) == "too_large"
    assert not Document.objects.exists()


def test_the_trash_and_the_hold(admin: User) -> None:
    document = make_document(admin, has_legal_hold=True)
    with pytest.raises(ValidationError) as refused:
        documents.archive_document(document.pk, actor=admin)
    assert code_of(refused) == "on_hold"
    Document.objects.update(has_legal_hold=False)
    documents.archive_document(document.pk, actor=admin)
    with pytest.raises(ValidationError) as refused:
        documents.change_document(document.pk, actor=admin, title="x")
    assert code_of(refused) == "archived"
    assert documents.restore_document(document.pk, actor=admin).archived_at is None


def test_links_come_and_go(admin: User) -> None:
    document, deal = make_document(admin), make_deal(owner=admin)
    link = documents.link_document(document.pk, Target("crm.deal", deal.pk), actor=admin)
    assert documents.link_document(document.pk, Target("crm.deal", deal.pk), actor=admin) == link
    documents.unlink_document(document.pk, link.pk, actor=admin)
    assert not document.links.exists()
    assert facts().count("documents.document.changed.v1") == 2


def test_a_folder_out_of_sight(admin: User) -> None:
    seller = make_member(make_team("South"), "salesperson", "seller")
    folder = make_folder("Board", owner=admin)
    with pytest.raises(ValidationError) as refused:
        documents.create_document(actor=seller, type_id=kind().pk, title="x", folder_id=folder.pk)
    assert code_of(refused) == "not_found"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\report.pdf", "report.pdf"),
        ("a\x00b\nc.txt", "abc.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ('what? "this" <is>|.txt', "what_ _this_ _is__.txt"),
        ("..", "file"),
        ("", "file"),
        ("  .hidden. ", "hidden"),
        ("con.txt", "_con.txt"),
        ("Договор №5.docx", "Договор №5.docx"),
        ("👩\u200d💼.png", "👩\u200d💼.png"),
        ("e\u0301.txt", "é.txt"),
    ],
)
def test_names_are_made_harmless(given: str, kept: str) -> None:
    assert safe_file_name(given) == kept


def test_a_long_name_keeps_its_ending() -> None:
    name = safe_file_name("Договор" * 40 + ".docx")
    assert len(name.encode()) <= 255
    assert name.endswith(".docx")
