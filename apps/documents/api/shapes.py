"""What the API shows and takes of documents, folders, types and tags."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.faces.api import ScopedModelSerializer
from apps.documents.api.targets import LinkedTargetSerializer, TargetSerializer
from apps.documents.models import Document, DocumentLink, DocumentType, DocumentVersion, Folder, Tag

_STATE = ["archived_at", "created_at", "updated_at", "version"]
# References that may be empty, whose value alone does not tell that they are references.
RELATIONS = frozenset({"owner", "team", "folder", "parent", "type"})


@extend_schema_field(OpenApiTypes.STR)
class DigestField(serializers.Field[Any, Any, Any, Any]):
    """A SHA-256 in hexadecimal digits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, allow_null=True, default=None, **kwargs)

    def in_sql(self, column: Callable[[str], str]) -> str:
        """Say the same in SQL, for rows that PostgreSQL writes."""
        return f"encode({column(str(self.source))}, 'hex')"

    def to_representation(self, value: Any) -> str:
        return bytes(value).hex()


class LinkSerializer(serializers.ModelSerializer[DocumentLink]):
    """That a document belongs to an object, by the name that the object has."""

    target = TargetSerializer(source="*", read_only=True)

    class Meta:
        model = DocumentLink
        fields = ["id", "target", "role"]
        read_only_fields = fields


class DocumentLinkSerializer(LinkSerializer):
    """The same with the document."""

    class Meta(LinkSerializer.Meta):
        fields = ["id", "document", *LinkSerializer.Meta.fields[1:], "created_at", "created_by"]
        read_only_fields = fields


class DocumentSerializer(ScopedModelSerializer[Document]):
    """A document as it stands, with its current content and what it belongs to."""

    type_code = serializers.CharField(source="type.code", read_only=True)
    folder_name = serializers.CharField(source="folder.name", read_only=True, allow_null=True, default=None)
    owner_name = serializers.CharField(source="owner.name", read_only=True, allow_null=True, default=None)
    current_number = serializers.IntegerField(
        source="current_version.number", read_only=True, allow_null=True, default=None
    )
    file_name = serializers.CharField(
        source="current_version.file_name", read_only=True, allow_null=True, default=None
    )
    content_type = serializers.CharField(
        source="current_version.blob.content_type", read_only=True, allow_null=True, default=None
    )
    size = serializers.IntegerField(
        source="current_version.blob.size",
        read_only=True,
        allow_null=True,
        default=None,
        help_text="In bytes.",
    )
    sha256 = DigestField(source="current_version.blob.sha256")
    links = LinkSerializer(many=True, read_only=True)

    class Meta:
        model = Document
        fields = [
            *["id", "number", "title", "type", "type_code", "status", "folder", "folder_name", "description"],
            *["owner", "owner_name", "team", "tags", "current_version", "current_number", "file_name"],
            *["content_type", "size", "sha256", "has_legal_hold", "hold_reason", "retain_until_date"],
            *[
                "void_reason",
                "checked_out_by",
                "checked_out_until",
                "links",
                "external_source",
                "external_id",
            ],
            *_STATE,
        ]
        read_only_fields = [
            *["id", "number", "status", "current_version", "has_legal_hold", "hold_reason"],
            *["retain_until_date", "void_reason", "checked_out_by", "checked_out_until"],
            *["external_source", "external_id", *_STATE],
        ]
        # The services and the database say it, under one code whatever the face.
        validators: ClassVar[list[Any]] = []


class NewDocumentSerializer(DocumentSerializer):
    """A document to write down; its content is uploaded. It is the first object's owner's where nobody is named."""

    targets = LinkedTargetSerializer(many=True, required=False, write_only=True)

    class Meta(DocumentSerializer.Meta):
        fields = [*DocumentSerializer.Meta.fields, "targets"]


class VersionSerializer(serializers.ModelSerializer[DocumentVersion]):
    """One content that a document has had."""

    size = serializers.IntegerField(source="blob.size", read_only=True, help_text="In bytes.")
    content_type = serializers.CharField(source="blob.content_type", read_only=True)
    sha256 = DigestField(source="blob.sha256")
    created_by_name = serializers.CharField(source="created_by.name", read_only=True)

    class Meta:
        model = DocumentVersion
        fields = [
            *["id", "number", "file_name", "content_type", "size", "sha256", "source", "comment"],
            *["created_at", "created_by", "created_by_name"],
        ]
        read_only_fields = fields


class CheckOutSerializer(serializers.Serializer[Any]):
    """For how long."""

    hours = serializers.IntegerField(required=False, min_value=1)


class ReasonSerializer(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=500)


class FolderSerializer(ScopedModelSerializer[Folder]):
    """A place for documents."""

    class Meta:
        model = Folder
        fields = ["id", "name", "parent", "owner", "team", *_STATE]
        read_only_fields = ["id", *_STATE]
        validators: ClassVar[list[Any]] = []


class ArchiveFolderSerializer(serializers.Serializer[Any]):
    """Whether all that lies in it goes along."""

    with_content = serializers.BooleanField(default=False)


class DocumentTypeSerializer(ScopedModelSerializer[DocumentType]):
    """A kind of documents, and the rules for them; its code stays as it was given."""

    class Meta:
        model = DocumentType
        fields = [
            *["id", "code", "name", "number_pattern", "allowed_types", "max_size", "retention_days"],
            *["trash_days", "needs_signature", *_STATE],
        ]
        read_only_fields = ["id", "code", *_STATE]
        validators: ClassVar[list[Any]] = []


class NewDocumentTypeSerializer(DocumentTypeSerializer):
    """A kind of documents to add."""

    class Meta(DocumentTypeSerializer.Meta):
        read_only_fields = ["id", *_STATE]


class DocumentTagSerializer(ScopedModelSerializer[Tag]):
    """A word that documents are marked with."""

    class Meta:
        model = Tag
        fields = ["id", "name"]
        validators: ClassVar[list[Any]] = []
