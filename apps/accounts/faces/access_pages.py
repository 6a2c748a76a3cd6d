"""
Pages about the access to one row, which every admin page of scoped rows has: share it, and who can see it.
"""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextInputWidget,
)

from apps.accounts import access, services, why
from apps.accounts.faces.visible import actor_of, visible_rows
from apps.accounts.models import AccessGrant, User
from apps.common.admin import call_service

# What every page of a row offers about it, one click away from what people do all day.
_ACCESS_ITEMS = ("share", "who_sees")
_USUAL = timedelta(days=7)


class ShareForm(forms.Form):
    """Whom a row is shared with, for what, until when and why."""

    user = forms.ModelChoiceField(
        label=_("With whom"), queryset=User.objects.none(), widget=UnfoldAdminSelect2Widget
    )
    actions = forms.MultipleChoiceField(
        label=_("What they may besides seeing it"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    until = forms.DateField(
        label=_("Until the end of"), widget=UnfoldAdminSingleDateWidget, help_text=_("It ends by itself.")
    )
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, actor: User, row: models.Model, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        people = visible_rows(actor, User).filter(is_active=True, kind=User.Kind.HUMAN).exclude(pk=actor.pk)
        fields["user"].queryset = people.order_by("name", "pk")
        known = [name for name in access.shareable_actions(type(row)) if name != "view"]
        fields["actions"].choices = [
            (name, access.verb_of(access.permission_of(name, type(row))))
            for name in known
            if access.can_by_role(actor, name, row)
        ]
        fields["until"].initial = timezone.localdate() + _USUAL


def end_of(day: Any) -> datetime:
    """Return the last moment of a day in the person's zone."""
    return timezone.make_aware(datetime.combine(day, time.max))


class WhoSeesForm(forms.Form):
    """What is asked of whom."""

    action = forms.ChoiceField(label=_("Who may"), required=False, widget=UnfoldAdminSelectWidget)
    term = forms.CharField(label=_("Name"), required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    person = forms.ModelChoiceField(
        label=_("Why, or why not"),
        required=False,
        queryset=User.objects.none(),
        empty_label=_("nobody in particular"),
        widget=UnfoldAdminSelect2Widget,
    )

    def __init__(self, *args: Any, asker: User, model: type[models.Model], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["action"].choices = [
            (name, access.verb_of(access.permission_of(name, model))) for name in _askable(model)
        ]
        fields["person"].queryset = visible_rows(asker, User).order_by("name", "pk")


def _askable(model: type[models.Model]) -> list[str]:
    """List what may be asked of a row, seeing it first; of a part, what decides about its whole."""
    names = access.actions_of(model) or ["view", "change"]
    return sorted((name for name in names if name != "add"), key=lambda name: (name != "view", name))


class AccessPages:
    """
    The pages; `self` is a ModelAdmin of scoped rows.

    :cvar access_items: actions of the page itself that belong with them
    """

    access_items: tuple[str, ...] = ()

    def access_menu(self) -> dict[str, Any]:
        """Return what the page of a row offers about who may do what with it, under one heading."""
        return {"title": _("Access"), "icon": "shield_person", "items": [*_ACCESS_ITEMS, *self.access_items]}

    def has_share_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        page: Any = self
        user = actor_of(request)
        return access.can_any(user, "add", AccessGrant) and bool(access.shareable_actions(page.model))

    def has_who_sees_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return why.may_ask(actor_of(request))

    def _row_of(self, request: HttpRequest, object_id: str, is_let: Callable[[HttpRequest], bool]) -> Any:
        """Return the row that a page is about; None where there is none in sight."""
        page: Any = self
        if not is_let(request):
            raise PermissionDenied
        return page.get_object(request, object_id)

    @action(description=_("Share…"), permissions=["share"], icon="share")
    def share(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Share a row with somebody for a while, and see with whom it is shared."""
        page: Any = self
        row = self._row_of(request, object_id, self.has_share_permission)
        if row is None:
            missing: HttpResponse = page._get_obj_does_not_exist_redirect(request, page.opts, object_id)
            return missing
        actor = actor_of(request)
        form = ShareForm(request.POST if "share" in request.POST else None, actor=actor, row=row)
        if request.method == "POST" and self._shared(request, row, form):
            return HttpResponseRedirect(request.get_full_path())
        grants = AccessGrant.objects.visible_to(actor).live().on(row).select_related("user")
        context = self._about(request, row) | {
            "form": form,
            "grants": _described(list(grants.order_by("expires_at")), actor),
            "media": page.media + form.media,
        }
        return TemplateResponse(request, "admin/accounts/share.html", context)

    def _shared(self, request: HttpRequest, row: models.Model, form: ShareForm) -> bool:
        """Do what the page was sent for, and tell whether there is nothing left to say on it."""
        page: Any = self
        actor = actor_of(request)
        if "revoke" in request.POST:
            given = request.POST["revoke"]
            if given.isascii() and given.isdecimal():
                done = call_service(request, services.revoke_access, int(given), actor=actor)
                if done is not None:
                    page.message_user(
                        request, gettext("It is not shared with them any more."), messages.SUCCESS
                    )
            return True

        def run(subject: models.Model, values: dict[str, Any]) -> None:
            services.grant_access(
                values["user"].pk,
                label=subject._meta.label_lower,
                row_id=subject.pk,
                actions=values["actions"],
                expires_at=end_of(values["until"]),
                reason=values["reason"],
                actor=actor,
            )

        is_done = form.is_valid() and page._run(request, run, row, form)
        if is_done:
            page.message_user(request, gettext("It is shared."), messages.SUCCESS)
        return bool(is_done)

    @action(description=_("Who can see this?"), permissions=["who_sees"], icon="visibility")
    def who_sees(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Tell who may see a row, or do something to it, and why; and of one person why or why not."""
        page: Any = self
        row = self._row_of(request, object_id, self.has_who_sees_permission)
        if row is None:
            missing: HttpResponse = page._get_obj_does_not_exist_redirect(request, page.opts, object_id)
            return missing
        asker = actor_of(request)
        form = WhoSeesForm(request.GET or None, asker=asker, model=type(row))
        asked = form.cleaned_data if form.is_bound and form.is_valid() else {}
        what, person = asked.get("action") or "view", asked.get("person")
        people = why.who_may(what, row, asker=asker, term=asked.get("term", ""))
        context = self._about(request, row) | {
            "form": form,
            "verb": access.verb_of(access.permission_of(what, type(row))),
            "people": people,
            "person": person,
            "lines": why.explain(person, what, row, asker=asker) if person is not None else [],
            "most": why.MOST_PEOPLE,
            "is_cut": why.has_more_people(asker, asked.get("term", "")),
            "media": page.media + form.media,
        }
        return TemplateResponse(request, "admin/accounts/who_sees.html", context)

    def _about(self, request: HttpRequest, row: models.Model) -> dict[str, Any]:
        page: Any = self
        name = f"admin:{page.opts.app_label}_{page.opts.model_name}_change"
        return {
            **page.admin_site.each_context(request),
            "title": str(row),
            "row": row,
            "opts": page.opts,
            "back_url": reverse(name, args=(quote(row.pk),)),
        }


def _described(grants: list[AccessGrant], actor: User) -> list[dict[str, Any]]:
    """Return what a page tells of grants; who shared something is named to who may see them."""
    givers = visible_rows(actor, User).filter(pk__in={grant.granted_by_id for grant in grants})
    names = {giver.pk: str(giver) for giver in givers}
    return [
        {"grant": grant, "verbs": verbs_of(grant), "by": names.get(grant.granted_by_id, "")}
        for grant in grants
    ]


def verbs_of(grant: AccessGrant) -> str:
    """Say what a grant lets somebody do: "see, win"."""
    model = grant.row_model
    ordered = sorted(grant.actions, key=lambda name: (name != "view", name))
    return ", ".join(str(access.verb_of(access.permission_of(name, model))) for name in ordered)
