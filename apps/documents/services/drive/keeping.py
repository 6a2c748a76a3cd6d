"""What comes from Drive becomes part of the documents, through the same services that people use."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.documents import events
from apps.documents.drive.naming import LONGEST_TITLE
from apps.documents.models import Blob, Document, DocumentType, DocumentVersion, DriveBinding, DriveConflict
from apps.documents.services import documents
from apps.documents.services.documents import Content, Target

Kind = DriveConflict.Kind
_SOURCE = DocumentVersion.Source.DRIVE


def code_of(refusal: ValidationError) -> str:
    """Return the code of a refusal's first reason."""
    reasons = getattr(refusal, "error_dict", None)
    first = next(iter(reasons.values()))[0] if reasons else refusal.error_list[0]
    return str(first.code or "refused")


def add_theirs(binding: DriveBinding, blob: Blob, *, file_name: str) -> DocumentVersion:
    """
    Take a content from Drive as a document's next version.

    :raises ValidationError: the document does not take it
    """
    content = Content(blob, file_name, _SOURCE, _comment(binding.remote_user))
    return documents.add_version(binding.document_id, content, actor=User.objects.system())


def set_aside(binding: DriveBinding, blob: Blob, *, file_name: str, who: str) -> DocumentVersion:
    """Keep a content from Drive as a document of its own beside the one that it does not change."""
    document = binding.document
    mark = _(" (edited in Drive, %(who)s, %(when)s)") % {
        "who": who or _("somebody"),
        "when": timezone.localtime().strftime("%Y-%m-%d %H:%M"),
    }
    content = Content(blob, file_name, _SOURCE, _comment(who))
    try:
        made = _side_document(document, document.type, mark, content)
    except ValidationError:
        # Its type does not take such a content; a plain file may be anything.
        made = _side_document(document, DocumentType.objects.get(code="file"), mark, content)
    return made.versions.get()


def _side_document(document: Document, kind: DocumentType, mark: str, content: Content) -> Document:
    targets = [
        Target(f"{link.target_type.app_label}.{link.target_type.model}", link.target_id)
        for link in document.links.select_related("target_type")
    ]
    return documents.create_document(
        actor=User.objects.system(),
        content=content,
        targets=targets,
        type_id=kind.pk,
        title=document.title[: LONGEST_TITLE - len(mark)] + mark,
        folder_id=document.folder_id,
        owner_id=document.owner_id,
        team_id=document.team_id,
    )


def record_conflict(
    binding: DriveBinding,
    kind: DriveConflict.Kind,
    *,
    ours: DocumentVersion | None,
    theirs: DocumentVersion | None,
    revision_id: str,
    who: str,
) -> None:
    """Write a conflict down and tell of it; the same one is written down once."""
    conflict, is_new = DriveConflict.objects.get_or_create(
        document_id=binding.document_id,
        binding=binding,
        kind=kind,
        revision_id=revision_id,
        defaults={"ours": ours, "theirs": theirs, "who": who[:254]},
    )
    if is_new:
        events.publish_conflict(conflict, actor_id=User.objects.system().pk)


def restore(document_id: int) -> None:
    """Take a document out of the trash, unless it is not there."""
    with _accepted("not_archived"):
        documents.restore_document(document_id, actor=User.objects.system())


def archive(document_id: int) -> None:
    """
    Put a document into the trash, unless it is there.

    :raises ValidationError: it stays where it is
    """
    with _accepted("archived"):
        documents.archive_document(document_id, actor=User.objects.system())


@contextmanager
def _accepted(code: str) -> Iterator[None]:
    """Be content with a refusal that says that it is so already."""
    try:
        with transaction.atomic():
            yield
    except ValidationError as error:
        if code_of(error) != code:
            raise


def _comment(who: str) -> str:
    return _("Edited in Google Drive by %(who)s") % {"who": who} if who else _("Edited in Google Drive")
