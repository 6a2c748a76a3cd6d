"""
Reads of lists that are asked for all day, as JSON that PostgreSQL writes; the policy decides as it does everywhere.

A viewset says that its reads are hot by deriving from `HotReads` before its other bases. Nothing else changes: its
serializer and queryset go on to describe what is shown, and its filters and pages which rows.
"""

import json
from functools import lru_cache
from typing import Any

from django.db import connection, models
from django.http import Http404
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import access
from apps.accounts.faces.api import fields_wanted, keep_fields
from apps.common.api.hot import JsonText, Selection, Shape, Window
from apps.common.api.paging import CursorPages

# What decides how a page looks, and not which rows are on it.
_NO_FILTERS = {"cursor", "page_size", "fields"}
# So many different `?fields=` and selections are remembered; callers repeat a few.
_MOST = 512
# What PostgreSQL can hold in a key.
_LAST_KEY = 2**63 - 1


_selections: dict[Any, Selection] = {}


@lru_cache(_MOST)
def _shape_of(view: Any, fields: frozenset[str] | None) -> Shape:
    """Return how rows look, with the fields that are wanted. :raises ValidationError: one of them is unknown"""
    serializer = view.serializer_class()
    if fields is not None:
        keep_fields(serializer, fields)
    return Shape(serializer, view.queryset)


class HotReads:
    """GET of a collection and of its rows, and whatever answers with a row."""

    pagination_class: Any = CursorPages

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        view: Any = self
        shape = self._shape()
        window = Window(shape, self._selection(request))
        view.paginator.paginate_queryset(window, request, view)
        links = {"next": view.paginator.get_next_link(), "previous": view.paginator.get_previous_link()}
        # The envelope's last brace makes room for what the database wrote.
        head = json.dumps(links, separators=(",", ":"))[:-1].encode()
        return JsonText(b'%s,"results":[%s]}' % (head, self.told(window.text)))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        view: Any = self
        found = self._read(_key(view.kwargs[view.lookup_url_kwarg or view.lookup_field]))
        if found is None:
            raise Http404
        return found

    def respond(
        self, row: models.Model, http_status: int = status.HTTP_200_OK, headers: dict[str, str] | None = None
    ) -> Any:
        """Answer with a row as the viewset shows it, and its version; with nothing where it is out of sight."""
        return self.respond_if_visible(row, http_status, headers)

    def respond_if_visible(
        self, row: models.Model, http_status: int = status.HTTP_200_OK, headers: dict[str, str] | None = None
    ) -> Any:
        found = self._read(row.pk, http_status, headers)
        return Response(status=status.HTTP_204_NO_CONTENT) if found is None else found

    def _read(
        self, pk: int, http_status: int = status.HTTP_200_OK, headers: dict[str, str] | None = None
    ) -> JsonText | None:
        found = self._shape().one(self._visible(), pk)
        if found is None:
            return None
        version, text = found
        etag = {} if version is None else {"ETag": f'"{version}"'}
        return JsonText(self.told(text), status=http_status, headers=(headers or {}) | etag)

    def told(self, text: bytes) -> bytes:
        """Return rows as the caller is told of them, with commas between them; for who knows more than their columns."""
        return text

    def _shape(self) -> Shape:
        view: Any = self
        kind: Any = type(self)
        return _shape_of(kind, fields_wanted(view.request))

    def _selection(self, request: Request) -> Selection:
        """Return the rows that the caller may see and asks for."""
        view: Any = self
        if set(request.query_params) <= _NO_FILTERS:
            return self._visible()
        return Selection.of(view.filter_queryset(view.get_queryset()))

    def _visible(self) -> Selection:
        """Return the rows that the caller may see; written down once for all they ask, until their rights change."""
        view: Any = self
        if connection.in_atomic_block:
            # What this transaction has made of somebody's rights is nobody else's to know.
            return Selection.of(view.get_queryset())
        key = (type(self), *access.identity_of(view.actor))
        selection = _selections.get(key)
        if selection is None:
            selection = Selection.of(view.get_queryset(), is_steady=True)
            if len(_selections) >= _MOST:
                _selections.clear()
            _selections[key] = selection
        return selection


def _key(given: str) -> int:
    """Return the key in an address. :raises Http404: it is none"""
    if not (given.isascii() and given.isdecimal() and len(given) < 20 and int(given) <= _LAST_KEY):
        raise Http404
    return int(given)
