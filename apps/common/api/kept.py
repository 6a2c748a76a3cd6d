"""Serializers that are used again: to make one takes longer than to check a short body with it."""

import threading
from typing import Any, TypeVar

from rest_framework import serializers

_Serializer = TypeVar("_Serializer", bound=serializers.BaseSerializer[Any])
_kept = threading.local()


def input_of(kind: type[_Serializer], data: Any, context: dict[str, Any] | None = None) -> _Serializer:
    """
    Return this thread's serializer of a class, about to check `data`; to be used up before the next one is asked for.

    What it was told before is forgotten. Its fields find the context where they always do, at their serializer.
    """
    by_kind: dict[type[_Serializer], _Serializer] = _kept.__dict__.setdefault("by_kind", {})
    one = by_kind.get(kind)
    if one is None:
        one = by_kind[kind] = kind(data=None)
    for told in ("_validated_data", "_errors", "_data"):
        one.__dict__.pop(told, None)
    one.initial_data, one._context = data, context or {}
    return one
