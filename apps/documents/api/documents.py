"""Documents over REST: every change is its service, every refusal a problem document."""

from typing import Any, ClassVar

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    DestroyMixin,
    ListMixin,
    RetrieveMixin,
    ScopedEditViewSet,
    ScopedFilterSet,
    ScopedViewSet,
)
from apps.accounts.faces.hot import HotReads
from apps.documents.addresses import key_in
from apps.documents.api import shapes
from apps.documents.api.targets import LinkedTargetSerializer
from apps.documents.belonging import linked_to
from apps.documents.models import Document, DocumentLink, DocumentType, Folder, Tag
from apps.documents.selectors import matching_documents
from apps.documents.services import catalog, checkouts, documents, folders, keeping
from apps.lists.api.rows import ArchivableViewSet


class PapersViewSet(ArchivableViewSet):
    """Rows of documents that services write, and that go to the trash and come back."""

    references = shapes.RELATIONS


class DocumentFilters(ScopedFilterSet):
    """Filters of documents; `target` is an object that they belong to, `search` a word as in the list."""

    target = filters.CharFilter(method="belonging_to", help_text='"crm.deal", or one of them: "crm.deal:42".')
    search = filters.CharFilter(method="meant_by")

    class Meta:
        model = Document
        fields: ClassVar[dict[str, list[str]]] = {
            "number": ["exact"],
            "title": ["icontains"],
            "status": ["exact"],
            "type": ["exact"],
            "type__code": ["exact"],
            "folder": ["exact", "isnull"],
            "owner": ["exact"],
            "team": ["exact"],
            "tags": ["exact"],
            "has_legal_hold": ["exact"],
            "checked_out_by": ["exact", "isnull"],
            "updated_at": ["gte", "lt"],
            "archived_at": ["isnull"],
            "external_id": ["exact"],
        }

    def belonging_to(self, rows: QuerySet[Document], name: str, value: str) -> QuerySet[Document]:
        label, _colon, key = value.partition(":")
        app_label, _dot, model = label.partition(".")
        kind = ContentType.objects.filter(app_label=app_label, model=model).first()
        if kind is None or (key and not key_in(key)):
            return rows.none()
        return rows.filter(linked_to(kind, key_in(key) or None))

    def meant_by(self, rows: QuerySet[Document], name: str, value: str) -> QuerySet[Document]:
        return matching_documents(rows, value.strip()) if value.strip() else rows


class DocumentViewSet(HotReads, PapersViewSet, DestroyMixin):
    """Documents. Their state is changed by actions, their content by uploads."""

    queryset = Document.objects.select_related(
        "type", "folder", "owner", "current_version__blob"
    ).prefetch_related(
        Prefetch("tags", Tag.objects.order_by("id")),
        Prefetch("links", DocumentLink.objects.select_related("target_type").order_by("id")),
    )
    serializer_class = shapes.DocumentSerializer
    input_classes: ClassVar[dict[str, Any]] = {"create": shapes.NewDocumentSerializer}
    create_service = staticmethod(documents.create_document)
    change_service = staticmethod(documents.change_document)
    archive_service = staticmethod(documents.archive_document)
    restore_service = staticmethod(documents.restore_document)
    action_permissions: ClassVar[dict[str, str]] = PapersViewSet.action_permissions | {
        "check_out": "change",
        "check_in": "change",
        "hold": "hold",
        "release": "hold",
        "void": "void",
        "versions": "view",
        "links": "view",
        "link": "change",
    }
    filterset_class = DocumentFilters

    @extend_schema(request=shapes.NewDocumentSerializer, responses={201: shapes.DocumentSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)

    def perform_create(self, serializer: Any) -> Document:
        values = dict(serializer.validated_data)
        targets = values.pop("targets", [])
        return documents.create_document(actor=self.actor, targets=targets, **self.service_values(values))

    def perform_destroy(self, row: Document) -> None:
        keeping.delete_document(row.pk, actor=self.actor)

    @extend_schema(request=shapes.CheckOutSerializer)
    @action(detail=True, methods=["post"], url_path="check-out")
    def check_out(self, request: Request, pk: str) -> Response:
        """Keep others from adding versions for a while."""
        return self.act(checkouts.check_out_document, shapes.CheckOutSerializer)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], url_path="check-in")
    def check_in(self, request: Request, pk: str) -> Response:
        """Let everybody add versions again."""
        return self.run(checkouts.check_in_document)

    @extend_schema(request=shapes.ReasonSerializer)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, pk: str) -> Response:
        """Put it on legal hold: nobody deletes it until that ends."""
        return self.act(keeping.hold_document, shapes.ReasonSerializer)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        """End the legal hold."""
        return self.run(keeping.release_document)

    @extend_schema(request=shapes.ReasonSerializer)
    @action(detail=True, methods=["post"])
    def void(self, request: Request, pk: str) -> Response:
        """Declare it void, for good."""
        return self.act(keeping.void_document, shapes.ReasonSerializer)

    @extend_schema(responses=shapes.VersionSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def versions(self, request: Request, pk: str) -> Response:
        """List the contents that it has had, the latest first."""
        rows = self.get_object().versions.select_related("blob", "created_by")
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(shapes.VersionSerializer(page, many=True).data)

    @extend_schema(responses=shapes.LinkSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def links(self, request: Request, pk: str) -> Response:
        """List what it belongs to, the latest first."""
        page = self.paginate_queryset(self.get_object().links.select_related("target_type"))
        return self.get_paginated_response(shapes.LinkSerializer(page, many=True).data)

    @extend_schema(request=LinkedTargetSerializer, responses={201: shapes.LinkSerializer})
    @links.mapping.post
    def link(self, request: Request, pk: str) -> Response:
        """Let it belong to an object as well; asking twice is asking once."""
        with transaction.atomic():
            row = self.locked_object()
            body = LinkedTargetSerializer(data=request.data)
            body.is_valid(raise_exception=True)
            link = documents.link_document(row.pk, body.validated_data, actor=self.actor)
        return Response(shapes.LinkSerializer(link).data, status=201)


class DocumentLinkViewSet(RetrieveMixin, ListMixin, DestroyMixin, ScopedViewSet):
    """What documents belong to; links are made at a document, and deleted here."""

    queryset = DocumentLink.objects.select_related("target_type")
    serializer_class = shapes.DocumentLinkSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "document": ["exact"],
        "target_id": ["exact"],
        "role": ["exact"],
    }

    def perform_destroy(self, row: DocumentLink) -> None:
        documents.unlink_document(row.document_id, row.pk, actor=self.actor)


class FolderViewSet(PapersViewSet):
    """Folders."""

    queryset = Folder.objects.all()
    serializer_class = shapes.FolderSerializer
    create_service = staticmethod(folders.create_folder)
    change_service = staticmethod(folders.change_folder)
    archive_service = staticmethod(folders.archive_folder)
    restore_service = staticmethod(folders.restore_folder)
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "name": ["exact", "iexact", "icontains"],
        "parent": ["exact", "isnull"],
        "owner": ["exact"],
        "team": ["exact"],
        "archived_at": ["isnull"],
    }

    @extend_schema(request=shapes.ArchiveFolderSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:  # type: ignore[override]
        """Put it into the trash, if it is empty or all in it goes along."""
        return self.act(folders.archive_folder, shapes.ArchiveFolderSerializer)


class DocumentTypeViewSet(PapersViewSet):
    """Kinds of documents."""

    queryset = DocumentType.objects.all()
    serializer_class = shapes.DocumentTypeSerializer
    input_classes: ClassVar[dict[str, Any]] = {"create": shapes.NewDocumentTypeSerializer}
    create_service = staticmethod(catalog.create_document_type)
    change_service = staticmethod(catalog.change_document_type)
    archive_service = staticmethod(catalog.archive_document_type)
    restore_service = staticmethod(catalog.restore_document_type)
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "code": ["exact"],
        "name": ["exact", "iexact", "icontains"],
        "needs_signature": ["exact"],
        "archived_at": ["isnull"],
    }

    @extend_schema(request=shapes.NewDocumentTypeSerializer, responses={201: shapes.DocumentTypeSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)


class TagViewSet(ScopedEditViewSet, DestroyMixin):
    """Words that documents are marked with."""

    queryset = Tag.objects.all()
    serializer_class = shapes.DocumentTagSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"name": ["exact", "iexact"]}

    def perform_create(self, serializer: Any) -> Tag:
        return catalog.create_tag(actor=self.actor, name=serializer.validated_data["name"])

    def perform_update(self, row: Tag, serializer: Any) -> Tag:
        name = serializer.validated_data.get("name", row.name)
        return catalog.change_tag(row.pk, actor=self.actor, name=name)

    def perform_destroy(self, row: Tag) -> None:
        catalog.delete_tag(row.pk, actor=self.actor)
