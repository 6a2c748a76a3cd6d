"""
The admin's base classes: where Django's admin would show or take a row, they ask the access policy first.

Stock Django scopes the list by `get_queryset` at best; choices of foreign keys, filters, labels of raw ids,
inlines, delete pages and what a saved row turned into are all open. Here they are closed.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial, wraps
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.filters import RelatedFieldListFilter
from django.contrib.admin.utils import NestedObjects, quote, unquote
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import IntegrityError, models, router, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from unfold.admin import StackedInline, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RelatedDropdownFilter
from unfold.contrib.filters.forms import AutocompleteDropdownForm
from unfold.sites import UnfoldAdminSite
from unfold.widgets import UnfoldForeignKeyRawIdWidget

from apps.accounts import access
from apps.accounts.faces import merging
from apps.accounts.faces.access_pages import AccessPages
from apps.accounts.faces.recent import asked_before_saving
from apps.accounts.faces.visible import actor_of, has_rule, visible_rows
from apps.accounts.models import User
from apps.common.admin import BaseAdmin, call_service, refusal_text
from apps.common.constraints import name_of, words_of
from apps.common.lists.lean import lean
from apps.common.models import Stamped, Versioned

__all__ = [
    "LimitsChoices",
    "OutOfReach",
    "PolicyAdminSite",
    "ScopedFormMixin",
    "ScopedModelAdmin",
    "ScopedRelatedFilter",
    "ScopedStackedInline",
    "ScopedTabularInline",
    "actor_of",
    "call_service",
    "has_rule",
    "refusal_text",
    "visible_rows",
]


class OutOfReach(PermissionDenied):
    """What was saved is no longer, or never was, within the person's reach; the whole page is taken back."""


class Refused(Exception):
    """A service, the policy or the database refused what a page was about to save."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


@contextmanager
def _refusals() -> Iterator[None]:
    """
    Mark what goes wrong while saving, as opposed to on the way to the page, so that it can be shown there.
    """
    try:
        yield
    except IntegrityError as error:
        raise Refused(ValidationError(words_of(name_of(error)), code=name_of(error) or "conflict")) from error
    except (PermissionDenied, ValidationError, ObjectDoesNotExist) as error:
        raise Refused(error) from error


class LimitsChoices:
    """Marks a filter by related rows that offers, and names, only those that the person may see."""


class ScopedRelatedFilter(LimitsChoices, RelatedDropdownFilter):
    """A filter by a related row that offers only rows the person may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Return the choices, read when they are shown: most lists are looked at with their filters closed."""
        return SimpleLazyObject(lambda: self._choices(field, request, model_admin))

    def _choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        rows = visible_rows(actor_of(request), field.remote_field.model)
        ordering = self.field_admin_ordering(field, request, model_admin)
        if ordering:
            rows = rows.order_by(*ordering)
        return [(row.pk, str(row)) for row in lean(rows)]

    def has_output(self) -> bool:
        return True


class _ScopedDropdown(AutocompleteDropdownForm):
    """A choice of one row that names only what the person may see."""

    def __init__(self, request: HttpRequest, name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, name, *args, **kwargs)
        self.fields[name].queryset = visible_rows(actor_of(request), self.fields[name].queryset.model)


class ScopedAutocompleteFilter(LimitsChoices, AutocompleteSelectFilter):
    """A filter by one of very many related rows, found by typing; names only rows the person may see."""

    form_class = _ScopedDropdown


class ScopedFormMixin:
    """
    A form whose choices of related rows are what the person may see, and what the row already points at.

    Without the second, saving a row would silently drop what a colleague linked it to. A refusal of the
    service behind the page is shown in the form itself, with all that was typed.
    """

    refusal: Exception | None = None

    def full_clean(self) -> None:
        super().full_clean()  # type: ignore[misc]
        if self.refusal is not None:
            _add_refusal(self, self.refusal)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        form: Any = self
        if form.instance.pk is None:
            return
        for name, field in form.fields.items():
            if getattr(field, "is_limited", False):
                _keep_linked(field, form.initial.get(name))


def _add_refusal(form: Any, refusal: Exception) -> None:
    by_field = getattr(refusal, "error_dict", None)
    if by_field is None:
        form.add_error(None, refusal if isinstance(refusal, ValidationError) else refusal_text(refusal))
        return
    for field, errors in by_field.items():
        form.add_error(field if field in form.fields else None, errors)


def _keep_linked(field: Any, linked: Any) -> None:
    if isinstance(field, forms.ModelMultipleChoiceField):
        keys = [getattr(row, "pk", row) for row in linked or []]
    else:
        keys = [linked] if linked is not None else []
    if not keys:
        return
    offered = field.queryset
    field.queryset = offered.model._default_manager.filter(
        Q(pk__in=offered.order_by().values("pk")) | Q(pk__in=keys)
    ).order_by(*offered.query.order_by)


class ScopedRawIdWidget(UnfoldForeignKeyRawIdWidget):
    """A raw id that tells the name behind it only where the field offers that row."""

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        rows = self.choices.field.queryset
        try:
            is_offered = rows.filter(pk=value).exists()
        except (ValueError, TypeError):
            is_offered = False
        return super().label_and_url_for_value(value) if is_offered else ("", "")


class _Scoped:
    """What pages of rows and inlines have in common; `self` is a ModelAdmin or an InlineModelAdmin."""

    model: type[models.Model]
    raw_id_fields: Any

    def may(self, action: str, request: HttpRequest, row: object = None) -> bool:
        """Tell whether the person may do `action` to a row (or its id), or to any row at all."""
        user = request.user
        if isinstance(user, AnonymousUser):
            return False
        if row is None:
            return access.can_any(user, action, self.model)
        pk = row.pk if isinstance(row, models.Model) else row
        remembered: dict[tuple[str, str, str], bool] = request.__dict__.setdefault("_may", {})
        key = (action, self.model._meta.label, str(pk))
        if key not in remembered:
            remembered[key] = self._remembered(request, user, action, pk)
        return remembered[key]

    def _remembered(self, request: HttpRequest, user: User, action: str, pk: Any) -> bool:
        """Ask once for all actions that the same condition lets at the row."""
        question = (*access.asked(user, action, self.model), str(pk))
        answers: dict[Any, bool] = request.__dict__.setdefault("_answers", {})
        if question not in answers:
            answers[question] = self._ask(user, action, pk)
        return answers[question]

    def _ask(self, user: User, action: str, pk: Any) -> bool:
        try:
            key = self.model._meta.pk.to_python(pk)
        except ValidationError:
            return False
        return access.can_with(user, action, self.model, key)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        return rows.filter(access.scope(actor_of(request), "view", self.model))

    def get_field_queryset(self, db: str | None, db_field: Any, request: HttpRequest) -> QuerySet[Any]:
        site: Any = self.admin_site  # type: ignore[attr-defined]
        rows = visible_rows(actor_of(request), db_field.remote_field.model)
        try:
            ordering = site.get_model_admin(db_field.remote_field.model).get_ordering(request)
        except NotRegistered:
            ordering = ()
        return rows.order_by(*ordering) if ordering else rows

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.raw_id_fields and "widget" not in kwargs:
            kwargs["widget"] = ScopedRawIdWidget(
                db_field.remote_field,
                self.admin_site,  # type: ignore[attr-defined]
                using=kwargs.get("using"),
            )
        self._limit(db_field, request, kwargs)
        return _limited(super().formfield_for_foreignkey(db_field, request, **kwargs))  # type: ignore[misc]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        self._limit(db_field, request, kwargs)
        return _limited(super().formfield_for_manytomany(db_field, request, **kwargs))  # type: ignore[misc]

    def _limit(self, db_field: Any, request: HttpRequest, kwargs: dict[str, Any]) -> None:
        if "queryset" in kwargs:
            model = db_field.remote_field.model
            if not has_rule(model):
                kwargs["queryset"] = kwargs["queryset"].none()
            else:
                kwargs["queryset"] = kwargs["queryset"].filter(access.scope(actor_of(request), "view", model))


def _limited(field: Any) -> Any:
    if field is not None:
        field.is_limited = True
    return field


def _insist(is_allowed: bool, text: str) -> None:  # noqa: FBT001
    if not is_allowed:
        raise OutOfReach(text)


class ScopedModelAdmin(AccessPages, _Scoped, BaseAdmin):
    """
    Pages of a model that carries a rule; every app's ModelAdmin derives from it.

    Custom permissions of the model are asked by `has_<action>_permission`, as Django's own are, so that
    `@action(permissions=["win"])` works for "crm.win_deal".

    :cvar extra_lookups: look-ups that links into the list use besides its filters
    :cvar recent_for: pages ("change", "set_password") that save only for who has shown recently who they are
    :cvar list_links: what apps above offer at the top of every list, given its admin and the request: a title,
        an icon and a path each, or None
    """

    extra_lookups: tuple[str, ...] = ()
    actions_detail: Any = ()
    recent_for: frozenset[str] = frozenset()
    change_form_before_template: str | None = "admin/accounts/opened.html"
    list_links: ClassVar[list[Callable[[Any, HttpRequest], dict[str, Any] | None]]] = []

    def __init__(self, model: type[models.Model], admin_site: Any) -> None:
        super().__init__(model, admin_site)
        self.actions_detail = (*self.actions_detail, self.access_menu())
        suffix = f"_{model._meta.model_name}"
        for codename, _label in model._meta.permissions:
            action = codename.removesuffix(suffix)
            name = f"has_{action}_permission"
            if not hasattr(self, name):
                setattr(self, name, partial(self.may, action))

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.may("view", request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may("add", request)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.may("change", request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.may("delete", request, obj)

    def has_export_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.may("export", request, obj)

    def has_view_or_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Who may not see a row may not change it either, whatever the roles say.
        return self.has_view_permission(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[Any]:
        urls: list[Any] = super().get_urls()
        place = f"{self.opts.app_label}_{self.opts.model_name}"
        # To share a row is dangerous, whatever row it is.
        dangerous = {f"{place}_{action}" for action in (*self.recent_for, "share")}
        for url in urls:
            if url.name in dangerous:
                # Around the page's transaction: the question and its answer are no part of what is saved.
                url.callback = asked_before_saving(url.callback)
        return urls

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        if request.method not in {"GET", "HEAD"}:
            return super().get_object(request, object_id, from_field)
        # A page that is only looked at reads its row once, whatever is put around it.
        rows: dict[Any, Any] = request.__dict__.setdefault("_rows", {})
        key = (self, object_id, from_field)
        if key not in rows:
            rows[key] = super().get_object(request, object_id, from_field)
        return rows[key]

    # Lists

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [self._scoped_filter(item) for item in super().get_list_filter(request)]

    def _scoped_filter(self, item: Any) -> Any:
        if isinstance(item, str) and self._leads_to_rows(item):
            return (item, ScopedRelatedFilter)
        if isinstance(item, list | tuple) and item[1] is RelatedFieldListFilter:
            return (item[0], ScopedRelatedFilter)
        return item

    def _leads_to_rows(self, path: str) -> bool:
        return _is_relation(self.model, path)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        # Django lets anybody filter by any column of the row itself, a password's hash too, letter by letter.
        root = lookup.split("__")[0]
        if root in {"pk", self.opts.pk.name, self.date_hierarchy} or lookup in self.extra_lookups:
            return True
        filters = self.get_list_filter(request) if request is not None else self.list_filter
        return any(self._covers(item, lookup) for item in filters)

    def _covers(self, item: Any, lookup: str) -> bool:
        if isinstance(item, type):
            return getattr(item, "parameter_name", None) == lookup
        path = item[0] if isinstance(item, list | tuple) else item
        # The two ends of a range, which is what unfold's filters call them.
        ends = {f"{path}_from", f"{path}_to"} if isinstance(item, list | tuple) else set()
        if lookup in {path, *ends} or not lookup.startswith(f"{path}__"):
            return lookup in {path, *ends}
        # By a related row itself, not by what stands in it.
        rest = lookup.removeprefix(f"{path}__")
        return not self._leads_to_rows(path) or rest in {"exact", "in", "isnull"} | self._keys_at(path)

    def _keys_at(self, path: str) -> set[str]:
        names = {"pk", _field_at(self.model, path).related_model._meta.pk.name}
        return {f"{name}__{lookup}" for name in names for lookup in ("exact", "in")}

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # A list asks for them three times.
        remembered: dict[Any, dict[str, Any]] = request.__dict__.setdefault("_actions", {})
        if self not in remembered:
            remembered[self] = {
                name: (self._on_permitted(run), name, label)
                for name, (run, _n, label) in super().get_actions(request).items()
                if self._is_offered(run, request)
            }
        return remembered[self]

    def _is_offered(self, run: Any, request: HttpRequest) -> bool:
        """Tell whether an action of the whole site, which knows for which lists it is made, is offered here."""
        offers = getattr(run, "is_offered", None)
        return offers is None or bool(offers(self, request))

    def _on_permitted(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """
        Give an action only those of the selected rows on which the person may do what it asks for.

        One that asks the policy by itself says so (`asks_policy = True`): counting a million rows takes its time.
        """
        if getattr(run, "asks_policy", False):
            return run
        wanted: Iterable[str] = getattr(run, "allowed_permissions", None) or ("view",)

        @wraps(run)
        def run_on_permitted(model_admin: Any, request: HttpRequest, rows: QuerySet[Any]) -> Any:
            reach = Q(pk__in=[])
            for action in wanted:
                reach |= access.scope(actor_of(request), action, self.model)
            permitted = rows.model._default_manager.filter(pk__in=rows.order_by().values("pk")).filter(reach)
            left_out = rows.count() - permitted.count()
            if left_out:
                self._say_left_out(request, left_out)
            return run(model_admin, request, permitted) if left_out == 0 or permitted.exists() else None

        return run_on_permitted

    def _say_left_out(self, request: HttpRequest, count: int) -> None:
        text = ngettext(
            "%(count)d selected row was left out: you may not do this to it.",
            "%(count)d selected rows were left out: you may not do this to them.",
            count,
        )
        self.message_user(request, text % {"count": count}, messages.WARNING)

    # Saving

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        form = _with_mixin(kwargs.pop("form", self.form))
        form = type(form.__name__, (form,), {"refusal": request.__dict__.get("_refusal")})
        return super().get_form(request, obj, change, form=form, **kwargs)

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["form"] = _with_mixin(kwargs.pop("form", self.form))
        return super().get_changelist_form(request, **kwargs)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refused as refused:
            # Everything is rolled back; the same page comes again with what was typed and why it was refused.
            request.__dict__["_refusal"] = refused.reason
            request.__dict__.pop("_may", None)
            request.__dict__.pop("_answers", None)
            return super().changeform_view(request, object_id, form_url, extra_context)

    # What somebody else made of the row meanwhile

    def _changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None,
        form_url: str,
        extra_context: dict[str, Any] | None,
    ) -> HttpResponse:
        if request.method == "POST" and object_id is not None and issubclass(self.model, Versioned):
            too_late = self._too_late(request, object_id)
            if too_late is not None:
                return too_late
            extra_context = {**(extra_context or {}), **self._merge(request, object_id)}
        response: HttpResponse = super()._changeform_view(request, object_id, form_url, extra_context)
        return response

    def _too_late(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        """Say what was typed of a row that somebody has put out of the person's hands since they opened it."""
        row = self.get_object(request, unquote(object_id))
        if row is None or self.has_change_permission(request, row):
            return None
        before = merging.opened(request.POST, row, actor_of(request))
        if before is None or not before.is_known:
            return None
        text = _("Nothing is saved: since you opened this, it was put where you may not change it.")
        typed = merging.typed_in_words(before, request.POST, self.model)
        if typed:
            text = f"{text} {_('You had typed:')} {typed}"
        self.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def _merge(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        """
        Bring what was typed together with what the row is now; where that needs a look, refuse to save.

        :return: what the page shows of it
        """
        row = self.get_object(request, unquote(object_id))
        if row is None or not self.has_change_permission(request, row):
            return {}
        user = actor_of(request)
        before = merging.opened(request.POST, row, user)
        page = self._page_of(request, row)
        found = merging.Merging(page, before) if before is not None else None
        merging.clear_choices(page.data)
        now = merging.shown(page.form, page.formsets) if found is None else found.now
        page.data[merging.OPENED] = merging.seal(now, row, user)
        if "expected_version" in page.data:
            page.data["expected_version"] = str(now.version)
        request.POST = page.data  # type: ignore[assignment]
        request.__dict__["_merged_version"] = None if before is None else now.version
        if found is None or not found.is_stale:
            return {}
        request.__dict__["_refusal"] = found.refusal()
        names = {one.author.name for one in found.differences if one.author is not None}
        return {
            "differences": found.differences,
            "only_author": names.pop() if len(names) == 1 else "",
            "is_overtaken": True,
            "show_save": False,
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
        }

    def _page_of(self, request: HttpRequest, row: models.Model) -> merging.Page:
        form = self.get_form(request, row, change=True)(instance=row)
        formsets: dict[str, Any] = {}
        for formset_class, inline in self.get_formsets_with_inlines(request, row):
            prefix = self._free_prefix(formset_class.get_default_prefix(), formsets)
            rows = inline.get_queryset(request)
            formsets[prefix] = formset_class(instance=row, prefix=prefix, queryset=rows)
            formsets[prefix].has_change_permission = inline.has_change_permission(request, row)
        authors = type(self).authors(row, actor_of(request))
        return merging.Page(row, form, formsets, request.POST.copy(), authors)

    @staticmethod
    def _free_prefix(prefix: str, taken: dict[str, Any]) -> str:
        """Name a second inline of the same rows as Django does."""
        count = 1 + sum(name == prefix or name.startswith(f"{prefix}-") for name in taken)
        return prefix if count == 1 else f"{prefix}-{count}"

    @staticmethod
    def authors(row: models.Model, actor: User) -> merging.Authors:
        """Return who finds out who changed something; history, which stands above, knows more than the row."""
        by, at = getattr(row, "updated_by", None), getattr(row, "updated_at", None)
        if by is None or at is None or not visible_rows(actor, User).filter(pk=by.pk).exists():
            return lambda _label, _pk, _column: None
        return lambda _label, _pk, _column: merging.Author(str(by), at)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = context.get("original")
        if isinstance(row, Versioned) and self.has_change_permission(request, row):
            context["opened_on"] = request.POST.get(merging.OPENED) or self._seal(request, row, context)
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def _seal(self, request: HttpRequest, row: models.Model, context: dict[str, Any]) -> str:
        formsets = {found.formset.prefix: found.formset for found in context["inline_admin_formsets"]}
        what = merging.shown(context["adminform"].form, formsets)
        return merging.seal(what, row, actor_of(request))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            response = super().changelist_view(request, extra_context)
        except Refused as refused:
            return self._taken_back(request, refused)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            offered = [link for offer in self.list_links if (link := offer(self, request))]
            response.context_data["actions_list"] = [*response.context_data.get("actions_list", ()), *offered]
        return response

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except Refused as refused:
            return self._taken_back(request, refused)

    def _taken_back(self, request: HttpRequest, refused: Refused) -> HttpResponse:
        self.message_user(request, refusal_text(refused.reason), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        with _refusals():
            if change:
                _insist(self._ask(actor_of(request), "change", obj.pk), _("You may not change this row."))
            self.save_row(request, obj, form, change=change)

    def save_row(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        """
        Save what a page's form made of a row; a subclass calls its service here, and sets `obj.pk` of a new
        row.
        """
        stamp(obj, actor_of(request), is_new=not change)
        super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001
        user = actor_of(request)
        refused = _("You may not change these rows.")
        with _refusals():
            for kind, rows in (("change", _changed(formset)), ("delete", _deleted(formset))):
                for row in rows:
                    _insist(_can(user, kind, row), refused)
            self.save_rows(request, formset)
            for row in getattr(formset, "new_objects", []):
                _insist(_can(user, "add", row), refused)
            for row, _fields in getattr(formset, "changed_objects", []):
                _insist(_can(user, "change", row), refused)

    def save_rows(self, request: HttpRequest, formset: Any) -> None:
        """Save the rows of an inline; a subclass may call services here."""
        for row in formset.save(commit=False):
            stamp(row, actor_of(request), is_new=row.pk is None)
            row.save()
        for row in formset.deleted_objects:
            row.delete()
        formset.save_m2m()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        with _refusals():
            super().save_related(request, form, formsets, change)
            self.check_saved(request, form.instance, "change" if change else "add")

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with _refusals():
            _insist(self._ask(actor_of(request), "delete", obj.pk), _("You may not delete this row."))
            self.delete_row(request, obj)

    def delete_row(self, request: HttpRequest, obj: Any) -> None:
        """Delete one row; a subclass may call its service here."""
        super().delete_model(request, obj)

    def check_saved(self, request: HttpRequest, row: models.Model, action: str) -> None:
        """
        Insist that a row is still the person's to `action` after it was saved.

        :raises OutOfReach: they gave it away, or made it somebody else's; the page's transaction rolls back
        """
        request.__dict__.pop("_may", None)
        request.__dict__.pop("_answers", None)
        text = _("Nothing was saved: with this owner and team, the row would be out of your reach.")
        _insist(self._ask(actor_of(request), action, row.pk), text)

    # What services do to one row

    def ask(
        self,
        request: HttpRequest,
        object_id: str,
        run: Callable[[Any, dict[str, Any]], object],
        *,
        action: str,
        title: str,
        text: str = "",
        form_class: type[forms.Form] = forms.Form,
        done: str = "",
    ) -> HttpResponse:
        """
        Show a page that asks before it changes one row, and calls a service when it is answered.

        :param run: called with the row and the form's data; its refusal is shown on the page, with what was
            typed
        :param action: what is asked of the policy
        :param title: the action as verb and object ("Win deal"), also on its button
        :param done: what to say when it is done
        """
        row = self.get_object(request, object_id)
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.may(action, request, row):
            raise PermissionDenied
        form = form_class(request.POST if request.method == "POST" else None)
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=(quote(row.pk),))
        if request.method == "POST" and form.is_valid() and self._run(request, run, row, form):
            if done:
                self.message_user(request, done, messages.SUCCESS)
            is_visible = self.get_queryset(request).filter(pk=row.pk).exists()
            return HttpResponseRedirect(back if is_visible else self._list_url())
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "subtitle": str(row),
            "text": text,
            "form": form,
            "opts": self.opts,
            "back_url": back,
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "admin/object_action.html", context)

    def _list_url(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def _run(
        self, request: HttpRequest, run: Callable[[Any, dict[str, Any]], object], row: Any, form: forms.Form
    ) -> bool:
        try:
            with transaction.atomic(), _refusals():
                run(row, form.cleaned_data)
        except Refused as refused:
            _add_refusal(form, refused.reason)
            return False
        return True

    # Deleting

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[Any], list[Any]]:
        """List what a deletion takes along, by name only where the person may see it."""
        rows = list(objs)
        if not rows:
            return [], {}, set(), []
        collector = NestedObjects(using=router.db_for_write(self.model), origin=objs)
        collector.collect(rows)
        user = actor_of(request)
        shown = _Deleted(user, self.admin_site, collector)
        nested = collector.nested(shown.describe)
        protected = [shown.describe(row) for row in collector.protected]
        counts = {model._meta.verbose_name_plural: len(found) for model, found in shown.models.items()}
        return nested, counts, shown.lacking(), protected

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for row in queryset:
                self.delete_model(request, row)


def stamp(row: models.Model, user: User, *, is_new: bool) -> None:
    """Write down who makes or changes a row, and count its version on."""
    if isinstance(row, Stamped):
        row.updated_by = user
        if is_new:
            row.created_by = user
    if isinstance(row, Versioned) and not is_new:
        row.version += 1


# Every list asks it of each of its filters, several times.
@cache
def _is_relation(model: type[models.Model], path: str) -> bool:
    try:
        return bool(_field_at(model, path).is_relation)
    except FieldDoesNotExist:
        return False


def _field_at(model: type[models.Model], path: str) -> Any:
    field: Any = None
    for step in path.split("__"):
        field = model._meta.get_field(step)
        if field.is_relation and field.related_model is not None:
            model = field.related_model
    return field


def _with_mixin(form: type[Any]) -> type[Any]:
    if issubclass(form, ScopedFormMixin):
        return form
    return type(form.__name__, (ScopedFormMixin, form), {})


def _can(user: User, action: str, row: models.Model) -> bool:
    return has_rule(type(row)) and access.can(user, action, row)


def _changed(formset: Any) -> list[models.Model]:
    gone = set(map(id, formset.deleted_forms))
    return [form.instance for form in formset.initial_forms if form.has_changed() and id(form) not in gone]


def _deleted(formset: Any) -> list[models.Model]:
    return [form.instance for form in formset.deleted_forms if form.instance.pk is not None]


class _Deleted:
    """The rows that a deletion would take along, and which of them the person may see and delete."""

    def __init__(self, user: User, site: Any, collector: NestedObjects) -> None:
        self.site = site
        self.visible: dict[type[models.Model], set[Any]] = {}
        self.deletable: dict[type[models.Model], set[Any]] = {}
        # Its types take the models for their names.
        self.models = cast(dict[type[models.Model], set[models.Model]], dict(collector.model_objs))
        found: dict[type[models.Model], set[models.Model]] = {m: set(rows) for m, rows in self.models.items()}
        for row in collector.protected:
            found.setdefault(type(row), set()).add(row)
        for model, rows in found.items():
            keys = [row.pk for row in rows]
            self.visible[model] = set(visible_rows_of(user, model, "view", keys))
            self.deletable[model] = set(visible_rows_of(user, model, "delete", keys))

    def lacking(self) -> set[Any]:
        """Return the kinds of rows among them that the person may not delete."""
        return {
            model._meta.verbose_name
            for model, rows in self.models.items()
            if has_rule(model) and not {row.pk for row in rows} <= self.deletable[model]
        }

    def describe(self, row: models.Model) -> str:
        opts = row._meta
        kind = capfirst(opts.verbose_name)
        if row.pk not in self.visible[type(row)]:
            return _("%(kind)s (not yours to see)") % {"kind": kind}
        try:
            url = reverse(
                f"{self.site.name}:{opts.app_label}_{opts.model_name}_change",
                args=(quote(row.pk),),
            )
        except NoReverseMatch:
            return f"{kind}: {row}"
        return format_html('{}: <a href="{}">{}</a>', kind, url, row)


def visible_rows_of(
    user: User, model: type[models.Model], action: str, keys: list[Any]
) -> QuerySet[Any, Any]:
    """Return those of `keys` on whose rows `user` may do `action`."""
    if not has_rule(model):
        return model._base_manager.none().values_list("pk", flat=True)
    rows = model._base_manager.filter(access.scope(user, action, model), pk__in=keys)
    return rows.values_list("pk", flat=True)


class _ScopedInline(_Scoped):
    """
    Rows on the page of another row.

    Django asks these permissions about the parent row; each single row is asked about again when it is saved.
    """

    show_change_link = False

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        kwargs.setdefault("form", _with_mixin(self.form))  # type: ignore[attr-defined]
        return super().get_formset(request, obj, **kwargs)  # type: ignore[misc]

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.may("view", request)

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.may("add", request)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.may("change", request)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.may("delete", request)

    def has_view_or_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.has_view_permission(request, obj)


class ScopedTabularInline(_ScopedInline, TabularInline):
    """Inline rows as a table."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            # A table has its labels in its head alone, where they are no field's.
            widget = getattr(field.widget, "widget", field.widget)
            widget.attrs.setdefault("aria-label", str(field.label))
        return field


class ScopedStackedInline(_ScopedInline, StackedInline):
    """Inline rows one under the other."""


class PolicyAdminSite(UnfoldAdminSite):
    """A site that never reads a password: people log in where everybody does."""

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return user.is_active and user.is_staff

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        target = _next_page(request)
        if self.has_permission(request):
            return HttpResponseRedirect(target)
        if request.user.is_authenticated:
            raise PermissionDenied(_("Your account does not open the admin."))
        query = urlencode({REDIRECT_FIELD_NAME: target})
        return HttpResponseRedirect(f"{reverse('account_login')}?{query}")

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_change_password"))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_logout"))


def _next_page(request: HttpRequest) -> str:
    wanted = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or ""
    is_safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if wanted and is_safe else reverse("admin:index")
