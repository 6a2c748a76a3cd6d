"""The numbers of a sales team over REST, and the plans and rates that they are made with."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import (
    DestroyMixin,
    ScopedEditViewSet,
    ScopedModelSerializer,
    ScopedViewSet,
    judged,
)
from apps.crm.api.serializers import service_values
from apps.crm.models import CurrencyRate, Deal, SalesPlan
from apps.crm.reports.all import REPORTS
from apps.crm.reports.choices import CLOSINGS, DEFAULT_PERIOD, PERIODS, choice_of
from apps.crm.reports.tables import Report, Table
from apps.crm.services import forecasts, rates


class ColumnSerializer(serializers.Serializer[Any]):
    """A column of a table."""

    key = serializers.CharField()
    title = serializers.CharField()
    kind = serializers.ChoiceField(["text", "count", "money", "percent", "days"])


class TableSerializer(serializers.Serializer[Any]):
    """Figures that belong together; each row is an object with a value for each column, and `ref`: what it is about."""

    key = serializers.CharField()
    title = serializers.CharField()
    note = serializers.CharField()
    columns = ColumnSerializer(many=True)
    rows = serializers.ListField(child=serializers.DictField())


class ReportSerializer(serializers.Serializer[Any]):
    """
    A report.

    `is_ready` is false while much that has changed is summed up: then there are no tables, and one asks again.
    """

    report = serializers.CharField()
    is_ready = serializers.BooleanField()
    currency = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField()
    since = serializers.DateField()
    notes = serializers.ListField(child=serializers.CharField())
    tables = TableSerializer(many=True)


def _told(table: Table) -> dict[str, Any]:
    return {
        "key": table.key,
        "title": str(table.title),
        "note": table.note,
        "columns": [
            {"key": column.key, "title": str(column.label), "kind": column.kind.value}
            for column in table.columns
        ],
        "rows": [
            {
                "ref": row.ref,
                **{
                    column.key: figure.value
                    for column, figure in zip(table.columns, row.figures, strict=True)
                },
            }
            for row in table.rows
        ],
    }


_PARAMETERS = [
    OpenApiParameter("pipeline", OpenApiTypes.INT, description="Only deals of this pipeline."),
    OpenApiParameter("team", OpenApiTypes.INT, description="Only deals of this team."),
    OpenApiParameter("owner", OpenApiTypes.INT, description="Only deals of this person."),
]
_PERIOD = [
    OpenApiParameter(
        "period", enum=PERIODS, default=DEFAULT_PERIOD, description="The months, by their name."
    ),
    OpenApiParameter("from", OpenApiTypes.STR, description="The first month, as 2026-01."),
    OpenApiParameter("to", OpenApiTypes.STR, description="The last month, as 2026-03."),
]
_SINCE = [
    OpenApiParameter(
        "since", OpenApiTypes.DATE, description="The day, at most 92 days ago; Monday unless said."
    ),
    OpenApiParameter(
        "closing", enum=[each for each in CLOSINGS if each], description="Of which expected closes."
    ),
]


def _documented(*more: OpenApiParameter) -> Callable[[Any], Any]:
    decorator: Callable[[Any], Any] = extend_schema(
        parameters=[*_PARAMETERS, *more], responses=ReportSerializer, filters=False
    )
    return decorator


class ReportViewSet(ScopedViewSet):
    """The numbers, of the deals that the caller sees."""

    queryset = Deal.objects.all()
    serializer_class = ReportSerializer
    pagination_class = None
    action_permissions: ClassVar[dict[str, str]] = dict.fromkeys(REPORTS, "view")

    def _answer(self, name: str) -> Response:
        choice = choice_of(self.request.query_params.dict())
        report: Report = REPORTS[name](self.actor, choice)
        return Response(
            {
                "report": name,
                "is_ready": report.waiting is None,
                "currency": settings.BASE_CURRENCY,
                "first": choice.first,
                "last": choice.last,
                "since": choice.since,
                "notes": report.notes,
                "tables": [_told(table) for table in report.tables],
            }
        )

    @_documented(*_PERIOD)
    @action(detail=False, methods=["get"])
    def funnel(self, request: Request) -> Response:
        """Of the deals that began in some months, how many came how far, and how long it took them."""
        return self._answer("funnel")

    @_documented()
    @action(detail=False, methods=["get"])
    def forecast(self, request: Request) -> Response:
        """What open deals come to, month by month, and how far off earlier forecasts were."""
        return self._answer("forecast")

    @_documented(*_PERIOD)
    @action(detail=False, methods=["get"])
    def outcomes(self, request: Request) -> Response:
        """What was won and lost in some months: by reason, person, team and size of company."""
        return self._answer("outcomes")

    @_documented(*_SINCE)
    @action(detail=False, methods=["get"])
    def changes(self, request: Request) -> Response:
        """What has changed since a day, from what was open then to what is open now."""
        return self._answer("changes")

    @_documented(*_PERIOD)
    @action(detail=False, methods=["get"])
    def plan(self, request: Request) -> Response:
        """What people and teams meant to win in some months, and what they won."""
        return self._answer("plan")


class SalesPlanSerializer(ScopedModelSerializer[SalesPlan]):
    """What a person, or a team as a whole, means to win in a month, in the currency of the books."""

    class Meta:
        model = SalesPlan
        fields = ["id", "owner", "team", "month", "amount", "created_at", "updated_at"]
        read_only_fields = ["id", "created_at", "updated_at"]
        # The services and the database say it, under one code whatever the face.
        validators: ClassVar[list[Any]] = []


class CurrencyRateSerializer(ScopedModelSerializer[CurrencyRate]):
    """What one unit of a currency is worth in the currency of the books, from a day on."""

    class Meta:
        model = CurrencyRate
        fields = ["id", "currency", "date", "rate", "source", "created_at", "updated_at"]
        read_only_fields = ["id", "source", "created_at", "updated_at"]
        validators: ClassVar[list[Any]] = []


class SalesPlanViewSet(ScopedEditViewSet, DestroyMixin):
    """Plans of people and teams."""

    queryset = SalesPlan.objects.all()
    serializer_class = SalesPlanSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "owner": ["exact"],
        "team": ["exact"],
        "month": ["exact", "gte", "lte"],
    }

    def perform_create(self, serializer: Any) -> SalesPlan:
        with judged(serializer):
            return forecasts.create_plan(actor=self.actor, **service_values(serializer.validated_data))

    def perform_update(self, row: SalesPlan, serializer: Any) -> SalesPlan:
        return forecasts.change_plan(row.pk, actor=self.actor, **service_values(serializer.validated_data))

    def perform_destroy(self, row: SalesPlan) -> None:
        forecasts.delete_plan(row.pk, actor=self.actor)


class CurrencyRateViewSet(ScopedEditViewSet, DestroyMixin):
    """Rates of currencies."""

    queryset = CurrencyRate.objects.all()
    serializer_class = CurrencyRateSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "currency": ["exact"],
        "date": ["exact", "gte", "lte"],
    }

    def perform_create(self, serializer: Any) -> CurrencyRate:
        return rates.create_rate(actor=self.actor, **serializer.validated_data)

    def perform_update(self, row: CurrencyRate, serializer: Any) -> CurrencyRate:
        return rates.change_rate(row.pk, actor=self.actor, **serializer.validated_data)

    def perform_destroy(self, row: CurrencyRate) -> None:
        rates.delete_rate(row.pk, actor=self.actor)
