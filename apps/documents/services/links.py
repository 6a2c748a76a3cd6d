"""What becomes of links when the object that they lead to becomes part of another."""

from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction

from apps.accounts.models import User
from apps.documents import events
from apps.documents.models import DocumentLink


@transaction.atomic
def move_links(source: models.Model, target: models.Model, *, actor: User) -> int:
    """
    Let the documents of one object belong to another of its kind, which takes its place; return how many links moved.

    Whether the one may take the other's place is for the calling service to say: it has asked about both. A document
    that belongs to both in the same role keeps the link that it has to the second.
    """
    kind = ContentType.objects.get_for_model(source)
    links = list(
        DocumentLink.objects.select_for_update().filter(target_type=kind, target_id=source.pk).order_by("pk")
    )
    there = DocumentLink.objects.filter(
        target_type=kind, target_id=target.pk, document__in=[link.document_id for link in links]
    )
    taken = set(there.values_list("document_id", "role"))
    doubled = [link.pk for link in links if (link.document_id, link.role) in taken]
    DocumentLink.objects.filter(pk__in=doubled).delete()
    name = str(target)[: DocumentLink._meta.get_field("target_name").max_length]
    moved = DocumentLink.objects.filter(pk__in=[link.pk for link in links])
    moved.update(target_id=target.pk, target_name=name)
    ids = {link.document_id for link in links}
    events.publish_documents(events.DOCUMENT_CHANGED, ids, actor_id=actor.pk)
    return len(links)
