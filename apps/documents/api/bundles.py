"""Bundles over REST: asked for, looked at, downloaded, removed."""

from typing import Any, ClassVar

from django.conf import settings
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ListMixin, RetrieveMixin, ScopedViewSet
from apps.documents.faces.serving import respond_with_bundle
from apps.documents.models import Bundle
from apps.documents.services import bundles as services
from apps.jobs.models import Job


class BundleSerializer(serializers.ModelSerializer[Bundle]):
    """Documents as one file; its state is that of its job."""

    state = serializers.SerializerMethodField()
    is_available = serializers.SerializerMethodField(help_text="There is a file that can be downloaded now.")
    download = serializers.SerializerMethodField(help_text="Where its owner gets the file; null without one.")

    class Meta:
        model = Bundle
        fields = (
            *("id", "owner", "job", "state", "file_name", "chosen", "left_out", "size", "sha256"),
            *("is_available", "download", "downloads", "created_at", "finished_at", "expires_at"),
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=Job.State.choices, allow_null=True))
    def get_state(self, bundle: Bundle) -> str | None:
        return bundle.job.state if bundle.job else None

    def get_is_available(self, bundle: Bundle) -> bool:
        return bundle.is_available()

    def get_download(self, bundle: Bundle) -> str | None:
        return f"/api/v1/documents/bundles/{bundle.pk}/download/" if bundle.is_available() else None


class NewBundleSerializer(serializers.Serializer[Any]):
    """Which documents; those that the caller may not take away are left out."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        allow_empty=False,
        max_length=settings.BUNDLE_MAX_DOCUMENTS,
        help_text="Documents, by id.",
    )
    name = serializers.CharField(required=False, max_length=200, help_text="Of the file, without its ending.")


class BundleViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Bundles of the caller."""

    queryset = Bundle.objects.select_related("job").order_by("-pk")
    serializer_class = BundleSerializer
    action_permissions: ClassVar[dict[str, str]] = {"download": "view", "destroy": "view"}

    @extend_schema(
        summary="Note which documents are meant, and start writing them to one file",
        request=NewBundleSerializer,
        responses={202: BundleSerializer},
    )
    def create(self, request: Request) -> Response:
        given = NewBundleSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        said = given.validated_data
        bundle = services.request_bundle(said["ids"], actor=self.actor, name=said.get("name", ""))
        place = {"Location": f"/api/v1/documents/bundles/{bundle.pk}/"}
        return self.respond(bundle, status.HTTP_202_ACCEPTED, place)

    @extend_schema(summary="Get the file", responses={(200, "application/zip"): OpenApiTypes.BINARY})
    @action(detail=True)
    def download(self, request: Request, pk: str) -> HttpResponseBase:
        """Give the file to whoever asked for it; each time is counted."""
        return respond_with_bundle(services.take_bundle(self.get_object().pk, actor=self.actor), request)

    @extend_schema(summary="Remove the file before its time; the record stays", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        services.remove_bundle(self.get_object().pk, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
