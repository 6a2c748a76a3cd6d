"""Acting as somebody else: how it is begun, and the record of it."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from apps.accounts import services
from apps.accounts.faces import impersonation
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.accounts.models import ImpersonationSession, User


class ActAsForm(forms.Form):
    """Why, for how long, and whether only to look."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("It stands on every page meanwhile, and in the record."),
    )
    minutes = forms.TypedChoiceField(
        label=_("For"),
        coerce=int,
        choices=[(15, _("15 minutes")), (30, _("30 minutes")), (60, _("an hour"))],
        widget=UnfoldAdminSelectWidget,
    )
    is_read_only = forms.BooleanField(
        label=_("Only look"), required=False, initial=True, widget=UnfoldBooleanSwitchWidget
    )


def act_as(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Ask why, and begin to act as a user. What asks for logging in again stands in front of this one."""
    actor = actor_of(request)

    def run(target: User, values: dict[str, Any]) -> None:
        session = services.start_impersonation(
            target.pk,
            reason=values["reason"],
            lasts=timedelta(minutes=values["minutes"]),
            is_read_only=values["is_read_only"],
            actor=actor,
        )
        request.__dict__["begun"] = session

    asked: HttpResponse = page.ask(
        request,
        object_id,
        run,
        action="impersonate",
        title=gettext("Act as this person"),
        text=gettext(
            "You see and do what they may, and history names you both. What decides about their account, keys, roles and "
            "files to take away stays out of reach."
        ),
        form_class=ActAsForm,
    )
    session: ImpersonationSession | None = request.__dict__.get("begun")
    if session is None:
        return asked
    impersonation.begin(request, session)
    return HttpResponseRedirect(reverse("admin:index"))


@admin.register(ImpersonationSession)
class ImpersonationSessionAdmin(ScopedModelAdmin):
    """Who acted as whom, when and why: a record, begun on the page of a user."""

    list_display = ("actor", "target", "reason", "started_at", "ended", "is_read_only")
    list_filter = ("actor", "target")
    list_select_related = ("actor", "target")
    ordering = ("-pk",)
    actions = None
    fields = ("actor", "target", "reason", "is_read_only", "started_at", "expires_at", "ended_at")
    readonly_fields = fields
    empty_title = _("Nobody has acted as somebody else")
    empty_text = _("Administrators do so from the page of a user, with a reason.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @display(description=_("ended"))
    def ended(self, session: ImpersonationSession) -> Any:
        return (
            gettext("goes on") if session.is_live(timezone.now()) else session.ended_at or session.expires_at
        )
