"""How the API names a business object that documents are about: {"type": "crm.deal", "id": 17}, everywhere."""

from collections.abc import Callable
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from apps.documents.belonging import kinds
from apps.documents.models import DocumentLink, Generation
from apps.documents.services.documents import Target

_LARGEST = 2**63 - 1


@extend_schema_serializer(component_name="DocumentTarget")
class TargetSerializer(serializers.Serializer[Any]):
    """A business object that a document or a paper is about. Its title and its address are told, not taken."""

    type = serializers.RegexField(r"^[a-z_]+\.[a-z_]+\Z", max_length=100, help_text='As in "crm.deal".')
    id = serializers.IntegerField(min_value=1, max_value=_LARGEST)
    title = serializers.CharField(read_only=True, allow_null=True)
    url = serializers.CharField(read_only=True, allow_null=True, help_text="Of its page in the admin.")

    def in_sql(self, column: Callable[[str], str]) -> str:
        """Say the same of a link in SQL, for rows that PostgreSQL writes."""
        app, model, pk = (
            column(name) for name in ("target_type.app_label", "target_type.model", "target_id")
        )
        label = f"{app} || '.' || {model}"
        known = ", ".join(f"'{kind.label}'" for kind in kinds()) or "null"
        url = f"'{_root()}' || {app} || '/' || {model} || '/' || {pk} || '/change/'"
        columns = (
            f'{label} as "type", {pk} as "id", {column("target_name")} as "title",'
            f' case when {label} in ({known}) then {url} end as "url"'
        )
        # Columns that the reads name, and labels that apps have registered: nothing that anybody sends.
        return f"(select row_to_json(t) from (select {columns}) t)"  # noqa: S608

    def to_representation(self, instance: DocumentLink | Generation) -> dict[str, Any]:
        label, title = _label_and_title(instance)
        is_known = label in {kind.label for kind in kinds()}
        url = f"{_root()}{label.replace('.', '/')}/{instance.target_id}/change/" if is_known else None
        return {"type": label, "id": instance.target_id, "title": title, "url": url}

    def to_internal_value(self, data: Any) -> Target:
        said = super().to_internal_value(data)
        return Target(
            said["type"], said["id"], DocumentLink.Role(said.get("role", DocumentLink.Role.ATTACHMENT))
        )


@extend_schema_serializer(component_name="LinkedDocumentTarget")
class LinkedTargetSerializer(TargetSerializer):
    """A business object for a document to belong to, and as what."""

    role = serializers.ChoiceField(
        choices=DocumentLink.Role.choices, default=DocumentLink.Role.ATTACHMENT.value
    )


def _label_and_title(instance: DocumentLink | Generation) -> tuple[str, str | None]:
    if isinstance(instance, DocumentLink):
        return f"{instance.target_type.app_label}.{instance.target_type.model}", instance.target_name
    # A paper's object is called what its document calls it, once there is one.
    links = instance.document.links.all() if instance.document else ()
    named = [link.target_name for link in links if link.target_id == instance.target_id]
    return instance.target_model, named[0] if named else None


def _root() -> str:
    return reverse("admin:index")
