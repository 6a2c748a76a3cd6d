"""Addresses under which calendars find tasks: made here, shown once, and taken back."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from apps.accounts.faces.admin import actor_of
from apps.lists.admin.rows import ServiceAdmin, UnversionedForm
from apps.notifications.models import CalendarFeed
from apps.notifications.services import feeds


@admin.register(CalendarFeed)
class CalendarFeedAdmin(ServiceAdmin):
    """An address is shown once, in answer to its making."""

    form = UnversionedForm
    add_label = _("New calendar address")
    empty_title = _("Your tasks in your own calendar")
    empty_text = _(
        "Make an address and give it to your calendar. Whoever knows it reads your tasks, until you take it back."
    )
    short_list = "One for each of somebody's calendars."
    list_display = ("__str__", "owner", "created_at", "used_at", "revoked_at")
    list_select_related = ("owner",)
    list_filter = ("owner",)
    actions = None
    actions_detail = ("revoke",)
    recent_for = frozenset({"add"})
    fields = ("name", "owner", "created_at", "used_at", "revoked_at")

    def get_fields(self, request: HttpRequest, obj: CalendarFeed | None = None) -> Any:
        return ("name",) if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: CalendarFeed | None = None) -> Any:
        return () if obj is None else self.fields

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Those that were taken back stay on record.
        return False

    def save_row(self, request: HttpRequest, obj: CalendarFeed, form: Any, *, change: bool) -> None:
        if change:
            return
        feed, secret = feeds.create_feed(actor=actor_of(request), name=form.cleaned_data["name"])
        obj.__dict__.update(feed.__dict__)
        request.__dict__["new_secret"] = secret

    def response_add(
        self, request: HttpRequest, obj: CalendarFeed, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the address in the answer itself: a message would lie in a cookie or a session until it is read."""
        secret = request.__dict__.pop("new_secret")
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Address for your calendar"),
            "feed": obj,
            "address": request.build_absolute_uri(reverse("notifications:calendar", args=[secret])),
            "opts": self.opts,
            "back_url": reverse("admin:notifications_calendarfeed_changelist"),
        }
        response = TemplateResponse(request, "admin/notifications/feed.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @action(description=_("Take back"), permissions=["change"], icon="link_off")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: feeds.revoke_feed(row.pk, actor=actor),
            action="change",
            title=gettext("Take address back"),
            text=gettext("Calendars that use it are refused from now on. This cannot be taken back."),
            done=gettext("Nobody reads by this address any more."),
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer nothing about an address that was taken back."""
        found = super().get_actions_detail(request, object_id)
        live = CalendarFeed.objects.filter(pk=object_id, revoked_at=None).exists()
        return [each for each in found if live or not each.action_name.endswith("revoke")]
