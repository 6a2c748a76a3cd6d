"""Bulk changes over REST: choose rows by their ids or by a list's filters, rehearse, apply, undo."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ListMixin, RetrieveMixin, ScopedViewSet
from apps.jobs.api.serializers import JobSerializer
from apps.lists.api.choosing import ChosenRowsSerializer, chosen_rows
from apps.lists.bulk import is_registered
from apps.lists.models import BulkEdit, BulkRow
from apps.lists.selectors.bulk import rows_of
from apps.lists.services import bulk as services

# A page of rows.
_MOST_ROWS = 200


class BulkEditSerializer(serializers.ModelSerializer[BulkEdit]):
    """A bulk change: which rows, what is changed of them, and what became of them or would."""

    model = serializers.CharField(source="model_label", read_only=True)
    counts = serializers.SerializerMethodField()
    changes = serializers.SerializerMethodField()

    class Meta:
        model = BulkEdit
        fields = (
            *("id", "model", "state", "owner", "count", "out_of_reach", "changes", "counts"),
            *("rehearse_job", "apply_job", "created_at", "applied_at"),
        )
        read_only_fields = fields

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_counts(self, edit: BulkEdit) -> dict[str, int]:
        return dict(edit.counts)

    @extend_schema_field(serializers.DictField(child=serializers.DictField()))
    def get_changes(self, edit: BulkEdit) -> dict[str, Any]:
        return dict(edit.changes)


class NewBulkEditSerializer(ChosenRowsSerializer):
    """Which rows to change, by `ids` or by `filter` as the list of such rows takes it, and what to change."""

    # Not even `{}`, which would be every row there is.
    filter = serializers.DictField(required=False, allow_empty=False)
    changes = serializers.DictField(
        child=serializers.DictField(),
        help_text='For each thing to change how, and the value: {"owner": {"how": "set", "value": 7}}.',
    )


class BulkRowSerializer(serializers.Serializer[Any]):
    """A row of a bulk change."""

    id = serializers.IntegerField(source="key")
    position = serializers.IntegerField()
    name = serializers.CharField()
    is_visible = serializers.BooleanField()
    reason = serializers.CharField()
    changes = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_changes(self, row: Any) -> list[dict[str, str]]:
        return [{"label": line.label, "old": line.old, "new": line.new} for line in row.lines]


class BulkEditViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Bulk changes of the caller."""

    queryset = BulkEdit.objects.order_by("-pk")
    serializer_class = BulkEditSerializer
    filterset_fields = ("state",)
    action_permissions: ClassVar[dict[str, str]] = {
        "apply": "change",
        "undo": "change",
        "destroy": "change",
        "rows": "view",
    }

    @extend_schema(
        summary="Choose rows and what to change of them, and start the rehearsal",
        request=NewBulkEditSerializer,
        responses={202: BulkEditSerializer},
    )
    def create(self, request: Request) -> Response:
        given = NewBulkEditSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        said = given.validated_data
        with transaction.atomic():
            rows = self._rows(said)
            edit = services.open_bulk_edit(rows, actor=self.actor, face="API")
            services.rehearse_bulk_edit(edit.pk, said["changes"], actor=self.actor)
        edit.refresh_from_db()
        return self.respond(
            edit, status.HTTP_202_ACCEPTED, {"Location": f"/api/v1/lists/bulk-edits/{edit.pk}/"}
        )

    @extend_schema(
        summary="Start doing what the rehearsal showed", request=None, responses={202: JobSerializer}
    )
    @action(detail=True, methods=["post"])
    def apply(self, request: Request, pk: str) -> Response:
        return self._started(services.apply_bulk_edit(self.get_object().pk, actor=self.actor))

    @extend_schema(summary="Take back what was changed", request=None, responses={202: JobSerializer})
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        return self._started(services.undo_bulk_edit(self.get_object().pk, actor=self.actor).job)

    @extend_schema(summary="Throw away a bulk change that has changed nothing", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        services.discard_bulk_edit(self.get_object().pk, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Rows of one verdict, in the order of the list",
        responses=BulkRowSerializer(many=True),
        filters=False,
        parameters=[
            OpenApiParameter("verdict", OpenApiTypes.STR, enum=list(BulkRow.Verdict.values), required=True),
            OpenApiParameter("after", OpenApiTypes.INT, description="The position of the last row seen."),
        ],
    )
    @action(detail=True, pagination_class=None, filterset_fields=())
    def rows(self, request: Request, pk: str) -> Response:
        edit = self.get_object()
        verdict, after = request.query_params.get("verdict", ""), request.query_params.get("after", "0")
        if verdict not in BulkRow.Verdict.values or not after.isdecimal() or len(after) > 18:
            raise ValidationError(_("There is no such verdict."), code="unknown_verdict")
        found = rows_of(edit, verdict, actor=self.actor, after=int(after), limit=_MOST_ROWS)
        return Response(BulkRowSerializer(found, many=True).data)

    def _started(self, job: Any) -> Response:
        shown = JobSerializer(job, context=self.get_serializer_context())
        return Response(shown.data, status.HTTP_202_ACCEPTED, headers={"Location": f"/api/v1/jobs/{job.pk}/"})

    def _rows(self, said: dict[str, Any]) -> models.QuerySet[Any]:
        """Return the rows that a body names. :raises ValidationError: it names no such kind, or no such filter"""
        rows = chosen_rows(said, self.request)
        if not is_registered(rows.model):
            text = _("Rows of this kind cannot be changed in bulk.")
            raise ValidationError({"model": ValidationError(text, code="unknown_kind")})
        return rows
