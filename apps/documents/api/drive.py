"""Google Drive over REST: how folders stand, where documents stand in them, what to choose, what was asked for."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ScopedModelSerializer, ScopedReadOnlyViewSet
from apps.documents.models import DriveAccount, DriveBinding, DriveConflict, DriveRoot
from apps.documents.services.drive import bindings, conflicts, roots
from apps.documents.services.drive.usage import limit_of, minutes_of


class DriveRootSerializer(ScopedModelSerializer[DriveRoot]):
    """A folder of Google Drive that is kept in step, and how it stands."""

    class Meta:
        model = DriveRoot
        fields = (
            *("id", "name", "account", "drive_id", "folder_id", "direction", "takes", "follows_trash"),
            *("state", "reason", "note", "stopped_at", "probed_at", "probe_error", "reconciled_at"),
            *("duplicates_found", "version"),
        )
        read_only_fields = fields


class DriveBindingSerializer(ScopedModelSerializer[DriveBinding]):
    """Where a document stands in a folder of Google Drive."""

    class Meta:
        model = DriveBinding
        fields = (
            *("id", "document", "root", "state", "reason", "note", "drive_file_id", "web_view_link"),
            *("base_name", "base_md5", "base_size", "agreed_at", "remote_user", "remote_seen_at"),
            *("created_at", "updated_at"),
        )
        read_only_fields = fields


class DriveConflictSerializer(ScopedModelSerializer[DriveConflict]):
    """A document that was changed on both sides; `ours` and `theirs` are versions of documents."""

    class Meta:
        model = DriveConflict
        fields = (
            *("id", "document", "kind", "state", "ours", "theirs", "who", "at"),
            *("resolution", "resolved_by", "resolved_at"),
        )
        read_only_fields = fields


class ChoiceSerializer(serializers.Serializer[Any]):
    """Which side stands."""

    choice = serializers.ChoiceField(choices=DriveConflict.Resolution.choices)


class MinuteSerializer(serializers.Serializer[Any]):
    """What an account asked for in one minute: units, or queries, as its profile counts."""

    at = serializers.DateTimeField()
    spent = serializers.IntegerField()
    calls = serializers.IntegerField()
    writes = serializers.IntegerField()
    refusals = serializers.IntegerField()


class DriveQuotaSerializer(ScopedModelSerializer[DriveAccount]):
    """What an account asked of Google Drive in the last hour, and what it may ask for in a minute."""

    limit = serializers.SerializerMethodField(help_text="Units, or queries, a minute.")
    minutes = serializers.SerializerMethodField()

    class Meta:
        model = DriveAccount
        fields = (
            *("id", "name", "client_email", "profile", "resting_until", "resting_reason"),
            *("limit", "minutes"),
        )
        read_only_fields = fields

    def get_limit(self, account: DriveAccount) -> int:
        return limit_of(account)

    @extend_schema_field(MinuteSerializer(many=True))
    def get_minutes(self, account: DriveAccount) -> Any:
        return MinuteSerializer(minutes_of(account), many=True).data


class DriveRootViewSet(ScopedReadOnlyViewSet):
    """Folders of Google Drive."""

    queryset = DriveRoot.objects.order_by("-id")
    serializer_class = DriveRootSerializer
    filterset_fields = ("state", "account")
    action_permissions = {"probe": "sync", "pause": "sync", "resume": "sync", "reconcile": "sync"}

    @extend_schema(summary="Try whether a folder works", request=None, responses={202: DriveRootSerializer})
    @action(detail=True, methods=["post"])
    def probe(self, request: Request, pk: str) -> Response:
        root = roots.want_probe(self.get_object().pk, actor=self.actor)
        return self.respond(root, status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Keep a folder in step no longer", request=None, responses={200: DriveRootSerializer}
    )
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        return self.respond(roots.pause_root(self.get_object().pk, actor=self.actor))

    @extend_schema(summary="Keep a folder in step again", request=None, responses={202: DriveRootSerializer})
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        root = roots.resume_root(self.get_object().pk, actor=self.actor)
        return self.respond(root, status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Compare everything in a folder", request=None, responses={202: DriveRootSerializer}
    )
    @action(detail=True, methods=["post"])
    def reconcile(self, request: Request, pk: str) -> Response:
        root = roots.want_reconciliation(self.get_object().pk, actor=self.actor)
        return self.respond(root, status.HTTP_202_ACCEPTED)


class DriveBindingViewSet(ScopedReadOnlyViewSet):
    """Documents in Google Drive."""

    queryset = DriveBinding.objects.order_by("-id")
    serializer_class = DriveBindingSerializer
    filterset_fields = ("document", "root", "state")
    action_permissions = {"sync": "change", "detach": "change"}

    @extend_schema(
        summary="Bring a document in step now", request=None, responses={202: DriveBindingSerializer}
    )
    @action(detail=True, methods=["post"])
    def sync(self, request: Request, pk: str) -> Response:
        binding = bindings.sync_now(self.get_object().pk, actor=self.actor)
        return self.respond(binding, status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Keep a document in step no longer", request=None, responses={200: DriveBindingSerializer}
    )
    @action(detail=True, methods=["post"])
    def detach(self, request: Request, pk: str) -> Response:
        return self.respond(bindings.detach(self.get_object().pk, actor=self.actor))


class DriveConflictViewSet(ScopedReadOnlyViewSet):
    """Documents that were changed on both sides."""

    queryset = DriveConflict.objects.order_by("-id")
    serializer_class = DriveConflictSerializer
    filterset_fields = ("document", "state", "kind")
    action_permissions = {"resolve": "change"}

    @extend_schema(
        summary="Let one side stand", request=ChoiceSerializer, responses={200: DriveConflictSerializer}
    )
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        known = self.get_object()
        asked = ChoiceSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        conflict = conflicts.resolve_conflict(
            known.pk, actor=self.actor, choice=asked.validated_data["choice"]
        )
        return self.respond(conflict)


class DriveQuotaViewSet(ScopedReadOnlyViewSet):
    """What the accounts asked of Google Drive."""

    queryset = DriveAccount.objects.order_by("-id")
    serializer_class = DriveQuotaSerializer
