"""
What documents belong to: kinds of business objects of apps above, and the documents of one object.

An app whose objects have documents says so from its ready(): `register("crm.deal", icon="handshake")`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Exists, Model, OuterRef, QuerySet

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.scoping import Rule
from apps.documents.models import Document, DocumentLink


@dataclass(frozen=True)
class Kind:
    """
    A kind of objects that have documents.

    :param label: "crm.deal"
    :param icon: a name among the Material Symbols
    """

    label: str
    icon: str

    @property
    def content_type(self) -> ContentType:
        return ContentType.objects.get_by_natural_key(*self.label.split(".", 1))

    @property
    def model(self) -> type[Model]:
        found = self.content_type.model_class()
        if found is None:
            raise LookupError(f"There is no model {self.label}")
        return found

    @property
    def name(self) -> str:
        return str(self.model._meta.verbose_name)


_kinds: dict[str, Kind] = {}


def register(label: str, *, icon: str) -> None:
    """Let objects of a kind have documents that people find on their pages, and link by hand."""
    _kinds[label] = Kind(label, icon)


def kinds() -> list[Kind]:
    """List the kinds of objects that have documents, in the order in which their apps have said so."""
    return list(_kinds.values())


def kind_of(label: str) -> Kind | None:
    """Return a kind of objects by its label; None where no app has said that they have documents."""
    return _kinds.get(label)


@dataclass(frozen=True)
class Belonging:
    """
    One object that a document belongs to, as somebody sees it.

    :ivar is_visible: whether they see more of the object than its name, which is the document's own
    """

    link: DocumentLink
    label: str
    icon: str
    kind: str
    is_visible: bool


def belongings_of(document: Document, *, actor: User) -> list[Belonging]:
    """List what a document belongs to, in the order in which it came to."""
    links = list(document.links.select_related("target_type").order_by("pk"))
    visible = _visible_targets(links, actor=actor)
    found = []
    for link in links:
        model = link.target_type.model_class()
        label = f"{link.target_type.app_label}.{link.target_type.model}"
        known = _kinds.get(label)
        found.append(
            Belonging(
                link,
                label,
                known.icon if known else "link",
                "" if model is None else str(model._meta.verbose_name),
                (link.target_type_id, link.target_id) in visible,
            )
        )
    return found


def _visible_targets(links: Iterable[DocumentLink], *, actor: User) -> set[tuple[int, int]]:
    by_type: dict[int, set[int]] = {}
    for link in links:
        by_type.setdefault(link.target_type_id, set()).add(link.target_id)
    visible: set[tuple[int, int]] = set()
    for type_id, keys in by_type.items():
        model = ContentType.objects.get_for_id(type_id).model_class()
        if model is None or not isinstance(getattr(model, "access", None), Rule):
            continue
        rows = model._base_manager.filter(access.scope(actor, "view", model), pk__in=keys)
        visible |= {(type_id, pk) for pk in rows.values_list("pk", flat=True)}
    return visible


def linked_to(kind: ContentType, pk: int | None = None) -> Exists:
    """Return the condition that a document belongs to an object, or to any of a kind."""
    links = DocumentLink.objects.filter(document=OuterRef("pk"), target_type=kind)
    return Exists(links if pk is None else links.filter(target_id=pk))


def documents_of(label: str, pk: int, *, actor: User) -> QuerySet[Document]:
    """
    Return the documents of an object that somebody may see, the newest first.

    By the object's links first: it has some dozens of documents, and the table any number.

    :param label: "crm.deal"
    """
    try:
        kind = ContentType.objects.get_by_natural_key(*label.split(".", 1))
    except ObjectDoesNotExist:
        return Document.objects.none()
    links = DocumentLink.objects.filter(target_type=kind, target_id=pk)
    return Document.objects.visible_to(actor).active().filter(pk__in=links.values("document")).order_by("-pk")
