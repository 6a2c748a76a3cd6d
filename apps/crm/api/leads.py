"""Leads and what they are arranged by, over REST: every change is its service."""

from typing import Any, ClassVar

from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers as drf
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    CreateMixin,
    DestroyMixin,
    ListMixin,
    RetrieveMixin,
    ScopedEditViewSet,
    ScopedModelSerializer,
    ScopedPrimaryKeyRelatedField,
    ScopedReadOnlyViewSet,
    ScopedViewSet,
)
from apps.accounts.models import User
from apps.common.api.kept import input_of
from apps.crm.api.custom import CUSTOM_FILTERS, CustomValuesField
from apps.crm.api.fields import MoneyField
from apps.crm.lead_words import why_assigned
from apps.crm.models import (
    Absence,
    AssignmentRule,
    Company,
    Consent,
    ContactPoint,
    DisqualifyReason,
    Lead,
    LeadArrival,
    LeadForm,
    Person,
    Purpose,
    Source,
    Stage,
    StageTransition,
    Tag,
)
from apps.crm.services import consents, lead_catalog, leads, qualifying
from apps.lists.api.rows import OWNERS, ArchivableViewSet, service_values

_STATE = ["archived_at", "created_at", "updated_at", "version"]
_REFERENCES = OWNERS | {
    "person",
    "company",
    "source",
    "form",
    "pipeline",
    "default_owner",
    "to_user",
    "to_team",
    "stage",
}
_CONVERTED = ["converted_person", "converted_company", "converted_deal", "converted_at"]


class LeadSerializer(ScopedModelSerializer[Lead]):
    """A lead. What becomes of it is said by its actions: claim, start, assign, qualify, disqualify, recycle."""

    why_assigned = drf.SerializerMethodField()
    custom = CustomValuesField(Lead)

    class Meta:
        model = Lead
        fields = [
            *["id", "name", "company_name", "email", "phone", "telegram", "email_value", "phone_value"],
            *["telegram_value", "message", "country", "language", "source", "form", "status", "arrived_at"],
            *["arrival_count", "next_step", "next_step_date", "owner", "team", "assigned_at", "why_assigned"],
            *["disqualify_reason", "disqualify_note", *_CONVERTED, "tags", "external_source", "external_id"],
            *["custom", *_STATE],
        ]
        read_only_fields = [
            *["id", "email_value", "phone_value", "telegram_value", "form", "status", "arrived_at"],
            *["arrival_count", "assigned_at", "disqualify_reason", "disqualify_note", *_CONVERTED, *_STATE],
        ]
        # The services and the database say it, under one code whatever the face.
        validators: ClassVar[list[Any]] = []

    def get_why_assigned(self, lead: Lead) -> str:
        return why_assigned(lead)


class DealOfLeadSerializer(drf.Serializer[Any]):
    """The deal that a lead becomes; the stage is the first one of its form's pipeline unless another is named."""

    title = drf.CharField(max_length=200, required=False, allow_blank=True)
    amount = MoneyField()
    stage = ScopedPrimaryKeyRelatedField(queryset=Stage.objects.all(), required=False, allow_null=True)


class QualifySerializer(drf.Serializer[Any]):
    """What a lead becomes: known rows where they are named, new ones otherwise. Without a deal, none is opened."""

    person = ScopedPrimaryKeyRelatedField(queryset=Person.objects.all(), required=False, allow_null=True)
    company = ScopedPrimaryKeyRelatedField(queryset=Company.objects.all(), required=False, allow_null=True)
    company_name = drf.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Of a new company; empty for none."
    )
    deal = DealOfLeadSerializer(required=False, allow_null=True)


class DisqualifySerializer(drf.Serializer[Any]):
    """Why a lead comes to nothing."""

    reason = ScopedPrimaryKeyRelatedField(queryset=DisqualifyReason.objects.all())
    note = drf.CharField(max_length=500, required=False, allow_blank=True)


class AssignLeadSerializer(drf.Serializer[Any]):
    """Whose it becomes; the team is the new owner's first unless another is named."""

    owner = ScopedPrimaryKeyRelatedField(queryset=User.objects.all())


class LeadCandidateSerializer(drf.Serializer[Any]):
    """A row that a lead may be of, and why."""

    id = drf.IntegerField()
    name = drf.CharField()
    score = drf.IntegerField()
    reasons = drf.ListField(child=drf.CharField())

    def to_representation(self, candidate: Any) -> dict[str, Any]:
        return {
            "id": candidate.row.pk,
            "name": str(candidate.row),
            "score": candidate.score,
            "reasons": [reason.words for reason in candidate.reasons],
        }


class CandidatesSerializer(drf.Serializer[Any]):
    """The people and companies that a lead may be of, the likeliest first."""

    people = LeadCandidateSerializer(many=True)
    companies = LeadCandidateSerializer(many=True)


class LeadViewSet(ArchivableViewSet):
    """Leads; one that is reached by the same as an open one joins it, and is answered with that."""

    queryset = Lead.objects.select_related("owner").prefetch_related(
        Prefetch("tags", Tag.objects.order_by("id"))
    )
    serializer_class = LeadSerializer
    filter_backends = CUSTOM_FILTERS
    references = _REFERENCES
    create_service = staticmethod(leads.create_lead)
    change_service = staticmethod(leads.change_lead)
    archive_service = staticmethod(leads.archive_lead)
    restore_service = staticmethod(leads.restore_lead)
    action_permissions: ClassVar[dict[str, str]] = ArchivableViewSet.action_permissions | {
        "candidates": "view",
        # Whoever sees one that is nobody's; the service says who may have leads.
        "claim": "view",
        "start": "change",
        "assign": "assign",
        "qualify": "qualify",
        "disqualify": "disqualify",
        "recycle": "disqualify",
    }
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "status": ["exact", "in"],
        "source": ["exact"],
        "form": ["exact"],
        "owner": ["exact", "isnull"],
        "team": ["exact"],
        "tags": ["exact"],
        "email_value": ["exact"],
        "phone_value": ["exact"],
        "telegram_value": ["exact"],
        "arrived_at": ["gte", "lt"],
        "archived_at": ["isnull"],
        "external_id": ["exact"],
    }

    @extend_schema(responses=CandidatesSerializer)
    @action(detail=True, methods=["get"])
    def candidates(self, request: Request, pk: str) -> Response:
        """List whom a lead may be from, of the people and companies that the caller sees."""
        lead = self.get_object()
        found = {
            "people": qualifying.people_for(lead, actor=self.actor),
            "companies": qualifying.companies_for(lead, actor=self.actor),
        }
        return Response(CandidatesSerializer(found).data)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def claim(self, request: Request, pk: str) -> Response:
        """Take a lead that is nobody's as one's own."""
        return self.run(leads.claim_lead)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Take a new lead into work."""
        return self.run(leads.start_lead)

    @extend_schema(request=AssignLeadSerializer)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        """Give a lead to somebody; 204 when that takes it out of the caller's sight."""
        return self.act(leads.assign_lead, AssignLeadSerializer)

    @extend_schema(request=QualifySerializer)
    @action(detail=True, methods=["post"])
    def qualify(self, request: Request, pk: str) -> Response:
        """Make of a lead a person, and where they are named a company and a deal; a second time changes nothing."""
        return self.act(_qualified, QualifySerializer)

    @extend_schema(request=DisqualifySerializer)
    @action(detail=True, methods=["post"])
    def disqualify(self, request: Request, pk: str) -> Response:
        """Say that a lead comes to nothing, with the reason."""
        return self.act(leads.disqualify_lead, DisqualifySerializer)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def recycle(self, request: Request, pk: str) -> Response:
        """Take a disqualified lead into work again."""
        return self.run(leads.recycle_lead)


def _qualified(lead_id: int, *, actor: User, deal: dict[str, Any] | None = None, **values: Any) -> Lead:
    wanted: Any = None if deal is None else service_values(deal, _REFERENCES)
    return qualifying.qualify_lead(lead_id, actor=actor, face=StageTransition.Face.API, deal=wanted, **values)


class ArrivalSerializer(drf.ModelSerializer[LeadArrival]):
    """One message as it came in."""

    class Meta:
        model = LeadArrival
        fields = [
            *["id", "lead", "form", "channel", "at", "submission_id", "values", "extra", "origin"],
            "consent_text",
        ]
        read_only_fields = fields


class ArrivalViewSet(ScopedReadOnlyViewSet):
    """The messages that leads are made of; nobody changes them."""

    queryset = LeadArrival.objects.all()
    serializer_class = ArrivalSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "lead": ["exact"],
        "form": ["exact"],
        "at": ["gte", "lt"],
    }


class SourceSerializer(ScopedModelSerializer[Source]):
    """Where strangers hear of us."""

    class Meta:
        model = Source
        fields = ["id", "name", "is_active"]
        validators: ClassVar[list[Any]] = []


class SourceViewSet(ScopedEditViewSet):
    """Sources; one that is no longer offered stays on the leads that have it."""

    queryset = Source.objects.all()
    serializer_class = SourceSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"is_active": ["exact"], "name": ["iexact"]}

    def perform_create(self, serializer: Any) -> Source:
        return lead_catalog.create_source(actor=self.actor, **serializer.validated_data)

    def perform_update(self, row: Source, serializer: Any) -> Source:
        return lead_catalog.change_source(row.pk, actor=self.actor, **serializer.validated_data)


class DisqualifyReasonSerializer(ScopedModelSerializer[DisqualifyReason]):
    """Why leads come to nothing."""

    class Meta:
        model = DisqualifyReason
        fields = ["id", "name", "is_active"]
        validators: ClassVar[list[Any]] = []


class DisqualifyReasonViewSet(ScopedEditViewSet):
    """Reasons; one that is no longer offered stays on the leads that have it."""

    queryset = DisqualifyReason.objects.all()
    serializer_class = DisqualifyReasonSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"is_active": ["exact"]}

    def perform_create(self, serializer: Any) -> DisqualifyReason:
        return lead_catalog.create_disqualify_reason(actor=self.actor, **serializer.validated_data)

    def perform_update(self, row: DisqualifyReason, serializer: Any) -> DisqualifyReason:
        return lead_catalog.change_disqualify_reason(row.pk, actor=self.actor, **serializer.validated_data)


class LeadFormSerializer(ScopedModelSerializer[LeadForm]):
    """A form for other sites; its address is /api/v1/crm/forms/{token}/."""

    allowed_origins = drf.ListField(child=drf.CharField(max_length=255), required=False, max_length=100)
    field_map = drf.DictField(child=drf.CharField(max_length=64), required=False)

    class Meta:
        model = LeadForm
        fields = [
            *["id", "name", "token", "is_active", "allowed_origins", "field_map", "honeypot", "hourly_limit"],
            *["success_message", "redirect_url", "country", "source", "pipeline", "default_owner"],
            *["consent_text", "consent_version", "consent_purpose", "is_consent_required", *_STATE],
        ]
        read_only_fields = ["id", "token", "consent_version", *_STATE]
        validators: ClassVar[list[Any]] = []


class LeadFormViewSet(ArchivableViewSet):
    """Forms for other sites; what is sent with them becomes leads."""

    queryset = LeadForm.objects.all()
    serializer_class = LeadFormSerializer
    references = _REFERENCES
    create_service = staticmethod(lead_catalog.create_form)
    change_service = staticmethod(lead_catalog.change_form)
    archive_service = staticmethod(lead_catalog.archive_form)
    restore_service = staticmethod(lead_catalog.restore_form)
    action_permissions: ClassVar[dict[str, str]] = {
        "archive": "delete",
        "restore": "delete",
        "renew_address": "change",
    }
    filterset_fields: ClassVar[dict[str, list[str]]] = {"is_active": ["exact"], "archived_at": ["isnull"]}

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def renew_address(self, request: Request, pk: str) -> Response:
        """Give a form another address; the old one leads nowhere from now on."""
        return self.run(lead_catalog.renew_form_address)


class AssignmentRuleSerializer(ScopedModelSerializer[AssignmentRule]):
    """To whom leads go that fit its conditions: a person, or the people of a team in turn."""

    class Meta:
        model = AssignmentRule
        fields = [
            *["id", "name", "position", "is_active", "source", "form", "country", "language", "contains"],
            *["to_user", "to_team", "created_at", "updated_at", "version"],
        ]
        read_only_fields = ["id", "created_at", "updated_at", "version"]
        validators: ClassVar[list[Any]] = []


class AssignmentRuleViewSet(ScopedEditViewSet, DestroyMixin):
    """Rules of assignment, tried from the lowest place on."""

    queryset = AssignmentRule.objects.all()
    serializer_class = AssignmentRuleSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"is_active": ["exact"], "form": ["exact"]}

    def perform_create(self, serializer: Any) -> AssignmentRule:
        values = service_values(serializer.validated_data, _REFERENCES)
        return lead_catalog.create_rule(actor=self.actor, **values)

    def perform_update(self, row: AssignmentRule, serializer: Any) -> AssignmentRule:
        values = service_values(serializer.validated_data, _REFERENCES)
        return lead_catalog.change_rule(row.pk, actor=self.actor, **values)

    def perform_destroy(self, row: AssignmentRule) -> None:
        lead_catalog.delete_rule(row.pk, actor=self.actor)


class AbsenceSerializer(ScopedModelSerializer[Absence]):
    """Days on which somebody gets no new leads."""

    class Meta:
        model = Absence
        fields = ["id", "user", "first_date", "last_date"]
        validators: ClassVar[list[Any]] = []


class AbsenceViewSet(ScopedEditViewSet, DestroyMixin):
    """Who is away, and when."""

    queryset = Absence.objects.all()
    serializer_class = AbsenceSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "user": ["exact"],
        "first_date": ["lte"],
        "last_date": ["gte"],
    }

    def perform_create(self, serializer: Any) -> Absence:
        values = service_values(serializer.validated_data)
        return lead_catalog.add_absence(actor=self.actor, **values)

    def perform_update(self, row: Absence, serializer: Any) -> Absence:
        values = {name: value for name, value in serializer.validated_data.items() if name != "user"}
        return lead_catalog.change_absence(row.pk, actor=self.actor, **values)

    def perform_destroy(self, row: Absence) -> None:
        lead_catalog.delete_absence(row.pk, actor=self.actor)


class ContactConsentSerializer(ScopedModelSerializer[Consent]):
    """That somebody agreed to something at one of their addresses, or took it back; the latest counts."""

    text_version = drf.IntegerField(source="text.version", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Consent
        fields = [
            *["id", "contact_point", "purpose", "basis", "status", "source", "at", "text", "text_version"],
            *["note", "actor"],
        ]
        read_only_fields = fields


class NewConsentSerializer(drf.Serializer[Any]):
    """A consent that was given."""

    contact_point = ScopedPrimaryKeyRelatedField(queryset=ContactPoint.objects.active())
    purpose = drf.ChoiceField(Purpose.choices)
    basis = drf.ChoiceField(Consent.Basis.choices, default=Consent.Basis.CONSENT)
    at = drf.DateTimeField(required=False, help_text="When it was given, if not just now.")
    note = drf.CharField(max_length=500, required=False, allow_blank=True)


class WithdrawSerializer(drf.Serializer[Any]):
    """What is known of why it was taken back."""

    note = drf.CharField(max_length=500, required=False, allow_blank=True)


@extend_schema_view(
    create=extend_schema(request=NewConsentSerializer, responses={201: ContactConsentSerializer})
)
class ConsentViewSet(CreateMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Consents; none is changed, and taking one back is a row of its own."""

    queryset = Consent.objects.select_related("text")
    serializer_class = ContactConsentSerializer
    action_permissions: ClassVar[dict[str, str]] = {"withdraw": "change"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "contact_point": ["exact"],
        "contact_point__person": ["exact"],
        "contact_point__company": ["exact"],
        "purpose": ["exact"],
        "status": ["exact"],
    }

    def get_input_class(self) -> type[drf.BaseSerializer[Any]]:
        return NewConsentSerializer

    def perform_create(self, serializer: Any) -> Consent:
        values = dict(serializer.validated_data)
        point = values.pop("contact_point")
        return consents.give_consent(point.pk, actor=self.actor, source=Consent.Source.API, **values)

    @extend_schema(request=WithdrawSerializer, responses={200: ContactConsentSerializer})
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take a consent back; answered with the row that says so."""
        given = self.get_object()
        body = input_of(WithdrawSerializer, request.data, dict(self.get_serializer_context()))
        body.is_valid(raise_exception=True)
        taken_back = consents.withdraw_consent(
            given.pk, actor=self.actor, source=Consent.Source.API, **body.validated_data
        )
        return self.respond_if_visible(taken_back)
