"""What history records of documents."""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.accounts.models import User
from apps.documents import events
from apps.documents.models import (
    ApiUsage,
    Approval,
    ApprovalRoute,
    ApprovalRouteStep,
    ApprovalStep,
    Blob,
    Bundle,
    ChangeCursor,
    Document,
    DocumentLink,
    DocumentText,
    DocumentType,
    DocumentVersion,
    DriveAccount,
    DriveBinding,
    DriveConflict,
    DriveFolder,
    DriveIdPool,
    DriveRoot,
    DriveTombstone,
    Folder,
    Generation,
    IntegrityFinding,
    IntegrityRun,
    LegalEntity,
    NumberSequence,
    ShareLink,
    ShareVisit,
    SignatureEvent,
    SignatureRecipient,
    SignatureRequest,
    SyncTask,
    Tag,
    Template,
    TemplateVersion,
    UploadPart,
    UploadSession,
    WatchChannel,
    WebhookDelivery,
)
from apps.history.tracking import Reverted, exempt, track


def declare() -> None:
    """Declare every model of documents."""
    track(Tag)
    track(DocumentType, rights=_trash_rights)
    track(Folder, rights=_trash_rights, reverted=_folders_reverted)
    track(Document, rights=_document_rights, reverted=_documents_reverted)
    track(DocumentVersion, part_of=("document",), is_append_only=True)
    track(DocumentLink, part_of=("document",))
    track(ApprovalRoute, rights=_trash_rights)
    track(ApprovalRouteStep, part_of=("route",))
    record = "A record by itself, of who was asked and what they answered; nothing of it is taken back."
    for model in (Approval, ApprovalStep, SignatureRequest, SignatureRecipient, SignatureEvent):
        exempt(model, record)
    exempt(Blob, "A content stands under its digest and never changes; versions say where it is used.")
    for on_its_way in (UploadSession, UploadPart):
        exempt(on_its_way, "A file on its way changes nothing; the document that it becomes is recorded.")
    for found in (IntegrityRun, IntegrityFinding):
        exempt(found, "A check of what is kept is itself the record of what it found and mended.")
    exempt(DocumentText, "Derived from the content of the current version.")
    exempt(Bundle, "A bundle is itself the record of what was taken away, and changes nothing else.")
    for door in (ShareLink, ShareVisit):
        exempt(door, "A link and its log say what became of it; undoing would open what somebody has shut.")
    track(LegalEntity, rights=_trash_rights)
    track(Template, rights=_template_rights)
    exempt(TemplateVersion, "Versions are a template's history themselves, and published ones never change.")
    exempt(Generation, "A paper being made is itself the record of what it was made of.")
    exempt(NumberSequence, "How far a series has come is told by the documents that bear its numbers.")
    _declare_drive()


def _declare_drive() -> None:
    exempt(DriveAccount, "Holds the key to somebody else's service; who changed it stands on it.")
    track(DriveRoot, rights=_root_rights, hidden=_FOUND_OUT)
    exempt(
        DriveBinding,
        "What Google Drive shows changes by itself; contents and names have the document's history.",
    )
    exempt(
        DriveConflict, "Says itself who chose what and when; what was chosen is a version of the document."
    )
    for machinery in (
        *(ApiUsage, ChangeCursor, DriveFolder, DriveIdPool, DriveTombstone),
        *(SyncTask, WatchChannel, WebhookDelivery),
    ):
        exempt(machinery, "Machinery of Google Drive, which no person changes.")


# What probes and reconciliations find out about a folder of Drive, day and night.
_FOUND_OUT = {
    "probed_at": None,
    "probe_error": "",
    "sentinel_id": "",
    "reconciled_at": None,
    "duplicates_found": 0,
}


def _root_rights(back: Mapping[str, Any]) -> set[str]:
    return {"sync"} if {"state", "reason", "note", "stopped_at"} & back.keys() else set()


def _trash_rights(back: Mapping[str, Any]) -> set[str]:
    return {"archive"} if "archived_at" in back else set()


def _document_rights(back: Mapping[str, Any]) -> set[str]:
    """Ask what the services ask of who would do by hand what the undo does."""
    needed = _trash_rights(back)
    if {"has_legal_hold", "hold_reason", "retain_until_date"} & back.keys():
        needed.add("hold")
    if {"owner_id", "team_id", "checked_out_by_id", "checked_out_until"} & back.keys():
        needed.add("assign")
    if "status" in back:
        needed.add("void")
    return needed


def _documents_reverted(rows: Sequence[Reverted], actor: User) -> None:
    there = [row.pk for row in rows if row.now]
    events.publish_documents(events.DOCUMENT_CHANGED, there, actor_id=actor.pk)


def _folders_reverted(rows: Sequence[Reverted], actor: User) -> None:
    there = [row.pk for row in rows if row.now]
    events.publish_folders(events.FOLDER_CHANGED, there, actor_id=actor.pk)


def _template_rights(back: Mapping[str, Any]) -> set[str]:
    return _trash_rights(back) | ({"publish"} if "current_version_id" in back else set())
