"""Making papers over REST: asked for once, and watched as a job."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from apps.accounts.faces.api import ListMixin, RetrieveMixin, ScopedViewSet
from apps.documents.api.targets import TargetSerializer
from apps.documents.models import Generation
from apps.documents.services import generation
from apps.documents.services.generation import Request


class PaperSerializer(serializers.Serializer[Any]):
    """What a paper is to be made of."""

    target = TargetSerializer(required=False, allow_null=True, default=None)
    inputs = serializers.DictField(required=False, default=dict, help_text="What the template asks, by name.")
    title = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)
    legal_entity = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="In whose name; the usual company's if null."
    )
    paper_date = serializers.DateField(required=False, allow_null=True, default=None)


class NewGenerationSerializer(PaperSerializer):
    """A paper that is wanted."""

    template = serializers.IntegerField()


def wanted(template_id: int, said: Mapping[str, Any]) -> Request:
    """Return what a body asks for, as services take it."""
    return Request(
        template_id=template_id,
        target=said["target"],
        inputs=said["inputs"],
        title=said["title"],
        entity_id=said["legal_entity"],
        paper_date=said["paper_date"],
    )


class GenerationSerializer(serializers.ModelSerializer[Generation]):
    """A paper that was asked for; its state is that of its job."""

    template = serializers.IntegerField(source="template_version.template_id", read_only=True)
    state = serializers.SerializerMethodField()
    target = serializers.SerializerMethodField()
    number = serializers.CharField(source="document.number", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Generation
        fields = (
            *(
                "id",
                "template",
                "template_version",
                "legal_entity",
                "target",
                "title",
                "paper_date",
                "inputs",
            ),
            *("input_hash", "job", "state", "document", "document_version", "number", "created_at"),
            "finished_at",
        )
        read_only_fields = fields

    @extend_schema_field(
        serializers.ChoiceField(
            choices=["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"], allow_null=True
        )
    )
    def get_state(self, one: Generation) -> str | None:
        return one.job.state if one.job else None

    @extend_schema_field(TargetSerializer(allow_null=True))
    def get_target(self, one: Generation) -> dict[str, Any] | None:
        return TargetSerializer().to_representation(one) if one.target_id else None


class GenerationViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Papers that the caller has asked for."""

    queryset = (
        Generation.objects.select_related("job", "document", "template_version")
        .prefetch_related("document__links")
        .order_by("-pk")
    )
    serializer_class = GenerationSerializer
    filterset_fields = ("document",)
    # That the caller may make such a paper is for the service to ask: the body says which.
    action_permissions: ClassVar[dict[str, str]] = {"create": "view"}

    @extend_schema(
        summary="Ask for a paper",
        request=NewGenerationSerializer,
        responses={202: GenerationSerializer},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                str,
                OpenApiParameter.HEADER,
                description="The same key and body are the same paper, however often they are sent.",
            )
        ],
    )
    def create(self, request: HttpRequest) -> Response:
        given = NewGenerationSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        key = request.headers.get("Idempotency-Key", "")
        one = generation.start_generation(
            wanted(given.validated_data["template"], given.validated_data), actor=self.actor, key=key
        )
        place = {"Location": f"/api/v1/documents/generations/{one.pk}/"}
        return self.respond(one, status.HTTP_202_ACCEPTED, place)
