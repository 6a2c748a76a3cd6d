"""What one is told, by which channels and when, among the pages of the admin: everybody's own."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from apps.accounts.faces.visible import actor_of
from apps.accounts.services.in_person import require_in_person
from apps.common.admin import call_service
from apps.common.recurrence import zone_named
from apps.notifications.channels.vapid import public_key
from apps.notifications.models import Channel, ChannelAddress, Preference
from apps.notifications.services import preferences

Mode = Preference.Mode


class QuietTimeForm(forms.Form):
    """When one is left in peace."""

    quiet_from = forms.TimeField(
        label=_("Quiet from"), required=False, widget=forms.TimeInput({"type": "time"}, format="%H:%M")
    )
    quiet_until = forms.TimeField(
        label=_("until"), required=False, widget=forms.TimeInput({"type": "time"}, format="%H:%M")
    )
    digest_at = forms.TimeField(
        label=_("Digest at"), widget=forms.TimeInput({"type": "time"}, format="%H:%M")
    )


def preference_urls(view: Callable[[Any], Any]) -> list[URLPattern]:
    """Return the addresses of the page among those of the admin. :param view: the site's way to guard a page"""
    page = require_http_methods(["GET", "POST"])(preferences_view)
    return [path("inbox/preferences/", view(page), name="inbox_preferences")]


def preferences_view(request: HttpRequest) -> HttpResponse:
    """Show what one is told by which channels, and take what one wants instead."""
    actor = actor_of(request)
    quiet = preferences.quiet_time_of(actor)
    given = {name: getattr(quiet, name) for name in ("quiet_from", "quiet_until", "digest_at")}
    form = QuietTimeForm(request.POST if request.method == "POST" else None, initial=given)
    if request.method == "POST":
        require_in_person(actor)
        if form.is_valid() and _saved(request, form):
            messages.success(request, gettext("You are told as you wish from now on."))
            return HttpResponseRedirect(reverse("admin:inbox_preferences"))
    addresses = ChannelAddress.objects.filter(owner=actor).exclude(
        disabled_reason=ChannelAddress.Reason.REPLACED
    )
    context = {
        **admin.site.each_context(request),
        "title": gettext("What I am told"),
        "form": form,
        "rows": [
            {
                "label": row.label,
                "cells": [
                    (f"{row.kind}:{channel.value}", channel.label, row.modes[channel]) for channel in Channel
                ],
            }
            for row in preferences.preferences_of(actor)
        ],
        "channels": [(channel.value, channel.label) for channel in Channel],
        "modes": Mode.choices,
        "addresses": addresses.order_by("channel", "pk"),
        "email": actor.email,
        "push_key": public_key(),
        "zone": str(zone_named(actor.time_zone)),
    }
    return TemplateResponse(request, "admin/notifications/preferences/page.html", context)


def _saved(request: HttpRequest, form: QuietTimeForm) -> bool:
    actor = actor_of(request)
    said = {
        (row.kind, channel): mode
        for row in preferences.preferences_of(actor)
        for channel, now in row.modes.items()
        if (mode := request.POST.get(f"{row.kind}:{channel}", now)) != now
    }
    quiet = call_service(request, preferences.set_quiet_time, actor=actor, **form.cleaned_data)
    if quiet is None:
        return False
    return not said or call_service(request, _set, said, actor=actor) is True


def _set(said: dict[tuple[str, str], str], *, actor: Any) -> bool:
    preferences.set_preferences(said, actor=actor)
    return True
