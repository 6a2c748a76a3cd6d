"""What is done to many documents is what the service for one does to each."""

import pytest

from apps.accounts.models import User
from apps.documents.models import Document, Tag
from apps.documents.services import bulk
from apps.lists.bulk import Chosen, bulk_of
from tests.documents.factories import make_document, make_folder

pytestmark = pytest.mark.django_db


def test_many_get_a_folder_and_tags(anna: User) -> None:
    folder, hot, cold = make_folder("Offers"), Tag.objects.create(name="hot"), Tag.objects.create(name="cold")
    made = [make_document(anna) for _ in range(3)]
    made[0].tags.add(hot)
    Document.objects.filter(pk=made[2].pk).update(has_legal_hold=True)
    keys = [document.pk for document in made]
    choice = {"folder": Chosen("set", folder), "tags": Chosen("add", [hot, cold])}
    assert bulk.change_documents(keys, choice, actor=anna, face="ADMIN") == {}
    assert set(Document.objects.values_list("folder", flat=True)) == {folder.pk}
    assert {document.tags.count() for document in made} == {2}
    choice = {"folder": Chosen("clear"), "tags": Chosen("remove", [hot])}
    assert bulk.change_documents(keys, choice, actor=anna, face="ADMIN") == {}
    assert set(Document.objects.values_list("folder", flat=True)) == {None}
    assert {document.tags.get().name for document in made} == {"cold"}
    refused = bulk.archive_documents(keys, {}, actor=anna, face="ADMIN")
    assert list(refused) == [made[2].pk]
    assert Document.objects.active().count() == 1
    refused = bulk.restore_documents(keys, {}, actor=anna, face="ADMIN")
    assert list(refused) == [made[2].pk]
    assert Document.objects.active().count() == 3


def test_only_leads_are_offered_to_give_them_away(anna: User, lena: User) -> None:
    declared = bulk_of("documents.document")
    offered = {change.key for change in declared.offered_to(lena)}
    assert offered == {"folder", "tags", "owner", "team", "archive", "restore"}
    assert {change.key for change in declared.offered_to(anna)} == {"folder", "tags", "archive", "restore"}
    assert declared.counted(3) == "3 documents"
