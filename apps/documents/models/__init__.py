"""Files that mean something: documents, their versions, where they lie and what they belong to."""

from apps.documents.models.approvals import Approval, ApprovalRoute, ApprovalRouteStep, ApprovalStep
from apps.documents.models.blobs import Blob
from apps.documents.models.bundles import Bundle, BundledDocument
from apps.documents.models.documents import Document, DocumentLink, DocumentText, DocumentVersion, matching
from apps.documents.models.drive import (
    ApiUsage,
    ChangeCursor,
    DriveAccount,
    DriveBinding,
    DriveConflict,
    DriveFolder,
    DriveIdPool,
    DriveRoot,
    DriveTombstone,
    SyncTask,
    WatchChannel,
    WebhookDelivery,
)
from apps.documents.models.integrity import IntegrityFinding, IntegrityRun
from apps.documents.models.places import DocumentType, Folder, Tag
from apps.documents.models.renditions import Rendition
from apps.documents.models.sharing import ShareLink, ShareVisit
from apps.documents.models.signing import SignatureEvent, SignatureHead, SignatureRecipient, SignatureRequest
from apps.documents.models.templates import Generation, LegalEntity, NumberSequence, Template, TemplateVersion
from apps.documents.models.uploads import UploadPart, UploadSession

__all__ = [
    "ApiUsage",
    "Approval",
    "ApprovalRoute",
    "ApprovalRouteStep",
    "ApprovalStep",
    "Blob",
    "Bundle",
    "BundledDocument",
    "ChangeCursor",
    "Document",
    "DocumentLink",
    "DocumentText",
    "DocumentType",
    "DocumentVersion",
    "DriveAccount",
    "DriveBinding",
    "DriveConflict",
    "DriveFolder",
    "DriveIdPool",
    "DriveRoot",
    "DriveTombstone",
    "Folder",
    "Generation",
    "IntegrityFinding",
    "IntegrityRun",
    "LegalEntity",
    "NumberSequence",
    "Rendition",
    "ShareLink",
    "ShareVisit",
    "SignatureEvent",
    "SignatureHead",
    "SignatureRecipient",
    "SignatureRequest",
    "SyncTask",
    "Tag",
    "Template",
    "TemplateVersion",
    "UploadPart",
    "UploadSession",
    "WatchChannel",
    "WebhookDelivery",
    "matching",
]
