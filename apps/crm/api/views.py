"""The sales side over REST: every change is its service, every refusal a problem document."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Prefetch
from django_filters import rest_framework as filters
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
    ScopedFilterSet,
    ScopedReadOnlyViewSet,
    ScopedViewSet,
    judged,
)
from apps.accounts.faces.hot import HotReads
from apps.crm.api import serializers as shapes
from apps.crm.api.activities import TimelineMixin
from apps.crm.api.custom import CUSTOM_FILTERS, CustomReads
from apps.crm.api.merging import (
    CompanyProbeSerializer,
    MergeableViewSet,
    MergeCompaniesSerializer,
    MergePeopleSerializer,
    OtherCompanySerializer,
    OtherPersonSerializer,
    PersonProbeSerializer,
)
from apps.crm.api.personal import PersonalMixin
from apps.crm.api.quotes import (
    ContractSerializer,
    LinesPreviewSerializer,
    WholeLinesSerializer,
    new_lines,
    preview_of,
    set_lines,
)
from apps.crm.api.serializers import RELATIONS, service_values
from apps.crm.models import (
    Company,
    ContactPoint,
    Deal,
    DealLine,
    Employment,
    LostReason,
    Person,
    Pipeline,
    Product,
    Stage,
    StageTransition,
    Tag,
)
from apps.crm.services import (
    catalog,
    companies,
    contacts,
    contracts,
    deals,
    lines,
    merging,
    people,
    pipelines,
)
from apps.lists.api.rows import ArchivableViewSet

Face = StageTransition.Face


class SalesViewSet(ArchivableViewSet):
    """Rows of the sales side that services write, and that go to the trash and come back."""

    references = RELATIONS


def _tags() -> Any:
    return Prefetch("tags", Tag.objects.order_by("id"))


def _contacts() -> Any:
    points = ContactPoint.objects.active().order_by("-is_primary", "id")
    return Prefetch("contact_points", points, to_attr="active_contact_points")


@extend_schema_view(
    merge=extend_schema(request=MergeCompaniesSerializer, responses=shapes.CompanySerializer),
    duplicates=extend_schema(request=CompanyProbeSerializer),
    dismiss_duplicate=extend_schema(request=OtherCompanySerializer),
    reconsider_duplicate=extend_schema(request=OtherCompanySerializer),
)
class CompanyViewSet(TimelineMixin, MergeableViewSet):
    """Companies; at the address of one that was merged into another it is said which (410)."""

    queryset = Company.objects.filter(merged_into=None).prefetch_related(_tags(), _contacts())
    filter_backends = CUSTOM_FILTERS
    references = RELATIONS
    merge_service = staticmethod(merging.merge_companies)
    merge_class = MergeCompaniesSerializer
    other_class = OtherCompanySerializer
    probe_class = CompanyProbeSerializer
    serializer_class = shapes.CompanySerializer
    input_classes: ClassVar[dict[str, Any]] = {"create": shapes.NewCompanySerializer}
    create_service = staticmethod(companies.create_company)
    change_service = staticmethod(companies.change_company)
    archive_service = staticmethod(companies.archive_company)
    restore_service = staticmethod(companies.restore_company)
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "name": ["exact", "iexact", "icontains"],
        "tax_id": ["exact"],
        "owner": ["exact"],
        "team": ["exact"],
        "parent": ["exact", "isnull"],
        "tags": ["exact"],
        "archived_at": ["isnull"],
        "external_id": ["exact"],
    }

    @extend_schema(request=shapes.NewCompanySerializer, responses={201: shapes.CompanySerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)

    def perform_create(self, serializer: Any) -> Company:
        values = dict(serializer.validated_data)
        points = values.pop("contact_points", [])
        return companies.create_company(actor=self.actor, contact_points=points, **service_values(values))


class PersonFilters(ScopedFilterSet):
    """Filters of people; django-filter does not know generated columns by itself."""

    full_name = filters.CharFilter()
    full_name__icontains = filters.CharFilter(field_name="full_name", lookup_expr="icontains")

    class Meta:
        model = Person
        fields: ClassVar[dict[str, list[str]]] = {
            "employments__company": ["exact"],
            "contact_points__value": ["exact"],
            "owner": ["exact"],
            "team": ["exact"],
            "tags": ["exact"],
            "archived_at": ["isnull"],
            "external_id": ["exact"],
        }


@extend_schema_view(
    merge=extend_schema(request=MergePeopleSerializer, responses=shapes.PersonSerializer),
    duplicates=extend_schema(request=PersonProbeSerializer),
    dismiss_duplicate=extend_schema(request=OtherPersonSerializer),
    reconsider_duplicate=extend_schema(request=OtherPersonSerializer),
)
class PersonViewSet(TimelineMixin, PersonalMixin, MergeableViewSet):
    """People; at the address of one who was merged into another it is said into whom (410)."""

    references = RELATIONS
    filter_backends = CUSTOM_FILTERS
    merge_service = staticmethod(merging.merge_people)
    merge_class = MergePeopleSerializer
    other_class = OtherPersonSerializer
    probe_class = PersonProbeSerializer
    action_permissions: ClassVar[dict[str, str]] = {
        **MergeableViewSet.action_permissions,
        "disclose": "disclose",
        "rehearse_erasure": "erase",
    }
    recent_for = frozenset({"disclose"})
    queryset = Person.objects.filter(merged_into=None).prefetch_related(
        _tags(),
        _contacts(),
        Prefetch("employments", Employment.objects.select_related("company").order_by("id")),
    )
    serializer_class = shapes.PersonSerializer
    input_classes: ClassVar[dict[str, Any]] = {"create": shapes.NewPersonSerializer}
    create_service = staticmethod(people.create_person)
    change_service = staticmethod(people.change_person)
    archive_service = staticmethod(people.archive_person)
    restore_service = staticmethod(people.restore_person)
    filterset_class = PersonFilters

    @extend_schema(request=shapes.NewPersonSerializer, responses={201: shapes.PersonSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)

    def perform_create(self, serializer: Any) -> Person:
        values = dict(serializer.validated_data)
        points = values.pop("contact_points", [])
        return people.create_person(actor=self.actor, contact_points=points, **service_values(values))


class ContactPointViewSet(ScopedEditViewSet, DestroyMixin):
    """Contacts of people and companies; a deleted one goes to the trash and is free for others."""

    queryset = ContactPoint.objects.active()
    serializer_class = shapes.HeldContactSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "person": ["exact"],
        "company": ["exact"],
        "kind": ["exact"],
        "value": ["exact"],
    }

    def get_input_class(self) -> type[drf.BaseSerializer[Any]]:
        is_new = self.action == "create"
        return shapes.HeldContactSerializer if is_new else shapes.ChangeContactSerializer

    def perform_create(self, serializer: Any) -> ContactPoint:
        values = dict(serializer.validated_data)
        person, company = values.pop("person", None), values.pop("company", None)
        if (person is None) == (company is None):
            raise drf.ValidationError({"person": ["Name either a person or a company."]}, code="one_holder")
        holder = person or company
        return contacts.add_contact_point(type(holder), holder.pk, actor=self.actor, **values)

    def perform_update(self, row: ContactPoint, serializer: Any) -> ContactPoint:
        return contacts.change_contact_point(row.pk, actor=self.actor, **_kept(serializer))

    def perform_destroy(self, row: ContactPoint) -> None:
        contacts.archive_contact_point(row.pk, actor=self.actor)


def _kept(serializer: Any) -> dict[str, Any]:
    """Return what may be changed of a part: it stays with its whole."""
    whole = {"person", "company", "deal", "pipeline"}
    return {name: value for name, value in serializer.validated_data.items() if name not in whole}


class EmploymentViewSet(CreateMixin, DestroyMixin, RetrieveMixin, ListMixin, ScopedViewSet):
    """Who works where; naming a pair again changes the position or the primary one."""

    queryset = Employment.objects.select_related("company")
    serializer_class = shapes.NewEmploymentSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "person": ["exact"],
        "company": ["exact"],
        "is_primary": ["exact"],
    }

    def perform_create(self, serializer: Any) -> Employment:
        values = service_values(serializer.validated_data)
        return people.employ_person(values.pop("person_id"), actor=self.actor, **values)

    def perform_destroy(self, row: Employment) -> None:
        people.end_employment(row.pk, actor=self.actor)


class ProductViewSet(SalesViewSet):
    """What is sold."""

    queryset = Product.objects.all()
    serializer_class = shapes.ProductSerializer
    create_service = staticmethod(catalog.create_product)
    change_service = staticmethod(catalog.change_product)
    archive_service = staticmethod(catalog.archive_product)
    restore_service = staticmethod(catalog.restore_product)
    action_permissions: ClassVar[dict[str, str]] = {"archive": "delete", "restore": "delete"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "name": ["exact", "iexact", "icontains"],
        "sku": ["exact"],
        "family": ["exact"],
        "archived_at": ["isnull"],
    }


class TagViewSet(ScopedEditViewSet, DestroyMixin):
    """Words that rows are marked with."""

    queryset = Tag.objects.all()
    serializer_class = shapes.TagSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"name": ["exact", "iexact"]}

    def perform_create(self, serializer: Any) -> Tag:
        return catalog.create_tag(actor=self.actor, **serializer.validated_data)

    def perform_update(self, row: Tag, serializer: Any) -> Tag:
        return catalog.change_tag(row.pk, actor=self.actor, **serializer.validated_data)

    def perform_destroy(self, row: Tag) -> None:
        catalog.delete_tag(row.pk, actor=self.actor)


class LostReasonViewSet(ScopedEditViewSet, DestroyMixin):
    """Why deals are lost."""

    queryset = LostReason.objects.all()
    serializer_class = shapes.LostReasonSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"is_active": ["exact"]}

    def perform_create(self, serializer: Any) -> LostReason:
        return catalog.create_lost_reason(actor=self.actor, name=serializer.validated_data["name"])

    def perform_update(self, row: LostReason, serializer: Any) -> LostReason:
        return catalog.change_lost_reason(row.pk, actor=self.actor, **serializer.validated_data)

    def perform_destroy(self, row: LostReason) -> None:
        catalog.delete_lost_reason(row.pk, actor=self.actor)


class PipelineViewSet(SalesViewSet):
    """The ways a deal can go, each with its stages in order."""

    queryset = Pipeline.objects.prefetch_related(
        Prefetch("stages", Stage.objects.order_by("position"), to_attr="ordered_stages")
    )
    serializer_class = shapes.PipelineSerializer
    archive_service = staticmethod(pipelines.archive_pipeline)
    restore_service = staticmethod(pipelines.restore_pipeline)
    change_service = staticmethod(pipelines.change_pipeline)
    action_permissions: ClassVar[dict[str, str]] = {
        "archive": "delete",
        "restore": "delete",
        "reorder": "change",
    }
    filterset_fields: ClassVar[dict[str, list[str]]] = {"is_default": ["exact"], "archived_at": ["isnull"]}

    def perform_create(self, serializer: Any) -> Pipeline:
        return pipelines.create_pipeline(actor=self.actor, name=serializer.validated_data["name"])

    @extend_schema(request=shapes.StageOrderSerializer, responses=shapes.PipelineSerializer)
    @action(detail=True, methods=["post"])
    def reorder(self, request: Request, pk: str) -> Response:
        """Put all stages into this order."""
        return self.act(pipelines.reorder_stages, shapes.StageOrderSerializer)


class StageViewSet(ScopedEditViewSet, DestroyMixin):
    """Stages; the order is the pipeline's to change."""

    queryset = Stage.objects.all()
    serializer_class = shapes.StageSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"pipeline": ["exact"], "kind": ["exact"]}

    def get_input_class(self) -> type[drf.BaseSerializer[Any]]:
        return shapes.StageSerializer if self.action == "create" else shapes.ChangeStageSerializer

    def perform_create(self, serializer: Any) -> Stage:
        values = service_values(serializer.validated_data)
        return pipelines.add_stage(values.pop("pipeline_id"), actor=self.actor, **values)

    def perform_update(self, row: Stage, serializer: Any) -> Stage:
        return pipelines.change_stage(row.pk, actor=self.actor, **_kept(serializer))

    def perform_destroy(self, row: Stage) -> None:
        pipelines.delete_stage(row.pk, actor=self.actor)


class DealViewSet(TimelineMixin, CustomReads, HotReads, SalesViewSet):
    """Deals. Where a deal stands is changed by its actions, never by an edit."""

    service_decides = True
    filter_backends = CUSTOM_FILTERS

    queryset = Deal.objects.select_related("stage", "company", "person", "owner").prefetch_related(_tags())
    serializer_class = shapes.DealSerializer
    input_classes: ClassVar[dict[str, Any]] = {"create": shapes.NewDealSerializer}
    create_service = staticmethod(deals.create_deal)
    change_service = staticmethod(deals.change_deal)
    archive_service = staticmethod(deals.archive_deal)
    restore_service = staticmethod(deals.restore_deal)
    action_permissions: ClassVar[dict[str, str]] = SalesViewSet.action_permissions | {
        **{name: name for name in ("move", "win", "lose", "reopen", "assign")},
        "timeline": "view",
    }
    action_permissions |= {"set_lines": "change", "preview_lines": "view", "contract": "view"}
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "number": ["exact"],
        "title": ["icontains"],
        "status": ["exact"],
        "stage": ["exact"],
        "pipeline": ["exact"],
        "owner": ["exact"],
        "team": ["exact"],
        "company": ["exact", "isnull"],
        "person": ["exact"],
        "tags": ["exact"],
        "expected_close_date": ["gte", "lte"],
        "closed_at": ["gte", "lt"],
        "archived_at": ["isnull"],
        "external_id": ["exact"],
    }

    @extend_schema(request=shapes.NewDealSerializer, responses={201: shapes.DealSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)

    def perform_create(self, serializer: Any) -> Deal:
        values = service_values(serializer.validated_data)
        with judged(serializer):
            return deals.create_deal(actor=self.actor, face=Face.API, **values)

    @extend_schema(request=shapes.MoveSerializer)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str) -> Response:
        """Move an open deal to another open stage of its pipeline."""
        return self.act(deals.move_deal, shapes.MoveSerializer, face=Face.API)

    @extend_schema(request=shapes.WinSerializer)
    @action(detail=True, methods=["post"])
    def win(self, request: Request, pk: str) -> Response:
        """Close an open deal as won."""
        return self.act(deals.win_deal, shapes.WinSerializer, face=Face.API)

    @extend_schema(request=shapes.LoseSerializer)
    @action(detail=True, methods=["post"])
    def lose(self, request: Request, pk: str) -> Response:
        """Close an open deal as lost, with the reason."""
        return self.act(deals.lose_deal, shapes.LoseSerializer, face=Face.API)

    @extend_schema(request=shapes.ReopenSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Open a closed deal again, in the stage in which it was closed."""
        return self.act(deals.reopen_deal, shapes.ReopenSerializer, face=Face.API)

    @extend_schema(request=shapes.AssignSerializer)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        """Give a deal to somebody; 204 when that takes it out of the caller's sight."""
        return self.act(deals.assign_deal, shapes.AssignSerializer)

    @extend_schema(request=WholeLinesSerializer, responses=shapes.DealSerializer)
    @action(detail=True, methods=["post"])
    def set_lines(self, request: Request, pk: str) -> Response:
        """Put all lines of a deal as they are given: new, changed, gone, in this order, in one step."""
        with transaction.atomic():
            row = self.locked_object()
            changed = set_lines(row.pk, self._lines_given(), actor=self.actor)
        response: Response = self.respond_if_visible(changed)
        return response

    @extend_schema(request=WholeLinesSerializer, responses=LinesPreviewSerializer)
    @action(detail=True, methods=["post"])
    def preview_lines(self, request: Request, pk: str) -> Response:
        """Tell what lines would come to, with the prices that their products have; nothing is written."""
        deal = self.get_object()
        built, totals = lines.totals_of_new(deal, new_lines(self._lines_given()["lines"]), actor=self.actor)
        return Response(preview_of(built, totals))

    def _lines_given(self) -> dict[str, Any]:
        body = WholeLinesSerializer(data=self.request.data, context=self.get_serializer_context())
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)

    @extend_schema(responses=ContractSerializer)
    @action(detail=True, methods=["get"])
    def contract(self, request: Request, pk: str) -> Response:
        """Tell what a deal lacks to leave its stage."""
        deal = self.get_object()
        missing = contracts.missing_here(deal)
        body = {"stage": deal.stage_id, "criteria_version": deal.stage.criteria_version}
        return Response(body | {"missing": [one.as_json() for one in missing]})


class DealLineViewSet(ScopedEditViewSet, DestroyMixin):
    """What deals consist of."""

    queryset = DealLine.objects.select_related("product")
    serializer_class = shapes.DealLineSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"deal": ["exact"], "product": ["exact"]}

    def get_input_class(self) -> type[drf.BaseSerializer[Any]]:
        is_new = self.action == "create"
        return shapes.NewDealLineSerializer if is_new else shapes.ChangeDealLineSerializer

    def perform_create(self, serializer: Any) -> DealLine:
        values = dict(serializer.validated_data)
        deal_id, product, book = (
            values.pop("deal").pk,
            values.pop("product", None),
            values.pop("price_book", None),
        )
        line = lines.NewLine(
            product_id=None if product is None else product.pk,
            price_book_id=None if book is None else book.pk,
            has_tax_rate="tax_rate" in values,
            **values,
        )
        deal = lines.change_lines(deal_id, actor=self.actor, add=[line])
        return deal.lines.latest("pk")

    def perform_update(self, row: DealLine, serializer: Any) -> DealLine:
        values = _kept(serializer)
        if "product" in values:
            product = values.pop("product")
            values["product_id"] = None if product is None else product.pk
        lines.change_lines(row.deal_id, actor=self.actor, change={row.pk: values})
        return DealLine.objects.get(pk=row.pk)

    def perform_destroy(self, row: DealLine) -> None:
        lines.change_lines(row.deal_id, actor=self.actor, remove=[row.pk])


class TransitionViewSet(ScopedReadOnlyViewSet):
    """The steps that deals took; nobody changes them."""

    queryset = StageTransition.objects.select_related("from_stage", "to_stage", "actor")
    serializer_class = shapes.TransitionSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "deal": ["exact"],
        "to_stage": ["exact"],
        "at": ["gte", "lt"],
    }
