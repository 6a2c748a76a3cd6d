"""What documents keep about people outside, and which duties keep papers when somebody is erased."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import IO, Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.common.personal import Kept, Place, Subject, Turn, declare_place, not_personal, telling_columns
from apps.documents import models
from apps.documents.models import (
    Approval,
    ApprovalStep,
    Blob,
    Bundle,
    Document,
    DocumentLink,
    DocumentText,
    DocumentVersion,
    DriveBinding,
    DriveConflict,
    DriveFolder,
    Generation,
    ShareLink,
    ShareVisit,
    SignatureEvent,
    SignatureHead,
    SignatureRecipient,
    SignatureRequest,
    UploadSession,
)
from apps.documents.services import blobs, erasing
from apps.documents.services.bundles import clear_bundles

_PERSON = "crm.person"
_WITH = "The rows go with their document."
_SEALED = "Digests and hashes."


def declare() -> None:
    """Declare it; called when the app is ready."""
    declare_place(
        Place(
            Document,
            {"title": "", "description": "", "hold_reason": "", "void_reason": "", "external_id": ""},
            _documents,
            goes="The document is deleted, with all its versions and their files, in Google Drive as well.",
            kept=(
                Kept(
                    "signed", lambda subject: erasing.final(), _("What was signed is proof for both sides.")
                ),
                Kept("held", lambda subject: erasing.held(), _("A legal hold is on it.")),
                Kept("retained", lambda subject: erasing.retained(), _("The law wants it kept until later.")),
                Kept(
                    "shared",
                    lambda subject: erasing.linked_elsewhere(_PERSON, subject.people),
                    _("It belongs to a deal, a company or somebody else besides."),
                ),
                Kept(
                    "in_drive",
                    lambda subject: Q(pk__in=Document.objects.filter(erasing.out_of_reach())),
                    _(
                        "A copy lies in Google Drive, out of the reach of the platform. Remove that there first."
                    ),
                ),
            ),
            erase=_erase,
            files=_files,
        )
    )
    not_personal(Document, "A number, and the name of another system.", "number", "external_source")
    _declare_parts()
    _declare_ways()
    _declare_others()


def _declare_parts() -> None:
    """Declare what goes with its document, and stays with one that is kept."""
    parts: list[tuple[Any, str, tuple[str, ...]]] = [
        (DocumentVersion, "document", ("file_name", "comment")),
        (DocumentText, "document", ("text", "words")),
        (ShareLink, "document", ("note",)),
        (ShareVisit, "link__document", ("address", "browser")),
        (Approval, "document", ("note", "reason")),
        (ApprovalStep, "approval__document", ("comment",)),
        (SignatureRequest, "document", ("message", "reason")),
        (SignatureRecipient, "request__document", ("name", "email", "reason")),
        (SignatureEvent, "request__document", ("address", "agent", "data")),
        (DriveBinding, "document", _IN_DRIVE),
        (DriveConflict, "document", ("who",)),
    ]
    for model, path, columns in parts:
        declare_place(
            Place(
                model,
                dict.fromkeys(columns),
                partial(_of_documents, model, path),
                goes=_WITH,
                erase=_with_document,
                keys=lambda subject: [],
                hidden=_SECRETS.get(model, ()),
            )
        )


_IN_DRIVE = ("base_name", "base_local_name", "remote_name", "remote_user", "note")
_SECRETS: dict[Any, tuple[str, ...]] = {
    ShareLink: ("digest", "password"),
    SignatureRecipient: ("token_digest", "code_handle"),
    DocumentText: ("words",),
}


def _declare_ways() -> None:
    """Declare what leads to documents, makes them, and carries them."""
    declare_place(
        Place(
            Generation,
            {"title": "", "inputs": {}, "data": {}, "input_hash": "", "request_hash": ""},
            _generations,
            is_searched=True,
            kept=(
                Kept(
                    "document_kept",
                    lambda subject: (
                        Q(document__isnull=False) & ~Q(document__in=subject.of("documents.document"))
                    ),
                    _("The paper that was made of it is kept."),
                ),
            ),
        )
    )
    declare_place(
        Place(
            UploadSession,
            {"file_name": "", "comment": "", "values": {}, "refusal": "", "sha256": None},
            lambda subject: UploadSession.objects.filter(
                document_version__document__in=subject.of("documents.document")
            ),
            is_told=False,
        )
    )
    declare_place(
        Place(
            DocumentLink,
            {"target_name": ""},
            _links,
            erase=_rename,
            turn=Turn.FOLLOWING,
            is_told=False,
        )
    )
    declare_place(
        Place(
            DriveFolder,
            {"name": ""},
            lambda subject: DriveFolder.objects.filter(
                owner_type__app_label="crm", owner_type__model="person", owner_id__in=subject.people
            ),
            kept=(
                Kept(
                    "in_drive",
                    lambda subject: ~Q(pk__in=[]),
                    _("It lies in Google Drive. Remove that there first."),
                ),
            ),
        )
    )
    not_personal(DriveFolder, "Google's identifiers.", "drive_file_id")
    declare_place(
        Place(
            Bundle,
            {"file_name": "", "storage_name": "", "sha256": ""},
            lambda subject: Bundle.objects.filter(
                parts__document__in=subject.of("documents.document")
            ).distinct(),
            goes="The file is removed.",
            erase=_clear_bundles,
            is_told=False,
        )
    )


def _declare_others() -> None:
    not_personal(Blob, "A content under its digest, reached through its versions, with which it goes.")
    not_personal(ShareLink, _SEALED, "digest", "password")
    for asked in (SignatureRequest, SignatureRecipient):
        not_personal(asked, "A language.", "locale")
    not_personal(SignatureRequest, _SEALED, "digest")
    not_personal(SignatureRecipient, _SEALED, "token_digest", "code_handle")
    not_personal(SignatureEvent, _SEALED, "digest", "previous", "hash")
    not_personal(SignatureHead, _SEALED)
    not_personal(Generation, "A kind of rows.", "target_model")
    not_personal(Generation, "Which request it was.", "key")
    not_personal(
        UploadSession,
        "Names of kinds and of pieces.",
        "client_token",
        "declared_type",
        "multipart_id",
        "refusal_code",
    )
    there: list[tuple[Any, tuple[str, ...]]] = [(DriveBinding, _IN_DRIVE), (DriveConflict, ("who",))]
    for model, personal in there:
        columns = [name for name in telling_columns(model) if name not in personal]
        not_personal(model, "Google's identifiers, digests and kinds.", *columns)
    for name, why in _NOT_PERSONAL.items():
        not_personal(getattr(models, name), why)


_MACHINERY = "Machinery of Google Drive: identifiers and counts."
_NOT_PERSONAL = {
    "ApprovalRoute": "How papers are approved, by colleagues.",
    "ApprovalRouteStep": "Who of us is asked.",
    "BundledDocument": "Keys of rows.",
    "DocumentType": "Kinds of papers.",
    "Tag": "Words for papers of many.",
    "Folder": "Names of places, which hold the papers of many.",
    "IntegrityRun": "What a check found, by kinds and counts.",
    "IntegrityFinding": "Digests, keys and kinds.",
    "LegalEntity": "Who we are ourselves.",
    "NumberSequence": "Counters.",
    "Rendition": "What was made of a content, and goes with it.",
    "Template": "What papers look like.",
    "TemplateVersion": "What papers look like, before anybody's name stands in them.",
    "UploadPart": "Pieces of a file on its way, gone within a day.",
    "DriveAccount": "A robot's key.",
    "DriveRoot": "Names of folders of ours.",
    "ApiUsage": _MACHINERY,
    "ChangeCursor": _MACHINERY,
    "DriveIdPool": _MACHINERY,
    "DriveTombstone": _MACHINERY,
    "SyncTask": _MACHINERY,
    "WatchChannel": _MACHINERY,
    "WebhookDelivery": _MACHINERY,
}


def _documents(subject: Subject) -> QuerySet[Any]:
    return Document.objects.filter(pk__in=_links(subject).values("document"))


def _links(subject: Subject) -> QuerySet[Any]:
    return DocumentLink.objects.filter(
        target_type__app_label="crm", target_type__model="person", target_id__in=subject.people
    )


def _of_documents(model: Any, path: str, subject: Subject) -> QuerySet[Any]:
    rows: QuerySet[Any] = model._base_manager.filter(**{f"{path}__in": subject.of("documents.document")})
    return rows


def _generations(subject: Subject) -> QuerySet[Any]:
    about = Q(target_model=_PERSON, target_id__in=subject.people)
    return Generation.objects.filter(about | Q(document__in=subject.of("documents.document")))


def _erase(keys: Sequence[int], context: Mapping[str, Any]) -> None:
    context["contents"].extend(erasing.erase_documents(keys, actor=User.objects.get(pk=context["actor"])))


def _with_document(keys: Sequence[int], context: Mapping[str, Any]) -> None:
    """Nothing is left to do: the database has deleted them with their document."""


def _clear_bundles(keys: Sequence[int], context: Mapping[str, Any]) -> None:
    clear_bundles(keys)
    # What a file was called may be what a paper of theirs is called.
    Bundle.objects.filter(pk__in=keys).update(file_name="", sha256="")


def _rename(keys: Sequence[int], context: Mapping[str, Any]) -> None:
    for person_id in context["people"]:
        erasing.rename_links(_PERSON, person_id, name=context["name"])


def _files(documents: QuerySet[Any]) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    versions = DocumentVersion.objects.filter(document__in=documents).select_related("blob")
    for version in versions.order_by("document", "number"):
        yield (
            f"{version.document_id}-{version.number}-{version.file_name}",
            partial(blobs.open_blob, version.blob),
        )
