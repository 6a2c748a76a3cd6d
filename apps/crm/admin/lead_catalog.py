"""What leads are arranged by, in the admin: forms, rules, sources, reasons, and who is away."""

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.accounts.faces.admin import actor_of, call_service
from apps.crm.form_page import page_context, snippet_of
from apps.crm.lead_figures import figures_of
from apps.crm.models import Absence, AssignmentRule, DisqualifyReason, LeadForm, Source
from apps.crm.services import lead_catalog
from apps.lists.admin.rows import (
    ArchivableAdmin,
    Command,
    DeletableAdmin,
    ServiceAdmin,
    TrashFilter,
    UnversionedForm,
    VersionedForm,
    badge,
)


class _WordsAdmin(ServiceAdmin):
    """Words that are no longer offered rather than deleted."""

    form = UnversionedForm
    ordering = ("name",)
    list_display = ("name", "is_active")
    search_fields = ("name",)
    fields = ("name", "is_active")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Source)
class SourceAdmin(_WordsAdmin):
    """Where strangers hear of us."""

    add_label = _("New source")
    short_list = "As many ways to be heard of as people can keep apart."
    create = staticmethod(lead_catalog.create_source)
    change = staticmethod(lead_catalog.change_source)


@admin.register(DisqualifyReason)
class DisqualifyReasonAdmin(_WordsAdmin):
    """Why leads come to nothing."""

    add_label = _("New reason to disqualify")
    short_list = "As many reasons as people can keep apart."
    create = staticmethod(lead_catalog.create_disqualify_reason)
    change = staticmethod(lead_catalog.change_disqualify_reason)


class LinesField(forms.CharField):
    """Several texts, one to a line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(data) != list(initial or [])


class PairsField(forms.CharField):
    """Names and what they stand for, "their = ours" to a line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return "\n".join(f"{theirs} = {ours}" for theirs, ours in value.items())
        return value

    def to_python(self, value: Any) -> Any:
        found: dict[str, str] = {}
        for line in str(value or "").splitlines():
            if not line.strip():
                continue
            theirs, mark, ours = (part.strip() for part in line.rpartition("="))
            if not (theirs and mark and ours):
                raise ValidationError(
                    _("“%(line)s” is not written as “their field = ours”."),
                    code="field_map",
                    params={"line": line},
                )
            found[theirs] = ours
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or {}))
        except ValidationError:
            return True


class LeadFormForm(VersionedForm):
    """A form as people arrange it."""

    allowed_origins = LinesField(
        label=_("Sites"), help_text=_("One to a line, as https://www.example.org. Others are refused.")
    )
    field_map = PairsField(
        label=_("Fields"),
        help_text=_(
            "“Field of the site = ours” to a line. Ours are name, company_name, email, phone, telegram, message, country,"
            " language, consent and submission_id; fields that are called so need no line."
        ),
    )


@admin.register(LeadForm)
class LeadFormAdmin(ArchivableAdmin):
    """A form with the piece of HTML for a site, what it looks like, and what it has brought."""

    add_label = _("New form")
    form = LeadFormForm
    create = staticmethod(lead_catalog.create_form)
    change = staticmethod(lead_catalog.change_form)
    archive = staticmethod(lead_catalog.archive_form)
    restore = staticmethod(lead_catalog.restore_form)
    archive_action = "delete"

    class Media:
        css: ClassVar[dict[str, tuple[str, ...]]] = {"all": ("css/rows.css",)}
        js = ("js/lead-form.js",)

    short_list = "As many forms as an organization has sites."
    list_display = ("name", "state_cell", "source", "default_owner", "created_at")
    list_select_related = ("source", "default_owner")
    list_filter = (TrashFilter,)
    search_fields = ("name",)
    autocomplete_fields = ("default_owner",)
    change_form_outer_before_template = "admin/crm/lead_form/header.html"
    change_form_outer_after_template = "admin/crm/lead_form/around.html"
    fieldsets = (
        (None, {"fields": (("name", "is_active"), "allowed_origins", "field_map")}),
        (_("What becomes of it"), {"fields": (("source", "country"), ("default_owner", "pipeline"))}),
        (_("What is said"), {"fields": ("success_message", "redirect_url")}),
        (_("Consent"), {"fields": ("consent_text", ("consent_purpose", "is_consent_required"))}),
        (_("Against robots"), {"fields": (("honeypot", "hourly_limit"),)}),
    )

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "redirect_url":
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description=_("state"))
    def state_cell(self, form: LeadForm) -> SafeString:
        return badge(gettext("takes messages"), "WON") if form.is_active else badge(gettext("closed"), "")

    def page_context(self, request: HttpRequest, row: LeadForm) -> dict[str, Any]:
        url = request.build_absolute_uri(reverse("crm-form", args=[row.token]))
        figures = figures_of(row, actor=actor_of(request))
        return {
            **super().page_context(request, row),
            "url": url,
            "snippet": snippet_of(row, url),
            "preview": page_context(row),
            "figures": figures,
            "bars": _bars(figures.days),
            "may_change": self.may("change", request, row),
        }

    def commands(self) -> dict[str, Command]:
        return super().commands() | {"renew": self._renew}

    def _renew(self, request: HttpRequest, pk: int, version: int | None) -> None:
        actor = actor_of(request)
        if call_service(request, lead_catalog.renew_form_address, pk, actor=actor, expected_version=version):
            messages.success(request, gettext("The form has another address now. Put it on the site anew."))


def _bars(days: list[tuple[date, int]]) -> list[dict[str, Any]]:
    """Return the bars of a chart that is 60 high, and 10 wide for each day; a day of nothing has a line."""
    most = max((count for _day, count in days), default=0)
    heights = [round(60 * count / most) if count else 1 for _day, count in days]
    return [
        {"day": day, "count": count, "x": place * 10, "y": 60 - height, "height": height}
        for place, ((day, count), height) in enumerate(zip(days, heights, strict=True))
    ]


class RuleForm(VersionedForm):
    """A rule; it names a person or a team."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if bool(cleaned.get("to_user")) is bool(cleaned.get("to_team")):
            self.add_error("to_user", _("Name either a person or a team."))
        return cleaned


@admin.register(AssignmentRule)
class AssignmentRuleAdmin(DeletableAdmin):
    """Rules by which new leads find their owner, in the order in which they are tried."""

    add_label = _("New assignment rule")
    form = RuleForm  # type: ignore[assignment]
    create = staticmethod(lead_catalog.create_rule)
    change = staticmethod(lead_catalog.change_rule)
    delete = staticmethod(lead_catalog.delete_rule)
    ordering = ("position", "id")
    short_list = "As many rules as people can keep in order."
    list_display = ("position", "name", "is_active", "conditions_cell", "target_cell")
    list_display_links = ("name",)
    list_select_related = ("source", "form", "to_user", "to_team")
    search_fields = ("name",)
    autocomplete_fields = ("to_user", "to_team")
    fieldsets = (
        (None, {"fields": (("name", "position", "is_active"),)}),
        (_("Where all of this holds"), {"fields": (("source", "form"), ("country", "language"), "contains")}),
        (_("the lead goes"), {"fields": (("to_user", "to_team"),)}),
    )

    @admin.display(description=_("where"))
    def conditions_cell(self, rule: AssignmentRule) -> str:
        told = [rule.source, rule.form, rule.country, rule.language, rule.contains and f"“{rule.contains}”"]
        return ", ".join(str(part) for part in told if part) or str(_("always"))

    @admin.display(description=_("goes to"))
    def target_cell(self, rule: AssignmentRule) -> str:
        if rule.to_user is not None:
            return str(rule.to_user)
        return gettext("%(team)s, in turn") % {"team": rule.to_team}


class AbsenceForm(UnversionedForm):
    """Days on which somebody is away."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        first, last = cleaned.get("first_date"), cleaned.get("last_date")
        if first and last and last < first:
            self.add_error("last_date", _("The last day cannot be before the first."))
        return cleaned


@admin.register(Absence)
class AbsenceAdmin(DeletableAdmin):
    """Who is away and gets no new leads meanwhile."""

    add_label = _("New absence")
    form = AbsenceForm
    create = staticmethod(lead_catalog.add_absence)
    change = staticmethod(lead_catalog.change_absence)
    delete = staticmethod(lead_catalog.delete_absence)
    list_display = ("user", "first_date", "last_date")
    list_filter = ("user",)
    autocomplete_fields = ("user",)
    fields = ("user", ("first_date", "last_date"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("user",) if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"user": actor_of(request).pk, **super().get_changeform_initial_data(request)}
