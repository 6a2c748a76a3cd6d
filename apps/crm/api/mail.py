"""Letters over REST: sending one, and those of which nobody knows what they are about."""

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ScopedPrimaryKeyRelatedField, ScopedReadOnlyViewSet
from apps.crm.models import ABOUT, Company, Deal, Person, UnmatchedMail
from apps.crm.services import mail


class UnmatchedMailSerializer(serializers.ModelSerializer[UnmatchedMail]):
    """A letter that waits for somebody to say what it is about."""

    class Meta:
        model = UnmatchedMail
        fields = ["id", "sender", "sender_name", "subject", "excerpt", "received_at", "state"]
        read_only_fields = fields


class AboutSerializer(serializers.Serializer[Any]):
    """What a letter is about: one of these."""

    deal = ScopedPrimaryKeyRelatedField(queryset=Deal.objects.all(), required=False)
    company = ScopedPrimaryKeyRelatedField(queryset=Company.objects.all(), required=False)
    person = ScopedPrimaryKeyRelatedField(queryset=Person.objects.all(), required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len([name for name in ABOUT if name in attrs]) != 1:
            raise serializers.ValidationError("Name a deal, a company or a person.", code="one_target")
        return attrs


class UnmatchedMailViewSet(ScopedReadOnlyViewSet):
    """Letters that came, and of which nobody knows as yet what they are about."""

    queryset = UnmatchedMail.objects.defer("raw")
    serializer_class = UnmatchedMailSerializer
    filterset_fields: ClassVar[dict[str, list[str]]] = {"state": ["exact"]}
    action_permissions: ClassVar[dict[str, str]] = {"link": "change", "dismiss": "change"}

    @extend_schema(request=AboutSerializer)
    @action(detail=True, methods=["post"])
    def link(self, request: Request, pk: str) -> Response:
        """Say what it is about."""
        row = self.get_object()
        body = AboutSerializer(data=request.data, context=self.get_serializer_context())
        body.is_valid(raise_exception=True)
        ((name, target),) = body.validated_data.items()
        # Not within a transaction: its files are kept first.
        mail.link_mail(row.pk, about=(name, target.pk), actor=self.actor)
        return self.respond(self.get_queryset().get(pk=row.pk))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def dismiss(self, request: Request, pk: str) -> Response:
        """Put it aside."""
        with transaction.atomic():
            row = mail.dismiss_mail(self.get_object().pk, actor=self.actor)
        return self.respond(row)
