"""Why was this person told, or not: what administrators look through."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter

from apps.accounts.faces.admin import ScopedModelAdmin
from apps.lists.admin.rows import badge
from apps.notifications.models import Channel, Verdict, Way
from apps.notifications.telling.kinds import kind_of


@admin.register(Verdict)
class VerdictAdmin(ScopedModelAdmin):
    """Why was this person told, or not: for administrators, who write nothing here."""

    empty_title = _("Why somebody was told, and why not")
    empty_text = _(
        "Each time that something happens of which people are told, it is written down here for each of them."
    )
    list_display = (
        "when_cell",
        "user",
        "rule_cell",
        "because",
        "outcome_cell",
        "channels_cell",
        "about_cell",
    )
    list_display_links = None
    list_select_related = ("user", "target_type")
    list_filter: Any = ("user", ("outcome", ChoicesDropdownFilter), ("at", RangeDateFilter))
    short_list = "Looked through by person and outcome, and gone after ninety days."
    ordering = ("-id",)
    actions = None
    fields: ClassVar[Any] = ("user", "kind", "because", "outcome", "channels_cell", "cause", "at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @admin.display(description=_("at"), ordering="id")
    def when_cell(self, row: Verdict) -> Any:
        return row.at

    @admin.display(description=_("rule"))
    def rule_cell(self, row: Verdict) -> str:
        kind = kind_of(row.kind)
        return row.kind if kind is None else str(kind.label)

    @admin.display(description=_("outcome"))
    def outcome_cell(self, row: Verdict) -> Any:
        return badge(row.get_outcome_display(), "WON" if row.outcome == Verdict.Outcome.TOLD else "")

    @admin.display(description=_("besides the inbox"))
    def channels_cell(self, row: Verdict) -> str:
        said = [
            f"{Channel(channel).label}: {Way(way).label}"
            for channel, way in row.channels.items()
            if channel in Channel and way in Way
        ]
        return "; ".join(said) or "–"

    @admin.display(description=_("about"))
    def about_cell(self, row: Verdict) -> str:
        return "–" if row.target_type is None else f"{row.target_type.model} {row.target_id}"
