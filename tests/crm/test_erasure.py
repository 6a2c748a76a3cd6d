"""Forgetting somebody: everywhere, but for what the law keeps, and for good."""

import io
import re
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.common.personal import places
from apps.crm.models import Activity, Deal, Disclosure, Erasure, ImportBatch, Lead, Person, Quote
from apps.crm.services import erasing
from apps.crm.services.merging import merge_people
from apps.crm.services.people import change_person, create_person, restore_person
from apps.documents.models import Document
from apps.documents.services import documents
from apps.documents.services.keeping import hold_document
from apps.documents.storage import contents
from apps.events.models import Event
from apps.history.models import ChangeSet
from apps.history.services.undoing import start_undo
from apps.lists.models import Export, SavedView
from tests.crm import factories
from tests.crm.importing import bring_in
from tests.crm.personal import disclosed, erased, finished, mail_of, make_known, new_word
from tests.crm.planting import plant_everywhere
from tests.documents.factories import kind, make_content
from tests.history.factories import recorded, set_of
from tests.lists.export_files import exported

pytestmark = pytest.mark.django_db


def tables_with(word: str) -> list[str]:
    """List the columns of all tables that hold a word, as text or as bytes."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name, column_name from information_schema.columns join information_schema.tables"
            " using (table_schema, table_name) where table_schema = 'public' and table_type = 'BASE TABLE'"
        )
        for table, column in cursor.fetchall():
            cursor.execute(
                f'select exists (select 1 from "{table}" where "{column}"::text ilike any(%s))',
                [[f"%{word}%", f"%{word.encode().hex()}%"]],
            )
            if cursor.fetchone()[0]:
                found.append(f"{table}.{column}")
    return sorted(found)


def files_with(word: str) -> list[str]:
    """List the stored files that hold a word, also within archives."""
    return [name for name, content in _files() if word.encode() in content or word in name]


def _files() -> Iterator[tuple[str, bytes]]:
    for name in _names(""):
        with default_storage.open(name, "rb") as file:
            yield from _unpacked(name, file.read())
    for stored in contents().stored(""):
        with contents().open(stored.key) as file:
            yield from _unpacked(stored.key, file.read())


def _names(directory: str) -> Iterator[str]:
    directories, names = default_storage.listdir(directory or ".")
    for name in names:
        yield f"{directory}{name}"
    for name in directories:
        yield from _names(f"{directory}{name}/")


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from ((f"{name}/{part}", archive.read(part)) for part in archive.namelist())


def test_nothing_is_left_of_somebody_anywhere(admin: User) -> None:
    word = new_word()
    person = make_known(admin, word)
    bring_in(
        "people",
        f"id,name,email,notes\n7,{word} given {word} family,{mail_of(word)},{word} imported\n",
        actor=admin,
    )
    SavedView.objects.create(owner=admin, page="crm_person", params={"q": mail_of(word)})
    exported(Person.objects.filter(pk=person.pk), admin, ["full_name"])
    disclosed(person, admin)
    assert len(tables_with(word)) > 25, "the canary was planted in too few places"
    assert len(files_with(word)) >= 4
    erased(person, admin)
    assert tables_with(word) == []
    assert files_with(word) == []


# Where nothing is erased, and which duty or right says so.
KEPT_WHOLE = {
    "payments.fiscalreceipt": "Receipts of money that has moved, which the law wants kept.",
    "payments.bankline": "Statements of banks are accounting records, kept for years.",
    "documents.drivebinding": "Only papers in Google Drive have any, and those are kept.",
    "documents.driveconflict": "Only papers in Google Drive have any, and those are kept.",
    "documents.drivefolder": "It lies in Google Drive; who asks is told to remove it there first.",
}


def test_nothing_is_left_in_any_place_there_is(admin: User) -> None:
    """
    Plant somebody in each place that the platform declares, and look through all columns of all tables afterwards.

    What the canary does not reach proves nothing: a place that nobody plants fails here.
    """
    word = new_word()
    person = make_known(admin, word)
    plant_everywhere(admin, person, word)
    disclosed(person, admin)
    before = tables_with(word)
    planted = {place.label for place in places() if _is_in(place.model, before)}
    assert {place.label for place in places()} - planted == BY_KEY | KEPT_WHOLE.keys()
    erasure = erased(person, admin)
    left = tables_with(word)
    assert left == []
    assert files_with(word) == []
    met = {entry["place"] for entry in erasure.counts if entry["erased"]}
    assert {place.label for place in places()} - met - KEPT_WHOLE.keys() - GONE_WITH == set()


def _is_in(model: Any, columns: list[str]) -> bool:
    return any(column.startswith(f"{model._meta.db_table}.") for column in columns)


# Named by keys and files alone.
BY_KEY = {"lists.export", "crm.disclosure"}
# Not counted by themselves, for they go with a row that is.
GONE_WITH: set[str] = set()


def test_a_rehearsal_goes_through_no_table(admin: User) -> None:
    """Whatever there is besides, whoever rehearses waits for what is the person's: each look-up has an index."""
    person = make_known(admin, new_word())
    plant_everywhere(admin, person, new_word())
    with CaptureQueriesContext(connection) as asked:
        erasing.rehearse_erasure(person.pk, actor=admin)
    scanned = set()
    with connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")
        for query in asked.captured_queries:
            if query["sql"].startswith(("SELECT", "(SELECT")):
                cursor.execute(f"explain {query['sql']}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                scanned |= set(re.findall(r"Seq Scan on (\w+)", plan))
    assert scanned == set()


def test_the_row_stays_and_so_do_sums(admin: User) -> None:
    person = make_known(admin, new_word())
    deal = Deal.objects.get(person=person)
    erased(person, admin)
    person.refresh_from_db()
    assert str(person) == f"№ {person.pk}"
    assert person.erased_at is not None
    assert person.archived_at is not None
    deal.refresh_from_db()
    assert (deal.person_id, deal.amount) == (person.pk, Decimal(1000))


def test_what_the_law_keeps_is_kept_and_said(admin: User) -> None:
    word = new_word()
    person = make_known(admin, word)
    target = documents.Target("crm.person", person.pk)
    kept: dict[str, Document] = {}
    for code in ("signed", "held", "shared"):
        kept[code] = documents.create_document(
            type_id=kind().pk,
            title=code,
            content=make_content(new_word().encode()),
            targets=[target],
            actor=admin,
        )
    Document.objects.filter(pk=kept["signed"].pk).update(status="SIGNED")
    hold_document(kept["held"].pk, reason="a lawsuit", actor=admin)
    deal = Deal.objects.get(person=person)
    documents.link_document(kept["shared"].pk, documents.Target("crm.deal", deal.pk), actor=admin)
    erasure = erasing.rehearse_erasure(person.pk, actor=admin)
    papers = next(entry for entry in erasure.counts if entry["place"] == "documents.document")
    assert papers == {
        "place": "documents.document",
        "erased": 1,
        "kept": {"signed": 1, "held": 1, "shared": 1},
    }
    assert all(reason["why"] for reason in erasing.reasons_of(papers))
    erased(person, admin)
    assert set(Document.objects.values_list("title", flat=True)) == set(kept)
    assert {link.target_name for link in kept["held"].links.all()} == {f"№ {person.pk}"}
    assert tables_with(word) == [], "what is kept tells the name no more, neither in its story nor in facts"


def test_what_is_undone_does_not_bring_anything_back(admin: User) -> None:
    person = create_person(actor=admin, given_name="Anna", family_name="Secret")
    with recorded(admin) as work:
        change_person(person.pk, actor=admin, family_name="Later", locale="ru")
    erased(person, admin)
    with pytest.raises(ValidationError) as refused:
        start_undo(set_of(work).pk, actor=admin)
    assert refused.value.code == "erased"
    with pytest.raises(ValidationError) as refused:
        start_undo(ChangeSet.objects.filter(label__startswith="Erasure").latest("pk").pk, actor=admin)
    assert refused.value.code == "erased"
    with pytest.raises(ValidationError) as refused:
        restore_person(person.pk, actor=admin)
    assert refused.value.code == "erased"
    with pytest.raises(IntegrityError, match="person_erased_is_blank"), transaction.atomic():
        Person.objects.filter(pk=person.pk).update(family_name="Secret")


def test_only_what_was_rehearsed(admin: User) -> None:
    person = make_known(admin, new_word())
    first = erasing.rehearse_erasure(person.pk, actor=admin)
    second = erasing.rehearse_erasure(person.pk, actor=admin)
    assert first.digest == second.digest
    Activity.objects.create(kind="NOTE", subject="new").links.create(person=person)
    with pytest.raises(ValidationError) as refused:
        erasing.apply_erasure(first.pk, actor=admin)
    assert refused.value.code == "plan_changed"
    person.refresh_from_db()
    assert person.archived_at is None
    third = erasing.rehearse_erasure(person.pk, actor=admin)
    erasing.apply_erasure(third.pk, actor=admin)
    with pytest.raises(ValidationError) as refused:
        erasing.apply_erasure(third.pk, actor=admin)
    assert refused.value.code == "applied"
    finished(third)
    with pytest.raises(ValidationError) as refused:
        erasing.rehearse_erasure(person.pk, actor=admin)
    assert refused.value.code == "erased"


def test_what_comes_in_meanwhile_goes_too(admin: User) -> None:
    person = make_known(admin, new_word())
    erasure = erasing.rehearse_erasure(person.pk, actor=admin)
    erasing.apply_erasure(erasure.pk, actor=admin)
    late = new_word()
    Activity.objects.create(kind="NOTE", subject=late).links.create(person=person)
    finished(erasure)
    assert tables_with(late) == []


def test_who_was_merged_into_them_is_forgotten_with_them(admin: User) -> None:
    word = new_word()
    winner, loser = factories.make_person("Anna"), make_known(admin, word)
    merge_people(winner.pk, loser.pk, actor=admin)
    with pytest.raises(ValidationError) as refused:
        erasing.rehearse_erasure(loser.pk, actor=admin)
    assert refused.value.code == "merged"
    erased(winner, admin)
    assert tables_with(word) == []


def test_records_are_guarded_as_before(admin: User) -> None:
    person = make_known(admin, new_word())
    erasure = erased(person, admin)
    other = make_known(admin, new_word())
    consent = other.contact_points.get(kind="EMAIL").consents.get()
    with connection.cursor() as cursor:
        cursor.execute("select set_config('artel.erasing', %s, true)", [str(erasure.pk)])
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        type(consent).objects.filter(pk=consent.pk).update(note="")


def test_a_quote_that_was_sent_is_kept_and_a_draft_names_nobody(admin: User) -> None:
    person = make_known(admin, new_word())
    deal = Deal.objects.get(person=person)
    quote = Quote.objects.create(
        deal=deal,
        number="Q-1",
        revision=1,
        currency="RUB",
        locale="ru",
        valid_until="2030-01-01",
        recipient_name="Anna",
        created_by=admin,
    )
    erasure = erased(person, admin)
    quote.refresh_from_db()
    assert quote.recipient_name == ""
    entry = next(entry for entry in erasure.counts if entry["place"] == "crm.quote")
    assert entry == {"place": "crm.quote", "erased": 1, "kept": {}}


def test_the_fact_tells_nothing_but_the_key(admin: User) -> None:
    person = make_known(admin, new_word())
    erased(person, admin)
    fact = Event.objects.get(type="crm.person.erased.v1")
    assert fact.data == {"id": person.pk}
    assert Event.objects.filter(subject=f"person/{person.pk}").count() > 1, "that things happened stays"


def test_exports_and_imports_lose_their_files(admin: User) -> None:
    word = new_word()
    batch = bring_in("people", f"id,name\n1,{word} Smith\n", actor=admin)
    person = Person.objects.get(given_name=word)
    export = exported(Person.objects.all(), admin, ["full_name"])
    disclosure = disclosed(person, admin)
    erased(person, admin)
    batch.refresh_from_db()
    assert (batch.storage_name, batch.sample, batch.state) == ("", [], ImportBatch.State.APPLIED)
    assert Export.objects.get(pk=export.pk).expired_at is not None
    assert Disclosure.objects.get(pk=disclosure.pk).expired_at is not None
    assert not default_storage.exists(export.storage_name)


def test_it_takes_rights_of_its_own(anna: User) -> None:
    person = factories.make_person(owner=anna)
    with pytest.raises(PermissionDenied):
        erasing.rehearse_erasure(person.pk, actor=anna)
    rehearsing = factories.join(
        factories.make_user("Rehearses"),
        factories.make_team(),
        factories.make_role({"crm.view_person": "ALL", "crm.erase_person": "ALL", "crm.view_erasure": "OWN"}),
    )
    erasure = erasing.rehearse_erasure(person.pk, actor=rehearsing)
    with pytest.raises(PermissionDenied):
        erasing.apply_erasure(erasure.pk, actor=rehearsing)


def test_over_rest(admin: User, client: Client) -> None:
    client.force_login(admin)
    person = make_known(admin, new_word())
    answer = client.post(f"/api/v1/crm/people/{person.pk}/rehearse_erasure/", content_type="application/json")
    assert answer.status_code == 201, answer.content
    place = answer.headers["Location"]
    shown: Any = client.get(place).json()
    assert shown["state"] == "REHEARSED"
    assert {"place": "crm.person", "erased": 1, "kept": []} in shown["places"]
    applied = client.post(f"{place}apply/", content_type="application/json")
    assert applied.status_code == 202, applied.content
    finished(Erasure.objects.get(pk=shown["id"]))
    assert client.get(place).json()["state"] == "APPLIED"
    again = client.post(f"{place}apply/", content_type="application/json")
    assert (again.status_code, again.json()["code"]) == (409, "applied")


def test_in_the_admin(admin: User, client: Client) -> None:
    client.force_login(admin)
    person = make_known(admin, new_word())
    answer = client.post(f"/admin/crm/person/{person.pk}/rehearse-erasure/")
    erasure = Erasure.objects.get()
    assert answer.headers["Location"] == f"/admin/crm/erasure/{erasure.pk}/change/"
    page = client.get(answer.headers["Location"]).content.decode()
    assert f"/admin/crm/erasure/{erasure.pk}/apply/" in page
    client.post(f"/admin/crm/erasure/{erasure.pk}/apply/")
    finished(erasure)
    page = client.get(answer.headers["Location"]).content.decode()
    assert f"/admin/crm/erasure/{erasure.pk}/apply/" not in page
    assert client.get(f"/admin/crm/person/{person.pk}/change/").status_code == 200
    assert Lead.objects.exclude(name__startswith="№").count() == 0
