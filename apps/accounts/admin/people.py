"""Users as the people who manage them see them."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
)

from apps.accounts import access, services, why
from apps.accounts.admin.impersonation import act_as
from apps.accounts.attempts import is_locked, person
from apps.accounts.faces.admin import ScopedModelAdmin, ScopedTabularInline, actor_of, has_rule
from apps.accounts.faces.merging import expected_version
from apps.accounts.models import AuthEvent, Membership, User
from apps.accounts.scoping import Rule
from apps.accounts.second_factor import has_factor


class NewPasswordForm(forms.Form):
    """A password for somebody else."""

    password = forms.CharField(
        label=_("New password"),
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        strip=False,
    )


class NewUserForm(forms.ModelForm):  # type: ignore[type-arg]
    """What it takes to make a user: who they are, and their first place."""

    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=_("Left empty, they set one themselves by “Forgot your password?”."),
    )

    class Meta:
        model = User
        fields = ("name", "email")


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    """A user as administrators see them; language and time zone are chosen, not spelled."""

    locale = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=lambda: [("", _("That of their browser")), *settings.LANGUAGES],
        widget=UnfoldAdminSelectWidget,
    )
    time_zone = forms.ChoiceField(label=_("Time zone"), required=False, widget=UnfoldAdminSelect2Widget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "time_zone" in self.fields:
            # What is not offered but stands there already is kept.
            names = sorted({*zones_of_places(), self.instance.time_zone} - {""})
            choices = [("", settings.TIME_ZONE), *((name, name.replace("_", " ")) for name in names)]
            self.fields["time_zone"].choices = choices  # type: ignore[attr-defined]


# Where the database of time zones keeps the zones of places, beside old names and bare offsets.
_AREAS = {
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
}


def zones_of_places() -> set[str]:
    """Return the time zones that a person would look for."""
    return {name for name in available_timezones() if name.partition("/")[0] in _AREAS}


class WhyForm(forms.Form):
    """A row to ask about."""

    kind = forms.ChoiceField(label=_("Kind"), widget=UnfoldAdminSelectWidget)
    number = forms.IntegerField(
        label=_("Number, as in its address"), min_value=1, widget=UnfoldAdminIntegerFieldWidget
    )
    action = forms.CharField(initial="view", widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind: Any = self.fields["kind"]
        kind.choices = [(m._meta.label_lower, capfirst(m._meta.verbose_name)) for m in _wholes()]


def _wholes() -> list[type[Model]]:
    """List the models that have permissions of their own, as their apps are ordered."""
    return [model for model in apps.get_models() if has_rule(model) and not _rule(model).via]


def _rule(model: type[Model]) -> Rule:
    rule: Rule = model.access  # type: ignore[attr-defined]
    return rule


class MembershipInline(ScopedTabularInline):
    """A user's places in teams: given and taken away, never rewritten."""

    model = Membership
    fk_name = "user"
    fields = ("team", "role")
    extra = 0
    verbose_name = _("place in a team")
    verbose_name_plural = _("places in teams")

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(ScopedModelAdmin):
    """Users; a password is set here and never shown."""

    add_label = _("New user")
    form = UserForm
    list_display = ("name", "email", "places", "shows_active")
    list_filter = ("is_active", "memberships__team", "memberships__role")
    search_fields = ("name", "email")
    short_list = "The people of one organization."
    ordering = ("name", "pk")
    inlines = (MembershipInline,)
    actions_detail = ("set_password", "turn_off", "turn_on", "unlock", "reset_factors")
    access_items = ("events", "why", "act_as")
    recent_for = frozenset(
        {"add", "change", "set_password", "turn_on", "turn_off", "act_as", "reset_factors"}
    )
    readonly_fields = ("kind", "is_active", "last_login", "created_at")
    actions = None
    fields = (
        "name",
        "email",
        "locale",
        "time_zone",
        "is_staff",
        "kind",
        "is_active",
        "last_login",
        "created_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        places = Membership.objects.select_related("team", "role")
        return super().get_queryset(request).prefetch_related(Prefetch("memberships", queryset=places))

    @display(description=_("places"))
    def places(self, user: User) -> str:
        if user.is_superuser:
            return gettext("administrator of everything")
        return ", ".join(f"{m.team} ({m.role})" for m in user.memberships.all()) or "—"

    @display(description=_("active"), boolean=True, ordering="is_active")
    def shows_active(self, user: User) -> bool:
        return user.is_active

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return ("name", "email", "team", "role", "password") if obj is None else self.fields

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return self.inlines if obj is not None else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        if obj is None:
            kwargs["form"] = self._new_user_form(request)
        return super().get_form(request, obj, change, **kwargs)

    def _new_user_form(self, request: HttpRequest) -> type[NewUserForm]:
        # The membership's own fields, so that teams and roles are offered as everywhere else.
        places = MembershipInline(User, self.admin_site)
        fields = {
            name: places.formfield_for_foreignkey(Membership._meta.get_field(name), request)
            for name in ("team", "role")
        }
        return type("NewUserForm", (NewUserForm,), fields)

    def save_row(self, request: HttpRequest, obj: User, form: Any, *, change: bool) -> None:
        values = form.cleaned_data
        actor = actor_of(request)
        if change:
            fields = {name: values[name] for name in form.changed_data if name in values}
            services.change_user(obj.pk, actor=actor, expected_version=expected_version(request), **fields)
            return
        user = services.create_user(
            values["name"],
            email=values["email"],
            team_id=values["team"].pk,
            role_id=values["role"].pk,
            password=values["password"] or None,
            actor=actor,
        )
        obj.pk = user.pk

    def save_rows(self, request: HttpRequest, formset: Any) -> None:
        actor = actor_of(request)
        formset.save(commit=False)
        for membership in formset.deleted_objects:
            services.revoke_membership(membership.pk, actor=actor)
        for membership in formset.new_objects:
            granted = services.grant_membership(
                membership.user_id, membership.team_id, membership.role_id, actor=actor
            )
            membership.pk = granted.pk

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # What somebody did stays theirs; an account is turned off.
        return False

    @action(description=_("Set password"), permissions=["change"], icon="key")
    def set_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda user, values: services.set_password(user.pk, values["password"], actor=actor),
            action="change",
            title=gettext("Set password"),
            text=gettext("They are logged out everywhere, and log in with the new one."),
            form_class=NewPasswordForm,
            done=gettext("The new password is set."),
        )

    @action(description=_("Turn off"), permissions=["change"], icon="person_off")
    def turn_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda user, _values: services.deactivate_user(user.pk, actor=actor),
            action="change",
            title=gettext("Turn off account"),
            text=gettext("They are logged out everywhere within a second. What they own stays as it is."),
            done=gettext("The account is turned off."),
        )

    @action(description=_("Turn on"), permissions=["change"], icon="person_check")
    def turn_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda user, _values: services.activate_user(user.pk, actor=actor),
            action="change",
            title=gettext("Turn on account"),
            text=gettext("They may log in again, with the roles they had."),
            done=gettext("The account is turned on."),
        )

    @action(description=_("Unlock"), permissions=["change"], icon="lock_open")
    def unlock(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda user, _values: services.unlock_user(user.pk, actor=actor),
            action="change",
            title=gettext("Unlock account"),
            text=gettext("Too many wrong passwords were given. They may try again at once."),
            done=gettext("The account is unlocked."),
        )

    @action(description=_("Reset second factors"), permissions=["change"], icon="phonelink_erase")
    def reset_factors(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda user, _values: services.reset_second_factors(user.pk, actor=actor),
            action="change",
            title=gettext("Reset second factors"),
            text=gettext(
                "For who has lost their phone or passkey: make sure first that it is them who asks. Their app, passkeys "
                "and recovery codes work no longer, and they are logged out everywhere."
            ),
            done=gettext("The second factors are gone. They add a new one when they log in."),
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer to turn an account off or on, to unlock it, to take its second factors off: whichever makes sense."""
        actions = super().get_actions_detail(request, object_id)
        user = User.objects.filter(pk=object_id).first()
        hidden = ["turn_on"] if user is not None and user.is_active else ["turn_off", "act_as"]
        if user is None or not is_locked(person(user.email or "")):
            hidden.append("unlock")
        if user is None or not has_factor(user):
            hidden.append("reset_factors")
        return [found for found in actions if not found.action_name.endswith(tuple(hidden))]

    @action(description=_("Access events"), permissions=["see_events"], icon="policy")
    def events(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to what is on record about a person."""
        if self.get_object(request, object_id) is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        place = reverse("admin:accounts_authevent_changelist")
        return HttpResponseRedirect(f"{place}?{urlencode({'user__id__exact': object_id})}")

    def has_see_events_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return access.can_any(actor_of(request), "view", AuthEvent)

    @action(description=_("Act as…"), permissions=["impersonate"], icon="theater_comedy")
    def act_as(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return act_as(self, request, object_id)

    def has_why_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return why.may_ask(actor_of(request))

    @action(description=_("Why can or can't they see…"), permissions=["why"], icon="help")
    def why(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Explain, for who sees users and roles, what the policy says of this person and one row."""
        if not self.has_why_permission(request):
            raise PermissionDenied
        person = self.get_object(request, object_id)
        if person is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        form = WhyForm(request.GET or None)
        subject, lines = _explained(request, person, form)
        context = {
            **self.admin_site.each_context(request),
            "title": str(person),
            "person": person,
            "form": form,
            "subject": subject,
            "lines": lines,
            "opts": self.opts,
            "back_url": reverse("admin:accounts_user_change", args=(person.pk,)),
        }
        return TemplateResponse(request, "admin/accounts/why.html", context)


def _explained(request: HttpRequest, person: User, form: WhyForm) -> tuple[str, list[str]]:
    """Return the row that was asked about and the reasons; only rows that the one who asks may see."""
    if not form.is_bound or not form.is_valid():
        return "", []
    model = apps.get_model(form.cleaned_data["kind"])
    asker: Any = request.user
    rows = model._base_manager.filter(access.scope(asker, "view", model))
    row = rows.filter(pk=form.cleaned_data["number"]).first()
    if row is None:
        return gettext("There is no such row, or you may not see it."), []
    return str(row), why.explain(person, form.cleaned_data["action"] or "view", row, asker=asker)
