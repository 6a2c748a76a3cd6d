"""The feed of facts about money, for those who follow from where they were."""

from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import access
from apps.accounts.faces.api import ScopedViewSet
from apps.payments import feed
from apps.payments.models import Invoice, JournalEntry, Payment

_MOST = 1000


class _Asked(serializers.Serializer[Any]):
    after = serializers.IntegerField(min_value=0, max_value=2**63 - 1, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=_MOST, default=100)


class CloudEventSerializer(serializers.Serializer[Any]):
    """A fact as a CloudEvent 1.0."""

    specversion = serializers.CharField()
    id = serializers.UUIDField()
    source = serializers.CharField()  # type: ignore[assignment]
    type = serializers.CharField()
    subject = serializers.CharField()
    time = serializers.DateTimeField()
    datacontenttype = serializers.CharField()
    sequence = serializers.CharField()
    actor = serializers.CharField(required=False)
    data = serializers.DictField(child=serializers.JSONField())  # type: ignore[assignment]


class FeedEntrySerializer(serializers.Serializer[Any]):
    """A fact and where it stands in the feed."""

    position = serializers.IntegerField()
    event = CloudEventSerializer()


class FeedSerializer(serializers.Serializer[Any]):
    """A part of the feed."""

    results = FeedEntrySerializer(many=True)
    next_after = serializers.IntegerField(help_text="What to ask for next time; the same where nothing came.")


class FeedViewSet(ScopedViewSet):
    """What happened to invoices and payments, in the order in which it was told."""

    queryset = JournalEntry.objects.all()
    serializer_class = FeedSerializer
    pagination_class = None
    action_permissions: ClassVar[dict[str, str]] = {"list": "view"}

    @extend_schema(
        operation_id="payments_events",
        responses=FeedSerializer,
        parameters=[
            OpenApiParameter(
                "after", OpenApiTypes.INT, description="The position that was read last; 0 for none."
            ),
            OpenApiParameter("limit", OpenApiTypes.INT, description=f"At most {_MOST}; 100 unless said."),
        ],
        filters=False,
    )
    def list(self, request: Request) -> Response:
        """
        Facts about money behind a position. Positions only grow, and nothing comes later with a lower one.

        For who sees all invoices and payments: facts tell of all of them.
        """
        if not all(access.reaches_all(self.actor, "view", model) for model in (Invoice, Payment)):
            raise PermissionDenied(
                _("The feed tells of all invoices and payments, and you see some of them.")
            )
        given = _Asked(data=request.query_params)
        given.is_valid(raise_exception=True)
        said = given.validated_data
        found = feed.after(said["after"], limit=said["limit"])
        return Response({"results": found, "next_after": found[-1]["position"] if found else said["after"]})
