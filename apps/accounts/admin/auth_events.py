"""The record of who came in, who was refused, and who changed what somebody may do."""

import ipaddress
import json
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.contrib.filters.admin import DropdownFilter, FieldTextFilter
from unfold.decorators import display

from apps.accounts.auth_kinds import all_kinds
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, visible_rows
from apps.accounts.models import AuthEvent, User
from apps.accounts.telling import sentence_of
from apps.common.lists.days import DaysFilter
from apps.common.lists.search import matching
from apps.common.templatetags.artel import when

_PEOPLE = ("user", "actor", "impersonator")
# People whose name has what was typed: where there are more, more has to be typed.
_MOST_PEOPLE = 50


class KindFilter(DropdownFilter):
    """Events of one kind, as they are called."""

    title = pgettext_lazy("event", "what")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(kind.name, capfirst(str(kind.title))) for kind in all_kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuthEvent]) -> QuerySet[AuthEvent]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class AddressFilter(FieldTextFilter):
    """Events from one IP address."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuthEvent]) -> QuerySet[AuthEvent]:
        typed = (self.value() or "").strip()
        if not typed:
            return queryset
        address = _address(typed)
        return queryset.none() if address is None else queryset.filter(address=address)


@admin.register(AuthEvent)
class AuthEventAdmin(ScopedModelAdmin):
    """Events as sentences, newest first; nobody adds, changes or removes one."""

    list_display = ("told", "happened")
    list_display_links = ("told",)
    list_filter = (KindFilter, "user", "actor", ("address", AddressFilter), ("at", DaysFilter))
    list_select_related = _PEOPLE
    list_only = (
        *("at", "kind", "address", "agent", "data"),
        *(f"{role}__{column}" for role in _PEOPLE for column in ("name", "email")),
    )
    ordering = ("-at", "-pk")
    actions = None
    search_help_text = _("Name, e-mail, IP address or the id of a request")
    fields = (
        *("told", "at", "kind", *_PEOPLE, "address", "agent", "request_id", "details"),
        *("position", "previous", "hash"),
    )
    readonly_fields = fields
    empty_title = _("Who comes in is kept here")
    empty_text = _(
        "Logins and refusals, passwords and keys, roles and places in teams: each makes an entry that nobody can "
        "change or remove without its being noticed."
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuthEvent]:
        # Who was erased is no row any more: what points there has to be fetched together with the event.
        rows: QuerySet[AuthEvent] = super().get_queryset(request).select_related(*_PEOPLE)
        return rows

    @display(description=pgettext_lazy("event", "what happened"))
    def told(self, event: AuthEvent) -> str:
        return sentence_of(event)

    @display(description=pgettext_lazy("event", "when"), ordering="-at")
    def happened(self, event: AuthEvent) -> str:
        return when(event.at)

    @display(description=_("details"))
    def details(self, event: AuthEvent) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(event.data, ensure_ascii=False, indent=2))

    # What is looked for is no column of the table, see below; this lets the list show where to type it.
    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("user",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find what an address, a request or a person has to do with: each is looked up by an index."""
        term = search_term.replace("\0", "").strip()
        if not term:
            return queryset, False
        address = _address(term)
        if address is not None:
            return queryset.filter(address=address), False
        people = visible_rows(actor_of(request), User).filter(matching(("name", "email"), term))
        found = list(people.order_by("pk").values_list("pk", flat=True)[:_MOST_PEOPLE])
        return queryset.filter(Q(user__in=found) | Q(actor__in=found) | Q(request_id=term)), False


def _address(text: str) -> str | None:
    """Return an IP address as the database writes it; None for what is none."""
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None
