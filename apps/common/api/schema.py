"""What every operation of the API shares in its description."""

from typing import Any

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Why the request was refused, as in RFC 9457.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "One line for a person, in their language."},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable; programs decide by it."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string", "description": "Empty for the whole."},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
                "required": ["field", "code", "message"],
            },
        },
        "current": {
            "type": "object",
            "additionalProperties": True,
            "description": "With 412: the row as it is now, in the version that the ETag names.",
        },
        "differences": {
            "type": "array",
            "description": (
                "With 412, where the version that the caller had is still known: each field that is something "
                "else since."
            ),
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "base": {"description": "What it was in the caller's version."},
                    "current": {"description": "What it is now."},
                    "yours": {"description": "What the caller sent; absent where they did not."},
                },
                "required": ["field", "base", "current"],
            },
        },
    },
    "required": ["type", "title", "status", "code"],
}
_REFUSED = {
    "description": "Refused.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_METHODS = {"get", "post", "put", "patch", "delete"}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The ETag of the version to change; 412 when somebody else was faster.",
}


def add_problems(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Let every operation answer with a problem document, and every change take `If-Match`."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
    for operations in result.get("paths", {}).values():
        for method, operation in operations.items():
            if method in _METHODS:
                operation["responses"].setdefault("default", _REFUSED)
            if method in {"put", "patch", "delete"}:
                operation.setdefault("parameters", []).append(_IF_MATCH)
    return result


class BrowserSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """Describes our session as the cookie that it is."""

    target_class = "apps.common.api.authentication.BrowserSession"
    match_subclasses = True


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the key of a program, and the token of an application."""

    target_class = "apps.accounts.faces.keys.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        description = "An API key (`artel_…`), or an access token (JWT)."
        return {"type": "http", "scheme": "bearer", "description": description}
