"""
Uploads over REST: begun, sent piece by piece, finished or given up.

Pieces are sent as tus 1.0 has it: PATCH with `Upload-Offset`, and HEAD tells where the next one begins.
"""

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, inline_serializer
from rest_framework import exceptions, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    ListMixin,
    RetrieveMixin,
    ScopedModelSerializer,
    ScopedPrimaryKeyRelatedField,
    ScopedViewSet,
)
from apps.accounts.models import Team, User
from apps.documents.api.targets import LinkedTargetSerializer
from apps.documents.models import Document, DocumentType, Folder, Tag, UploadSession
from apps.documents.services import uploads as services
from apps.lists.api.rows import service_values

_PIECE_TYPES = {"application/offset+octet-stream", "application/partial-upload", "application/octet-stream"}
# Addresses signed at a time: an hour's work for most lines.
_MOST_SIGNED = 100


class UploadSerializer(ScopedModelSerializer[UploadSession]):
    """A file on its way: how much of it has come, and what became of it."""

    part_size = serializers.SerializerMethodField()
    document = serializers.SerializerMethodField()

    class Meta:
        model = UploadSession
        fields = (
            *("id", "state", "file_name", "size", "offset", "part_size", "is_direct", "client_token"),
            *("document", "document_version", "refusal_code", "refusal", "created_at", "expires_at"),
        )
        read_only_fields = fields

    def get_part_size(self, session: UploadSession) -> int:
        return services.part_size_of(session)

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_document(self, session: UploadSession) -> int | None:
        """Return the document that it became a version of, or is to become one of."""
        version = session.document_version
        return version.document_id if version is not None else session.document_id


class NewUploadSerializer(serializers.Serializer[Any]):
    """A file to be sent, and what is to become of it: a new document, or a version of the one named."""

    file_name = serializers.CharField(max_length=1000)
    size = serializers.IntegerField(min_value=0, max_value=2**62)
    sha256 = serializers.CharField(required=False, allow_blank=True, default="", max_length=64)
    content_type = serializers.CharField(required=False, allow_blank=True, default="", max_length=127)
    client_token = serializers.CharField(required=False, allow_null=True, default=None, max_length=64)
    comment = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)
    document = ScopedPrimaryKeyRelatedField(queryset=Document.objects, required=False, allow_null=True)
    type = ScopedPrimaryKeyRelatedField(queryset=DocumentType.objects, required=False)
    title = serializers.CharField(required=False, max_length=300)
    folder = ScopedPrimaryKeyRelatedField(queryset=Folder.objects, required=False, allow_null=True)
    description = serializers.CharField(required=False, allow_blank=True)
    owner = ScopedPrimaryKeyRelatedField(queryset=User.objects, required=False, allow_null=True)
    team = ScopedPrimaryKeyRelatedField(queryset=Team.objects, required=False, allow_null=True)
    tags = ScopedPrimaryKeyRelatedField(queryset=Tag.objects, many=True, required=False)
    targets = LinkedTargetSerializer(many=True, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        values = ("type", "title", "folder", "description", "owner", "team", "tags", "targets")
        if attrs.get("document") is None:
            if "type" not in attrs:
                raise serializers.ValidationError(
                    {"type": [_("Say of which type the document is.")]}, "required"
                )
        elif named := [name for name in values if name in attrs]:
            text = _("A new version changes nothing else about its document.")
            raise serializers.ValidationError({name: [text] for name in named}, "invalid")
        return attrs


class PartNumbersSerializer(serializers.Serializer[Any]):
    """Which parts are to be sent next."""

    numbers = serializers.ListField(
        child=serializers.IntegerField(min_value=1), max_length=_MOST_SIGNED, default=list
    )


_PARTS = inline_serializer(
    "UploadParts",
    {
        "part_size": serializers.IntegerField(),
        "received": serializers.ListField(child=serializers.IntegerField()),
        "parts": inline_serializer(
            "UploadPartAddress",
            {
                "number": serializers.IntegerField(),
                "start": serializers.IntegerField(),
                "size": serializers.IntegerField(),
                "url": serializers.URLField(),
                "expires_at": serializers.DateTimeField(),
            },
            many=True,
        ),
    },
)
_OFFSET = OpenApiParameter(
    "Upload-Offset",
    OpenApiTypes.INT64,
    OpenApiParameter.HEADER,
    required=True,
    description="Where it begins.",
)


class UploadSessionViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Files that the caller sends."""

    queryset = UploadSession.objects.select_related("document_version").order_by("-pk")
    serializer_class = UploadSerializer
    filterset_fields = ("state", "client_token", "document")
    input_classes: ClassVar[dict[str, type[serializers.BaseSerializer[Any]]]] = {
        "create": NewUploadSerializer
    }
    action_permissions: ClassVar[dict[str, str]] = {
        "content": "view",
        "receive": "change",
        "parts": "change",
        "finish": "change",
        "destroy": "change",
    }

    @extend_schema(request=NewUploadSerializer, responses={201: UploadSerializer})
    def create(self, request: Request) -> Response:
        """Begin an upload. Nothing that would be refused in the end is let begin."""
        given = NewUploadSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        values = service_values(
            dict(given.validated_data), frozenset({"document", "folder", "owner", "team"})
        )
        targets = values.pop("targets", [])
        session = services.open_upload(
            actor=self.actor, declared_type=values.pop("content_type"), targets=targets, **values
        )
        return self.respond(session, status.HTTP_201_CREATED)

    def destroy(self, request: Request, pk: str) -> Response:
        """Give an upload up; what has come of it is removed."""
        services.abort_upload(self.get_object().pk, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["get"])
    def content(self, request: Request, pk: str) -> Response:
        """Tell in the header `Upload-Offset` how much has come; HEAD tells the same."""
        return _told(self.get_object())

    @extend_schema(
        request={"application/offset+octet-stream": OpenApiTypes.BINARY},
        responses={204: None},
        parameters=[_OFFSET],
    )
    @content.mapping.patch
    def receive(self, request: Request, pk: str) -> Response:
        """Send the next piece."""
        session = self.get_object()
        if (request.content_type or "").partition(";")[0].strip() not in _PIECE_TYPES:
            raise exceptions.UnsupportedMediaType(request.content_type)
        offset = request.headers.get("Upload-Offset", "")
        if not offset.isdecimal() or len(offset) > 18:
            text = _("Say in the header Upload-Offset where the piece begins.")
            raise exceptions.ValidationError({"Upload-Offset": [text]}, "required")
        length = request.headers.get("Content-Length", "")
        try:
            # Django's own request: its body is read once, as it comes.
            session = services.receive_part(
                session.pk,
                request._request,
                actor=self.actor,
                offset=int(offset),
                length=int(length) if length.isdecimal() else None,
            )
        except services.WrongOffset as refused:
            response = self.handle_exception(refused)
            response["Upload-Offset"] = str(refused.offset)
            return response
        return _told(session)

    @extend_schema(request=PartNumbersSerializer, responses={200: _PARTS})
    @action(detail=True, methods=["post"])
    def parts(self, request: Request, pk: str) -> Response:
        """Sign addresses to which parts are sent by PUT, straight to the storage."""
        session = self.get_object()
        given = PartNumbersSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return Response(services.sign_parts(session.pk, given.validated_data["numbers"], actor=self.actor))

    @extend_schema(request=None, responses={200: UploadSerializer, 202: UploadSerializer})
    @action(detail=True, methods=["post"])
    def finish(self, request: Request, pk: str) -> Response:
        """Have the file checked and written down; 202 while a worker is at it. What was refused is in the answer."""
        session = services.finish_upload(self.get_object().pk, actor=self.actor)
        is_under_way = session.state == UploadSession.State.VERIFYING
        return self.respond(session, status.HTTP_202_ACCEPTED if is_under_way else status.HTTP_200_OK)


def _told(session: UploadSession) -> Response:
    headers = {
        "Upload-Offset": str(session.offset),
        "Upload-Length": str(session.size),
        "Cache-Control": "no-store",
        "Tus-Resumable": "1.0.0",
    }
    return Response(status=status.HTTP_204_NO_CONTENT, headers=headers)
