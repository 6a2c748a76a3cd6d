"""Invitations: who was asked to join, and what has become of it."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.accounts import services
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.accounts.faces.links import invitation_link
from apps.accounts.models import Invitation


class NewInvitationForm(forms.ModelForm):  # type: ignore[type-arg]
    """What it takes to invite somebody."""

    locale = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=lambda: [("", _("As mine")), *settings.LANGUAGES],
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = Invitation
        fields = ("email", "name", "team", "role", "locale")
        widgets = {"email": UnfoldAdminEmailInputWidget, "name": UnfoldAdminTextInputWidget}


@admin.register(Invitation)
class InvitationAdmin(ScopedModelAdmin):
    """Invitations are sent, sent again and taken back; what they say stays on record."""

    add_label = _("Invite somebody")
    short_list = "The people who join one organization."
    list_display = ("name", "email", "team", "role", "shows_state", "sent_at", "expires_at")
    list_filter = ("team", "role")
    list_select_related = ("team", "role", "invited_by")
    search_fields = ("name", "email")
    ordering = ("-pk",)
    actions = None
    actions_detail = ("resend", "revoke")
    recent_for = frozenset({"add"})
    fields = (
        *("email", "name", "team", "role", "locale", "shows_state", "invited_by", "sent_at", "expires_at"),
        *("accepted_at", "revoked_at", "user"),
    )
    readonly_fields = fields

    @display(description=_("state"))
    def shows_state(self, invitation: Invitation) -> str:
        return str(invitation.state_at(timezone.now()).label)

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> Any:
        return ("email", "name", "team", "role", "locale") if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Invitation | None = None) -> Any:
        return () if obj is None else self.readonly_fields

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        if obj is None:
            kwargs["form"] = NewInvitationForm
        return super().get_form(request, obj, change, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Revoked ones stay: somebody has asked somebody in.
        return False

    def save_row(self, request: HttpRequest, obj: Invitation, form: Any, *, change: bool) -> None:
        if change:
            return
        values = form.cleaned_data
        invitation = services.invite(
            values["email"],
            name=values["name"],
            team_id=values["team"].pk,
            role_id=values["role"].pk,
            locale=values["locale"],
            link=invitation_link(request),
            actor=actor_of(request),
        )
        obj.pk = invitation.pk

    @action(description=_("Send again"), permissions=["change"], icon="forward_to_inbox")
    def resend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: services.resend_invitation(
                row.pk, actor=actor, link=invitation_link(request)
            ),
            action="change",
            title=gettext("Send invitation again"),
            text=gettext("They get a new link, with as much time as the first. The earlier link ends."),
            done=gettext("The invitation is on its way."),
        )

    @action(description=_("Take back"), permissions=["change"], icon="block")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: services.revoke_invitation(row.pk, actor=actor),
            action="change",
            title=gettext("Take invitation back"),
            text=gettext("The link in their letter ends at once. You can invite them again."),
            done=gettext("The invitation is taken back."),
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer nothing about an invitation that is settled."""
        found = super().get_actions_detail(request, object_id)
        is_open = Invitation.objects.filter(pk=object_id, accepted_at=None, revoked_at=None).exists()
        return found if is_open else []
