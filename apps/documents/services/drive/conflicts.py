"""Choosing between two contents of one document; whatever is chosen, both are kept."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts import owned_rows
from apps.accounts.models import User
from apps.documents.models import Document, DocumentVersion, DriveBinding, DriveConflict
from apps.documents.services import documents
from apps.documents.services.documents import Content
from apps.documents.services.drive import queue

Kind, Resolution = DriveConflict.Kind, DriveConflict.Resolution


@transaction.atomic
def resolve_conflict(conflict_id: int, *, actor: User, choice: str) -> DriveConflict:
    """
    Let one side of a conflict stand: what it holds becomes the latest version, on both sides.

    :param choice: OURS or THEIRS
    :raises DoesNotExist: there is none in sight
    :raises PermissionDenied: the actor may not change the document
    :raises ValidationError: "resolved" already, or the document does not take it
    """
    conflict = DriveConflict.objects.visible_to(actor).select_for_update(of=("self",)).get(pk=conflict_id)
    owned_rows.locked(Document, conflict.document_id, actor=actor, action="change")
    if conflict.state == DriveConflict.State.RESOLVED:
        raise ValidationError(_("Somebody has chosen already."), code="resolved")
    if choice not in Resolution.values:
        raise ValidationError(_("Choose one of the two."), code="unknown_choice")
    _let_stand(conflict, Resolution(choice), actor=actor)
    conflict.state, conflict.resolution = DriveConflict.State.RESOLVED, choice
    conflict.resolved_by, conflict.resolved_at = actor, timezone.now()
    conflict.save(update_fields=["state", "resolution", "resolved_by", "resolved_at"])
    if conflict.binding_id is not None:
        queue.want_bindings([conflict.binding_id])
    return conflict


def _let_stand(conflict: DriveConflict, choice: DriveConflict.Resolution, *, actor: User) -> None:
    is_ours = choice == Resolution.OURS
    if conflict.kind == Kind.TRASHED_THERE:
        if is_ours and conflict.binding_id is not None:
            # As if it had been trashed on both sides and taken out again here.
            DriveBinding.objects.filter(pk=conflict.binding_id).update(base_is_trashed=True)
        else:
            documents.archive_document(conflict.document_id, actor=actor)
    elif conflict.kind == Kind.TRASHED_HERE:
        if is_ours:
            documents.archive_document(conflict.document_id, actor=actor)
    else:
        version = conflict.ours if is_ours else conflict.theirs
        if version is not None:
            _make_latest(conflict.document_id, version, actor=actor)


def _make_latest(document_id: int, version: DocumentVersion, *, actor: User) -> None:
    comment = str(_("Chosen in a conflict with Google Drive"))
    content = Content(version.blob, version.file_name, DocumentVersion.Source(version.source), comment)
    documents.add_version(document_id, content, actor=actor)
