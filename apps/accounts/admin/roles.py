"""Roles and what they grant."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from apps.accounts import access, services
from apps.accounts.admin.matrix import AccessForm, AccessMatrix
from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, visible_rows
from apps.accounts.faces.merging import expected_version
from apps.accounts.models import Role, RoleGrant, User

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
    recent_for = frozenset({"add", "change", "delete"})
    actions_list = ("who_may_what",)
    access_items = ("holders", "compare")

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
        head = (None, {"fields": ["name", "description", "requires_mfa"]})
        if not (
            self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        ):
            return [(None, {"fields": ["name", "description", "requires_mfa", "in_words"]})]
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
        if "requires_mfa" in form.changed_data:
            told = services.require_second_factor(
                obj.pk, is_required=obj.requires_mfa, actor=actor, expected_version=version
            )
            version = version and told.version
        grants = {
            field.removeprefix(_GRANT): reach
            for field, reach in form.cleaned_data.items()
            if field.startswith(_GRANT) and reach
        }
        services.set_role_grants(obj.pk, grants, actor=actor, expected_version=version)

    def delete_row(self, request: HttpRequest, obj: Role) -> None:
        services.delete_role(obj.pk, actor=actor_of(request))

    # What roles let people do, as it reads

    @action(description=_("Who may what"), permissions=["view"], icon="grid_view", url_path="access")
    def who_may_what(self, request: HttpRequest) -> HttpResponse:
        """Show what the roles let people do, as sentences, kind of row by kind of row; or two of them side by side."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        roles = list(self.get_queryset(request).order_by("name"))
        form = AccessForm(request.GET or None, roles=roles)
        asked = form.cleaned_data if form.is_bound and form.is_valid() else {}
        first, second = asked.get("role"), asked.get("other")
        shown = [role for role in roles if role in {first, second}] or roles
        matrix = AccessMatrix(shown, kind=asked.get("kind", ""), verb=asked.get("verb", ""))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Who may what"),
            "form": form,
            "kinds": matrix.kinds(),
            "differences": matrix.differences() if len(shown) == 2 else [],
            "roles": [(role, self._count_of_holders(request, role)) for role in shown],
            "is_comparison": len(shown) == 2 and second is not None,
            "opts": self.opts,
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "admin/accounts/access.html", context)

    def _count_of_holders(self, request: HttpRequest, role: Role) -> int:
        people = visible_rows(actor_of(request), User)
        return people.filter(pk__in=role.memberships.values("user")).count()

    @action(description=_("Who holds it"), permissions=["view"], icon="groups")
    def holders(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the people who have a role."""
        role = self._role(request, object_id)
        return redirect(f"{reverse('admin:accounts_user_changelist')}?memberships__role__id__exact={role.pk}")

    @action(description=_("What it grants, and compare"), permissions=["view"], icon="compare_arrows")
    def compare(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what one role lets people do, from where another is chosen beside it."""
        role = self._role(request, object_id)
        return redirect(f"{reverse('admin:accounts_role_who_may_what')}?role={role.pk}")

    def _role(self, request: HttpRequest, object_id: str) -> Role:
        """Return a role that the person may see. :raises Http404: there is none"""
        role: Role | None = self.get_object(request, object_id)
        if role is None:
            raise Http404
        return role


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
