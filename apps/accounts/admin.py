"""Pages of users, teams and roles."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from allauth.account.models import EmailAddress
from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apps.accounts import access, services
from apps.accounts.faces.admin import ScopedModelAdmin, ScopedTabularInline, actor_of, has_rule
from apps.accounts.faces.merging import expected_version
from apps.accounts.models import ApiKey, Membership, Role, RoleGrant, Team, User
from apps.accounts.scopes import ALL, READ
from apps.accounts.scoping import Rule

# Libraries bring pages that ask no policy; what they show has no meaning here.
for _unwanted in (Group, EmailAddress):
    if admin.site.is_registered(_unwanted):
        admin.site.unregister(_unwanted)


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
    actions_detail = ("set_password", "turn_off", "turn_on", "why")
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

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer to turn an account off or on, whichever makes sense."""
        actions = super().get_actions_detail(request, object_id)
        is_active = User.objects.filter(pk=object_id, is_active=True).exists()
        hidden = "turn_on" if is_active else "turn_off"
        return [found for found in actions if not found.action_name.endswith(hidden)]

    @action(description=_("Why can or can't they see…"), permissions=["change"], icon="help")
    def why(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Explain, for administrators, what the policy says of this person and one row."""
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
    return str(row), access.explain(person, form.cleaned_data["action"] or "view", row)


@admin.register(Team)
class TeamAdmin(ScopedModelAdmin):
    """The tree of teams."""

    add_label = _("New team")
    list_display = ("in_tree", "head_count")
    short_list = "The teams of one organization."
    list_filter = ("parent",)
    search_fields = ("name",)
    ordering = ("path",)
    fields = ("name", "parent")
    actions_detail = ("archive",)
    autocomplete_fields = ("parent",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        teams: QuerySet[Team] = super().get_queryset(request).filter(archived_at=None)
        return teams.prefetch_related("memberships")

    @display(description=_("team"), ordering="path")
    def in_tree(self, team: Team) -> str:
        # An em space for each team above it, which HTML does not fold.
        return "\u2003" * (team.path.count("/") - 2) + team.name

    @display(description=pgettext_lazy("team", "people"))
    def head_count(self, team: Team) -> int:
        return len({membership.user_id for membership in team.memberships.all()})

    def save_row(self, request: HttpRequest, obj: Team, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        parent_id = obj.parent_id
        if not change:
            obj.pk = services.create_team(obj.name, parent_id=parent_id, actor=actor).pk
            return
        version = expected_version(request)
        if "name" in form.changed_data:
            renamed = services.rename_team(obj.pk, obj.name, actor=actor, expected_version=version)
            version = version and renamed.version
        if "parent" in form.changed_data:
            services.move_team(obj.pk, parent_id=parent_id, actor=actor, expected_version=version)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Django's page would tell what goes with a team. Nothing does: a team is only put aside.
        return False

    @action(description=_("Put team into the trash"), permissions=["archive"], icon="delete")
    def archive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        actor = actor_of(request)
        return self.ask(
            request,
            object_id,
            lambda team, _values: services.archive_team(team.pk, actor=actor),
            action="delete",
            title=gettext("Put team into the trash"),
            text=gettext("Only an empty team can go. The deals and customers it had stay as they are."),
            done=gettext("The team is in the trash."),
        )

    def has_archive_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may("delete", request, object_id)


_GRANT = "grant:"


@admin.register(Role)
class RoleAdmin(ScopedModelAdmin):
    """Roles, each as a page of sentences: may see – own rows."""

    add_label = _("New role")
    list_display = ("name", "description", "in_short")
    short_list = "As many roles as people can keep apart."
    search_fields = ("name",)
    ordering = ("name",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Role]:
        roles: QuerySet[Role] = super().get_queryset(request).prefetch_related("grants")
        return roles

    @display(description=_("grants"))
    def in_short(self, role: Role) -> str:
        return gettext("%(count)d permissions") % {"count": len(role.grants.all())}

    @display(description=pgettext_lazy("role", "may"))
    def in_words(self, role: Role) -> str:
        grants = sorted(role.grants.all(), key=lambda grant: grant.permission)
        return "; ".join(f"{access.label_of(g.permission)}: {g.get_reach_display()}" for g in grants) or "—"

    def get_readonly_fields(self, request: HttpRequest, obj: Role | None = None) -> Any:
        return ("in_words",)

    def get_fieldsets(self, request: HttpRequest, obj: Role | None = None) -> Any:
        head = (None, {"fields": ["name", "description"]})
        if not (
            self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        ):
            return [(None, {"fields": ["name", "description", "in_words"]})]
        return [head, *((title, {"fields": names}) for title, names in _grant_fields())]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        held = dict(obj.grants.values_list("permission", "reach")) if obj else {}
        fields = {
            f"{_GRANT}{name}": _grant_field(name, held.get(name, "")) for name in access.all_permissions()
        }
        kwargs["form"] = type("RoleForm", (forms.ModelForm,), fields)
        return super().get_form(request, obj, change, **kwargs)

    def save_row(self, request: HttpRequest, obj: Role, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        version = expected_version(request) if change else None
        if not change:
            obj.pk = services.create_role(obj.name, description=obj.description, actor=actor).pk
        elif {"name", "description"} & set(form.changed_data):
            described = services.describe_role(
                obj.pk, obj.name, obj.description, actor=actor, expected_version=version
            )
            version = version and described.version
        grants = {
            field.removeprefix(_GRANT): reach
            for field, reach in form.cleaned_data.items()
            if field.startswith(_GRANT) and reach
        }
        services.set_role_grants(obj.pk, grants, actor=actor, expected_version=version)


def _grant_fields() -> Iterator[tuple[str, list[str]]]:
    """Yield each kind of row with the fields of its permissions."""
    by_title: dict[str, list[str]] = {}
    for permission in access.all_permissions():
        title = capfirst(str(access.subject_of(permission)))
        by_title.setdefault(title, []).append(f"{_GRANT}{permission}")
    yield from by_title.items()


def _grant_field(permission: str, reach: str) -> forms.ChoiceField:
    """Return the choice of how far a permission reaches; shared rows are reached all or not at all."""
    choices: list[tuple[str, Any]] = [("", _("not"))]
    if access.is_shared(permission):
        choices.append((RoleGrant.Reach.ALL.value, RoleGrant.Reach.ALL.label))
    else:
        choices += RoleGrant.Reach.choices
    return forms.ChoiceField(
        label=_("may %(verb)s") % {"verb": access.verb_of(permission)},
        choices=choices,
        initial=reach,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )


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
