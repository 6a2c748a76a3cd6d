"""Folders: a tree, a trash that takes all along, and nothing that somebody may not touch."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Document, Folder
from apps.documents.services import documents, folders
from apps.documents.trees import tree_of
from apps.events.models import Event
from tests.accounts.factories import make_member, make_team
from tests.documents.factories import make_document, make_folder
from tests.documents.test_services import code_of

pytestmark = pytest.mark.django_db


def test_a_folder_is_ones_own_at_first(admin: User) -> None:
    seller = make_member(make_team("North"), "salesperson", "seller")
    folder = folders.create_folder(actor=seller, name=" Offers ")
    assert (folder.name, folder.owner, folder.team) == ("Offers", seller, seller.memberships.get().team)
    told = Event.objects.get()
    assert (told.type, told.data["name"]) == ("documents.folder.created.v1", "Offers")
    with pytest.raises(PermissionDenied):
        folders.create_folder(actor=seller, name="Common", owner_id=None, team_id=None)
    assert folders.create_folder(actor=admin, name="Common", owner_id=None, team_id=None).owner is None


def test_one_name_at_one_place(admin: User) -> None:
    folder = folders.create_folder(actor=admin, name="Offers")
    with pytest.raises(ValidationError) as refused:
        folders.create_folder(actor=admin, name="OFFERS")
    assert code_of(refused) == "folder_name_unique"
    folders.create_folder(actor=admin, name="Offers", parent_id=folder.pk)


def test_a_folder_lies_not_in_itself(admin: User) -> None:
    above = make_folder("above")
    between = make_folder("between", parent=above)
    below = make_folder("below", parent=between)
    for inner in (above, between, below):
        with pytest.raises(ValidationError) as refused:
            folders.change_folder(above.pk, actor=admin, parent_id=inner.pk)
        assert code_of(refused) == "folder_cycle"
    moved = folders.change_folder(below.pk, actor=admin, parent_id=None, name="top")
    assert (moved.parent, moved.name) == (None, "top")
    assert Event.objects.get().data["parent"] is None


def test_a_folder_out_of_sight_is_none(admin: User) -> None:
    seller = make_member(make_team("North"), "salesperson", "seller")
    own, foreign = make_folder("own", owner=seller), make_folder("foreign", owner=admin)
    with pytest.raises(ObjectDoesNotExist):
        folders.change_folder(foreign.pk, actor=seller, name="mine")
    with pytest.raises(ValidationError) as refused:
        folders.change_folder(own.pk, actor=seller, parent_id=foreign.pk)
    assert code_of(refused) == "not_found"


def test_an_empty_folder_goes_and_comes_back(admin: User) -> None:
    folder = make_folder("empty")
    gone = folders.archive_folder(folder.pk, actor=admin)
    assert gone.archived_at is not None
    assert folders.restore_folder(folder.pk, actor=admin).archived_at is None
    assert [event.type for event in Event.objects.order_by("pk")] == [
        "documents.folder.archived.v1",
        "documents.folder.restored.v1",
    ]


def test_a_folder_goes_with_all_that_lies_in_it(admin: User) -> None:
    folder = make_folder("outer")
    inner = make_folder("inner", parent=folder)
    document, deeper = make_document(admin, folder=folder), make_document(admin, folder=inner)
    before = make_document(admin, folder=inner, archived_at=timezone.now() - timedelta(days=1))
    with pytest.raises(ValidationError) as refused:
        folders.archive_folder(folder.pk, actor=admin)
    assert code_of(refused) == "folder_not_empty"
    folders.archive_folder(folder.pk, actor=admin, with_content=True)
    assert not Folder.objects.active().exists()
    assert not Document.objects.active().exists()
    assert {document.pk, deeper.pk} == {
        int(event.subject.split("/")[1])
        for event in Event.objects.filter(type="documents.document.archived.v1")
    }
    with pytest.raises(ValidationError) as refused:
        folders.restore_folder(inner.pk, actor=admin)
    assert code_of(refused) == "parent_archived"
    folders.restore_folder(folder.pk, actor=admin)
    # What had been there before stays there.
    assert set(Document.objects.active()) == {document, deeper}
    assert set(Document.objects.exclude(archived_at=None)) == {before}
    assert Folder.objects.active().count() == 2


def test_a_document_whose_folder_is_gone_comes_back_without_one(admin: User) -> None:
    folder = make_folder("outer")
    document = make_document(admin, folder=folder)
    folders.archive_folder(folder.pk, actor=admin, with_content=True)
    restored = documents.restore_document(document.pk, actor=admin)
    assert (restored.archived_at, restored.folder) == (None, None)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"has_legal_hold": True}, "on_hold"),
        ({"checked_out": True}, "checked_out"),
    ],
)
def test_what_has_to_stay_keeps_its_folder(admin: User, fields: dict[str, Any], code: str) -> None:
    if fields.pop("checked_out", False):
        other = User.objects.create(name="Olga", email="olga@example.org")
        fields |= {"checked_out_by": other, "checked_out_until": timezone.now() + timedelta(hours=1)}
    folder = make_folder("outer")
    make_document(admin, folder=folder, **fields)
    with pytest.raises(ValidationError) as refused:
        folders.archive_folder(folder.pk, actor=admin, with_content=True)
    assert code_of(refused) == code
    assert Folder.objects.active().exists()


def test_nobody_takes_along_what_is_out_of_their_reach(admin: User) -> None:
    seller = make_member(make_team("North"), "salesperson", "seller")
    folder = make_folder("mine", owner=seller)
    make_document(admin, folder=folder)
    with pytest.raises(ValidationError) as refused:
        folders.archive_folder(folder.pk, actor=seller, with_content=True)
    assert code_of(refused) == "folder_out_of_reach"


def test_too_much_is_not_done_at_once(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_AT_ONCE", 2)
    folder = make_folder("large")
    for _ in range(3):
        make_document(admin, folder=folder)
    with pytest.raises(ValidationError) as refused:
        folders.archive_folder(folder.pk, actor=admin, with_content=True)
    assert code_of(refused) == "folder_too_large"


def test_a_tree_of_what_is_in_sight(admin: User) -> None:
    seller = make_member(make_team("North"), "salesperson", "seller")
    hidden = make_folder("hidden", owner=admin)
    common = make_folder("common")
    own = make_folder("own", parent=hidden, owner=seller)
    inner = make_folder("inner", parent=common, owner=seller)
    make_folder("gone", owner=seller, archived_at=timezone.now())
    tree = tree_of(seller)
    # What lies in a folder out of sight stands at the top, and says nothing of it.
    assert [(node.name, node.depth) for node in tree.walk()] == [("common", 0), ("inner", 1), ("own", 0)]
    assert tree.below(common.pk) == [common.pk, inner.pk]
    assert tree.below(hidden.pk) == []
    assert [node.name for node in tree.nodes[own.pk].path] == ["own"]
