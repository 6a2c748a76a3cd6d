"""Keys by which programs act for people."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apps.accounts import access, services
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of
from apps.accounts.models import ApiKey
from apps.accounts.scopes import ALL, READ


def _scope_choices() -> list[tuple[str, Any]]:
    """List what a key can be for: everything, all reading, or single permissions, in words."""
    single = [(name, capfirst(access.label_of(name))) for name in access.all_permissions()]
    return [
        (ALL, _("everything that its owner may do")),
        (READ, _("see whatever its owner may see")),
        *sorted(single, key=lambda choice: choice[1]),
    ]


class NewApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """What it takes to make a key."""

    days = forms.TypedChoiceField(
        label=_("Valid for"),
        coerce=int,
        choices=[
            (30, _("30 days")),
            (90, _("90 days")),
            (365, _("a year")),
            (0, _("as long as it is not revoked")),
        ],
        initial=90,
        widget=UnfoldAdminSelectWidget,
    )
    scopes = forms.MultipleChoiceField(
        label=_("What programs may do with it"),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=[READ],
        choices=_scope_choices,
    )

    class Meta:
        model = ApiKey
        fields = ("name",)
        widgets = {"name": UnfoldAdminTextInputWidget}


@admin.register(ApiKey)
class ApiKeyAdmin(ScopedModelAdmin):
    """Keys; the secret of one is shown once, in answer to its making."""

    add_label = _("New key")
    short_list = "A few programs for each person."
    list_display = ("name", "prefix", "owner", "in_words", "expires_at", "last_used_at", "shows_live")
    list_filter = ("owner",)
    list_select_related = ("owner",)
    search_fields = ("name", "prefix")
    ordering = ("-pk",)
    actions = None
    actions_detail = ("rotate", "revoke")
    recent_for = frozenset({"add", "rotate"})
    fields = ("name", "prefix", "owner", "in_words", "created_at", "expires_at", "last_used_at", "revoked_at")
    readonly_fields = fields

    @display(description=_("what for"))
    def in_words(self, key: ApiKey) -> str:
        words = dict(_scope_choices())
        return "; ".join(str(words.get(scope, scope)) for scope in key.scopes)

    @display(description=_("in use"), boolean=True)
    def shows_live(self, key: ApiKey) -> bool:
        return key.is_live(timezone.now())

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return ("name", "scopes", "days") if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return () if obj is None else self.readonly_fields

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        if obj is None:
            kwargs["form"] = NewApiKeyForm
        return super().get_form(request, obj, change, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Revoked ones stay, for what was done with them was.
        return False

    def save_row(self, request: HttpRequest, obj: ApiKey, form: Any, *, change: bool) -> None:
        if change:
            return
        values = form.cleaned_data
        expires_at = timezone.now() + timedelta(days=values["days"]) if values["days"] else None
        key, secret = services.create_api_key(
            values["name"], scopes=values["scopes"], expires_at=expires_at, actor=actor_of(request)
        )
        obj.pk = key.pk
        _remember_secret(request, secret)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._show_secret(request, ApiKey.objects.get(pk=obj.pk))

    @action(description=_("Rotate"), permissions=["change"], icon="autorenew")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)

        def run(row: ApiKey, _values: dict[str, Any]) -> None:
            key, secret = services.rotate_api_key(row.pk, actor=actor)
            _remember_secret(request, secret)
            request.__dict__["rotated_key"] = key

        asked = self.ask(
            request,
            object_id,
            run,
            action="change",
            title=gettext("Rotate key"),
            text=gettext("You get another key for the same purpose. This one goes on for a day."),
        )
        key = request.__dict__.get("rotated_key")
        return asked if key is None else self._show_secret(request, key)

    @action(description=_("Revoke"), permissions=["change"], icon="block")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: services.revoke_api_key(row.pk, actor=actor),
            action="change",
            title=gettext("Revoke key"),
            text=gettext("Programs that use it are refused from now on. This cannot be taken back."),
            done=gettext("The key is revoked."),
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer nothing about a key that is no longer in use; rotating is for its owner."""
        found = super().get_actions_detail(request, object_id)
        key = ApiKey.objects.filter(pk=object_id).first()
        if key is None or not key.is_live(timezone.now()):
            return []
        is_own = key.owner_id == actor_of(request).pk
        return [each for each in found if is_own or not each.action_name.endswith("rotate")]

    def _show_secret(self, request: HttpRequest, key: ApiKey) -> HttpResponse:
        """Show the secret in the answer itself: a message would lie in a cookie or a session until it is read."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Your new key"),
            "key": key,
            "secret": request.__dict__.pop("new_secret"),
            "opts": self.opts,
            "back_url": reverse("admin:accounts_apikey_changelist"),
        }
        response = TemplateResponse(request, "admin/accounts/new_api_key.html", context)
        response["Cache-Control"] = "no-store"
        return response


def _remember_secret(request: HttpRequest, secret: str) -> None:
    request.__dict__["new_secret"] = secret
