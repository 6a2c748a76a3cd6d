"""What every page of the admin shares; how lists are paged and counted is decided here and nowhere else."""

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from django.contrib import admin, messages
from django.core.exceptions import (
    NON_FIELD_ERRORS,
    ObjectDoesNotExist,
    PermissionDenied,
    ValidationError,
)
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin

from apps.common.lists.changelist import KeysetChangeList
from apps.common.lists.paginator import CappedPaginator
from apps.common.lists.search import matching

P = ParamSpec("P")
R = TypeVar("R")


class BaseAdmin(ModelAdmin):
    """
    Lists that cost the same however long they are: see `apps.common.lists`.

    What they may not have is refused by `manage.py check` (`common.E001` to `E003`).

    :cvar list_only: the columns that the cells of the list show, as `QuerySet.only` takes them; empty for all
    :cvar short_list: why there will never be many rows, where a search has no trigram index
    """

    list_per_page = 100
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_filter_submit = True
    view_on_site = False
    save_on_top = False
    # Of what is offered while somebody types a name.
    paginator = CappedPaginator
    list_only: tuple[str, ...] = ()
    short_list = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def get_list_only(self, shown: Sequence[Any]) -> tuple[str, ...]:
        """Return what the list reads of each row. :param shown: the columns that it shows, as `list_display` has them"""
        return self.list_only

    def get_list_select_related(self, request: HttpRequest) -> Any:
        """Fetch what the columns point at together with the rows; Django leaves out what may be empty."""
        if self.list_select_related is not False:
            return super().get_list_select_related(request)
        relations = {f.name for f in self.opts.get_fields() if f.many_to_one or (f.one_to_one and f.concrete)}
        return [name for name in self.get_list_display(request) if name in relations]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find each word in one of the columns that `search_fields` names; each of them has a trigram index."""
        return queryset.filter(matching(self.get_search_fields(request), search_term)), False


def refusal_text(error: Exception) -> str:
    """Say in one line why a service refused."""
    if isinstance(error, ValidationError):
        return " ".join(_validation_lines(error))
    if isinstance(error, ObjectDoesNotExist):
        return _("That row is not there any more, or you may not see it.")
    return str(error) or _("You may not do this.")


def _validation_lines(error: ValidationError) -> list[str]:
    by_field: dict[str, Any] = getattr(error, "message_dict", {}) if hasattr(error, "error_dict") else {}
    if not by_field:
        return [str(message) for message in error.messages]
    return [
        str(message) if field == NON_FIELD_ERRORS else f"{field}: {message}"
        for field, found in by_field.items()
        for message in found
    ]


def call_service(
    request: HttpRequest, service: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R | None:
    """
    Call a service from an admin action or page, and show its refusal where the person is looking.

    The call runs in a savepoint, so that a refusal leaves the page's own transaction usable.

    :return: what the service returned; None also when it refused
    """
    try:
        with transaction.atomic():
            return service(*args, **kwargs)
    except (PermissionDenied, ValidationError, ObjectDoesNotExist) as error:
        messages.error(request, refusal_text(error))
        return None
