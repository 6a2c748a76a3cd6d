"""Contents over REST: for programs, which have no session."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request

from apps.accounts.faces.api import ScopedViewSet
from apps.documents.faces.previews import respond_with_page, respond_with_preview, respond_with_thumbnail
from apps.documents.faces.serving import respond_with
from apps.documents.models import DocumentVersion

_BYTES: Any = {(200, "application/octet-stream"): OpenApiTypes.BINARY}


class ContentSerializer(serializers.Serializer[DocumentVersion]):
    """Nothing but bytes."""


class ContentViewSet(ScopedViewSet):
    """The contents of versions, by the version's id."""

    queryset = DocumentVersion.objects.select_related("blob").order_by("pk")
    serializer_class = ContentSerializer
    filterset_fields: ClassVar[tuple[str, ...]] = ()
    pagination_class = None
    action_permissions: ClassVar[dict[str, str]] = {"preview": "view", "page": "view", "thumbnail": "view"}

    @extend_schema(
        summary="Get the content of a version: whole, or a range of it",
        responses={**_BYTES, (206, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def retrieve(self, request: Request, pk: str) -> HttpResponseBase:
        return respond_with(self.get_object(), request, as_attachment=True)

    @extend_schema(
        summary="Get what a browser can show of it; 202 while that is being made", responses=_BYTES
    )
    @action(detail=True)
    def preview(self, request: Request, pk: str) -> HttpResponseBase:
        return respond_with_preview(self.get_object(), request)

    @extend_schema(
        summary="Get the picture of a page",
        parameters=[OpenApiParameter("number", int, OpenApiParameter.QUERY, description="From 1.")],
        responses=_BYTES,
    )
    @action(detail=True)
    def page(self, request: Request, pk: str) -> HttpResponseBase:
        given = request.query_params.get("number", "1")
        number = int(given) if given.isdecimal() and len(given) < 5 else 0
        return respond_with_page(self.get_object(), request, number)

    @extend_schema(summary="Get its small picture", responses=_BYTES)
    @action(detail=True)
    def thumbnail(self, request: Request, pk: str) -> HttpResponseBase:
        response = respond_with_thumbnail(self.get_object(), request)
        if response is None:
            raise ValidationError(_("There is no picture of this file."), code="no_preview")
        return response
