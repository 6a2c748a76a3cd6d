"""Tasks and the calendars of them over REST: every change is its service."""

import json
from hashlib import sha256
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers as drf
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    CreateMixin,
    ListMixin,
    RetrieveMixin,
    ScopedModelSerializer,
    ScopedPrimaryKeyRelatedField,
    ScopedViewSet,
)
from apps.accounts.models import User
from apps.lists.api.rows import ArchivableViewSet, service_values
from apps.notifications.models import CalendarFeed, Task
from apps.notifications.services import feeds, tasks
from apps.notifications.targets import seen_targets, target_of

_REFERENCES = frozenset({"assignee", "team"})
_STATE = ["archived_at", "created_at", "updated_at", "version"]
_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="The same key and body make one task, however often they are sent.",
)


class ItemSerializer(drf.Serializer[Any]):
    """One thing of a checklist; it keeps its key."""

    key = drf.CharField(max_length=16, required=False)
    text = drf.CharField(max_length=tasks.LONGEST_ITEM)
    is_done = drf.BooleanField(default=False)


class TaskAboutSerializer(drf.Serializer[Any]):
    """What a task is about."""

    type = drf.CharField(max_length=100, help_text="“crm.deal”")
    id = drf.IntegerField(min_value=1, max_value=2**63 - 1)


class SeenTargetSerializer(TaskAboutSerializer):
    """The same, with what it is called."""

    name = drf.CharField()


class TaskSerializer(ScopedModelSerializer[Task]):
    """A task. What becomes of it is said by its actions: complete, cancel, reopen, snooze, delegate, tick."""

    checklist = ItemSerializer(many=True, required=False)
    about = drf.SerializerMethodField()

    class Meta:
        model = Task
        fields = [
            *["id", "title", "description", "assignee", "team", "watchers", "priority", "state", "due_at"],
            *["is_all_day", "remind_at", "snoozed_until", "time_zone", "checklist", "recurrence", "series"],
            *["follows", "about", "closed_at", "result", *_STATE],
        ]
        read_only_fields = [
            *[
                "id",
                "state",
                "snoozed_until",
                "time_zone",
                "series",
                "follows",
                "closed_at",
                "result",
                *_STATE,
            ],
        ]
        extra_kwargs: ClassVar[dict[str, Any]] = {"assignee": {"required": False}}
        # The services and the database say it, under one code whatever the face.
        validators: ClassVar[list[Any]] = []

    @extend_schema_field(SeenTargetSerializer(allow_null=True))
    def get_about(self, task: Task) -> dict[str, Any] | None:
        """Return what it is about, as far as the caller sees it."""
        row: Any = task.target
        if row is None:
            return None
        found = target_of(row)
        return {"type": found.label, "id": found.pk, "name": found.name}


class NewTaskSerializer(TaskSerializer):
    """A task as it is made: about something, or about nothing."""

    about = TaskAboutSerializer(required=False, allow_null=True)  # type: ignore[assignment]


class ResultSerializer(drf.Serializer[Any]):
    """What came of it."""

    result = drf.CharField(max_length=2000, required=False, allow_blank=True)


class CancelTaskSerializer(drf.Serializer[Any]):
    """Why it is not to be done."""

    reason = drf.CharField(max_length=2000, required=False, allow_blank=True)


class UntilSerializer(drf.Serializer[Any]):
    """Until when it is put off."""

    until = drf.DateTimeField()


class DelegateSerializer(drf.Serializer[Any]):
    """Who does it from now on; the team is their first unless another is named."""

    assignee = ScopedPrimaryKeyRelatedField(queryset=User.objects.all())


class TickSerializer(drf.Serializer[Any]):
    """Which thing of the checklist is done."""

    key = drf.CharField(max_length=16)
    is_done = drf.BooleanField(default=True)


class TaskViewSet(ArchivableViewSet):
    """What people have to do."""

    queryset = Task.objects.prefetch_related(Prefetch("watchers", User.objects.order_by("id")))
    serializer_class = TaskSerializer
    references = _REFERENCES
    input_classes: ClassVar[dict[str, Any]] = {"create": NewTaskSerializer}
    create_service = staticmethod(tasks.create_task)
    change_service = staticmethod(tasks.change_task)
    archive_service = staticmethod(tasks.archive_task)
    restore_service = staticmethod(tasks.restore_task)
    action_permissions: ClassVar[dict[str, str]] = ArchivableViewSet.action_permissions | {
        "complete": "change",
        "cancel": "change",
        "reopen": "change",
        "snooze": "change",
        "tick": "change",
        "delegate": "assign",
    }
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "state": ["exact", "in"],
        "priority": ["exact", "gte"],
        "assignee": ["exact"],
        "team": ["exact"],
        "due_at": ["gte", "lt", "isnull"],
        "series": ["exact"],
        "target_type__model": ["exact"],
        "target_id": ["exact"],
        "archived_at": ["isnull"],
    }

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        return (
            rows
            if getattr(self, "swagger_fake_view", False)
            else rows.prefetch_related(seen_targets(self.actor))
        )

    def service_values(self, data: dict[str, Any]) -> dict[str, Any]:
        values = service_values(data, self.references)
        if "watchers" in values:
            values["watcher_ids"] = [user.pk for user in values.pop("watchers")]
        if "about" in values:
            about = values.pop("about")
            values["about"] = None if about is None else (about["type"], about["id"])
        return values

    @extend_schema(request=NewTaskSerializer, responses={201: TaskSerializer}, parameters=[_KEY])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give somebody something to do."""
        return super().create(request, *args, **kwargs)

    def perform_create(self, serializer: Any) -> Task:
        values = self.service_values(serializer.validated_data)
        return tasks.create_task(actor=self.actor, cause=self._cause(), **values)

    def _cause(self) -> str:
        """Return what a key and its body make, once. :raises ValidationError: the key has made something else"""
        key = self.request.headers.get("Idempotency-Key", "")
        if not key:
            return ""
        made_by = f"key:{self.actor.pk}:{_short(key)}:"
        cause = made_by + _short(json.dumps(self.request.data, sort_keys=True, default=str))
        earlier = Task.objects.filter(cause__startswith=made_by).values_list("cause", flat=True).first()
        if earlier not in {None, cause}:
            raise ValidationError(_("This key was used for something else."), code="key_reused")
        return cause

    @extend_schema(request=ResultSerializer)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        """Say that it is done; one that repeats makes the next of its series."""
        return self.act(tasks.complete_task, ResultSerializer)

    @extend_schema(request=CancelTaskSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Say that it is not to be done any more."""
        return self.act(tasks.cancel_task, CancelTaskSerializer)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Say that it is to be done after all."""
        return self.run(tasks.reopen_task)

    @extend_schema(request=UntilSerializer)
    @action(detail=True, methods=["post"])
    def snooze(self, request: Request, pk: str) -> Response:
        """Put it off; nobody is reminded of it until then."""
        return self.act(tasks.snooze_task, UntilSerializer)

    @extend_schema(request=DelegateSerializer)
    @action(detail=True, methods=["post"])
    def delegate(self, request: Request, pk: str) -> Response:
        """Hand it on; 204 when that takes it out of the caller's sight."""
        return self.act(tasks.delegate_task, DelegateSerializer)

    @extend_schema(request=TickSerializer)
    @action(detail=True, methods=["post"])
    def tick(self, request: Request, pk: str) -> Response:
        """Tick a thing of the checklist, or take the tick back."""
        return self.act(tasks.tick_item, TickSerializer)


def _short(text: str) -> str:
    # 128 bits of it.
    return sha256(text.encode()).hexdigest()[:32]


class CalendarFeedSerializer(ScopedModelSerializer[CalendarFeed]):
    """An address under which a calendar finds the owner's tasks."""

    class Meta:
        model = CalendarFeed
        fields = ["id", "owner", "name", "created_at", "revoked_at", "used_at"]
        read_only_fields = ["id", "owner", "created_at", "revoked_at", "used_at"]


class MadeFeedSerializer(CalendarFeedSerializer):
    """The same with the address itself, which is not told again."""

    url = drf.CharField(read_only=True)

    class Meta(CalendarFeedSerializer.Meta):
        fields = [*CalendarFeedSerializer.Meta.fields, "url"]


class CalendarFeedViewSet(CreateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Addresses under which calendars find tasks; they are taken back, and stay on record."""

    queryset = CalendarFeed.objects.order_by("-id")
    serializer_class = CalendarFeedSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"owner": ["exact"], "revoked_at": ["isnull"]}
    action_permissions: ClassVar[dict[str, str]] = {"revoke": "change"}
    recent_for = frozenset({"create"})

    @extend_schema(responses={201: MadeFeedSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make an address; the answer is the only place where it is told."""
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        feed, secret = feeds.create_feed(actor=self.actor, **given.validated_data)
        url = request.build_absolute_uri(reverse("notifications:calendar", args=[secret]))
        body = CalendarFeedSerializer(feed, context=self.get_serializer_context()).data | {"url": url}
        return Response(body, status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Take it back: nobody reads by it from now on."""
        with transaction.atomic():
            feed = feeds.revoke_feed(self.locked_object().pk, actor=self.actor)
        return self.respond(feed)
