"""Deleting the papers of somebody who wants to be forgotten, and the contents that nothing else uses."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q

from apps.accounts.models import User
from apps.accounts.rows import refusals
from apps.documents import events
from apps.documents.models import Bundle, Document, DocumentLink, DocumentVersion, DriveBinding, Rendition
from apps.documents.services import blobs
from apps.documents.services.bundles import clear_bundles
from apps.documents.services.drive import erasing as remote
from apps.documents.services.keeping import today
from apps.events.services import publish_many
from apps.history.services.blanking import blank_rows

# What a fact of such a deletion does not say.
_SILENT: dict[str, Any] = {"title": "", "external_id": "", "links": [], "content": None}


def final() -> Q:
    """Return which documents are signed, or were: what was agreed on is proof for both sides."""
    return Q(status__in=[Document.Status.SIGNED, Document.Status.VOID])


def held() -> Q:
    """Return which documents are on legal hold."""
    return Q(has_legal_hold=True)


def retained() -> Q:
    """Return which documents are to be kept until a day to come."""
    return Q(retain_until_date__gte=today())


def out_of_reach() -> Q:
    """Return which documents lie in Google Drive where the platform does not touch them: people remove them there."""
    return Q(drive_bindings__in=DriveBinding.objects.filter(remote.out_of_reach()))


def linked_elsewhere(model: str, ids: Sequence[int]) -> Q:
    """Return which documents belong to something else besides these rows of one model ("crm.person")."""
    own = Q(target_type__app_label=model.partition(".")[0], target_type__model=model.partition(".")[2])
    others = DocumentLink.objects.exclude(own & Q(target_id__in=ids))
    return Q(pk__in=others.values("document"))


@transaction.atomic
def erase_documents(document_ids: Sequence[int], *, actor: User) -> list[int]:
    """
    Delete documents for good, with all that belongs to them; what something else still needs stays. Their files in Google
    Drive are erased after.

    Whether they may go is for the calling service to say. The facts of it tell no names.

    :return: the contents that they had, which nothing may use any more: for :func:`remove_contents`
    """
    versions = DocumentVersion.objects.filter(document__in=document_ids)
    held_by = set(versions.values_list("blob", flat=True))
    made = Rendition.objects.filter(source__in=held_by, blob__isnull=False)
    found = [*sorted(held_by), *sorted(set(made.values_list("blob", flat=True)) - held_by)]
    bundled = Bundle.objects.filter(parts__document__in=document_ids).distinct()
    clear_bundles(list(bundled.values_list("pk", flat=True)))
    for document in Document.objects.filter(pk__in=document_ids).order_by("pk").select_for_update():
        told = [(pk, data | _SILENT) for pk, data in events.document_snapshots([document.pk])]
        try:
            with transaction.atomic(), refusals():
                remote.want_erased([document.pk])
                document.delete()
        except (models.ProtectedError, models.RestrictedError, ValidationError):
            continue
        publish_many(events.DOCUMENT_DELETED, told, actor_id=actor.pk)
    return found


def remove_contents(blob_ids: Iterable[int]) -> int:
    """
    Delete contents that nothing uses, without the day for which they are kept otherwise; call it outside of transactions.

    :return: how many went
    """
    return sum(blobs.remove_unused(blob_id, _used_by_nothing) for blob_id in blob_ids)


def _used_by_nothing() -> Q:
    # What was made of a content goes with it.
    return blobs.unreferenced(but=[(Rendition, "source_id")])


def rename_links(model: str, pk: int, *, name: str) -> None:
    """Call a row by another name wherever documents belong to it, and forget in their stories what it was called."""
    app, _dot, kind = model.partition(".")
    links = DocumentLink.objects.filter(target_type__app_label=app, target_type__model=kind, target_id=pk)
    links.exclude(target_name=name).update(target_name=name)
    found = list(links.order_by("pk").values_list("pk", "document_id"))
    abouts = sorted({f"documents.document:{document_id}" for _pk, document_id in found})
    blank_rows("documents.documentlink", [pk for pk, _document in found], ["target_name"], abouts=abouts)
