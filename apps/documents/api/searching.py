"""Looking for documents over REST."""

from typing import Any, ClassVar

from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ScopedViewSet
from apps.documents.models import Document
from apps.documents.selectors import Found, search

# What somebody types; more is nothing that anybody looks for.
_LONGEST = 200


class PieceSerializer(serializers.Serializer[Any]):
    """Some words of the text."""

    text = serializers.CharField()
    is_match = serializers.BooleanField(help_text="These are the words that were looked for.")


class FoundSerializer(serializers.Serializer[Found]):
    """A document that was found."""

    id = serializers.IntegerField(source="document.pk")
    number = serializers.CharField(source="document.number", allow_null=True)
    title = serializers.CharField(source="document.title")
    type = serializers.IntegerField(source="document.type_id")
    status = serializers.CharField(source="document.status")
    version_id = serializers.IntegerField(
        source="document.current_version_id", allow_null=True, help_text="Of the current version."
    )
    rank = serializers.FloatField(help_text="The higher, the better it fits.")
    snippet = PieceSerializer(many=True, help_text="The words around the match, where it is in the text.")


class FoundListSerializer(serializers.Serializer[Any]):
    """What was found, the best first."""

    results = FoundSerializer(many=True)


class SearchViewSet(ScopedViewSet):
    """Documents that the caller sees, by what stands in their title, number, party or text."""

    queryset = Document.objects.order_by("-pk")
    serializer_class = FoundSerializer
    filterset_fields: ClassVar[tuple[str, ...]] = ()
    pagination_class = None

    @extend_schema(
        summary="Find documents; the fifty that fit best, those in the trash left out",
        parameters=[OpenApiParameter("q", str, description="Words; quotes hold words together, - excludes.")],
        responses=forced_singular_serializer(FoundListSerializer),  # type: ignore[no-untyped-call]
    )
    def list(self, request: Request) -> Response:
        found: Any = search(self.actor, request.query_params.get("q", "")[:_LONGEST])
        return Response(FoundListSerializer({"results": found}).data)
