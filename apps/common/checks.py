"""What `manage.py check` refuses of a list: whatever reads the whole table."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models.constants import LOOKUP_SEP
from django.db.models.functions import Upper


@register(Tags.models)
def check_lists(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find lists of the admin that get slow as their tables grow."""
    return [error for page in admin.site._registry.values() for error in errors_of_list(page)]


def errors_of_list(page: Any) -> Iterator[CheckMessage]:
    """Say what of one model's list reads more than a page."""
    name = f"{type(page).__module__}.{type(page).__qualname__}"
    if page.date_hierarchy:
        text = f"{name} has a date_hierarchy, which reads the dates of all rows. Filter by a range of dates."
        yield Error(text, obj=page.model, id="common.E001")
    for column in page.search_fields:
        if not is_own_column(page.model, column):
            text = f"{name} searches {column}, which is no column of its own table: no index covers that."
            yield Error(text, obj=page.model, id="common.E002")
        elif not getattr(page, "short_list", "") and not has_trigrams(page.model, column):
            text = (
                f"{name} searches {column} without a trigram index on its upper case. "
                "Add one, or say in `short_list` why the list stays short."
            )
            yield Error(text, obj=page.model, id="common.E003")


def is_own_column(model: type[models.Model], path: str) -> bool:
    """Tell whether a search goes through a text column of the model's own table."""
    try:
        field = model._meta.get_field(path)
    except FieldDoesNotExist:
        return False
    return LOOKUP_SEP not in path and not field.is_relation


def has_trigrams(model: type[models.Model], column: str) -> bool:
    """Tell whether `icontains` on a column has an index: a trigram index on `upper(column)`."""
    wanted = OpClass(Upper(column), name="gin_trgm_ops")
    return any(
        isinstance(index, GinIndex) and any(expression == wanted for expression in index.expressions)
        for index in model._meta.indexes
    )
