"""Why a content is not taken, in words."""

from typing import Any

from django.core.exceptions import ValidationError


def refused(code: str, message: Any, **params: Any) -> ValidationError:
    """Return the refusal of a content."""
    return ValidationError(message, code=code, params=params)
