"""Webhooks in the admin: where facts go, how each is doing, and what was sent."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
)

from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.common.templatetags.artel import when
from apps.lists.admin.rows import ServiceAdmin, VersionedForm
from apps.notifications.models import WebhookDelivery, WebhookEndpoint
from apps.notifications.selectors.webhooks import (
    event_types,
    health_of,
    hours_of,
    last_trouble,
    sentence_of,
    was_sent,
    with_health,
)
from apps.notifications.services import webhooks
from apps.notifications.webhooks.messages import body_of
from apps.notifications.webhooks.samples import sample_of

State = WebhookEndpoint.State
_CSS = {"all": ("css/rows.css", "css/webhooks.css")}


class HeadersField(forms.CharField):
    """Headers as people write them, one a line."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"})

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, text.splitlines())):
            name, colon, said = line.partition(":")
            if not colon or name in found:
                raise forms.ValidationError(
                    _("Write one header a line, as in “X-Shop: 7”."), code="bad_header"
                )
            found[name.strip()] = said.strip()
        return found


class WebhookForm(VersionedForm):
    """What people say of a webhook; headers only where they are given anew, for their values are not shown."""

    event_types = SimpleArrayField(
        forms.CharField(max_length=100, required=False),
        label=_("What it is told"),
        delimiter="\n",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=_("One type of facts a line; * stands for any word or words, as in crm.deal.*"),
    )
    own_headers = HeadersField(
        label=_("Headers besides"),
        required=False,
        help_text=_("One a line, as in “Authorization: Bearer …”. They are kept sealed and not shown again."),
    )

    def values(self, names: list[str]) -> dict[str, Any]:
        found = super().values(names)
        if "own_headers" in found:
            found["headers"] = found.pop("own_headers")
        return found

    def clean_event_types(self) -> list[str]:
        return [name.strip() for name in self.cleaned_data["event_types"] if name.strip()]


class SampleForm(forms.Form):
    """Which fact a sample is to look like."""

    event_type = forms.ChoiceField(label=_("Type"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("the first that it is told")), *((each.type, each.type) for each in event_types())]
        field: Any = self.fields["event_type"]
        field.choices, field.required = choices, False


class SinceForm(forms.Form):
    """From when on what was given up is sent again."""

    since = forms.SplitDateTimeField(label=_("Given up since"), widget=UnfoldAdminSplitDateTimeWidget)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ServiceAdmin):
    """Where facts are sent; a secret is shown once, in answer to its making."""

    form = WebhookForm
    add_label = _("New webhook")
    empty_title = _("Other systems can be told what happens here")
    empty_text = _(
        "Name an address and the types of facts, and each fact is sent there within a second, signed, and again until it"
        " is taken."
    )
    change = staticmethod(webhooks.change_webhook)
    short_list = "A few systems are told what happens."
    list_display = ("__str__", "types_cell", "owner", "state_badge", "health_cell", "trouble_cell")
    list_select_related = ("owner",)
    list_filter = ("state", "owner")
    search_fields = ("url", "description")
    ordering = ("-id",)
    actions = None
    actions_list = ("catalogue",)
    actions_detail = ("sample", "redeliver", "rotate", "pause", "resume")
    recent_for = frozenset({"add", "rotate"})
    change_form_outer_before_template = "admin/notifications/webhook/health.html"

    class Media:
        css = _CSS

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> Any:
        own = ("url", "description", "event_types", "per_minute", "own_headers")
        return own if obj is None else ("expected_version", *own)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # One that is not wanted any more is paused: what was sent there stays on record.
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.catalogue_view)
        return [path("types/", view, name="notifications_event_types"), *super().get_urls()]

    def save_row(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, *, change: bool) -> None:
        if change:
            super().save_row(request, obj, form, change=change)
            return
        values = form.values(list(self.get_fields(request)))
        endpoint, secret = webhooks.create_webhook(actor=actor_of(request), **values)
        obj.__dict__.update(endpoint.__dict__)
        request.__dict__["new_secret"] = secret

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._show_secret(request, obj)

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        return with_health(super().get_queryset(request))

    @display(description=_("what it is told"))
    def types_cell(self, endpoint: WebhookEndpoint) -> str:
        shown = ", ".join(endpoint.event_types[:3])
        return f"{shown} …" if len(endpoint.event_types) > 3 else shown

    @display(
        description=_("state"),
        ordering="state",
        label={State.ACTIVE: "success", State.PAUSED: "warning", State.DISABLED: "danger"},
    )
    def state_badge(self, endpoint: WebhookEndpoint) -> tuple[str, str]:
        return endpoint.state, endpoint.get_state_display()

    @display(description=_("taken in 24 hours"))
    def health_cell(self, endpoint: Any) -> str:
        ended = endpoint.taken + endpoint.given_up
        if not ended:
            return "–"
        return gettext("%(share)d %% of %(count)d") % {"share": 100 * endpoint.taken // ended, "count": ended}

    @display(description=_("last trouble"))
    def trouble_cell(self, endpoint: WebhookEndpoint) -> str:
        return last_trouble(endpoint) or "–"

    # One webhook

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        endpoint = self.get_object(request, object_id)
        shown = {} if endpoint is None else self._health(endpoint)
        response: HttpResponse = super().change_view(
            request, object_id, form_url, shown | (extra_context or {})
        )
        return response

    def _health(self, endpoint: WebhookEndpoint) -> dict[str, Any]:
        hours = hours_of(endpoint)
        most = max((hour.taken + hour.others for hour in hours), default=0)
        return {
            "webhook": endpoint,
            "webhook_health": health_of(endpoint),
            "trouble": last_trouble(endpoint),
            "hours": [(hour, _percent(hour.taken, most), _percent(hour.others, most)) for hour in hours],
            "most": most,
            "latest": list(endpoint.deliveries.order_by("-id")[:10]),
        }

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer what the state lets one do; a new secret is for the owner."""
        found = super().get_actions_detail(request, object_id)
        endpoint = WebhookEndpoint.objects.filter(pk=object_id).first()
        hidden = set()
        if endpoint is not None:
            is_active = endpoint.state == State.ACTIVE
            hidden = {"resume"} if is_active else {"pause", "sample", "redeliver"}
            if endpoint.owner_id != actor_of(request).pk:
                hidden.add("rotate")
        return [each for each in found if not each.action_name.endswith(tuple(hidden) or ("?",))]

    @action(description=_("Send a sample"), permissions=["change"], icon="science")
    def sample(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, values: webhooks.send_sample(row.pk, actor=actor, event_type=values["event_type"]),
            action="change",
            title=gettext("Send sample"),
            text=gettext(
                "Something made up is sent, and marked as a sample. What becomes of it stands on the page."
            ),
            form_class=SampleForm,
            done=gettext("The sample is on its way."),
        )

    @action(description=_("Send again what was given up"), permissions=["change"], icon="replay")
    def redeliver(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)

        def run(row: WebhookEndpoint, values: dict[str, Any]) -> None:
            count = webhooks.redeliver_failed(row.pk, actor=actor, since=values["since"])
            text = ngettext("%(count)d fact is sent again.", "%(count)d facts are sent again.", count)
            self.message_user(request, text % {"count": count}, messages.SUCCESS)

        return self.ask(
            request,
            object_id,
            run,
            action="change",
            title=gettext("Send again"),
            text=gettext("Each goes under the same id as before, so that nothing is counted twice there."),
            form_class=SinceForm,
        )

    @action(description=_("New secret"), permissions=["change"], icon="autorenew")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)

        def run(row: WebhookEndpoint, _values: dict[str, Any]) -> None:
            endpoint, secret = webhooks.rotate_secret(row.pk, actor=actor)
            request.__dict__["rotated"] = endpoint
            request.__dict__["new_secret"] = secret

        asked = self.ask(
            request,
            object_id,
            run,
            action="change",
            title=gettext("Make new secret"),
            text=gettext(
                "For 24 hours each fact is signed with the earlier secret as well, so that you can change it there."
            ),
        )
        endpoint = request.__dict__.get("rotated")
        return asked if endpoint is None else self._show_secret(request, endpoint)

    @action(description=_("Pause"), permissions=["change"], icon="pause")
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: webhooks.pause_webhook(row.pk, actor=actor),
            action="change",
            title=gettext("Pause webhook"),
            text=gettext("What happens meanwhile waits, and is sent when you resume it."),
            done=gettext("The webhook is paused."),
        )

    @action(description=_("Resume"), permissions=["change"], icon="play_arrow")
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: webhooks.resume_webhook(row.pk, actor=actor),
            action="change",
            title=gettext("Resume webhook"),
            text=gettext("What has waited is sent first. What was given up you may send again."),
            done=gettext("The webhook is active."),
        )

    def _show_secret(self, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
        """Show the secret in the answer itself: a message would lie in a cookie or a session until it is read."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Secret of the webhook"),
            "endpoint": endpoint,
            "secret": request.__dict__.pop("new_secret"),
            "opts": self.opts,
            "back_url": reverse("admin:notifications_webhookendpoint_change", args=[endpoint.pk]),
        }
        response = TemplateResponse(request, "admin/notifications/webhook/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    # What there is to be told

    @action(description=_("What can be told"), icon="menu_book", permissions=["view"])
    def catalogue(self, request: HttpRequest) -> HttpResponse:
        return self.catalogue_view(request)

    def catalogue_view(self, request: HttpRequest) -> HttpResponse:
        """Show every type of facts with its schema, and made-up data of the one that is asked for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        kinds = event_types()
        chosen = next((each for each in kinds if each.type == request.GET.get("type")), None)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("What can be told"),
            "kinds": kinds,
            "chosen": chosen,
            "schema": _pretty(chosen.schema) if chosen else "",
            "example": _pretty(sample_of(chosen.type)) if chosen else "",
            "opts": self.opts,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/notifications/webhook/types.html", context)


def _percent(count: int, most: int) -> int:
    return round(100 * count / most) if most else 0


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ScopedModelAdmin):
    """What was sent where, and what became of it; written by whoever sends."""

    list_display = (
        "event_type",
        "subject",
        "endpoint",
        "state_badge",
        "said_cell",
        "attempts",
        "at_cell",
        "next_cell",
    )
    list_select_related = ("endpoint",)
    list_filter = ("state", "endpoint")
    search_fields = ("subject",)
    short_list = "What was sent goes after a month, and is looked at one endpoint at a time."
    ordering = ("-id",)
    empty_title = _("Nothing was sent yet")
    empty_text = _("Each fact that a webhook is told stands here, with what the other system answered.")
    actions = None
    actions_detail = ("redeliver",)
    fields = (
        ("event_type", "subject"),
        ("endpoint", "state_badge"),
        ("message_id", "attempts"),
        ("created_at", "attempted_at", "next_attempt_at"),
        ("said_cell", "duration_ms"),
        "headers_shown",
        "body_shown",
        "response",
    )
    readonly_fields = (
        *("event_type", "subject", "endpoint", "state_badge", "message_id", "attempts", "created_at"),
        *(
            "attempted_at",
            "next_attempt_at",
            "said_cell",
            "duration_ms",
            "headers_shown",
            "body_shown",
            "response",
        ),
    )

    class Media:
        css = _CSS

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @display(
        description=_("state"),
        ordering="state",
        label={
            WebhookDelivery.State.PENDING: "info",
            WebhookDelivery.State.DELIVERED: "success",
            WebhookDelivery.State.FAILED: "danger",
            WebhookDelivery.State.WITHHELD: "warning",
        },
    )
    def state_badge(self, delivery: WebhookDelivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    @display(description=_("answer"))
    def said_cell(self, delivery: WebhookDelivery) -> str:
        return sentence_of(delivery) or (str(delivery.code) if delivery.code else "–")

    @display(description=_("happened"), ordering="created_at")
    def at_cell(self, delivery: WebhookDelivery) -> str:
        return when(delivery.created_at)

    @display(description=_("next attempt"))
    def next_cell(self, delivery: WebhookDelivery) -> str:
        at = delivery.next_attempt_at
        return "–" if at is None else when(max(at, timezone.now()))

    @display(description=_("headers"))
    def headers_shown(self, delivery: WebhookDelivery) -> SafeString:
        lines = [f"{name}: {value}" for name, value in sorted(delivery.sent_headers.items())]
        return format_html('<pre class="webhook-text" tabindex="0">{}</pre>', "\n".join(lines) or "–")

    @display(description=_("body"))
    def body_shown(self, delivery: WebhookDelivery) -> SafeString:
        text = _pretty(body_of(delivery)) if was_sent(delivery) else "–"
        return format_html('<pre class="webhook-text" tabindex="0">{}</pre>', text)

    @action(description=_("Send again"), permissions=["change"], icon="replay")
    def redeliver(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: webhooks.redeliver(row.pk, actor=actor),
            action="change",
            title=gettext("Send again"),
            text=gettext("It goes under the same id as before, so that it is not counted twice there."),
            done=gettext("It is on its way."),
        )
