"""Share links over REST: made, looked at, taken back; and who has used them."""

from typing import Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ListMixin, RetrieveMixin, ScopedPrimaryKeyRelatedField, ScopedViewSet
from apps.documents.models import Bundle, Document, ShareLink, ShareVisit
from apps.documents.services import sharing as services
from apps.documents.services.sharing import Terms

# Of the log, the newest.
_VISITS = 200


class ShareLinkSerializer(serializers.ModelSerializer[ShareLink]):
    """A link; the address itself is told once, to who makes it."""

    state = serializers.SerializerMethodField()
    has_password = serializers.BooleanField(read_only=True)

    class Meta:
        model = ShareLink
        fields = (
            *("id", "document", "version", "bundle", "note", "state", "has_password", "has_preview"),
            *("max_downloads", "downloads", "expires_at", "revoked_at", "created_at", "created_by"),
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=ShareLink.State.choices))
    def get_state(self, link: ShareLink) -> str:
        return link.state().value


class MadeLinkSerializer(ShareLinkSerializer):
    """A link that was just made, with the address to send."""

    url = serializers.SerializerMethodField(help_text="Shown this once: nobody can read it again.")

    class Meta:
        model = ShareLink
        fields = (*ShareLinkSerializer.Meta.fields, "url")
        read_only_fields = fields

    def get_url(self, link: ShareLink) -> str:
        address = reverse("documents:share", args=[self.context["token"]])
        return str(self.context["request"].build_absolute_uri(address))


class NewLinkSerializer(serializers.Serializer[Any]):
    """What a link leads to, and on which terms."""

    document = ScopedPrimaryKeyRelatedField(queryset=Document.objects.all(), required=False)
    bundle = ScopedPrimaryKeyRelatedField(queryset=Bundle.objects.all(), required=False)
    expires_at = serializers.DateTimeField()
    max_downloads = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**31 - 1
    )
    password = serializers.CharField(required=False, max_length=128, trim_whitespace=False)
    has_preview = serializers.BooleanField(default=True)
    is_newest = serializers.BooleanField(
        default=False, help_text="It leads to the current version, whichever that is by then."
    )
    note = serializers.CharField(required=False, max_length=200, help_text="For whom it is.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("document" in attrs) == ("bundle" in attrs):
            raise serializers.ValidationError(_("Name a document or a bundle."), code="one_of")
        return attrs


class VisitSerializer(serializers.ModelSerializer[ShareVisit]):
    """A use of a link."""

    class Meta:
        model = ShareVisit
        fields = ("kind", "at", "address", "browser")
        read_only_fields = fields


class VisitListSerializer(serializers.Serializer[Any]):
    """The log of a link, as far as it is shown."""

    results = VisitSerializer(many=True)


class ShareLinkViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """Links to what the caller sees."""

    queryset = ShareLink.objects.order_by("-pk")
    serializer_class = ShareLinkSerializer
    filterset_fields = ("document", "bundle")
    # That the caller may share it is for the service to ask: the body says what.
    action_permissions: ClassVar[dict[str, str]] = {"create": "change", "revoke": "change", "visits": "view"}

    @extend_schema(summary="Make a link", request=NewLinkSerializer, responses={201: MadeLinkSerializer})
    def create(self, request: Request) -> Response:
        given = NewLinkSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        said = dict(given.validated_data)
        document, bundle = said.pop("document", None), said.pop("bundle", None)
        terms = Terms(**said)
        if document is not None:
            link, token = services.share_document(document.pk, terms, actor=self.actor)
        else:
            link, token = services.share_bundle(bundle.pk, terms, actor=self.actor)
        context = {**self.get_serializer_context(), "token": token}
        place = {"Location": f"/api/v1/documents/share-links/{link.pk}/", "Cache-Control": "no-store"}
        return Response(
            MadeLinkSerializer(link, context=context).data, status.HTTP_201_CREATED, headers=place
        )

    @extend_schema(summary="Take a link back; it ends at once", request=None)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        return self.run(services.revoke_link)

    @extend_schema(summary="Read who has used a link, the newest first", responses=VisitListSerializer)
    @action(detail=True)
    def visits(self, request: Request, pk: str) -> Response:
        visits = self.get_object().visits.order_by("-pk")[:_VISITS]
        return Response(VisitListSerializer({"results": visits}).data)
