"""
Whose folders there are in Drive: each app says of which of its objects documents lie in a folder of their own.

    register_place("crm.deal", name=deal_folder_name, parent=company_of_deal)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.contrib.contenttypes.models import ContentType

from apps.documents.models import Document, DocumentLink, Folder

# The label of a model and a primary key.
Place = tuple[str, int]


@dataclass(frozen=True)
class PlaceKind:
    """
    How the objects of a model stand in Drive.

    :param name: tells what an object's folder is called; None where there is no such object any more
    :param parent: tells in whose folder it lies; None is the root itself
    :param order: of several objects that a document belongs to, the kind with the smallest decides
    """

    name: Callable[[int], str | None]
    parent: Callable[[int], Place | None]
    order: int


_kinds: dict[str, PlaceKind] = {}


def register_place(
    label: str,
    *,
    name: Callable[[int], str | None],
    parent: Callable[[int], Place | None] = lambda pk: None,
    order: int = 100,
) -> None:
    """Let the objects of a model, as "crm.deal", have folders in Drive."""
    _kinds[label] = PlaceKind(name, parent, order)


def kind_of(label: str) -> PlaceKind | None:
    return _kinds.get(label)


def place_of(document: Document) -> Place | None:
    """Return in whose folder a document lies: that of the object it belongs to, else of its folder here."""
    return places_of([document])[document.pk]


def places_of(documents: Iterable[Document]) -> dict[int, Place | None]:
    """Return in whose folders documents lie, by their keys, in one query."""
    found: dict[int, Place | None] = {
        document.pk: None if document.folder_id is None else ("documents.folder", document.folder_id)
        for document in documents
    }
    best: dict[int, tuple[int, int]] = {}
    links = DocumentLink.objects.filter(document__in=list(found)).order_by("pk")
    for pk, document_id, type_id, target_id in links.values_list(
        "pk", "document_id", "target_type_id", "target_id"
    ):
        label = label_of(ContentType.objects.get_for_id(type_id))
        kind = _kinds.get(label)
        if kind is not None and (kind.order, pk) < best.get(document_id, (kind.order + 1, 0)):
            best[document_id] = (kind.order, pk)
            found[document_id] = (label, target_id)
    return found


def label_of(kind: ContentType) -> str:
    return f"{kind.app_label}.{kind.model}"


def text_of(place: Place | None) -> str:
    """Write a place down: "crm.deal/5"."""
    return "" if place is None else f"{place[0]}/{place[1]}"


def _folder_name(pk: int) -> str | None:
    return Folder.objects.filter(pk=pk).values_list("name", flat=True).first()


def _folder_parent(pk: int) -> Place | None:
    parent = Folder.objects.filter(pk=pk).values_list("parent_id", flat=True).first()
    return None if parent is None else ("documents.folder", parent)


register_place("documents.folder", name=_folder_name, parent=_folder_parent)
