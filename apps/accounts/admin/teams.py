"""The tree of teams."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from apps.accounts import services
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.accounts.faces.merging import expected_version
from apps.accounts.models import Team


@admin.register(Team)
class TeamAdmin(ScopedModelAdmin):
    """The tree of teams."""

    add_label = _("New team")
    list_display = ("in_tree", "head_count")
    short_list = "The teams of one organization."
    list_filter = ("parent",)
    search_fields = ("name",)
    ordering = ("path",)
    fields = ("name", "parent")
    actions_detail = ("archive",)
    autocomplete_fields = ("parent",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        teams: QuerySet[Team] = super().get_queryset(request).filter(archived_at=None)
        return teams.prefetch_related("memberships")

    @display(description=_("team"), ordering="path")
    def in_tree(self, team: Team) -> str:
        # An em space for each team above it, which HTML does not fold.
        return "\u2003" * (team.path.count("/") - 2) + team.name

    @display(description=pgettext_lazy("team", "people"))
    def head_count(self, team: Team) -> int:
        return len({membership.user_id for membership in team.memberships.all()})

    def save_row(self, request: HttpRequest, obj: Team, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        parent_id = obj.parent_id
        if not change:
            obj.pk = services.create_team(obj.name, parent_id=parent_id, actor=actor).pk
            return
        version = expected_version(request)
        if "name" in form.changed_data:
            renamed = services.rename_team(obj.pk, obj.name, actor=actor, expected_version=version)
            version = version and renamed.version
        if "parent" in form.changed_data:
            services.move_team(obj.pk, parent_id=parent_id, actor=actor, expected_version=version)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Django's page would tell what goes with a team. Nothing does: a team is only put aside.
        return False

    @action(description=_("Put team into the trash"), permissions=["archive"], icon="delete")
    def archive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda team, _values: services.archive_team(team.pk, actor=actor),
            action="delete",
            title=gettext("Put team into the trash"),
            text=gettext("Only an empty team can go. The deals and customers it had stay as they are."),
            done=gettext("The team is in the trash."),
        )

    def has_archive_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may("delete", request, object_id)
