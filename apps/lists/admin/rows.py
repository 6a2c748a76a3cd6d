"""What the sales pages share: saving through services, the trash, filters, and how a cell is written."""

from collections.abc import Callable
from html import escape
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from apps.accounts.faces.admin import ScopedModelAdmin, actor_of, call_service
from apps.lists.admin.bulk import change_in_bulk
from apps.lists.bulk import How, is_registered

# So many rows are changed by a click in a list; more are rehearsed first, and changed by a job.
AT_ONCE = 100
Command = Callable[[HttpRequest, int, int | None], None]
_TONES = {"OPEN": "live", "WON": "good", "LOST": "bad"}


class VersionedForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that knows which version of the row it was opened on, and gives services what they take."""

    expected_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.fields["expected_version"].initial = getattr(self.instance, "version", None)

    def values(self, names: list[str]) -> dict[str, Any]:
        """Return the cleaned values of fields as services take them: relations by id."""
        found: dict[str, Any] = {}
        for name in names:
            value = self.cleaned_data[name]
            if isinstance(self.fields[name], forms.ModelMultipleChoiceField):
                found[f"{name.removesuffix('s')}_ids"] = [row.pk for row in value]
            elif isinstance(self.fields[name], forms.ModelChoiceField):
                found[f"{name}_id"] = value.pk if value else None
            else:
                found[name] = value
        return found


class UnversionedForm(VersionedForm):
    """A form of rows without versions: what is written last stands."""

    expected_version = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super(VersionedForm, self).__init__(*args, **kwargs)


class TrashFilter(DropdownFilter):
    """Rows in the trash, or those that are not: never both, so that nobody mistakes one for the other."""

    title = _("trash")
    parameter_name = "trash"
    all_option: ClassVar[list[Any]] = ["", _("Not in the trash")]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("In the trash"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(archived_at__isnull=self.value() != "1")


class ServiceAdmin(ScopedModelAdmin):
    """
    Pages of a row that services write.

    :cvar create: the service that makes a row of the form's values
    :cvar change: the service that changes one
    """

    form = VersionedForm
    ordering: Any = ("-id",)
    create: Callable[..., Any]
    change: Callable[..., Any]
    warn_unsaved_form = True

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css",)}

    def save_row(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        names = form.changed_data if change else list(form.cleaned_data)
        values = form.values([name for name in names if name != "expected_version"])
        actor = actor_of(request)
        if change:
            row = type(self).change(obj.pk, actor=actor, **values, **self._version(form))
        else:
            row = type(self).create(actor=actor, **self.initial_values(values))
        obj.__dict__.update(row.__dict__)

    def _version(self, form: Any) -> dict[str, Any]:
        version = form.cleaned_data.get("expected_version")
        return {} if version is None else {"expected_version": version}

    def initial_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return what the creating service is given; for subclasses that have more to say."""
        return values

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001
        # Notes what was added, changed and deleted, for Django's own log, and writes nothing.
        formset.save(commit=False)
        if formset.has_changed():
            self.save_parts(request, form.instance, formset)

    def save_parts(self, request: HttpRequest, row: Any, formset: Any) -> None:
        """Give what changed in an inline to its service."""
        raise NotImplementedError(type(self).__name__)

    def formfield_for_dbfield(self, db_field: models.Field, request: Any, **kwargs: Any) -> Any:  # type: ignore[type-arg]
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "description":
            field.widget.attrs["rows"] = 4
        return field


class DeletableAdmin(ServiceAdmin):
    """Rows that carry nothing and may go for good, each by its service."""

    form = UnversionedForm
    delete: Callable[..., Any]

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        call_service(request, type(self).delete, obj.pk, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)


class ArchivableAdmin(ServiceAdmin):
    """
    Pages of a row that goes to the trash and comes back, with buttons above the form.

    :cvar archive_action: what the policy is asked for the trash
    """

    archive: Callable[..., Any]
    restore: Callable[..., Any]
    archive_action = "archive"
    actions: Any = ("archive_selected", "restore_selected")
    change_form_outer_before_template = "admin/rows/commands.html"

    # Nothing is deleted here: rows go to the trash.
    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_archive_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.may(self.archive_action, request, obj)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # What lies in the trash is only read there.
        return getattr(obj, "archived_at", None) is None and super().has_change_permission(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        rows, has_duplicates = super().get_search_results(request, queryset, search_term)
        match = request.resolver_match
        # The list has its own filter; what is offered as a choice, or found from afar, is never in the trash.
        if match is None or match.url_name != f"{self.opts.app_label}_{self.opts.model_name}_changelist":
            rows = rows.filter(archived_at__isnull=True)
        return rows, has_duplicates

    # Commands: the buttons above the form

    def commands(self) -> dict[str, Command]:
        """Return what can be done to a row besides editing it, by the name in its address."""
        return {"archive": self._archive, "restore": self._restore}

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_command"
        view = self.admin_site.admin_view(self.command_view)
        return [path("<int:object_id>/do/<slug:command>/", view, name=name), *super().get_urls()]

    def command_view(self, request: HttpRequest, object_id: int, command: str) -> HttpResponse:
        """Do one thing to one row, and go back to its page, where a refusal is shown."""
        run = self.commands().get(command)
        if run is None or not self._is_visible(request, object_id):
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        given = request.POST.get("version", "")
        run(request, object_id, int(given) if given.isdecimal() else None)
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if self._is_visible(request, object_id):
            return HttpResponseRedirect(reverse(f"{page}_change", args=[object_id]))
        return HttpResponseRedirect(reverse(f"{page}_changelist"))

    def _is_visible(self, request: HttpRequest, pk: int) -> bool:
        return self.get_queryset(request).filter(pk=pk).exists()

    def _archive(self, request: HttpRequest, pk: int, version: int | None) -> None:
        actor = actor_of(request)
        if call_service(request, type(self).archive, pk, actor=actor, expected_version=version):
            messages.success(request, gettext("In the trash now. It can be restored from there."))

    def _restore(self, request: HttpRequest, pk: int, version: int | None) -> None:
        actor = actor_of(request)
        if call_service(request, type(self).restore, pk, actor=actor, expected_version=version):
            messages.success(request, gettext("Restored."))

    @admin.action(description=_("Move to the trash"), permissions=["archive"])
    def archive_selected(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return self._each(request, rows, "archive", gettext("In the trash now"))

    @admin.action(description=_("Restore from the trash"), permissions=["archive"])
    def restore_selected(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return self._each(request, rows, "restore", gettext("Restored"))

    def _each(self, request: HttpRequest, rows: QuerySet[Any], deed: str, done: str) -> HttpResponse | None:
        if len(rows.order_by().values_list("pk")[: AT_ONCE + 1]) > AT_ONCE and is_registered(self.model):
            return change_in_bulk(request, rows, {deed: {"how": How.DO}})
        actor, service = actor_of(request), getattr(type(self), deed)
        outcomes = [call_service(request, service, row.pk, actor=actor) for row in rows]
        count = sum(outcome is not None for outcome in outcomes)
        if count:
            rows_done = ngettext("%(count)d row", "%(count)d rows", count) % {"count": count}
            messages.success(request, f"{done}: {rows_done}.")
        return None

    # Pages

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = {} if row is None else self.page_context(request, row)
        response: HttpResponse = super().change_view(
            request, object_id, form_url, context | (extra_context or {})
        )
        return response

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the page of a row shows beside its form."""
        return {
            "row": row,
            "command_url": f"admin:{self.opts.app_label}_{self.opts.model_name}_command",
            "may_archive": self.may(self.archive_action, request, row),
        }


def badge(label: str, kind: str) -> SafeString:
    """Write a stage or a state as a colored label."""
    return marked(f"art-badge art-badge-{_TONES.get(kind, 'quiet')}", label)


def marked(css_class: str, text: str) -> SafeString:
    """Write a text with a class of ours; a cell of a list, made for every row."""
    return SafeString(f'<span class="{css_class}">{escape(text)}</span>')
