"""Templates and our companies over REST."""

from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, parsers, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ScopedModelSerializer
from apps.documents.api.generation import PaperSerializer, wanted
from apps.documents.models import LegalEntity, Template, TemplateVersion
from apps.documents.services import generation, legal_entities, templates
from apps.documents.services.rendering import Paper
from apps.lists.api.rows import ArchivableViewSet

_STATE = ["archived_at", "created_at", "updated_at", "version"]


class TemplateSerializer(ScopedModelSerializer[Template]):
    """What papers of one sort are made from, in one language."""

    class Meta:
        model = Template
        fields = [
            *["id", "code", "name", "kind", "locale", "document_type", "source", "description", "is_shipped"],
            *["current_version", *_STATE],
        ]
        read_only_fields = ["id", "is_shipped", "current_version", *_STATE]
        validators: ClassVar[list[Any]] = []


class TemplateVersionSerializer(serializers.ModelSerializer[TemplateVersion]):
    """One state of a template; without `published_at` it is still being tried."""

    class Meta:
        model = TemplateVersion
        fields = (
            *("id", "number", "file_name", "text", "variables", "found", "comment", "created_at"),
            *("created_by", "published_at"),
        )
        read_only_fields = fields


class NewVersionSerializer(serializers.Serializer[Any]):
    """A Word file or a Typst source, and what it asks for."""

    file = serializers.FileField(required=False)
    text = serializers.CharField(required=False, default="", trim_whitespace=False)
    variables = serializers.JSONField(required=False)
    declares_missing = serializers.BooleanField(
        required=False, default=False, help_text="Ask for plain names that nobody has declared."
    )
    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class WhichVersionSerializer(serializers.Serializer[Any]):
    """A version by its number."""

    number = serializers.IntegerField(min_value=1)


class DeclarationsSerializer(WhichVersionSerializer):
    """What an unpublished version asks for."""

    variables = serializers.JSONField()


class PreviewSerializer(PaperSerializer):
    """A paper to look at, perhaps from a version that is not published."""

    number = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="Of the version; the one in use if null."
    )


class TemplateViewSet(ArchivableViewSet):
    """Templates of papers."""

    queryset = Template.objects.order_by("-pk")
    serializer_class = TemplateSerializer
    parser_classes = (parsers.JSONParser, parsers.MultiPartParser)
    create_service = staticmethod(templates.create_template)
    change_service = staticmethod(templates.change_template)
    archive_service = staticmethod(templates.archive_template)
    restore_service = staticmethod(templates.restore_template)
    action_permissions: ClassVar[dict[str, str]] = {
        **ArchivableViewSet.action_permissions,
        "versions": "view",
        "add_version": "change",
        "declare": "change",
        "publish": "publish",
        "preview": "view",
    }
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "code": ["exact"],
        "locale": ["exact"],
        "kind": ["exact"],
        "source": ["exact"],
        "document_type": ["exact"],
        "archived_at": ["isnull"],
    }

    @extend_schema(responses=TemplateVersionSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def versions(self, request: Request, pk: str) -> Response:
        """Read the versions of a template, the latest first."""
        rows = self.get_object().versions.order_by("-number")[:200]
        return Response(TemplateVersionSerializer(rows, many=True).data)

    @extend_schema(
        request={"multipart/form-data": NewVersionSerializer, "application/json": NewVersionSerializer},
        responses={201: TemplateVersionSerializer},
    )
    @versions.mapping.post
    def add_version(self, request: Request, pk: str) -> Response:
        """Add a version; papers are made from it once it is published."""
        template = self.get_object()
        given = NewVersionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        said = given.validated_data
        file = said.get("file")
        draft = templates.Draft(
            file=file.read(templates.LARGEST_FILE + 1) if file else None,
            file_name=file.name if file else "",
            text=said["text"],
            variables=_listed(said.get("variables", [])),
            declares_missing=said["declares_missing"],
            comment=said["comment"],
        )
        version = templates.add_template_version(template.pk, draft, actor=self.actor)
        return Response(TemplateVersionSerializer(version).data, status.HTTP_201_CREATED)

    @extend_schema(request=DeclarationsSerializer, responses=TemplateVersionSerializer)
    @action(detail=True, methods=["post"])
    def declare(self, request: Request, pk: str) -> Response:
        """Change what an unpublished version asks for."""
        template = self.get_object()
        given = DeclarationsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        version = template.versions.get(number=given.validated_data["number"])
        variables = _listed(given.validated_data["variables"])
        changed = templates.change_declarations(version.pk, variables, actor=self.actor)
        return Response(TemplateVersionSerializer(changed).data)

    @extend_schema(request=WhichVersionSerializer, responses=TemplateVersionSerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        """Let papers be made from a version."""
        template = self.get_object()
        given = WhichVersionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        version = template.versions.get(number=given.validated_data["number"])
        published = templates.publish_template_version(version.pk, actor=self.actor)
        return Response(TemplateVersionSerializer(published).data)

    @extend_schema(
        request=PreviewSerializer, responses={(200, "application/pdf"): OpenApiTypes.BINARY}, filters=False
    )
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, pk: str) -> HttpResponse:
        """Make a paper to look at: marked as a draft, without a number, kept nowhere."""
        template = self.get_object()
        given = PreviewSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        said = dict(given.validated_data)
        number = said.pop("number")
        version_id = None if number is None else template.versions.get(number=number).pk
        paper = generation.preview(wanted(template.pk, said), actor=self.actor, version_id=version_id)
        return file_of(paper, f"{template.code}{paper.suffix}")


def _listed(variables: object) -> list[Any]:
    if not isinstance(variables, list):
        raise exceptions.ValidationError({"variables": [_("A list is expected.")]}, code="invalid")
    return variables


def file_of(paper: Paper, name: str) -> HttpResponse:
    """Answer with a file that no browser takes for a page of ours."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(paper.content, content_type=paper.content_type, headers=headers)


class LegalEntitySerializer(ScopedModelSerializer[LegalEntity]):
    """A company of ours as papers name it."""

    has_logo = serializers.SerializerMethodField()
    translations = serializers.DictField(
        child=serializers.DictField(child=serializers.CharField(allow_blank=True)),
        required=False,
        help_text="What papers in a language say instead, by language and field; an empty text is the field's own.",
    )

    class Meta:
        model = LegalEntity
        fields = [
            *[
                "id",
                "name",
                "full_name",
                "tax_id",
                "registration_number",
                "address",
                "phone",
                "email",
                "website",
            ],
            *[
                "bank_name",
                "bank_code",
                "account",
                "correspondent_account",
                "signatory_name",
                "signatory_title",
            ],
            *[
                "signatory_in_text",
                "signatory_basis",
                "translations",
                "tax_percent",
                "number_prefix",
                "is_default",
                "has_logo",
            ],
            *_STATE,
        ]
        read_only_fields = ["id", *_STATE]
        validators: ClassVar[list[Any]] = []

    def get_has_logo(self, entity: LegalEntity) -> bool:
        return entity.logo_id is not None


class LogoSerializer(serializers.Serializer[Any]):
    """A picture, PNG or JPEG; none takes the logo away."""

    logo = serializers.FileField(required=False, allow_null=True)


class LegalEntityViewSet(ArchivableViewSet):
    """Companies of ours."""

    queryset = LegalEntity.objects.order_by("-pk")
    serializer_class = LegalEntitySerializer
    parser_classes = (parsers.JSONParser, parsers.MultiPartParser)
    create_service = staticmethod(legal_entities.create_legal_entity)
    change_service = staticmethod(legal_entities.change_legal_entity)
    archive_service = staticmethod(legal_entities.archive_legal_entity)
    restore_service = staticmethod(legal_entities.restore_legal_entity)
    action_permissions: ClassVar[dict[str, str]] = {**ArchivableViewSet.action_permissions, "logo": "change"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "is_default": ["exact"],
        "tax_id": ["exact"],
        "archived_at": ["isnull"],
    }

    @extend_schema(request={"multipart/form-data": LogoSerializer}, responses=LegalEntitySerializer)
    @action(detail=True, methods=["post"])
    def logo(self, request: Request, pk: str) -> Response:
        """Set the picture that papers begin with, or take it away."""
        entity = self.get_object()
        self.check_version(entity)
        given = LogoSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        file = given.validated_data.get("logo")
        picture = file.read(legal_entities.LARGEST_LOGO + 1) if file else b""
        changed = legal_entities.set_logo(entity.pk, picture, actor=self.actor)
        return self.respond_if_visible(changed)
