"""Saved views over REST: how somebody looks at a list or a board, kept, changed and forgotten."""

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ListMixin, RetrieveMixin, ScopedViewSet
from apps.lists.models import SavedView
from apps.lists.services import views as services
from apps.lists.viewing import address_of


class SavedViewSerializer(serializers.ModelSerializer[SavedView]):
    """A view, with where it is looked at."""

    filters = serializers.DictField(source="params", child=serializers.CharField(), read_only=True)
    columns = serializers.ListField(child=serializers.CharField(), read_only=True)
    sort = serializers.ListField(child=serializers.CharField(), read_only=True)
    is_shared = serializers.SerializerMethodField(help_text="The owner's team sees it too.")
    address = serializers.SerializerMethodField(help_text="Where it is looked at in the admin.")

    class Meta:
        model = SavedView
        fields = (
            *(
                "id",
                "page",
                "name",
                "owner",
                "team",
                "is_shared",
                "is_default",
                "layout",
                "filters",
                "columns",
            ),
            *("sort", "position", "address", "created_at", "updated_at"),
        )
        read_only_fields = fields

    def get_is_shared(self, view: SavedView) -> bool:
        return view.team_id is not None

    @extend_schema_field(serializers.CharField())
    def get_address(self, view: SavedView) -> str:
        return address_of(view)


class ChangedViewSerializer(serializers.Serializer[Any]):
    """What of a view is to be another."""

    name = serializers.CharField(max_length=60, required=False)
    filters = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=1000),
        source="params",
        required=False,
        help_text="As in the address of the list in the admin.",
    )
    columns = serializers.ListField(
        child=serializers.CharField(max_length=100),
        max_length=100,
        required=False,
        help_text="Names of columns, in order; none for those that the list has at first.",
    )
    sort = serializers.ListField(
        child=serializers.CharField(max_length=101),
        max_length=10,
        required=False,
        help_text="Names of columns, with a minus for descending.",
    )
    layout = serializers.ChoiceField(SavedView.Layout.choices, required=False)
    is_shared = serializers.BooleanField(required=False)
    is_default = serializers.BooleanField(
        required=False, help_text="Opens first, for the owner or their team."
    )


class NewViewSerializer(ChangedViewSerializer):
    """A view to be kept."""

    page = serializers.CharField(max_length=100, help_text="As in crm.deal, or crm.deal.board:1 for a board.")
    name = serializers.CharField(max_length=60)


class SavedViewViewSet(RetrieveMixin, ListMixin, ScopedViewSet):
    """The caller's views, and those that are shared with them."""

    queryset = SavedView.objects.exclude(name="").order_by("page", "position", "pk")
    serializer_class = SavedViewSerializer
    filterset_fields = ("page", "layout", "is_default")
    action_permissions: ClassVar[dict[str, str]] = {
        "create": "add",
        "partial_update": "change",
        "destroy": "delete",
    }

    def get_queryset(self) -> QuerySet[SavedView]:
        # Who may see all rows is not shown what others keep for themselves.
        rows: QuerySet[SavedView] = super().get_queryset()
        return rows.filter(Q(owner=self.actor) | Q(team__isnull=False))

    @extend_schema(
        summary="Keep filters, columns, order and layout of a page under a name",
        request=NewViewSerializer,
        responses={201: SavedViewSerializer},
    )
    def create(self, request: Request) -> Response:
        given = NewViewSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        said = {"params": {}, **given.validated_data}
        view = services.save_view(self.actor, said.pop("page"), said.pop("name"), said.pop("params"), **said)
        place = {"Location": f"/api/v1/lists/views/{view.pk}/"}
        return self.respond(view, status.HTTP_201_CREATED, place)

    @extend_schema(summary="Change a view", request=ChangedViewSerializer, responses=SavedViewSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        given = ChangedViewSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return self.respond(
            services.change_view(self.get_object().pk, actor=self.actor, **given.validated_data)
        )

    @extend_schema(summary="Forget a view", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        services.delete_view(self.get_object().pk, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
