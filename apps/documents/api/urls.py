"""Addresses under /api/v1/documents/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.documents.api import documents, drive, signing
from apps.documents.api.bundles import BundleViewSet
from apps.documents.api.contents import ContentViewSet
from apps.documents.api.drive_webhook import webhook
from apps.documents.api.generation import GenerationViewSet
from apps.documents.api.searching import SearchViewSet
from apps.documents.api.sharing import ShareLinkViewSet
from apps.documents.api.templates import LegalEntityViewSet, TemplateViewSet
from apps.documents.api.uploads import UploadSessionViewSet

router = SimpleRouter()
router.register("documents", documents.DocumentViewSet)
router.register("contents", ContentViewSet, basename="documents-content")
router.register("search", SearchViewSet, basename="documents-search")
router.register("bundles", BundleViewSet, basename="documents-bundle")
router.register("share-links", ShareLinkViewSet, basename="documents-share-link")
router.register("document-links", documents.DocumentLinkViewSet)
router.register("approval-routes", signing.ApprovalRouteViewSet)
router.register("approvals", signing.ApprovalViewSet)
router.register("signature-requests", signing.SignatureRequestViewSet)
router.register("folders", documents.FolderViewSet)
router.register("document-types", documents.DocumentTypeViewSet)
router.register("tags", documents.TagViewSet)
router.register("upload-sessions", UploadSessionViewSet)
router.register("templates", TemplateViewSet)
router.register("generations", GenerationViewSet)
router.register("legal-entities", LegalEntityViewSet)
router.register("drive/roots", drive.DriveRootViewSet)
router.register("drive/bindings", drive.DriveBindingViewSet)
router.register("drive/conflicts", drive.DriveConflictViewSet)
router.register("drive/quota", drive.DriveQuotaViewSet)
urlpatterns = [path("drive/webhook/", webhook, name="drive-webhook"), *router.urls]
