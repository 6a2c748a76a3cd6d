"""Duplicates and merges over REST, and what is said at the address of a row that was merged."""

from typing import Any, ClassVar

from django.http import Http404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import access
from apps.accounts.faces.api import ScopedPrimaryKeyRelatedField
from apps.accounts.faces.hot import HotReads
from apps.common.api.kept import input_of
from apps.common.api.problems import PreconditionRequired
from apps.crm.api.custom import CustomReads
from apps.crm.duplicates import finding
from apps.crm.models import Company, ContactPoint, Person
from apps.crm.services import duplicates, merging
from apps.lists.api.rows import ArchivableViewSet

# As many contacts as somebody is asked about at once.
_MOST_CONTACTS = 20


class MergedAway(exceptions.APIException):
    """
    The row at this address is part of another by now.

    :ivar facts: what the problem document says besides: which, where the caller may see it
    """

    status_code = status.HTTP_410_GONE
    default_code = "merged"
    default_detail = _("This has been merged into another.")

    def __init__(self, merged_into: int | None) -> None:
        super().__init__()
        self.facts = {} if merged_into is None else {"merged_into": merged_into}


class LikenessSerializer(serializers.Serializer[Any]):
    """One thing that two rows have in common."""

    reason = serializers.CharField()
    text = serializers.CharField(source="words")


class CandidateSerializer(serializers.Serializer[Any]):
    """A row that may be the same: how likely, of a hundred, and why."""

    id = serializers.IntegerField(source="row.pk")
    name = serializers.CharField(source="row")
    score = serializers.IntegerField()
    reasons = LikenessSerializer(many=True)


class ProbeContactSerializer(serializers.Serializer[Any]):
    """A contact as it was written."""

    kind = serializers.ChoiceField(choices=ContactPoint.Kind.choices)
    raw = serializers.CharField(max_length=254)


class ProbeSerializer(serializers.Serializer[Any]):
    """What is known of a row that is not there yet."""

    external_id = serializers.CharField(max_length=128, required=False)
    contact_points = serializers.ListField(
        child=ProbeContactSerializer(), required=False, max_length=_MOST_CONTACTS
    )


class CompanyProbeSerializer(ProbeSerializer):
    """What is known of a company that is not there yet."""

    name = serializers.CharField(max_length=200, required=False)
    tax_id = serializers.CharField(max_length=32, required=False)
    country = serializers.CharField(max_length=100, required=False)
    domain = serializers.CharField(max_length=253, required=False)


class PersonProbeSerializer(ProbeSerializer):
    """What is known of a person who is not there yet."""

    given_name = serializers.CharField(max_length=100, required=False)
    family_name = serializers.CharField(max_length=100, required=False)
    company = ScopedPrimaryKeyRelatedField(queryset=Company.objects.all(), required=False)


class _MergeSerializer(serializers.Serializer[Any]):
    loser_version = serializers.IntegerField(
        required=False, min_value=1, help_text="Refused as stale where the other row is in another version."
    )
    choices = serializers.DictField(
        child=serializers.ChoiceField(choices=[merging.WINNER, merging.LOSER]),
        required=False,
        help_text="Whose value stays, by field; without a choice the winner's, or the loser's where it has none.",
    )


class MergeCompaniesSerializer(_MergeSerializer):
    """Which company becomes part of the one at this address, and whose values stay."""

    loser = ScopedPrimaryKeyRelatedField(queryset=Company.objects.all())


class MergePeopleSerializer(_MergeSerializer):
    """Which person becomes part of the one at this address, and whose values stay."""

    loser = ScopedPrimaryKeyRelatedField(queryset=Person.objects.all())


class OtherCompanySerializer(serializers.Serializer[Any]):
    """Which company is not the same."""

    other = ScopedPrimaryKeyRelatedField(queryset=Company.objects.all())


class OtherPersonSerializer(serializers.Serializer[Any]):
    """Which person is not the same."""

    other = ScopedPrimaryKeyRelatedField(queryset=Person.objects.all())


MERGE_PERMISSIONS = {
    "merge": "merge",
    "duplicates": "view",
    "possible_duplicates": "view",
    "dismiss_duplicate": "change",
    "reconsider_duplicate": "change",
}


class MergeableViewSet(CustomReads, HotReads, ArchivableViewSet):
    """
    Rows that may stand twice.

    :cvar merge_service: makes one part of another
    :cvar probe_class: what is said of a row that is not there yet
    """

    merge_service: Any
    merge_class: type[serializers.Serializer[Any]]
    other_class: type[serializers.Serializer[Any]]
    probe_class: type[serializers.Serializer[Any]]
    action_permissions: ClassVar[dict[str, str]] = {
        **ArchivableViewSet.action_permissions,
        **MERGE_PERMISSIONS,
        "timeline": "view",
    }

    def get_object(self) -> Any:
        try:
            return super().get_object()
        except Http404:
            self._refuse_merged()
            raise

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().retrieve(request, *args, **kwargs)
        except Http404:
            self._refuse_merged()
            raise

    def _refuse_merged(self) -> None:
        """Say so, where what is not here was merged, to whoever could see it. :raises MergedAway: it was"""
        given, model = str(self.kwargs.get("pk", "")), self._model
        if not (given.isascii() and given.isdecimal() and len(given) < 19):
            return
        rows: Any = model.objects.visible_to(self.actor)
        row = rows.filter(pk=int(given), merged_into__isnull=False).first()
        if row is None:
            return
        target = merging.merged_into(row)
        is_seen = target is not None and access.can(self.actor, "view", target)
        raise MergedAway(target.pk if target is not None and is_seen else None)

    @property
    def _model(self) -> type[Company] | type[Person]:
        model: Any = self.scoped_model()
        return model  # type: ignore[no-any-return]

    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: str) -> Any:
        """Make another row part of this one, which takes over all that belongs to it; takes If-Match."""
        # Not under the row's lock: the service locks both in one order.
        row = self.get_object()
        if "If-Match" not in request.headers:
            raise PreconditionRequired
        self.check_version(row)
        body = self._body(self.merge_class)
        merged = type(self).merge_service(
            row.pk,
            body["loser"].pk,
            actor=self.actor,
            choices=body.get("choices"),
            expected_version=row.version,
            loser_version=body.get("loser_version"),
        )
        return self.respond_if_visible(merged)

    @extend_schema(responses=CandidateSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def possible_duplicates(self, request: Request, pk: str) -> Response:
        """List the rows that may be the same as this one, the likeliest first."""
        found = finding.candidates(self.get_object(), actor=self.actor, most=20)
        return Response(CandidateSerializer(found, many=True).data)

    @extend_schema(responses=CandidateSerializer(many=True), filters=False)
    @action(detail=False, methods=["post"], pagination_class=None)
    def duplicates(self, request: Request) -> Response:
        """List the rows that may be the same as one that is not there yet."""
        body = self._body(self.probe_class)
        points = [(point["kind"], point["raw"]) for point in body.pop("contact_points", [])]
        probe = finding.probe_from(self.service_values(body), points)
        found = finding.find(self._model, probe, actor=self.actor, most=20)
        return Response(CandidateSerializer(found, many=True).data)

    @extend_schema(responses={204: None})
    @action(detail=True, methods=["post"])
    def dismiss_duplicate(self, request: Request, pk: str) -> Response:
        """Say that another row is not the same, so that nobody is asked again."""
        row = self.get_object()
        other = self._body(self.other_class)["other"]
        duplicates.dismiss_duplicate(self._model, row.pk, other.pk, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses={204: None})
    @action(detail=True, methods=["post"])
    def reconsider_duplicate(self, request: Request, pk: str) -> Response:
        """Take back that another row is not the same."""
        row = self.get_object()
        other = self._body(self.other_class)["other"]
        duplicates.reconsider_duplicate(self._model, row.pk, other.pk, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _body(self, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        body = input_of(shape, self.request.data, dict(self.get_serializer_context()))
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)
