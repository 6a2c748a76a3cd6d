"""Messages in the admin: where people are reached, what was sent there, and in which words."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSplitDateTimeWidget

from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.common.admin import call_service, refusal_text
from apps.common.templatetags.artel import when
from apps.lists.admin.rows import DeletableAdmin, ServiceAdmin, UnversionedForm, VersionedForm
from apps.notifications.models import Channel, ChannelAddress, Delivery, MessageTemplate
from apps.notifications.services import addresses, delivering, message_templates
from apps.notifications.services.preferences import label_of
from apps.notifications.telling.kinds import kinds
from apps.notifications.telling.words import DIGEST, DIGEST_NAMES, NAMES, built_in


class AddressForm(UnversionedForm):
    """An address of the web; browsers and chats say by themselves who they are."""

    class Meta:
        model = ChannelAddress
        fields = ("address", "name")


@admin.register(ChannelAddress)
class ChannelAddressAdmin(ServiceAdmin):
    """Where one is reached; the secret of a webhook is shown once, in answer to its making."""

    form = AddressForm
    add_label = _("New webhook of mine")
    empty_title = _("Where you are reached besides the inbox")
    empty_text = _(
        "By e-mail you are reached where you log in. Name an address of the web, and you are told there, signed."
    )
    short_list = "A few of each person."
    list_display = ("__str__", "owner", "channel", "state_badge", "used_at")
    list_select_related = ("owner",)
    list_filter = (("channel", ChoicesDropdownFilter), "owner")
    actions = None
    actions_detail = ("turn_off", "turn_on")
    recent_for = frozenset({"add"})
    fields = (
        ("channel", "owner"),
        *("address", "name", "created_at", "verified_at", "used_at"),
        ("disabled_at", "disabled_reason"),
    )
    readonly_fields: ClassVar[Any] = (
        *("channel", "owner", "address", "name", "created_at", "verified_at", "used_at"),
        *("disabled_at", "disabled_reason"),
    )

    def get_fields(self, request: HttpRequest, obj: ChannelAddress | None = None) -> Any:
        return ("address", "name") if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: ChannelAddress | None = None) -> Any:
        return () if obj is None else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # What was sent there stays on record.
        return False

    @display(description=_("state"), label={"on": "success", "new": "warning", "off": "danger"})
    def state_badge(self, row: ChannelAddress) -> tuple[str, str]:
        if row.disabled_at is not None:
            return "off", gettext("turned off")
        return ("on", gettext("works")) if row.verified_at else ("new", gettext("not confirmed yet"))

    def save_row(self, request: HttpRequest, obj: ChannelAddress, form: Any, *, change: bool) -> None:
        if change:
            return
        values = form.cleaned_data
        row, secret = addresses.add_webhook(
            actor=actor_of(request), url=values["address"], name=values["name"]
        )
        obj.__dict__.update(row.__dict__)
        request.__dict__["new_secret"] = secret

    def response_add(
        self, request: HttpRequest, obj: ChannelAddress, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret in the answer itself: a message would lie in a cookie or a session until it is read."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Secret of the webhook"),
            "address": obj,
            "secret": request.__dict__.pop("new_secret"),
            "opts": self.opts,
            "back_url": reverse("admin:notifications_channeladdress_change", args=[obj.pk]),
        }
        response = TemplateResponse(request, "admin/notifications/messages/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer what the state lets one do."""
        row = ChannelAddress.objects.filter(pk=object_id).first()
        hidden = "turn_on" if row is None or row.disabled_at is None else "turn_off"
        found = super().get_actions_detail(request, object_id)
        return [each for each in found if not each.action_name.endswith(hidden)]

    @action(description=_("Turn off"), permissions=["change"], icon="notifications_off")
    def turn_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: addresses.turn_off(row.pk, actor=actor),
            action="change",
            title=gettext("Turn address off"),
            text=gettext("Nothing is sent there any more. What waits for it is withheld."),
            done=gettext("Nothing is sent there any more."),
        )

    @action(description=_("Turn on"), permissions=["change"], icon="notifications_active")
    def turn_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: addresses.turn_on(row.pk, actor=actor),
            action="change",
            title=gettext("Turn address on"),
            text=gettext("What happens from now on is sent there again."),
            done=gettext("It is sent there again."),
        )


class SinceForm(forms.Form):
    """Which of what was given up is sent again."""

    channel = forms.ChoiceField(label=_("Channel"), choices=Channel, widget=UnfoldAdminSelectWidget)
    since = forms.SplitDateTimeField(label=_("Given up since"), widget=UnfoldAdminSplitDateTimeWidget)


@admin.register(Delivery)
class DeliveryAdmin(ScopedModelAdmin):
    """What was sent to people, and what became of it; what was given up is sent again from here."""

    list_display = ("kind_cell", "owner", "channel", "state_badge", "said_cell", "attempts", "at_cell")
    list_select_related = ("owner", "address")
    list_filter: Any = (
        ("state", ChoicesDropdownFilter),
        ("channel", ChoicesDropdownFilter),
        "owner",
        ("created_at", RangeDateFilter),
    )
    short_list = "Looked through by person and state, and gone after ninety days."
    ordering = ("-id",)
    empty_title = _("Nothing was sent yet")
    empty_text = _("Each message to somebody stands here, with what became of it.")
    actions = None
    actions_list = ("redeliver_failed",)
    actions_detail = ("redeliver",)
    fields = (
        ("kind_cell", "state_badge"),
        ("owner", "channel", "address"),
        ("priority", "is_digest", "is_uncertain"),
        ("created_at", "next_attempt_at", "sent_at", "expires_at"),
        ("attempts", "said_cell", "code"),
        "key",
    )
    readonly_fields: ClassVar[Any] = tuple(
        name for part in fields for name in (part if isinstance(part, tuple) else (part,))
    )

    class Media:
        css: ClassVar[Any] = {"all": ("css/rows.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @display(description=_("what about"), ordering="kind")
    def kind_cell(self, row: Delivery) -> str:
        return label_of(row.kind)

    @display(
        description=_("state"),
        ordering="state",
        label={
            Delivery.State.WAITING: "info",
            Delivery.State.JOINED: "info",
            Delivery.State.SENT: "success",
            Delivery.State.FAILED: "danger",
            Delivery.State.WITHHELD: "warning",
        },
    )
    def state_badge(self, row: Delivery) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @display(description=_("what became of it"))
    def said_cell(self, row: Delivery) -> str:
        if row.error:
            return row.get_error_display()
        return gettext("It may have come twice.") if row.is_uncertain else "–"

    @display(description=_("happened"), ordering="created_at")
    def at_cell(self, row: Delivery) -> str:
        return when(row.created_at)

    @action(description=_("Send again"), permissions=["change"], icon="replay")
    def redeliver(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: delivering.redeliver(row.pk, actor=actor),
            action="change",
            title=gettext("Send again"),
            text=gettext(
                "It goes under the same key as before. Telegram cannot tell, and shows it once more."
            ),
            done=gettext("It is on its way."),
        )

    @action(description=_("Send again what was given up"), permissions=["change"], icon="replay")
    def redeliver_failed(self, request: HttpRequest) -> HttpResponse:
        """Ask by which channel and since when, and send all of it again."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = SinceForm(request.POST if request.method == "POST" else None)
        back = reverse("admin:notifications_delivery_changelist")
        if request.method == "POST" and form.is_valid():
            count = call_service(
                request, delivering.redeliver_failed, actor=actor_of(request), **form.cleaned_data
            )
            if count is not None:
                text = ngettext(
                    "%(count)d message is sent again.", "%(count)d messages are sent again.", count
                )
                self.message_user(request, text % {"count": count}, messages.SUCCESS)
                return HttpResponse(status=302, headers={"Location": back})
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Send again"),
            "subtitle": None,
            "text": gettext("Each goes under the same key as before."),
            "form": form,
            "opts": self.opts,
            "media": self.media + form.media,
            "back_url": back,
        }
        return TemplateResponse(request, "admin/object_action.html", context)


def _kind_choices() -> list[tuple[str, str]]:
    known = [(kind.code, str(kind.label)) for kind in kinds()]
    return [*known, (DIGEST, label_of(DIGEST))]


class TemplateForm(VersionedForm):
    """Words, with the platform's own as what they begin with."""

    kind = forms.ChoiceField(label=_("What about"), choices=_kind_choices, widget=UnfoldAdminSelectWidget)


@admin.register(MessageTemplate)
class MessageTemplateAdmin(DeletableAdmin):
    """What messages say, with how it would look on what the person who writes was last told."""

    form = TemplateForm  # type: ignore[assignment]
    add_label = _("New words")
    create = staticmethod(message_templates.create_template)
    change = staticmethod(message_templates.change_template)
    delete = staticmethod(message_templates.delete_template)
    empty_title = _("Messages in your own words")
    empty_text = _("The platform has words for every kind of message. Here you say them in yours.")
    short_list = "Some for each kind, channel and language at most."
    list_display = ("label_cell", "channel", "locale", "subject")
    list_filter = (("channel", ChoicesDropdownFilter), ("locale", ChoicesDropdownFilter))
    search_fields = ("subject", "body")
    ordering = ("kind", "channel", "locale")
    actions = None
    change_form_after_template = "admin/notifications/messages/preview.html"

    class Media:
        css: ClassVar[Any] = {"all": ("css/rows.css", "css/inbox.css")}
        js = ("js/messages.js",)

    def get_fields(self, request: HttpRequest, obj: MessageTemplate | None = None) -> Any:
        own = ("kind", "channel", "locale", "subject", "body")
        return own if obj is None else ("expected_version", *own)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the platform's own words."""
        subject, body = built_in("", Channel.EMAIL)
        language = settings.LANGUAGE_CODE
        begun = {"channel": Channel.EMAIL, "locale": language, "subject": str(subject), "body": str(body)}
        return {**begun, **super().get_changeform_initial_data(request)}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.preview_view))
        return [path("preview/", view, name="notifications_messagetemplate_preview"), *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        shown = {
            "message_names": NAMES.items(),
            "digest_names": DIGEST_NAMES.items(),
            "preview_url": reverse("admin:notifications_messagetemplate_preview"),
        }
        return super().changeform_view(request, object_id, form_url, shown | (extra_context or {}))

    @display(description=_("what about"), ordering="kind")
    def label_cell(self, row: MessageTemplate) -> str:
        return label_of(row.kind)

    def preview_view(self, request: HttpRequest) -> JsonResponse:
        """Answer how words would look, or what is wrong with them."""
        given = {
            name: request.POST.get(name, "") for name in ("kind", "channel", "locale", "subject", "body")
        }
        try:
            found = message_templates.preview(actor=actor_of(request), **given)
        except ValidationError as error:
            return JsonResponse({"refused": refusal_text(error)}, status=400)
        note = gettext("Nothing of this kind has happened to you yet: this is made up.")
        return JsonResponse(
            {"subject": found.subject, "text": found.text, "note": note if found.is_sample else ""}
        )
