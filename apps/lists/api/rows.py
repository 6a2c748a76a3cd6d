"""Rows that services write, over REST: every change is its service, and what is no longer wanted goes to the trash."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Model
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as drf
from rest_framework.decorators import action
from rest_framework.relations import PKOnlyObject
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.faces.api import ScopedEditViewSet

OWNERS = frozenset({"owner", "team"})


def service_values(data: dict[str, Any], references: frozenset[str] = OWNERS) -> dict[str, Any]:
    """
    Return validated data as services take them: relations by id.

    :param references: fields that may be empty, whose value alone does not tell that they are references
    """
    values: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Model | PKOnlyObject) or name in references:
            values[f"{name}_id"] = None if value is None else value.pk
        elif name == "tags":
            values["tag_ids"] = [tag.pk for tag in value]
        else:
            values[name] = value
    return values


_TRASH: dict[str, str] = {"archive": "archive", "restore": "archive"}


class ArchivableViewSet(ScopedEditViewSet):
    """
    Rows that services write, and that go to the trash and come back.

    :cvar create_service: makes a row of the validated data
    :cvar change_service: changes one
    :cvar references: fields that may be empty and are references
    """

    create_service: Callable[..., Any]
    change_service: Callable[..., Any]
    archive_service: Callable[..., Any]
    restore_service: Callable[..., Any]
    action_permissions: ClassVar[dict[str, str]] = _TRASH
    references: ClassVar[frozenset[str]] = OWNERS
    input_classes: ClassVar[dict[str, type[drf.BaseSerializer[Any]]]] = {}

    def service_values(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return validated data as the services here take them."""
        return service_values(data, self.references)

    def get_input_class(self) -> type[drf.BaseSerializer[Any]]:
        return self.input_classes.get(str(self.action)) or super().get_input_class()

    def perform_create(self, serializer: Any) -> Any:
        return type(self).create_service(actor=self.actor, **self.service_values(serializer.validated_data))

    def perform_update(self, row: Any, serializer: Any) -> Any:
        values = self.service_values(serializer.validated_data)
        return type(self).change_service(row.pk, actor=self.actor, **values)

    def act(self, service: Callable[..., Any], shape: type[drf.Serializer[Any]], **values: Any) -> Response:
        """Run a service with what the body says, in the version that the caller names."""
        with transaction.atomic():
            # First: what is wrong with a body is for those to hear who may send one.
            row = self.locked_object()
            body = shape(data=self.request.data, context=self.get_serializer_context())
            body.is_valid(raise_exception=True)
            changed = service(row.pk, **self.service_values(body.validated_data), **values, actor=self.actor)
        return self.respond_if_visible(changed)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        """Put it into the trash."""
        return self.run(type(self).archive_service)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Take it out of the trash."""
        return self.run(type(self).restore_service)
