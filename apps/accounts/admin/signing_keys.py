"""Keys that sign tokens: which there are, since when, and what to do when one is in the wrong hands."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from apps.accounts import services
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.accounts.models import SigningKey

State = SigningKey.State


@admin.register(SigningKey)
class SigningKeyAdmin(ScopedModelAdmin):
    """Keys and their times; of a private half nothing is shown, whoever asks."""

    short_list = "One or two keys a month."
    empty_title = _("No key yet")
    empty_text = _("The first one is made when the first token is signed.")
    list_display = (
        "kid",
        "shown_state",
        "published_at",
        "activated_at",
        "passive_at",
        "retired_at",
        "leaked_at",
    )
    ordering = ("-pk",)
    actions = None
    actions_detail = ("rotate", "leaked")
    recent_for = frozenset({"rotate", "leaked"})
    fields = ("kid", "state", "published_at", "activated_at", "passive_at", "retired_at", "leaked_at")
    readonly_fields = fields

    @display(
        description=_("state"),
        ordering="state",
        label={
            State.ACTIVE: "success",
            State.NEXT: "info",
            State.PASSIVE: "warning",
            State.RETIRED: "default",
        },
    )
    def shown_state(self, key: SigningKey) -> tuple[str, str]:
        return key.state, key.get_state_display()

    def has_add_permission(self, request: HttpRequest) -> bool:
        # The platform makes them itself.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Tokens name the key that signed them: which keys there were stays on record.
        return False

    @action(description=_("Rotate now"), permissions=["change"], icon="autorenew")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda _row, _values: services.rotate_now(actor=actor),
            action="change",
            title=gettext("Rotate keys"),
            text=gettext(
                "The next key signs from now on. What this one has signed is believed for as long as it would have been."
            ),
            done=gettext("The next key signs now."),
        )

    @action(description=_("This key leaked"), permissions=["change"], icon="gpp_bad")
    def leaked(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: services.revoke_key(row.pk, actor=actor),
            action="change",
            title=gettext("Retire leaked key"),
            text=gettext(
                "Nothing that it has signed is believed any more, within a second. Applications get new access by"
                " themselves, and people stay logged in. This cannot be taken back."
            ),
            done=gettext("The key is retired, and what it has signed is refused."),
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer rotating with the key in use, and nothing with one that is retired."""
        found = super().get_actions_detail(request, object_id)
        key = SigningKey.objects.filter(pk=object_id).first()
        if key is None or key.state == State.RETIRED:
            return []
        return [
            each for each in found if key.state == State.ACTIVE or not each.action_name.endswith("rotate")
        ]
