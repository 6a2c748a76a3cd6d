"""What documents do when an object that they belong to changes: they know its name, and stay with whom it belongs to."""

from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.db.models import Exists, OuterRef

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.rows import put, write_many
from apps.documents import events
from apps.documents.models import Document, DocumentLink
from apps.documents.services.documents import NAME_LENGTH


@transaction.atomic
def rename_target(model: str, pk: int, *, name: str, actor: User) -> int:
    """
    Call an object by its present name wherever documents belong to it; that is no change of the documents.

    :param model: "crm.deal"
    :return: how many documents know it by another name so far
    :raises PermissionDenied: the actor may not change documents
    """
    access.require(actor, "change", Document)
    called = name[:NAME_LENGTH]
    return _links(model, pk).exclude(target_name=called).update(target_name=called)


@transaction.atomic
def follow_owner(
    model: str, pk: int, *, former_owner_id: int, owner_id: int | None, team_id: int | None, actor: User
) -> list[int]:
    """
    Give the documents of an object to whoever has it now.

    Only those that belonged to it in the first place, and were its former owner's: what somebody else wrote, or was
    given away by hand, stays where it is.

    :return: the documents that have another owner or team now
    :raises PermissionDenied: the actor may not give documents away
    """
    access.require(actor, "assign", Document)
    links = _links(model, pk)
    earlier = DocumentLink.objects.filter(document=OuterRef("document"), pk__lt=OuterRef("pk"))
    first = links.exclude(Exists(earlier)).values("document")
    theirs = Document.objects.visible_to(actor, "assign").filter(pk__in=first, owner=former_owner_id)
    locked = theirs.exclude(owner=owner_id, team=team_id).select_for_update(of=("self",), no_key=True)
    documents = list(locked.order_by("pk"))
    for document in documents:
        put(document, {"owner_id": owner_id, "team_id": team_id})
    write_many([(document, ["owner_id", "team_id"]) for document in documents], actor=actor)
    changed = [document.pk for document in documents]
    events.publish_documents(events.DOCUMENT_CHANGED, changed, actor_id=actor.pk)
    return changed


def _links(model: str, pk: int) -> models.QuerySet[DocumentLink]:
    kind = ContentType.objects.get_by_natural_key(*model.split(".", 1))
    return DocumentLink.objects.filter(target_type=kind, target_id=pk)
