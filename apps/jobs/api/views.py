"""Jobs over REST: looked at, cancelled, told to go on. They are started where what they work on lives."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ListMixin, RetrieveMixin, ScopedViewSet
from apps.jobs.api.serializers import JobSerializer, JobWithLogSerializer
from apps.jobs.models import Job
from apps.jobs.services import cancel_job, retry_job


class JobViewSet(ListMixin, RetrieveMixin, ScopedViewSet):
    """Long work, newest first."""

    queryset = Job.objects.all()
    serializer_class = JobSerializer
    filterset_fields = ("state", "kind", "owner")
    action_permissions = {"cancel": "cancel", "retry": "retry"}

    def get_serializer_class(self) -> Any:
        return JobWithLogSerializer if self.action == "retrieve" else super().get_serializer_class()

    @extend_schema(summary="Ask a job to stop", request=None, responses={202: JobSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        job = cancel_job(self.get_object().pk, actor=self.actor)
        return self.respond(job, status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Let a failed or cancelled job go on from where it stopped",
        request=None,
        responses={202: JobSerializer},
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        job = retry_job(self.get_object().pk, actor=self.actor)
        return self.respond(job, status.HTTP_202_ACCEPTED)
