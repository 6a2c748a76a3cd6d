"""Rows that a body names: by their ids, or by the filters of the list that the API has of them."""

from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from apps.accounts.checks import addresses
from apps.accounts.faces.api import ScopedFilterBackend, ScopedViewSet


class ChosenRowsSerializer(serializers.Serializer[Any]):
    """Which rows: by `ids`, or by `filter` as the list of such rows takes it; `{}` is all of them."""

    model = serializers.CharField(help_text="As in crm.deal.")
    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1), required=False, allow_empty=False, max_length=10_000
    )
    filter = serializers.DictField(required=False)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in given) == ("filter" in given):
            text = _("Name the rows by their ids, or by a filter.")
            raise serializers.ValidationError(text, code="rows_missing")
        return given


def chosen_rows(said: dict[str, Any], request: Request) -> models.QuerySet[Any]:
    """Return the rows that a body names, unscoped. :raises ValidationError: there is no such kind or filter"""
    try:
        rows = apps.get_model(said["model"])._default_manager.order_by("-pk")
    except (LookupError, ValueError):
        text = _("There are no rows of this kind.")
        raise ValidationError({"model": ValidationError(text, code="unknown_kind")}) from None
    return rows.filter(pk__in=said["ids"]) if "ids" in said else _filtered(rows, said["filter"], request)


def _filtered(rows: models.QuerySet[Any], wanted: dict[str, Any], request: Request) -> models.QuerySet[Any]:
    """Filter as the list of these rows does; a name that it does not know would choose every row."""
    if not wanted:
        return rows
    view = _list_of(rows.model)
    filterset_class: Any = view and ScopedFilterBackend().get_filterset_class(view, rows)
    known = filterset_class.base_filters if filterset_class else {}
    unknown = sorted(wanted.keys() - known.keys())
    if unknown:
        text = _("There is no such filter: %(name)s.")
        error = ValidationError(text, code="unknown_filter", params={"name": ", ".join(unknown)})
        raise ValidationError({"filter": error})
    found = filterset_class(data=wanted, queryset=rows, request=request)
    if not found.is_valid():
        raise serializers.ValidationError({"filter": [f"{k}: {e[0]}" for k, e in found.errors.items()]})
    chosen: models.QuerySet[Any] = found.qs
    return chosen


def _list_of(model: type[models.Model]) -> ScopedViewSet | None:
    """Return the view that lists rows of a model; None where none does."""
    for _route, callback in addresses():
        view: Any = getattr(callback, "cls", None)
        if not (isinstance(view, type) and issubclass(view, ScopedViewSet)) or view.queryset is None:
            continue
        if view.queryset.model is model and "list" in callback.actions.values():
            return view()
    return None
