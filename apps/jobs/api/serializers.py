"""Jobs as the API shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.faces.api import ScopedModelSerializer
from apps.jobs.models import Job
from apps.jobs.selectors import eta_seconds, is_cancelling, kind_label, log_of, page_of


class JobSerializer(ScopedModelSerializer[Job]):
    """A job: how far it is, and what it came to."""

    kind_label = serializers.SerializerMethodField()
    title = serializers.CharField(source="said", read_only=True)
    eta_seconds = serializers.SerializerMethodField(
        help_text="At the recent rate; null while nobody can tell."
    )
    is_cancelling = serializers.SerializerMethodField(help_text="Asked to stop, and not stopped yet.")
    page = serializers.SerializerMethodField(help_text="Where a person sees the result.")
    stream = serializers.SerializerMethodField(help_text="What to watch over /ws/ or /api/v1/streams/.")

    class Meta:
        model = Job
        fields = (
            "id",
            "kind",
            "kind_label",
            "title",
            "state",
            "done",
            "total",
            "eta_seconds",
            "message",
            "result",
            "error",
            "is_cancelling",
            "page",
            "stream",
            "owner",
            "attempt",
            "created_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields

    def get_kind_label(self, job: Job) -> str:
        return kind_label(job)

    def get_eta_seconds(self, job: Job) -> int | None:
        return eta_seconds(job)

    def get_is_cancelling(self, job: Job) -> bool:
        return is_cancelling(job)

    def get_page(self, job: Job) -> str:
        return page_of(job)

    def get_stream(self, job: Job) -> str:
        return f"job:{job.pk}"


class LogLineSerializer(serializers.Serializer[Any]):
    """One line of a job's log."""

    seq = serializers.IntegerField()
    at = serializers.DateTimeField()
    text = serializers.CharField()


class JobWithLogSerializer(JobSerializer):
    """A job with the last lines of its log."""

    log = serializers.SerializerMethodField()

    class Meta(JobSerializer.Meta):
        fields = (*JobSerializer.Meta.fields, "log")  # type: ignore[assignment]

    @extend_schema_field(LogLineSerializer(many=True))
    def get_log(self, job: Job) -> list[dict[str, Any]]:
        return log_of(job)
