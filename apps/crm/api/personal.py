"""What people may ask for about themselves, over REST: all that is kept about them as a file, and their erasure."""

from typing import Any, ClassVar

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ListMixin, RetrieveMixin, ScopedViewSet
from apps.crm.faces.personal import disclosure_response
from apps.crm.models import Disclosure, Erasure
from apps.crm.services import disclosing, erasing
from apps.jobs.models import Job


class DisclosureSerializer(serializers.ModelSerializer[Disclosure]):
    """All that is kept about one person, as a file; its state is that of its job."""

    state = serializers.SerializerMethodField()
    is_available = serializers.SerializerMethodField(help_text="There is a file that can be downloaded now.")
    download = serializers.SerializerMethodField(help_text="Where its owner gets the file; null without one.")

    class Meta:
        model = Disclosure
        fields = (
            *("id", "person", "owner", "job", "state", "file_name", "rows", "files", "size", "sha256"),
            *("is_available", "download", "downloads", "created_at", "finished_at", "expires_at"),
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=Job.State.choices, allow_null=True))
    def get_state(self, disclosure: Disclosure) -> str | None:
        return disclosure.job.state if disclosure.job else None

    def get_is_available(self, disclosure: Disclosure) -> bool:
        return disclosure.is_available()

    def get_download(self, disclosure: Disclosure) -> str | None:
        return f"/api/v1/crm/disclosures/{disclosure.pk}/download/" if disclosure.is_available() else None


class KeptSerializer(serializers.Serializer[Any]):
    """Rows that are kept, and why."""

    code = serializers.CharField()
    count = serializers.IntegerField()
    why = serializers.CharField(help_text="The reason, in words.")


class PlaceSerializer(serializers.Serializer[Any]):
    """What would go, or has gone, from one place, and what stays there."""

    place = serializers.CharField(help_text="The kind of rows, as crm.activity.")
    erased = serializers.IntegerField(help_text="How many rows lose what is personal, or go altogether.")
    kept = KeptSerializer(many=True)


class ErasureSerializer(serializers.ModelSerializer[Erasure]):
    """What the erasure of a person takes away and leaves, and how far it has come."""

    job_state = serializers.SerializerMethodField()
    places = serializers.SerializerMethodField()

    class Meta:
        model = Erasure
        fields = (
            *("id", "person", "owner", "state", "job", "job_state", "digest"),
            *("places", "created_at", "applied_at"),
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=Job.State.choices, allow_null=True))
    def get_job_state(self, erasure: Erasure) -> str | None:
        return erasure.job.state if erasure.job else None

    @extend_schema_field(PlaceSerializer(many=True))
    def get_places(self, erasure: Erasure) -> list[dict[str, Any]]:
        return [entry | {"kept": erasing.reasons_of(entry)} for entry in erasure.counts]


class PersonalMixin(ScopedViewSet):
    """What is asked for about a person, at the person's address."""

    @extend_schema(request=None, responses={202: DisclosureSerializer})
    @action(detail=True, methods=["post"])
    def disclose(self, request: Request, pk: str) -> Response:
        """Start writing all that is kept about a person to a file."""
        disclosure = disclosing.request_disclosure(self.get_object().pk, actor=self.actor)
        return _made(
            DisclosureSerializer(disclosure), f"disclosures/{disclosure.pk}", status.HTTP_202_ACCEPTED
        )

    @extend_schema(request=None, responses={201: ErasureSerializer})
    @action(detail=True, methods=["post"])
    def rehearse_erasure(self, request: Request, pk: str) -> Response:
        """Find what the erasure of a person would take away, and what stays and why; nothing is changed."""
        erasure = erasing.rehearse_erasure(self.get_object().pk, actor=self.actor)
        return _made(ErasureSerializer(erasure), f"erasures/{erasure.pk}", status.HTTP_201_CREATED)


def _made(shape: serializers.BaseSerializer[Any], place: str, code: int) -> Response:
    return Response(shape.data, code, headers={"Location": f"/api/v1/crm/{place}/"})


class DisclosureViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Disclosures of the caller."""

    queryset = Disclosure.objects.select_related("job").order_by("-pk")
    serializer_class = DisclosureSerializer
    filterset_fields = ("person",)
    action_permissions: ClassVar[dict[str, str]] = {"download": "view", "destroy": "view"}

    @extend_schema(summary="Get the file", responses={(200, "application/zip"): OpenApiTypes.BINARY})
    @action(detail=True)
    def download(self, request: Request, pk: str) -> FileResponse:
        """Give the file to whoever asked for it; each time is counted."""
        return disclosure_response(*disclosing.open_disclosure(self.get_object().pk, actor=self.actor))

    @extend_schema(summary="Remove the file before its time; the record stays", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        disclosing.remove_disclosure(self.get_object().pk, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ErasureViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Erasures of people: rehearsed at the person's address, applied here."""

    queryset = Erasure.objects.select_related("job").order_by("-pk")
    serializer_class = ErasureSerializer
    filterset_fields = ("person", "state")
    action_permissions: ClassVar[dict[str, str]] = {"apply": "apply"}
    recent_for = frozenset({"apply"})

    @extend_schema(request=None, responses={202: ErasureSerializer})
    @action(detail=True, methods=["post"])
    def apply(self, request: Request, pk: str) -> Response:
        """Erase the person as it was rehearsed. It cannot be undone."""
        erasure = erasing.apply_erasure(self.get_object().pk, actor=self.actor)
        return self.respond(
            erasure, status.HTTP_202_ACCEPTED, {"Location": f"/api/v1/crm/erasures/{erasure.pk}/"}
        )
