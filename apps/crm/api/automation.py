"""Rules of automation over REST: every change is its service."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers as drf
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ScopedModelSerializer, ScopedReadOnlyViewSet
from apps.crm.automation.schedules import ON, SCHEDULES, SIDES
from apps.crm.automation.words import ACTIONS, FIELDS, OPS, TRIGGERS
from apps.crm.models import AutomationRule, AutomationRun
from apps.crm.services import automation, automation_trials
from apps.lists.api.rows import ArchivableViewSet

_FIELDS_SAID = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in FIELDS.items())


class ComparisonSerializer(drf.Serializer[Any]):
    """What a fact has to tell."""

    key = drf.CharField(max_length=32, required=False)
    field = drf.CharField(max_length=100, help_text=f"Of {_FIELDS_SAID}.")
    op = drf.ChoiceField([(code, str(op.label)) for code, op in OPS.items()])
    value = drf.CharField(max_length=500, required=False, allow_blank=True)


class RequiredSerializer(drf.Serializer[Any]):
    """What has to be there, as a stage's contract asks for it."""

    key = drf.CharField(max_length=32, required=False)
    kind = drf.CharField(max_length=50)
    params = drf.DictField(child=drf.CharField(), required=False)


class ConditionSerializer(drf.Serializer[Any]):
    """All of it has to hold; nothing at all is each time."""

    where = ComparisonSerializer(many=True, required=False)
    criteria = RequiredSerializer(many=True, required=False)


class ActionSerializer(drf.Serializer[Any]):
    """Something that is done; of the rest it takes what its kind needs."""

    key = drf.CharField(max_length=32, required=False)
    kind = drf.ChoiceField([(code, str(kind.label)) for code, kind in ACTIONS.items()])
    field = drf.CharField(max_length=100, required=False)
    value = drf.CharField(max_length=500, required=False)
    text = drf.CharField(max_length=500, required=False)
    days = drf.IntegerField(min_value=0, max_value=365, required=False)
    user = drf.IntegerField(required=False)
    team = drf.IntegerField(required=False)
    stage = drf.IntegerField(required=False, help_text="An open stage, for a deal of its pipeline.")


class ScheduleSerializer(drf.Serializer[Any]):
    """When a rule acts by the clock of the company; empty for one that waits for facts."""

    at = drf.RegexField(
        r"^([01]\d|2[0-3]):[0-5]\d$", required=False, help_text="As 09:00, which it is if not said."
    )
    on = drf.ChoiceField(
        [(code, str(label)) for code, (label, _days) in ON.items()],
        required=False,
        help_text="Of what acts at a time of day: on which days.",
    )
    days = drf.IntegerField(
        min_value=0, max_value=365, required=False, help_text="Of what counts from a day: how many days."
    )
    side = drf.ChoiceField(
        [(code, str(label)) for code, label in SIDES.items()],
        required=False,
        help_text="Of what counts from a day: before it or after.",
    )


class AutomationRuleSerializer(ScopedModelSerializer[AutomationRule]):
    """When something happens or a time comes, and if it is of a kind, then it acts in its owner's name and rights."""

    trigger = drf.CharField(
        max_length=100,
        help_text=(
            f"A fact: {', '.join(TRIGGERS)}. Or the clock: {', '.join(SCHEDULES)}; or a further field that holds a"
            " day, as schedule.deal.custom.renewal."
        ),
    )
    schedule = ScheduleSerializer(required=False)
    condition = ConditionSerializer(required=False)
    actions = ActionSerializer(many=True, required=False)

    class Meta:
        model = AutomationRule
        fields = [
            *["id", "name", "trigger", "schedule", "condition", "actions", "is_active", "next_due_at"],
            *["stopped_at", "stop_reason"],
            *["owner", "team", "archived_at", "created_at", "updated_at", "version"],
        ]
        read_only_fields = [
            *["id", "is_active", "next_due_at", "stopped_at", "stop_reason", "owner", "team"],
            *["archived_at", "created_at", "updated_at", "version"],
        ]
        validators: ClassVar[list[Any]] = []


class TrialSerializer(drf.Serializer[Any]):
    """The job that looks, whose result says what the rule would have done."""

    job = drf.IntegerField()


class AutomationRuleViewSet(ArchivableViewSet):
    """Rules of automation; a new one does not run before it is started."""

    queryset = AutomationRule.objects.all()
    serializer_class = AutomationRuleSerializer
    create_service = staticmethod(automation.create_automation)
    change_service = staticmethod(automation.change_automation)
    archive_service = staticmethod(automation.archive_automation)
    restore_service = staticmethod(automation.restore_automation)
    action_permissions: ClassVar[dict[str, str]] = {
        "archive": "delete",
        "restore": "delete",
        "start": "change",
        "stop": "change",
        "dry_run": "change",
    }
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "is_active": ["exact"],
        "trigger": ["exact"],
        "archived_at": ["isnull"],
    }

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Let it run from now on, in the caller's name."""
        return self.run(automation.start_automation)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        """Let it run no more."""
        return self.run(automation.stop_automation)

    @extend_schema(request=None, responses={202: TrialSerializer})
    @action(detail=True, methods=["post"])
    def dry_run(self, request: Request, pk: str) -> Response:
        """Look, as a job, at what it would have done in the last thirty days, or would do now; nothing is done."""
        job = automation_trials.try_automation(self.get_object().pk, actor=self.actor)
        return Response({"job": job.pk}, status=status.HTTP_202_ACCEPTED)


class ResultSerializer(drf.Serializer[Any]):
    """Something that was done, in words."""

    key = drf.CharField()
    kind = drf.CharField()
    label = drf.CharField()  # type: ignore[assignment]


class AutomationRunSerializer(ScopedModelSerializer[AutomationRun]):
    """What a rule did about one fact, or on a row's day, and why it did not."""

    results = ResultSerializer(many=True, read_only=True)

    class Meta:
        model = AutomationRun
        fields = [
            *["id", "rule", "event_id", "event_type", "due_date", "subject", "at"],
            *["outcome", "why", "results", "depth"],
        ]
        read_only_fields = fields


class AutomationRunViewSet(ScopedReadOnlyViewSet):
    """What rules have done."""

    queryset = AutomationRun.objects.all()
    serializer_class = AutomationRunSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {
        "rule": ["exact"],
        "subject": ["exact"],
        "outcome": ["exact"],
    }
