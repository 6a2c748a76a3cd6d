"""What the caller has agreed that applications may do for them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import services
from apps.accounts.faces.api import actor_of
from apps.accounts.models import ConsentGrant


class ConsentSerializer(serializers.ModelSerializer[ConsentGrant]):
    """What an application may do for the caller."""

    application_name = serializers.CharField(source="application.name", read_only=True)

    class Meta:
        model = ConsentGrant
        fields = ["id", "application", "application_name", "scopes", "given_at"]
        read_only_fields = fields


class OwnConsentsView(APIView):
    """What the caller has agreed to and not taken back, the latest first."""

    own_only = "shows nobody's consents but the caller's"
    serializer_class = ConsentSerializer

    @extend_schema(operation_id="me_consents_list", responses=ConsentSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(ConsentSerializer(services.own_consents(actor_of(request)), many=True).data)


class OwnConsentView(APIView):
    """One application's access to what is the caller's."""

    own_only = "takes back nobody's consents but the caller's"
    serializer_class = ConsentSerializer

    @extend_schema(operation_id="me_consents_destroy", responses={204: None})
    def delete(self, request: Request, pk: int, **kwargs: Any) -> Response:
        """Take back what an application may do: it is refused within a second."""
        services.withdraw_consent(pk, actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
