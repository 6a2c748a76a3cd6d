"""Approvals and signature requests over REST: every change is its service."""

from typing import Any, ClassVar

from django.db import transaction
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as drf
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    CreateMixin,
    ListMixin,
    RetrieveMixin,
    ScopedFilterSet,
    ScopedModelSerializer,
    ScopedPrimaryKeyRelatedField,
    ScopedViewSet,
)
from apps.accounts.models import Role, Team, User
from apps.documents.faces.links import signing_link
from apps.documents.models import (
    Approval,
    ApprovalRoute,
    ApprovalRouteStep,
    ApprovalStep,
    Document,
    SignatureEvent,
    SignatureRecipient,
    SignatureRequest,
)
from apps.documents.services import approval_routes, approvals, signing
from apps.documents.services.approvals import Ask
from apps.documents.services.signing import Party
from apps.lists.api.rows import ArchivableViewSet

_STATE = ["created_at", "updated_at", "version"]


class AskSerializer(drf.Serializer[Any]):
    """Whom a step asks: one person, or a role together with its team."""

    place = drf.IntegerField(min_value=1, max_value=1000, default=1)
    assignee = ScopedPrimaryKeyRelatedField(queryset=User.objects.all(), allow_null=True, default=None)
    team = ScopedPrimaryKeyRelatedField(queryset=Team.objects.all(), allow_null=True, default=None)
    role = ScopedPrimaryKeyRelatedField(queryset=Role.objects.all(), allow_null=True, default=None)
    days = drf.IntegerField(min_value=1, max_value=365, allow_null=True, default=None)


def _asks(steps: Any) -> list[Ask]:
    """Return steps as services take them; of a partial body nothing was filled in."""
    return [
        Ask(
            place=step.get("place", 1),
            days=step.get("days"),
            **{
                f"{name}_id": row and row.pk
                for name in ("assignee", "team", "role")
                for row in [step.get(name)]
            },
        )
        for step in steps
    ]


class RouteStepSerializer(drf.ModelSerializer[ApprovalRouteStep]):
    """A step of a way of approval."""

    class Meta:
        model = ApprovalRouteStep
        fields = ["id", "place", "assignee", "team", "role", "days"]
        read_only_fields = fields


class ApprovalRouteSerializer(ScopedModelSerializer[ApprovalRoute]):
    """A way of approval with its steps."""

    steps = RouteStepSerializer(many=True, read_only=True)

    class Meta:
        model = ApprovalRoute
        fields = ["id", "name", "type", "steps", "archived_at", *_STATE]
        read_only_fields = ["id", "archived_at", *_STATE]
        validators: ClassVar[list[Any]] = []


class WrittenRouteSerializer(ApprovalRouteSerializer):
    """A way of approval as it is written: steps that are given take the place of all it has."""

    steps = AskSerializer(many=True, required=False)  # type: ignore[assignment]


class ApprovalRouteViewSet(ArchivableViewSet):
    """The ways by which documents of a type are approved."""

    queryset = ApprovalRoute.objects.prefetch_related("steps")
    serializer_class = ApprovalRouteSerializer
    archive_service = staticmethod(approval_routes.archive_route)
    restore_service = staticmethod(approval_routes.restore_route)
    input_classes: ClassVar[dict[str, Any]] = {
        "create": WrittenRouteSerializer,
        "update": WrittenRouteSerializer,
        "partial_update": WrittenRouteSerializer,
    }
    filterset_fields: ClassVar[dict[str, list[str]]] = {"type": ["exact"], "archived_at": ["isnull"]}

    @extend_schema(request=WrittenRouteSerializer, responses={201: ApprovalRouteSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)

    @extend_schema(request=WrittenRouteSerializer, responses={200: ApprovalRouteSerializer})
    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            row = self.locked_object()
            body = WrittenRouteSerializer(
                data=request.data,
                partial=kwargs.get("partial", False),
                context=self.get_serializer_context(),
            )
            body.is_valid(raise_exception=True)
            values = _route_values(body.validated_data)
            changed = approval_routes.change_route(row.pk, actor=self.actor, **values)
        return self.respond_if_visible(changed)

    @extend_schema(request=WrittenRouteSerializer, responses={200: ApprovalRouteSerializer})
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, **kwargs, partial=True)

    def perform_create(self, serializer: Any) -> ApprovalRoute:
        return approval_routes.create_route(actor=self.actor, **_route_values(serializer.validated_data))


def _route_values(data: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "name" in data:
        values["name"] = data["name"]
    if "type" in data:
        values["type_id"] = data["type"].pk
    if "steps" in data:
        values["steps"] = _asks(data["steps"])
    return values


class ApprovalStepSerializer(drf.ModelSerializer[ApprovalStep]):
    """A decision that an approval needs."""

    asked = drf.CharField(source="asked_name", read_only=True)

    class Meta:
        model = ApprovalStep
        fields = [
            *["id", "place", "state", "asked", "assignee", "team", "role", "asked_at", "due_at"],
            *["decided_at", "decided_by", "comment"],
        ]
        read_only_fields = fields


class ApprovalSerializer(ScopedModelSerializer[Approval]):
    """An approval with its decisions."""

    document_version = drf.IntegerField(source="document_version.number", read_only=True)
    steps = ApprovalStepSerializer(many=True, read_only=True)

    class Meta:
        model = Approval
        fields = [
            *["id", "document", "document_version", "route", "state", "note", "reason", "created_by"],
            *["closed_at", "steps", *_STATE],
        ]
        read_only_fields = fields


class NewApprovalSerializer(drf.Serializer[Any]):
    """What to send to be approved, and by whom: by a route, or by steps of one's own."""

    document = ScopedPrimaryKeyRelatedField(queryset=Document.objects.all())
    route = ScopedPrimaryKeyRelatedField(
        queryset=ApprovalRoute.objects.all(), allow_null=True, required=False, default=None
    )
    steps = AskSerializer(many=True, required=False)
    note = drf.CharField(max_length=2000, allow_blank=True, required=False, default="")


class DecisionSerializer(drf.Serializer[Any]):
    """What somebody decides about what they were asked."""

    decision = drf.ChoiceField(choices=["approve", "reject", "delegate"])
    comment = drf.CharField(max_length=2000, allow_blank=True, required=False, default="")
    step = drf.IntegerField(required=False, allow_null=True, default=None)
    # Whom a decision is given to.
    assignee = ScopedPrimaryKeyRelatedField(
        queryset=User.objects.all(), required=False, allow_null=True, default=None
    )


class SigningReasonSerializer(drf.Serializer[Any]):
    """Why something is taken back."""

    reason = drf.CharField(max_length=2000, allow_blank=True, required=False, default="")


class ApprovalFilters(ScopedFilterSet):
    """Filters of approvals; `waiting` keeps those that wait for the caller's decision."""

    waiting = filters.BooleanFilter(method="keep_waiting")

    class Meta:
        model = Approval
        fields: ClassVar[dict[str, list[str]]] = {
            "document": ["exact"],
            "state": ["exact"],
            "route": ["exact"],
        }

    def keep_waiting(self, rows: Any, name: str, value: bool) -> Any:  # noqa: FBT001 - as django-filter calls it
        actor: Any = self.request and self.request.user
        waiting = approvals.waiting_for(actor).order_by().values("approval")
        return rows.filter(pk__in=waiting) if value else rows.exclude(pk__in=waiting)


class ApprovalViewSet(CreateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """What was sent to be approved."""

    queryset = Approval.objects.select_related("document_version").prefetch_related(
        "steps__assignee", "steps__team", "steps__role"
    )
    serializer_class = ApprovalSerializer
    filterset_class = ApprovalFilters
    action_permissions: ClassVar[dict[str, str]] = {"decide": "decide", "cancel": "change"}

    def get_input_class(self) -> type[drf.BaseSerializer[Any]]:
        return NewApprovalSerializer if self.action == "create" else super().get_input_class()

    @extend_schema(request=NewApprovalSerializer, responses={201: ApprovalSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send a document to be approved."""
        return super().create(request, *args, **kwargs)

    def perform_create(self, serializer: Any) -> Approval:
        said = serializer.validated_data
        return approvals.request_approval(
            said["document"].pk,
            actor=self.actor,
            route_id=said["route"] and said["route"].pk,
            steps=_asks(said.get("steps", [])),
            note=said["note"],
        )

    @extend_schema(request=DecisionSerializer, responses={200: ApprovalSerializer})
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, pk: str) -> Response:
        """Approve, send back with a comment, or give the decision to somebody else; only who is asked may."""
        row = self.get_object()
        body = DecisionSerializer(data=request.data, context=self.get_serializer_context())
        body.is_valid(raise_exception=True)
        said = body.validated_data
        given: dict[str, Any] = {"actor": self.actor, "comment": said["comment"], "step_id": said["step"]}
        self.check_version(row)
        if said["decision"] == "delegate":
            other = said["assignee"]
            changed = approvals.delegate(row.pk, assignee_id=other.pk if other else 0, **given)
        else:
            changed = approvals.decide(row.pk, is_approved=said["decision"] == "approve", **given)
        return self.respond_if_visible(changed)

    @extend_schema(request=SigningReasonSerializer, responses={200: ApprovalSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Take a document back from being approved."""
        row = self.get_object()
        body = SigningReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        self.check_version(row)
        changed = approvals.cancel_approval(row.pk, actor=self.actor, reason=body.validated_data["reason"])
        return self.respond_if_visible(changed)


class RecipientSerializer(drf.ModelSerializer[SignatureRecipient]):
    """Somebody who is asked to accept a document; what opens their link is told to nobody."""

    class Meta:
        model = SignatureRecipient
        fields = [
            *["id", "place", "name", "email", "locale", "state", "sent_at", "viewed_at", "decided_at"],
            *["reason", "wrong_codes"],
        ]
        read_only_fields = fields


class SignatureEventSerializer(drf.ModelSerializer[SignatureEvent]):
    """What happened on the way, as it stands in the chain."""

    class Meta:
        model = SignatureEvent
        fields = [
            *[
                "position",
                "kind",
                "at",
                "recipient",
                "address",
                "agent",
                "digest",
                "data",
                "previous",
                "hash",
            ],
        ]
        read_only_fields = fields


class SignatureRequestSerializer(ScopedModelSerializer[SignatureRequest]):
    """What was sent out to be signed, and how far it is."""

    document_version = drf.IntegerField(source="document_version.number", read_only=True)
    recipients = RecipientSerializer(many=True, read_only=True)

    class Meta:
        model = SignatureRequest
        fields = [
            *["id", "document", "document_version", "digest", "message", "locale", "state", "expires_at"],
            *["closed_at", "reason", "evidence", "created_by", "recipients", *_STATE],
        ]
        read_only_fields = fields


class PartySerializer(drf.Serializer[Any]):
    """Somebody who is to accept."""

    name = drf.CharField(max_length=150)
    email = drf.EmailField()
    place = drf.IntegerField(min_value=1, max_value=1000, default=1)
    locale = drf.CharField(max_length=8, allow_blank=True, default="")


class NewSignatureRequestSerializer(drf.Serializer[Any]):
    """What to send out, to whom, until when."""

    document = ScopedPrimaryKeyRelatedField(queryset=Document.objects.all())
    recipients = PartySerializer(many=True)
    expires_at = drf.DateTimeField()
    message = drf.CharField(max_length=2000, allow_blank=True, required=False, default="")


class ResendSerializer(drf.Serializer[Any]):
    """Whom to send another link."""

    recipient = drf.IntegerField()


class SignatureRequestViewSet(CreateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """What was sent out to be signed."""

    queryset = SignatureRequest.objects.select_related("document_version").prefetch_related("recipients")
    serializer_class = SignatureRequestSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"document": ["exact"], "state": ["exact"]}
    action_permissions: ClassVar[dict[str, str]] = {"cancel": "change", "resend": "change", "events": "view"}

    def get_input_class(self) -> type[drf.BaseSerializer[Any]]:
        return NewSignatureRequestSerializer if self.action == "create" else super().get_input_class()

    @extend_schema(request=NewSignatureRequestSerializer, responses={201: SignatureRequestSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send a document out to be signed."""
        return super().create(request, *args, **kwargs)

    def perform_create(self, serializer: Any) -> SignatureRequest:
        said = serializer.validated_data
        return signing.request_signature(
            said["document"].pk,
            parties=[Party(**party) for party in said["recipients"]],
            expires_at=said["expires_at"],
            message=said["message"],
            link=signing_link(self.request),
            actor=self.actor,
        )

    @extend_schema(request=SigningReasonSerializer, responses={200: SignatureRequestSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Take a request back: its links end at once."""
        row = self.get_object()
        body = SigningReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        self.check_version(row)
        reason = body.validated_data["reason"]
        changed = signing.cancel_signature_request(row.pk, actor=self.actor, reason=reason)
        return self.respond_if_visible(changed)

    @extend_schema(request=ResendSerializer, responses={200: SignatureRequestSerializer})
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str) -> Response:
        """Send somebody another link; the earlier one ends."""
        row = self.get_object()
        body = ResendSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        self.check_version(row)
        changed = signing.resend_link(
            row.pk,
            recipient_id=body.validated_data["recipient"],
            link=signing_link(request),
            actor=self.actor,
        )
        return self.respond_if_visible(changed)

    @extend_schema(responses={200: SignatureEventSerializer(many=True)})
    @action(detail=True, methods=["get"], pagination_class=None, filterset_fields=None)
    def events(self, request: Request, pk: str) -> Response:
        """Return the record of a request, in the order of its chain."""
        told = self.get_object().events.order_by("position")
        return Response(SignatureEventSerializer(told, many=True).data)
