"""Applications that people log in to with their account here, and programs that act for themselves."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from apps.accounts import services
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, visible_rows
from apps.accounts.faces.merging import expected_version
from apps.accounts.models import Application, Role
from apps.accounts.oauth.words import all_scopes, in_words

_DESCRIBED = (
    "name",
    "team",
    "redirect_uris",
    "post_logout_redirect_uris",
    "allowed_origins",
    "scopes",
    "skip_authorization",
)
_LINES = {"rows": 3, "spellcheck": "false", "autocapitalize": "off"}

# The toolkit's own page would show all of them to everybody who may see the admin's list of models.
if admin.site.is_registered(Application):
    admin.site.unregister(Application)


def _scope_choices() -> list[tuple[str, Any]]:
    return [*all_scopes().items()]


class ApplicationForm(forms.ModelForm):  # type: ignore[type-arg]
    """What may be said about an application at any time."""

    scopes = forms.MultipleChoiceField(
        label=_("What it may ask for"),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        choices=_scope_choices,
        initial=["openid", "profile", "email"],
    )

    class Meta:
        model = Application
        fields: tuple[str, ...] = _DESCRIBED
        widgets = {
            name: UnfoldAdminTextareaWidget(attrs=_LINES)
            for name in ("redirect_uris", "post_logout_redirect_uris", "allowed_origins")
        }


class NewApplicationForm(ApplicationForm):
    """What it takes to register one."""

    role = forms.ModelChoiceField(
        label=_("Role of the program"),
        queryset=Role.objects.none(),
        required=False,
        help_text=_(
            "Only for a program that acts for itself: what it is in its team. It may be given later."
        ),
        widget=UnfoldAdminSelectWidget,
    )

    class Meta(ApplicationForm.Meta):
        fields: tuple[str, ...] = ("name", "team", "authorization_grant_type", "client_type", *_DESCRIBED[2:])


@admin.register(Application)
class ApplicationAdmin(ScopedModelAdmin):
    """Applications; the secret of one is shown once, in answer to its making."""

    add_label = _("New application")
    short_list = "The applications of one organization."
    list_display = ("name", "client_id", "authorization_grant_type", "team", "shows_live")
    list_filter = ("authorization_grant_type", "team")
    list_select_related = ("team",)
    search_fields = ("name", "client_id")
    ordering = ("name",)
    actions = None
    actions_detail = ("rotate", "turn_off", "turn_on")
    recent_for = frozenset({"add", "change", "rotate", "turn_on"})
    fields = (
        "name",
        "team",
        "client_id",
        "authorization_grant_type",
        "client_type",
        "service_user",
        *_DESCRIBED[2:],
        "in_words",
        "secret_made_at",
        "disabled_at",
    )
    readonly_fields = (
        "client_id",
        "authorization_grant_type",
        "client_type",
        "service_user",
        "in_words",
        "secret_made_at",
        "disabled_at",
    )

    @display(description=_("what for"))
    def in_words(self, application: Application) -> str:
        return "; ".join(str(word) for word in in_words(application.scopes))

    @display(description=_("in use"), boolean=True)
    def shows_live(self, application: Application) -> bool:
        return application.disabled_at is None

    def get_fields(self, request: HttpRequest, obj: Application | None = None) -> Any:
        return (*NewApplicationForm.Meta.fields, "role") if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Application | None = None) -> Any:
        return () if obj is None else self.readonly_fields

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        kwargs["form"] = NewApplicationForm if obj is None else ApplicationForm
        form = super().get_form(request, obj, change, **kwargs)
        if obj is None:
            form.base_fields["role"].queryset = visible_rows(actor_of(request), Role)
        return form

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # They are turned off, for what was done through one was.
        return False

    def save_row(self, request: HttpRequest, obj: Application, form: Any, *, change: bool) -> None:
        actor, values = actor_of(request), form.cleaned_data
        described = {name: values[name] for name in _DESCRIBED if name != "team"} | {"team_id": obj.team_id}
        if change:
            services.change_application(
                obj.pk, actor=actor, expected_version=expected_version(request), **described
            )
            return
        role = values.get("role")
        application, secret = services.register_application(
            actor=actor,
            grant=obj.authorization_grant_type,
            kind=obj.client_type,
            role_id=role and role.pk,
            **described,
        )
        obj.pk = application.pk
        _remember_secret(request, secret)

    def response_add(
        self, request: HttpRequest, obj: Application, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._show_secret(request, Application.objects.get(pk=obj.pk))

    @action(description=_("New secret"), permissions=["change"], icon="autorenew")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)

        def run(row: Application, _values: dict[str, Any]) -> None:
            application, secret = services.rotate_application_secret(row.pk, actor=actor)
            _remember_secret(request, secret)
            request.__dict__["rotated_application"] = application

        asked = self.ask(
            request,
            object_id,
            run,
            action="change",
            title=gettext("Make another secret"),
            text=gettext(
                "The application is refused until it is given the new one: the old one ends at once."
            ),
        )
        application = request.__dict__.get("rotated_application")
        return asked if application is None else self._show_secret(request, application)

    @action(description=_("Turn off"), permissions=["change"], icon="block")
    def turn_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: services.disable_application(row.pk, actor=actor),
            action="change",
            title=gettext("Turn application off"),
            text=gettext("Nobody logs in to it any more, and what it was given is refused from now on."),
            done=gettext("The application is turned off."),
        )

    @action(description=_("Turn on"), permissions=["change"], icon="play_arrow")
    def turn_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda row, _values: services.enable_application(row.pk, actor=actor),
            action="change",
            title=gettext("Turn application on"),
            done=gettext("The application is turned on."),
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer what the application is ready for."""
        application = Application.objects.filter(pk=object_id).first()
        if application is None:
            return []
        useless = {"turn_off", "rotate"} if application.disabled_at is not None else {"turn_on"}
        if application.client_type == Application.Kind.PUBLIC:
            useless.add("rotate")
        found = super().get_actions_detail(request, object_id)
        return [each for each in found if not each.action_name.endswith(tuple(useless))]

    def _show_secret(self, request: HttpRequest, application: Application) -> HttpResponse:
        """Show the secret in the answer itself: a message would lie in a cookie or a session until it is read."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("The application is registered"),
            "application": application,
            "secret": request.__dict__.pop("new_secret"),
            "opts": self.opts,
            "back_url": reverse("admin:accounts_application_change", args=(application.pk,)),
        }
        response = TemplateResponse(request, "admin/accounts/new_application.html", context)
        response["Cache-Control"] = "no-store"
        return response


def _remember_secret(request: HttpRequest, secret: str) -> None:
    request.__dict__["new_secret"] = secret
