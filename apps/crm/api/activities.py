"""Timelines over REST: what happened with a row, and notes, calls and meetings by themselves."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Prefetch
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    DestroyMixin,
    ScopedChoice,
    ScopedEditViewSet,
    ScopedFilterSet,
    ScopedModelSerializer,
    ScopedPrimaryKeyRelatedField,
    ScopedViewSet,
)
from apps.crm import tasks
from apps.crm.api.serializers import TransitionSerializer, service_values
from apps.crm.models import (
    ABOUT,
    Activity,
    ActivityLink,
    ActivityVersion,
    Company,
    Deal,
    DealParticipant,
    Person,
)
from apps.crm.services import activities, mail, participants
from apps.crm.timeline import reading
from apps.documents.models import Document


class ActivitySerializer(ScopedModelSerializer[Activity]):
    """Something that was said or done."""

    author_name = serializers.CharField(source="author.name", read_only=True, allow_null=True, default=None)
    deals = serializers.SerializerMethodField(
        help_text="The deals that it is about, as far as the caller sees them."
    )
    companies = serializers.SerializerMethodField()
    people = serializers.SerializerMethodField()
    is_pinned = serializers.SerializerMethodField()

    class Meta:
        model = Activity
        fields = [
            *["id", "kind", "subject", "body", "occurred_at", "duration_minutes", "direction", "outcome"],
            *[
                "author",
                "author_name",
                "deals",
                "companies",
                "people",
                "is_pinned",
                "edited_at",
                "fact",
                "details",
            ],
            *["archived_at", "created_at", "updated_at", "version"],
        ]
        read_only_fields = [
            *[
                "id",
                "kind",
                "author",
                "edited_at",
                "fact",
                "details",
                "archived_at",
                "created_at",
                "updated_at",
            ],
            "version",
        ]

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_deals(self, activity: Activity) -> list[int]:
        return _ids(activity, "deal_id")

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_companies(self, activity: Activity) -> list[int]:
        return _ids(activity, "company_id")

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_people(self, activity: Activity) -> list[int]:
        return _ids(activity, "person_id")

    @extend_schema_field(OpenApiTypes.BOOL)
    def get_is_pinned(self, activity: Activity) -> bool:
        return activity.pinned_at is not None


def _ids(activity: Activity, column: str) -> list[int]:
    links: Any = activity
    return [pk for link in links.seen_links if (pk := getattr(link, column)) is not None]


class NewActivitySerializer(ScopedModelSerializer[Activity]):
    """Something to write down, about a deal, a company or a person, or several of them."""

    kind = serializers.ChoiceField(choices=[(kind.value, kind.label) for kind in Activity.WRITTEN])
    deal = ScopedPrimaryKeyRelatedField(queryset=Deal.objects.all(), required=False)
    company = ScopedPrimaryKeyRelatedField(queryset=Company.objects.all(), required=False)
    person = ScopedPrimaryKeyRelatedField(queryset=Person.objects.all(), required=False)
    documents = ScopedPrimaryKeyRelatedField(queryset=Document.objects.all(), many=True, required=False)
    next_step = serializers.CharField(required=False, max_length=200)
    next_step_date = serializers.DateField(required=False)

    class Meta:
        model = Activity
        fields = [
            *["kind", "deal", "company", "person", "subject", "body", "occurred_at", "duration_minutes"],
            *["direction", "outcome", "documents", "next_step", "next_step_date"],
        ]


class NewMailSerializer(serializers.Serializer[Any]):
    """A letter to send, about a deal, a company or a person."""

    deal = ScopedPrimaryKeyRelatedField(queryset=Deal.objects.all(), required=False)
    company = ScopedPrimaryKeyRelatedField(queryset=Company.objects.all(), required=False)
    person = ScopedPrimaryKeyRelatedField(queryset=Person.objects.all(), required=False)
    to = serializers.ListField(child=serializers.CharField(max_length=320))
    cc = serializers.ListField(child=serializers.CharField(max_length=320), required=False)
    subject = serializers.CharField(max_length=300)
    body = serializers.CharField(max_length=100_000)
    reply_to = serializers.IntegerField(required=False, help_text="The activity that it answers.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len([name for name in ABOUT if name in attrs]) != 1:
            raise serializers.ValidationError("Name a deal, a company or a person.", code="one_target")
        return attrs


class FormerSerializer(serializers.ModelSerializer[ActivityVersion]):
    """What an activity said before, and who replaced it."""

    edited_by_name = serializers.CharField(source="edited_by.name", read_only=True)

    class Meta:
        model = ActivityVersion
        fields = [
            *["number", "subject", "body", "occurred_at", "duration_minutes", "outcome", "edited_by"],
            *["edited_by_name", "edited_at"],
        ]
        read_only_fields = fields


class ActivityFilters(ScopedFilterSet):
    """Filters of activities, by what they are about."""

    deal = ScopedChoice(field_name="links__deal", queryset=Deal.objects.all())
    company = ScopedChoice(field_name="links__company", queryset=Company.objects.all())
    person = ScopedChoice(field_name="links__person", queryset=Person.objects.all())
    kind = filters.ChoiceFilter(choices=Activity.Kind.choices)

    class Meta:
        model = Activity
        fields: ClassVar[dict[str, list[str]]] = {"author": ["exact"], "occurred_at": ["gte", "lt"]}


class ActivityViewSet(ScopedEditViewSet, DestroyMixin):
    """Notes, calls, meetings, letters and events; what people wrote is corrected, and goes to the trash."""

    queryset = Activity.objects.filter(archived_at=None).select_related("author")
    serializer_class = ActivitySerializer
    filterset_class = ActivityFilters
    action_permissions: ClassVar[dict[str, str]] = {
        "pin": "change",
        "unpin": "change",
        "former": "view",
        "send": "add",
    }

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows
        seen = ActivityLink.objects.visible_to(self.actor).order_by("pk")
        return rows.prefetch_related(Prefetch("links", seen, to_attr="seen_links"))

    def get_input_class(self) -> type[serializers.BaseSerializer[Any]]:
        return NewActivitySerializer if self.action == "create" else super().get_input_class()

    @extend_schema(request=NewActivitySerializer, responses={201: ActivitySerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)

    def perform_create(self, serializer: Any) -> Activity:
        values = dict(serializer.validated_data)
        about = [(name, row.pk) for name in ABOUT if (row := values.pop(name, None)) is not None]
        papers = [document.pk for document in values.pop("documents", [])]
        return activities.log_activity(about=about, actor=self.actor, document_ids=papers, **values)

    def perform_update(self, row: Activity, serializer: Any) -> Activity:
        return activities.change_activity(row.pk, actor=self.actor, **serializer.validated_data)

    def perform_destroy(self, row: Activity) -> None:
        activities.archive_activity(row.pk, actor=self.actor)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def pin(self, request: Request, pk: str) -> Response:
        """Let it stand on top of the timelines of what it is about."""
        return self.run(activities.pin_activity, is_pinned=True)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def unpin(self, request: Request, pk: str) -> Response:
        """Let it stand on top no longer."""
        return self.run(activities.pin_activity, is_pinned=False)

    @extend_schema(request=NewMailSerializer, responses={201: ActivitySerializer})
    @action(detail=False, methods=["post"])
    def send(self, request: Request) -> Response:
        """Write a letter, which goes out at once."""
        body = NewMailSerializer(data=request.data, context=self.get_serializer_context())
        body.is_valid(raise_exception=True)
        values = dict(body.validated_data)
        about = next((name, row.pk) for name in ABOUT if (row := values.pop(name, None)) is not None)
        with transaction.atomic():
            sent = mail.send_mail(
                about=about, actor=self.actor, reply_to_id=values.pop("reply_to", None), **values
            )
            transaction.on_commit(lambda: tasks.deliver_mail.delay(sent.pk))
        return self.respond(self.get_queryset().get(pk=sent.pk), 201)

    @extend_schema(responses=FormerSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def former(self, request: Request, pk: str) -> Response:
        """What it said before it was edited, the latest first."""
        rows = self.get_object().former.select_related("edited_by").order_by("-number")
        return Response(FormerSerializer(rows, many=True).data)


class ParticipantSerializer(ScopedModelSerializer[DealParticipant]):
    """A person's part in a deal."""

    person_name = serializers.CharField(source="person.full_name", read_only=True)

    class Meta:
        model = DealParticipant
        fields = ["id", "deal", "person", "person_name", "role", "is_primary"]
        read_only_fields = ["id"]
        validators: ClassVar[list[Any]] = []


class ChangeParticipantSerializer(ParticipantSerializer):
    """A participant stays who they are, in their deal."""

    class Meta(ParticipantSerializer.Meta):
        read_only_fields = ["id", "deal", "person"]


class ParticipantViewSet(ScopedEditViewSet, DestroyMixin):
    """Who takes part in deals on the customers' side."""

    queryset = DealParticipant.objects.select_related("person")
    serializer_class = ParticipantSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "deal": ["exact"],
        "person": ["exact"],
        "role": ["exact"],
        "is_primary": ["exact"],
    }

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Any]]:
        is_change = self.action in {"update", "partial_update"}
        return ChangeParticipantSerializer if is_change else ParticipantSerializer

    def perform_create(self, serializer: Any) -> DealParticipant:
        values = service_values(serializer.validated_data)
        return participants.add_participant(values.pop("deal_id"), actor=self.actor, **values)

    def perform_update(self, row: DealParticipant, serializer: Any) -> DealParticipant:
        return participants.change_participant(row.pk, actor=self.actor, **serializer.validated_data)

    def perform_destroy(self, row: DealParticipant) -> None:
        participants.remove_participant(row.pk, actor=self.actor)


class TimelineEntrySerializer(serializers.Serializer[Any]):
    """One entry of a timeline: an activity, or a step of a deal."""

    at = serializers.DateTimeField()
    activity = ActivitySerializer(allow_null=True)
    step = TransitionSerializer(allow_null=True)


class TimelinePageSerializer(serializers.Serializer[Any]):
    """A page of a timeline."""

    entries = TimelineEntrySerializer(many=True)
    next = serializers.CharField(
        allow_null=True, help_text="What `after` is for the next page; null at the end."
    )


class TimelineMixin(ScopedViewSet):
    """Rows with a timeline."""

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "kind", str, many=True, description="Only these kinds; STEP is a step of a deal."
            ),
            OpenApiParameter("q", str, description="Only activities with this in their words."),
            OpenApiParameter("after", str, description="`next` of the page before."),
        ],
        responses=TimelinePageSerializer,
    )
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def timeline(self, request: Request, pk: str) -> Response:
        """What happened with it, and with its deals and people as far as the caller sees them, the latest first."""
        row, asked = self.get_object(), request.query_params
        after = asked.get("after")
        page = reading.read(
            row,
            actor=self.actor,
            kinds=asked.getlist("kind"),
            term=asked.get("q", "")[:200],
            after=reading.parse_key(after) if after else None,
        )
        context = self.get_serializer_context()
        return Response({"entries": _entries(page, self.actor, context), "next": page.next_key})


def _entries(page: reading.Page, actor: Any, context: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [entry.row for entry in page.entries if not entry.is_step]
    links: dict[int, list[ActivityLink]] = {row.pk: [] for row in rows}
    for link in ActivityLink.objects.visible_to(actor).filter(activity__in=rows).order_by("pk"):
        links[link.activity_id].append(link)
    for row in rows:
        row.seen_links = links[row.pk]
    return [
        {
            "at": entry.key.at,
            "activity": None if entry.is_step else ActivitySerializer(entry.row, context=context).data,
            "step": TransitionSerializer(entry.row, context=context).data if entry.is_step else None,
        }
        for entry in page.entries
    ]
