"""Imports over REST: upload, correct, rehearse, apply, and read what would happen."""

import tempfile
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import FileResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import parsers, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ListMixin, RetrieveMixin, ScopedViewSet
from apps.crm.imports import selectors
from apps.crm.models import ImportBatch, ImportRow
from apps.crm.services import imports as services
from apps.jobs.models import Job


class ImportSerializer(serializers.ModelSerializer[ImportBatch]):
    """An import: how its file is understood, and what its rows would do or did."""

    source = serializers.CharField(read_only=True)  # type: ignore[assignment]
    notices = serializers.SerializerMethodField()

    class Meta:
        model = ImportBatch
        fields = (
            *(
                "id",
                "kind",
                "state",
                "filename",
                "size",
                "sha256",
                "source",
                "owner",
                "created_at",
                "version",
            ),
            *("dialect", "header", "sample", "notices", "mapping", "values", "mode", "match_by", "options"),
            *("counts", "plan_digest", "rehearse_job", "apply_job", "applied_at", "expired_at"),
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_notices(self, batch: ImportBatch) -> list[str]:
        return selectors.notices(batch)


class UploadSerializer(serializers.Serializer[Any]):
    """A file to be imported."""

    kind = serializers.ChoiceField(ImportBatch.Kind.choices)
    file = serializers.FileField(allow_empty_file=True)
    source = serializers.CharField(required=False, max_length=64, allow_blank=True, default="")  # type: ignore[assignment]


class CorrectionSerializer(serializers.Serializer[Any]):
    """What to change about how a file is understood; what is left out stays."""

    dialect = serializers.DictField(required=False)
    mapping = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    values = serializers.DictField(
        child=serializers.DictField(child=serializers.CharField(allow_blank=True)), required=False
    )
    mode = serializers.ChoiceField(ImportBatch.Mode.choices, required=False)
    match_by = serializers.ListField(child=serializers.CharField(), required=False)
    options = serializers.DictField(required=False)


class ReplacementSerializer(serializers.Serializer[Any]):
    """A value of the file, and the one that is meant."""

    field = serializers.CharField()
    old = serializers.CharField()
    new = serializers.CharField(allow_blank=True)


class FieldChoiceSerializer(serializers.Serializer[Any]):
    """One field, or all of them."""

    field = serializers.CharField(required=False, allow_null=True, default=None)


class ApplySerializer(serializers.Serializer[Any]):
    """How to apply."""

    skip_errors = serializers.BooleanField(required=False, default=False)


class IssueSerializer(serializers.Serializer[Any]):
    """Rows that have the same thing wrong with them."""

    field = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    column = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    value = serializers.CharField()
    suggestion = serializers.CharField()
    count = serializers.IntegerField()
    lines = serializers.ListField(child=serializers.IntegerField())


class RowSerializer(serializers.Serializer[Any]):
    """A row of the file, and what it would do or did."""

    line = serializers.IntegerField()
    verdict = serializers.ChoiceField(ImportRow.Verdict.choices)
    data = serializers.DictField()  # type: ignore[assignment]
    target_id = serializers.IntegerField(allow_null=True)
    errors = serializers.SerializerMethodField()  # type: ignore[assignment]

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_errors(self, row: ImportRow) -> list[dict[str, Any]]:
        return selectors.row_errors(row)


_STARTED = inline_serializer(
    "ImportJobStarted",
    {
        "job": serializers.IntegerField(),
        "state": serializers.CharField(),
        "import_id": serializers.IntegerField(),
    },
)
# A page of rows; whoever wants them all takes the error file.
_MOST_ROWS = 200


class ImportViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Imports of the caller."""

    queryset = ImportBatch.objects.order_by("-pk")
    serializer_class = ImportSerializer
    filterset_fields = ("kind", "state")
    parser_classes = (parsers.JSONParser, parsers.MultiPartParser)
    action_permissions: ClassVar[dict[str, str]] = {
        "rehearse": "change",
        "replace_value": "change",
        "accept_suggestions": "change",
        "apply": "change",
        "destroy": "change",
        "issues": "view",
        "rows": "view",
        "error_file": "view",
    }

    @extend_schema(request={"multipart/form-data": UploadSerializer}, responses={201: ImportSerializer})
    def create(self, request: Request) -> Response:
        """Upload a file; the answer says how it is understood."""
        given = UploadSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        file = given.validated_data["file"]
        batch = services.upload_import(
            given.validated_data["kind"],
            file,
            file.name or "",
            actor=self.actor,
            source=given.validated_data["source"],
        )
        return self.respond(batch, status.HTTP_201_CREATED)

    @extend_schema(request=CorrectionSerializer, responses=ImportSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Correct how the file is understood; what was rehearsed no longer counts."""
        given = CorrectionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return self.run(services.correct_import, **given.validated_data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Throw away an import that was not applied."""
        with transaction.atomic():
            services.discard_import(self.locked_object().pk, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={202: _STARTED})
    @action(detail=True, methods=["post"])
    def rehearse(self, request: Request, pk: str) -> Response:
        """Start the rehearsal."""
        with transaction.atomic():
            batch = self.locked_object()
            return _started(services.rehearse_import(batch.pk, actor=self.actor), batch)

    @extend_schema(request=ApplySerializer, responses={202: _STARTED})
    @action(detail=True, methods=["post"])
    def apply(self, request: Request, pk: str) -> Response:
        """Start doing what the rehearsal showed."""
        given = ApplySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with transaction.atomic():
            batch = self.locked_object()
            return _started(services.apply_import(batch.pk, actor=self.actor, **given.validated_data), batch)

    @extend_schema(request=ReplacementSerializer, responses=ImportSerializer)
    @action(detail=True, methods=["post"], url_path="replace-value")
    def replace_value(self, request: Request, pk: str) -> Response:
        """Mean one value wherever the file says another; takes effect with the next rehearsal."""
        given = ReplacementSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return self.run(services.replace_value, **given.validated_data)

    @extend_schema(
        request=FieldChoiceSerializer,
        responses=inline_serializer("SuggestionsTaken", {"replaced": serializers.IntegerField()}),
    )
    @action(detail=True, methods=["post"], url_path="accept-suggestions")
    def accept_suggestions(self, request: Request, pk: str) -> Response:
        """Take the nearest existing value for every value that was not found."""
        given = FieldChoiceSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with transaction.atomic():
            taken = services.accept_suggestions(
                self.locked_object().pk, actor=self.actor, field=given.validated_data["field"]
            )
        return Response({"replaced": taken})

    @extend_schema(responses=IssueSerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None, filterset_fields=())
    def issues(self, request: Request, pk: str) -> Response:
        """List what is wrong with the rows, the same things together."""
        groups = selectors.issue_groups(self.get_object())
        return Response(IssueSerializer(groups, many=True).data)

    @extend_schema(responses=RowSerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None, filterset_fields=())
    def rows(self, request: Request, pk: str) -> Response:
        """List the first rows, all or those of `?verdict=`."""
        verdict = request.query_params.get("verdict")
        if verdict is not None and verdict not in ImportRow.Verdict.values:
            raise ValidationError(_("There is no such verdict."), code="unknown_verdict")
        found = selectors.sample_rows(self.get_object(), verdict, limit=_MOST_ROWS)
        return Response(RowSerializer(found, many=True).data)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, url_path="error-file")
    def error_file(self, request: Request, pk: str) -> FileResponse:
        """Download the rows that were not taken, with a column that says why."""
        out = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
        name = services.write_error_file(self.get_object().pk, out, actor=self.actor)
        out.seek(0)
        return FileResponse(out, as_attachment=True, filename=name)


def _started(job: Job, batch: ImportBatch) -> Response:
    return Response(
        {"job": job.pk, "state": job.state, "import_id": batch.pk},
        status.HTTP_202_ACCEPTED,
        headers={"Location": f"/api/v1/jobs/{job.pk}/"},
    )
