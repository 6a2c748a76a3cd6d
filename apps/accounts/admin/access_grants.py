"""Single rows that are shared with somebody for a while."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSingleDateWidget

from apps.accounts import services
from apps.accounts.faces.access_pages import end_of, verbs_of
from apps.accounts.faces.admin import ScopedModelAdmin, ScopedRelatedFilter, actor_of, visible_rows
from apps.accounts.models import AccessGrant


class ExtendForm(forms.Form):
    """When something shared is to end."""

    until = forms.DateField(label=_("Until the end of"), widget=UnfoldAdminSingleDateWidget)


class LiveFilter(admin.SimpleListFilter):
    """What is shared now, or was."""

    title = _("in force")
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("now")), ("0", _("ended"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        live = AccessGrant.objects.live().values("pk")
        if self.value() == "1":
            return queryset.filter(pk__in=live)
        return queryset.exclude(pk__in=live) if self.value() == "0" else queryset


@admin.register(AccessGrant)
class AccessGrantAdmin(ScopedModelAdmin):
    """Who sees which single row, until when and why; shared on the page of the row itself."""

    list_display = ("user", "what", "verbs", "reason", "expires_at", "shows_live")
    list_display_links = ("user", "what")
    list_filter = (LiveFilter, ("user", ScopedRelatedFilter))
    list_select_related = ("user", "content_type")
    ordering = ("-pk",)
    actions = None
    actions_detail = ("extend", "revoke")
    recent_for = frozenset({"extend"})
    fields = ("user", "row", "verbs", "reason", "by", "created_at", "expires_at", "revoked_at")
    readonly_fields = fields
    empty_title = _("Nothing is shared with anybody")
    empty_text = _("Share a deal, a company or another row for a while on its own page: Access → Share…")

    def has_add_permission(self, request: HttpRequest) -> bool:
        # On the page of the row.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("content_type")

    @display(description=_("row"))
    def what(self, grant: AccessGrant) -> str:
        kind = grant.row_model._meta.verbose_name
        return f"{capfirst(str(kind))} {grant.object_id}"

    @display(description=_("row"))
    def row(self, grant: AccessGrant) -> str:
        shown: Model | None = getattr(grant, "shown_row", None)
        if shown is None:
            return gettext("%(what)s (not yours to see)") % {"what": self.what(grant)}
        opts = shown._meta
        try:
            url = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=(shown.pk,))
        except NoReverseMatch:
            return str(shown)
        return format_html('<a class="art-link" href="{}">{}</a>', url, shown)

    @display(description=_("may"))
    def verbs(self, grant: AccessGrant) -> str:
        return verbs_of(grant)

    @display(description=_("shared by"))
    def by(self, grant: AccessGrant) -> str:
        return str(getattr(grant, "shown_giver", None) or gettext("somebody you may not see"))

    @display(description=_("in force"), boolean=True)
    def shows_live(self, grant: AccessGrant) -> bool:
        return grant.is_live(timezone.now())

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the grant, with as much of its row and its giver as the person may see."""
        grant: Any = super().get_object(request, object_id, from_field)
        if grant is not None:
            actor = actor_of(request)
            grant.shown_row = visible_rows(actor, grant.row_model).filter(pk=grant.object_id).first()
            people = visible_rows(actor, type(grant.user))
            grant.shown_giver = people.filter(pk=grant.granted_by_id).first()
        return grant

    @action(description=_("Let it end at another time"), permissions=["change"], icon="event")
    def extend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)

        def run(grant: AccessGrant, values: dict[str, Any]) -> None:
            until: datetime = end_of(values["until"])
            services.extend_access(grant.pk, expires_at=until, actor=actor)

        return self.ask(
            request,
            object_id,
            run,
            action="change",
            title=gettext("Let it end at another time"),
            form_class=ExtendForm,
            done=gettext("It ends at another time."),
        )

    @action(description=_("Take back"), permissions=["change"], icon="block")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda grant, _values: services.revoke_access(grant.pk, actor=actor),
            action="change",
            title=gettext("Take back"),
            text=gettext("They do not see the row any more, unless a role of theirs reaches it."),
            done=gettext("It is not shared with them any more."),
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer nothing about what has ended."""
        grant = AccessGrant.objects.live().filter(pk=object_id).first()
        found = super().get_actions_detail(request, object_id)
        names = ("_extend", "_revoke")
        return [each for each in found if grant is not None or not each.action_name.endswith(names)]
