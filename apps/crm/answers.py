"""What scripts of pages are answered when a service refuses."""

from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist, PermissionDenied, ValidationError
from django.http import JsonResponse

from apps.common.admin import refusal_text


def refused(error: Exception) -> JsonResponse:
    """Say why, in one line and field by field."""
    fields: dict[str, list[str]] = {}
    if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
        fields = {name: list(found) for name, found in error.message_dict.items() if name != NON_FIELD_ERRORS}
    texts = [text for found in fields.values() for text in found]
    status = (
        403 if isinstance(error, PermissionDenied) else 404 if isinstance(error, ObjectDoesNotExist) else 400
    )
    return JsonResponse({"message": " ".join(texts) or refusal_text(error), "fields": fields}, status=status)
