"""Leads in the admin: an inbox, a page with what has arrived and who it may be, and the step that makes a deal of one."""

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter

from apps.accounts import access
from apps.accounts.faces.admin import actor_of, call_service
from apps.accounts.models import User
from apps.common.templatetags.artel import age, day
from apps.crm.admin.custom import CustomisedAdmin
from apps.crm.admin.stories import may_see
from apps.crm.lead_words import why_assigned
from apps.crm.models import Deal, DisqualifyReason, Lead, LeadArrival, Stage, StageTransition
from apps.crm.services import leads, qualifying
from apps.lists.admin.rows import ArchivableAdmin, Command, TrashFilter, VersionedForm, badge, marked
from apps.lists.admin.views import Offered

Status = Lead.Status
# How a status looks, in the words of states of deals.
_TONES = {Status.NEW: "OPEN", Status.WORKING: "", Status.QUALIFIED: "WON", Status.DISQUALIFIED: "LOST"}
# A day after which a new lead has waited for too long.
_LATE_SECONDS = 24 * 3600
_ARRIVALS_SHOWN = 20


class LeadStatusFilter(DropdownFilter):
    """Leads by status; unless another is chosen, those that nobody has decided about."""

    title = _("status")
    parameter_name = "status"
    all_option: ClassVar[list[Any]] = ["", _("Not decided")]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*Status.choices, ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        value = self.value()
        if value == "all":
            return queryset
        if value in Status.values:
            return queryset.filter(status=value)
        return queryset.filter(status__in=Lead.OPEN)


class WhoseFilter(DropdownFilter):
    """Leads that are nobody's as yet."""

    title = _("whose")
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("mine", _("Mine")), ("nobody", _("Nobody's"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        if self.value() == "mine":
            return queryset.filter(owner=actor_of(request).pk)
        if self.value() == "nobody":
            return queryset.filter(owner=None, team=None)
        return queryset


class LeadDataForm(VersionedForm):
    """A lead as people write it."""


@admin.register(Lead)
class LeadAdmin(CustomisedAdmin, ArchivableAdmin):
    """Plain edits go through `change_lead`, what becomes of a lead through the buttons above the form."""

    add_label = _("New lead")
    form = LeadDataForm
    create = staticmethod(leads.create_lead)
    change = staticmethod(leads.change_lead)
    archive = staticmethod(leads.archive_lead)
    restore = staticmethod(leads.restore_lead)
    ordering = ("-arrived_at",)
    list_display = (
        "who_cell",
        "contact_cell",
        "status_cell",
        "age_cell",
        "source_cell",
        "owner_cell",
        "next_cell",
    )
    list_select_related = ("owner", "source")
    list_only = (
        *("name", "company_name", "email", "phone", "telegram", "status", "arrived_at", "arrival_count"),
        *("next_step", "next_step_date", "archived_at", "owner__name", "owner__email", "source__name"),
    )
    list_more = (
        Offered("team", ("team__name",), ("team",)),
        Offered("form", ("form__name",), ("form",)),
        Offered("message", ("message",)),
        Offered("country", ("country",)),
        Offered("language", ("language",)),
        Offered("next_step_date", ("next_step_date",)),
        Offered("arrived_at"),
        Offered("created_at", ("created_at",)),
    )
    list_filter = (
        LeadStatusFilter,
        WhoseFilter,
        "source",
        "form",
        "owner",
        "team",
        "tags",
        ("arrived_at", RangeDateFilter),
        ("next_step_date", RangeDateFilter),
        TrashFilter,
    )
    search_fields = ("words",)
    search_help_text = _("Name, company, e-mail or phone")
    autocomplete_fields = ("owner", "team", "tags")
    change_form_outer_before_template = "admin/crm/lead/header.html"
    change_form_outer_after_template = "admin/crm/lead/around.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "company_name"),
                    ("email", "phone", "telegram"),
                    "message",
                    ("source", "country", "language"),
                    ("next_step", "next_step_date"),
                    ("owner", "team"),
                    "tags",
                )
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Whose a lead is, is changed by who may give it away.
        may_give = obj is None or self.may("assign", request, obj)
        return () if may_give else ("owner", "team")

    def initial_values(self, values: dict[str, Any]) -> dict[str, Any]:
        # Whom nobody names, the rules do; an empty team is the owner's own.
        named = {
            name: value for name, value in values.items() if value or name not in {"owner_id", "team_id"}
        }
        return {**named, "channel": LeadArrival.Channel.ADMIN}

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "message":
            field.widget.attrs["rows"] = 4
        return field

    # The list

    @admin.display(description=_("lead"), ordering="arrived_at")
    def who_cell(self, lead: Lead) -> str:
        told = [lead.name, lead.company_name]
        return " · ".join(filter(None, told)) or str(lead)

    @admin.display(description=_("contact"))
    def contact_cell(self, lead: Lead) -> str:
        return lead.email or lead.phone or lead.telegram or "–"

    @admin.display(description=_("status"))
    def status_cell(self, lead: Lead) -> SafeString:
        return badge(lead.get_status_display(), _TONES[Status(lead.status)])

    @admin.display(description=_("arrived"), ordering="arrived_at")
    def age_cell(self, lead: Lead) -> SafeString:
        now = timezone.now()
        is_late = lead.status == Status.NEW and (now - lead.arrived_at).total_seconds() > _LATE_SECONDS
        times = f" · ×{lead.arrival_count}" if lead.arrival_count > 1 else ""
        return marked("crm-stale" if is_late else "crm-age", f"{age(lead.arrived_at, now)}{times}")

    @admin.display(description=_("source"))
    def source_cell(self, lead: Lead) -> str:
        return lead.source.name if lead.source else "–"

    @admin.display(description=_("owner"))
    def owner_cell(self, lead: Lead) -> str:
        return str(lead.owner) if lead.owner else str(_("nobody's"))

    @admin.display(description=_("next step"))
    def next_cell(self, lead: Lead) -> str:
        told = [(part,) for part in (day(lead.next_step_date), lead.next_step) if part]
        return format_html_join(" · ", "{}", told) or "–"

    # The page

    def page_context(self, request: HttpRequest, row: Lead) -> dict[str, Any]:
        actor = actor_of(request)
        is_active = row.archived_at is None
        may_assign = is_active and row.is_open and self.may("assign", request, row)
        rights = {f"may_{name}": self.may(name, request, row) for name in ("qualify", "disqualify", "change")}
        return {
            **super().page_context(request, row),
            **rights,
            "is_active": is_active,
            "is_open": row.is_open,
            "is_nobodys": row.owner_id is None and row.team_id is None,
            "may_claim": access.can_any(actor, "add", Lead),
            "age": age(row.arrived_at, timezone.now()),
            "tone": _TONES[Status(row.status)],
            "why": why_assigned(row),
            "colleagues": _colleagues(actor, row) if may_assign else None,
            "reasons": DisqualifyReason.objects.visible_to(actor).filter(is_active=True).order_by("name"),
            "arrivals": row.arrivals.select_related("form", "consent_text").order_by("-pk")[:_ARRIVALS_SHOWN],
            "became": _became(actor, row),
            "known": _visible(actor, [row.known_person, row.known_company]) if row.is_open else [],
            "people": qualifying.people_for(row, actor=actor) if row.is_open else [],
            "companies": qualifying.companies_for(row, actor=actor) if row.is_open else [],
        }

    # What becomes of it

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.qualify_view)
        return [path("<int:object_id>/qualify/", view, name="crm_lead_qualify"), *super().get_urls()]

    def commands(self) -> dict[str, Command]:
        return super().commands() | {
            "claim": self._claim,
            "start": self._start,
            "assign": self._assign,
            "disqualify": self._disqualify,
            "recycle": self._recycle,
        }

    def _claim(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._call(request, leads.claim_lead, pk, version, gettext("The lead is yours now."))

    def _start(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._call(request, leads.start_lead, pk, version, gettext("In work now."))

    def _assign(self, request: HttpRequest, pk: int, version: int | None) -> None:
        owner_id = _number(request.POST.get("owner", ""))
        self._call(request, leads.assign_lead, pk, version, gettext("Assigned."), owner_id=owner_id)

    def _disqualify(self, request: HttpRequest, pk: int, version: int | None) -> None:
        values = {
            "reason_id": _number(request.POST.get("reason", "")),
            "note": request.POST.get("note", ""),
        }
        self._call(request, leads.disqualify_lead, pk, version, gettext("Disqualified."), **values)

    def _recycle(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._call(request, leads.recycle_lead, pk, version, gettext("In work again."))

    def _call(
        self, request: HttpRequest, service: Any, pk: int, version: int | None, done: str, **values: Any
    ) -> None:
        if call_service(request, service, pk, actor=actor_of(request), expected_version=version, **values):
            messages.success(request, done)

    def qualify_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show who a lead may be and what it becomes, and make that of it."""
        lead = self.get_queryset(request).filter(pk=object_id).first()
        if lead is None:
            raise Http404
        if not self.may("qualify", request, lead):
            raise PermissionDenied(gettext("You may not qualify this lead."))
        back = reverse("admin:crm_lead_change", args=[lead.pk])
        if lead.status == Status.QUALIFIED:
            return HttpResponseRedirect(_after(lead, request))
        actor = actor_of(request)
        form = QualifyForm(request.POST or None, lead=lead, actor=actor)
        if request.method == "POST" and form.is_valid():
            qualified = self._qualified(request, lead, form)
            if qualified is not None:
                messages.success(request, gettext("Qualified."))
                return HttpResponseRedirect(_after(qualified, request))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Qualify lead"),
            "lead": lead,
            "form": form,
            "version": request.POST.get("version", lead.version),
            "back_url": back,
            "page_urls": {"person": "admin:crm_person_change", "company": "admin:crm_company_change"},
        }
        return TemplateResponse(request, "admin/crm/lead/qualify.html", context)

    def _qualified(self, request: HttpRequest, lead: Lead, form: "QualifyForm") -> Lead | None:
        return call_service(
            request,
            qualifying.qualify_lead,
            lead.pk,
            actor=actor_of(request),
            face=StageTransition.Face.ADMIN,
            expected_version=_number(str(request.POST.get("version", ""))),
            **form.choices(),
        )


class QualifyForm(forms.Form):
    """What a lead becomes: known rows, which are offered with the reasons, or new ones."""

    NEW, NONE = "new", "none"
    person = forms.CharField()
    company = forms.CharField()
    company_name = forms.CharField(max_length=200, required=False)
    has_deal = forms.BooleanField(required=False)
    title = forms.CharField(max_length=200, required=False)
    amount = forms.DecimalField(
        max_digits=18, decimal_places=2, min_value=Decimal(0), required=False, localize=True
    )
    currency = forms.RegexField("^[A-Za-z]{3}$", required=False)
    stage = forms.ModelChoiceField(Stage.objects.none(), required=False)

    def __init__(self, *args: Any, lead: Lead, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = qualifying.people_for(lead, actor=actor)
        self.companies = qualifying.companies_for(lead, actor=actor)
        self.may_open_deal = access.can_any(actor, "add", Deal)
        stages = Stage.objects.visible_to(actor).filter(kind=Stage.Kind.OPEN, pipeline__archived_at=None)
        stage: Any = self.fields["stage"]
        stage.queryset = stages.select_related("pipeline").order_by(
            "-pipeline__is_default", "pipeline", "position"
        )
        self.initial = self._proposed(lead)

    def _proposed(self, lead: Lead) -> dict[str, Any]:
        """Propose the likeliest, and what the lead itself says."""
        first_company = self.companies[0].row if self.companies else None
        named = self.NEW if lead.company_name else self.NONE
        form = lead.form
        return {
            "person": str(self.people[0].row.pk) if self.people else self.NEW,
            "company": str(first_company.pk) if first_company else named,
            "company_name": lead.company_name,
            "has_deal": self.may_open_deal,
            "title": str(first_company or lead.company_name or lead),
            "currency": settings.BASE_CURRENCY,
            "stage": qualifying.first_stage_of(lead) if form else None,
        }

    def choices(self) -> dict[str, Any]:
        """Return what was chosen as the service takes it."""
        chosen = self.cleaned_data
        company = chosen["company"]
        deal = None
        if chosen["has_deal"]:
            deal = {
                "title": chosen["title"],
                "amount": chosen["amount"],
                "currency": chosen["currency"].upper(),
                "stage_id": chosen["stage"].pk if chosen["stage"] else None,
            }
        return {
            "person_id": _number(chosen["person"]) or None,
            "company_id": _number(company) or None,
            "company_name": chosen["company_name"] if company == self.NEW else "",
            "deal": deal,
        }


def _after(lead: Lead, request: HttpRequest) -> str:
    """Return where a qualified lead leads to: its deal, or the person where it has none, as far as they may be seen."""
    for row, name in ((lead.converted_deal, "deal"), (lead.converted_person, "person")):
        if row is not None and may_see(actor_of(request), row):
            return reverse(f"admin:crm_{name}_change", args=[row.pk])
    return reverse("admin:crm_lead_change", args=[lead.pk])


def _became(actor: User, lead: Lead) -> list[dict[str, Any]]:
    return _visible(actor, [lead.converted_deal, lead.converted_person, lead.converted_company])


def _visible(actor: User, found: list[Any]) -> list[dict[str, Any]]:
    """Return those of some rows that somebody sees, with their pages; the others are not spoken of."""
    return [
        {
            "row": row,
            "kind": row._meta.verbose_name,
            "url": reverse(f"admin:crm_{row._meta.model_name}_change", args=[row.pk]),
        }
        for row in found
        if row is not None and may_see(actor, row)
    ]


def _colleagues(actor: User, lead: Lead) -> QuerySet[User]:
    people = User.objects.filter(access.scope(actor, "view", User), is_active=True, kind=User.Kind.HUMAN)
    return people.exclude(pk=lead.owner_id or 0).order_by("name")


def _number(text: str) -> int:
    """Return a key that somebody sent; 0 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
