"""History over REST: what was done, the story of a row, and the undo of what one change set did."""

from typing import Any, ClassVar

from django.apps import apps
from django.db import models
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import access
from apps.accounts.faces.api import ListMixin, RetrieveMixin, ScopedViewSet, actor_of
from apps.accounts.faces.declared import own_only
from apps.accounts.models import User
from apps.history.api.serializers import (
    ChangeSetSerializer,
    StorySerializer,
    ToldChangeSetSerializer,
    UndoSerializer,
    told_with,
)
from apps.history.models import ChangeSet
from apps.history.selectors import stories
from apps.history.services.undoing import start_undo
from apps.history.tracking import tracked
from apps.jobs.api.serializers import JobSerializer


class ChangeSetViewSet(ListMixin, RetrieveMixin, ScopedViewSet):
    """What was done, newest first."""

    queryset = ChangeSet.objects.select_related("undo")
    serializer_class = ChangeSetSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "actor": ["exact"],
        "face": ["exact"],
        "job": ["exact"],
        "request_id": ["exact"],
        "at": ["gte", "lt"],
    }
    action_permissions: ClassVar[dict[str, str]] = {"undo": "undo"}

    def get_serializer_class(self) -> Any:
        return ToldChangeSetSerializer if self.action == "retrieve" else ChangeSetSerializer

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        if args and not getattr(self, "swagger_fake_view", False):
            subject = list(args[0]) if kwargs.get("many") else [args[0]]
            kwargs["context"] = dict(self.get_serializer_context()) | told_with(subject, self.actor)
        return super().get_serializer(*args, **kwargs)

    @extend_schema(
        summary="Undo everything that a change set did, as a job",
        request=UndoSerializer,
        responses={202: JobSerializer},
    )
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        change_set = self.get_object()
        body = UndoSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        started = start_undo(change_set.pk, actor=self.actor, reason=body.validated_data["reason"])
        shown = JobSerializer(started.job, context=self.get_serializer_context())
        return Response(shown.data, status.HTTP_202_ACCEPTED)


@own_only("tells of a row what its reader may see, and of a row out of sight nothing")
class RowStoryView(APIView):
    """The story of one row."""

    @extend_schema(
        summary="What happened to a row, the latest first",
        parameters=[
            OpenApiParameter("label", str, "path", description="What kind of row, as in crm.deal."),
            OpenApiParameter("row_id", str, "path"),
            OpenApiParameter("before", int, description="Where the page begins: `older` of the one before."),
        ],
        responses=StorySerializer,
    )
    def get(self, request: Request, label: str, row_id: str) -> Response:
        actor = actor_of(request)
        before = request.query_params.get("before", "")
        number = int(before) if before.isdecimal() and len(before) < 19 else None
        story = stories.story(_visible_row(label, row_id, actor), actor=actor, before=number)
        return Response(StorySerializer(story, context={"openable": story.openable}).data)


def _visible_row(label: str, row_id: str, actor: User) -> models.Model:
    """:raises Http404: no such kind of row is recorded, or there is no such row for the actor"""
    known = tracked(label.lower())
    if known is None or known.is_link or not known.has_own_rule:
        raise Http404
    model = apps.get_model(label)
    try:
        row: models.Model | None = (
            model._base_manager.filter(access.scope(actor, "view", model)).filter(pk=row_id).first()
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise Http404 from error
    if row is None:
        raise Http404
    return row
