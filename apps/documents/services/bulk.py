"""Many documents at once: each goes through the service for one."""

from collections.abc import Callable, Collection
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction

from apps.accounts.models import User
from apps.documents.models import Document
from apps.documents.services import documents
from apps.lists.bulk import Choice, How, Refusals, new_values

Keys = Collection[int]


def change_documents(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Put documents into a folder, or under another owner or team; mark them, or take marks off."""

    def change(pk: int) -> None:
        document = Document.objects.get(pk=pk)
        names = [name for name in ("folder", "owner", "team") if name in choice]
        values: dict[str, Any] = new_values(document, choice, names)
        if "tags" in choice:
            values["tag_ids"] = _tags(document, choice)
        documents.change_document(pk, actor=actor, **values)

    return _each(keys, change)


def archive_documents(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Put documents into the trash."""
    return _each(keys, lambda pk: documents.archive_document(pk, actor=actor))


def restore_documents(keys: Keys, choice: Choice, *, actor: User, face: str) -> Refusals:
    """Take documents out of the trash."""
    return _each(keys, lambda pk: documents.restore_document(pk, actor=actor))


def _tags(document: Document, choice: Choice) -> list[int]:
    chosen = {tag.pk for tag in choice["tags"].value}
    known = set(document.tags.values_list("pk", flat=True))
    return sorted(known - chosen if choice["tags"].how == How.REMOVE else known | chosen)


def _each(keys: Keys, service: Callable[[int], object]) -> Refusals:
    refused: dict[int, Exception] = {}
    for key in keys:
        try:
            with transaction.atomic():
                service(key)
        except (PermissionDenied, ValidationError, ObjectDoesNotExist) as error:
            refused[key] = error
    return refused
