"""Exports over REST: asked for, looked at, downloaded, removed."""

from typing import ClassVar

from django.conf import settings
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ListMixin, RetrieveMixin, ScopedViewSet
from apps.accounts.faces.recent import require_recent
from apps.lists.api.choosing import ChosenRowsSerializer, chosen_rows
from apps.lists.faces import file_response, needs_recent
from apps.lists.models import Export
from apps.lists.services import exports as services


class ExportSerializer(serializers.ModelSerializer[Export]):
    """A file that was asked for; its state is that of its job."""

    model = serializers.CharField(source="model_label", read_only=True)
    columns = serializers.ListField(child=serializers.CharField(), read_only=True)
    state = serializers.SerializerMethodField()
    is_available = serializers.SerializerMethodField(help_text="There is a file that can be downloaded now.")
    download = serializers.SerializerMethodField(help_text="Where its owner gets the file; null without one.")

    class Meta:
        model = Export
        fields = (
            *("id", "model", "owner", "job", "state", "format", "columns", "language", "style", "separator"),
            *("has_bom", "filename", "chosen", "rows", "left_out", "hidden", "cut", "size", "sha256"),
            *("is_available", "download", "downloads", "created_at", "finished_at", "expires_at"),
        )
        read_only_fields = fields

    @extend_schema_field(
        serializers.ChoiceField(
            choices=["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"], allow_null=True
        )
    )
    def get_state(self, export: Export) -> str | None:
        return export.job.state if export.job else None

    def get_is_available(self, export: Export) -> bool:
        return export.is_available()

    def get_download(self, export: Export) -> str | None:
        return f"/api/v1/lists/exports/{export.pk}/download/" if export.is_available() else None


class NewExportSerializer(ChosenRowsSerializer):
    """Which rows, which columns, written how."""

    columns = serializers.ListField(
        child=serializers.CharField(max_length=100),
        max_length=200,
        help_text="Names of fields, in the order of the file.",
    )
    format = serializers.ChoiceField(Export.Format.choices, default=Export.Format.CSV)
    language = serializers.ChoiceField(settings.LANGUAGES, required=False)
    style = serializers.ChoiceField(  # type: ignore[assignment]
        Export.Style.choices, default=Export.Style.MACHINE
    )
    separator = serializers.CharField(default=",", max_length=1, trim_whitespace=False)
    has_bom = serializers.BooleanField(default=False)


class ExportViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Exports of the caller."""

    queryset = Export.objects.select_related("job").order_by("-pk")
    serializer_class = ExportSerializer
    filterset_fields = ("format",)
    # That the caller may export such rows is for the service to ask: the body says which.
    action_permissions: ClassVar[dict[str, str]] = {"create": "view", "download": "view", "destroy": "view"}

    @extend_schema(
        summary="Freeze which rows are meant, and start writing them to a file",
        request=NewExportSerializer,
        responses={202: ExportSerializer},
    )
    def create(self, request: Request) -> Response:
        given = NewExportSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        said = dict(given.validated_data)
        rows = chosen_rows(said, request)
        if needs_recent(rows, self.actor):
            require_recent(request)
        options = {name: said[name] for name in said if name not in {"model", "ids", "filter"}}
        export = services.request_export(rows, actor=self.actor, **options)
        place = {"Location": f"/api/v1/lists/exports/{export.pk}/"}
        return self.respond(export, status.HTTP_202_ACCEPTED, place)

    @extend_schema(summary="Get the file", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True)
    def download(self, request: Request, pk: str) -> FileResponse:
        """Give the file to whoever asked for it; each time is recorded."""
        export, file = services.open_download(self.get_object().pk, actor=self.actor)
        return file_response(export, file)

    @extend_schema(summary="Remove the file before its time; the record stays", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        services.remove_export(self.get_object().pk, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
