"""Deals in the admin: their list, and a page with the stage path, the form, the story and who it is about."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter, RangeNumericFilter
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from apps.accounts import access
from apps.accounts.faces.admin import ScopedAutocompleteFilter, ScopedTabularInline, actor_of, call_service
from apps.accounts.models import User
from apps.common.lists.days import DaysFilter
from apps.common.templatetags.artel import age, day, money
from apps.crm.admin.board import BoardPages
from apps.crm.admin.filters import AttentionFilter, WeekFilter
from apps.crm.admin.parts import (
    Command,
    SalesAdmin,
    TrashFilter,
    VersionedForm,
    badge,
    marked,
)
from apps.crm.admin.stories import may_see, stage_path, story_of
from apps.crm.models import Deal, DealLine, LostReason, Stage, StageTransition
from apps.crm.models.deals import matching
from apps.crm.services import deals, lines

Face = StageTransition.Face


class DealForm(VersionedForm):
    """A deal as people write it; an empty probability is the stage's own."""

    probability = forms.IntegerField(
        label=_("Probability, %"),
        required=False,
        min_value=0,
        max_value=100,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("Leave it empty to take the stage's."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.initial.setdefault("currency", settings.BASE_CURRENCY)
        if not self.instance.is_probability_manual:
            self.initial["probability"] = None

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()


class LineInline(ScopedTabularInline):
    """What the deal consists of."""

    model = DealLine
    fields = ("product", "quantity", "unit_price")
    autocomplete_fields = ("product",)
    extra = 0
    ordering = ("position", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DealLine]:
        return super().get_queryset(request).select_related("product")


@admin.register(Deal)
class DealAdmin(BoardPages, SalesAdmin):
    """Plain edits go through `change_deal`, changes of state through the buttons above the form."""

    add_label = _("New deal")
    form = DealForm
    create = staticmethod(deals.create_deal)
    change = staticmethod(deals.change_deal)
    archive = staticmethod(deals.archive_deal)
    restore = staticmethod(deals.restore_deal)
    list_display = (
        "number_cell",
        "title_cell",
        "company_cell",
        "stage_cell",
        "amount_cell",
        "owner",
        "age_cell",
        "close_cell",
    )
    list_display_links = ("number_cell", "title_cell")
    list_select_related = ("company", "stage", "owner")
    list_only = (
        "number",
        "title",
        "status",
        "amount",
        "currency",
        "stage_entered_at",
        "expected_close_date",
        "company__name",
        "stage__name",
        "stage__stale_after_days",
        "owner__name",
    )
    list_filter = (
        ("status", ChoicesDropdownFilter),
        "stage",
        "pipeline",
        "owner",
        "team",
        ("company", ScopedAutocompleteFilter),
        "tags",
        ("amount", RangeNumericFilter),
        ("expected_close_date", RangeDateFilter),
        ("opened_date", RangeDateFilter),
        ("closed_at", DaysFilter),
        ("next_step_date", RangeDateFilter),
        AttentionFilter,
        WeekFilter,
        TrashFilter,
    )
    extra_lookups = ("person__id__exact",)
    search_fields = ("title",)
    search_help_text = _("Number, title or company")
    autocomplete_fields = ("company", "person", "tags")
    inlines = (LineInline,)
    change_form_outer_before_template = "admin/crm/deal/header.html"
    change_form_outer_after_template = "admin/crm/deal/around.html"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        start = [] if obj else ["stage"]
        return [
            (
                None,
                {
                    "fields": [
                        "title",
                        ("company", "person"),
                        ("amount", "currency", "probability"),
                        *start,
                        ("expected_close_date", "opened_date"),
                        ("next_step", "next_step_date"),
                        "description",
                        "tags",
                    ]
                },
            )
        ]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        # Lines belong to a deal that is there.
        return super().get_inlines(request, obj) if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "stage":
            stages = Stage.objects.filter(kind=Stage.Kind.OPEN, pipeline__archived_at=None)
            kwargs["queryset"] = stages.order_by("-pipeline__is_default", "pipeline", "position")
            kwargs["initial"] = kwargs["queryset"].first()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Deal], search_term: str
    ) -> tuple[QuerySet[Deal], bool]:
        term = search_term.strip()
        if term:
            queryset = queryset.filter(matching(term))
        return super().get_search_results(request, queryset, "")

    def initial_values(self, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "face": Face.ADMIN}

    def save_parts(self, request: HttpRequest, row: Any, formset: Any) -> None:
        new = [lines.NewLine(line.product_id, line.quantity, line.unit_price) for line in formset.new_objects]
        change = {
            line.pk: {column: getattr(line, column) for column in map(_column, names)}
            for line, names in formset.changed_objects
        }
        remove = [line.pk for line in formset.deleted_objects]
        lines.change_lines(row.pk, actor=actor_of(request), add=new, change=change, remove=remove)

    # The list

    @admin.display(description=_("number"), ordering="id")
    def number_cell(self, deal: Deal) -> SafeString:
        return marked("crm-number", deal.number)

    @admin.display(description=_("title"), ordering="title")
    def title_cell(self, deal: Deal) -> str:
        return deal.title

    @admin.display(description=_("company"))
    def company_cell(self, deal: Deal) -> str:
        return deal.company.name if deal.company else "–"

    @admin.display(description=_("stage"), ordering="stage")
    def stage_cell(self, deal: Deal) -> SafeString:
        return badge(deal.stage.name, deal.status)

    @admin.display(description=_("amount"), ordering="amount")
    def amount_cell(self, deal: Deal) -> SafeString:
        return marked("crm-amount", money(deal.amount, deal.currency) or "–")

    @admin.display(description=_("in the stage"), ordering="-stage_entered_at")
    def age_cell(self, deal: Deal) -> SafeString:
        now = timezone.now()
        return marked("crm-stale" if deal.is_stale(now) else "crm-age", age(deal.stage_entered_at, now))

    @admin.display(description=_("expected close"), ordering="expected_close_date")
    def close_cell(self, deal: Deal) -> str:
        return day(deal.expected_close_date) or "–"

    # The page

    def page_context(self, request: HttpRequest, row: Deal) -> dict[str, Any]:
        actor = actor_of(request)
        now = timezone.now()
        is_active = row.archived_at is None
        rights = {f"may_{name}": self.may(name, request, row) for name in ("move", "win", "lose", "reopen")}
        may_assign = is_active and self.may("assign", request, row)
        colleagues = User.objects.filter(
            access.scope(actor, "view", User), is_active=True, kind=User.Kind.HUMAN
        )
        return {
            **super().page_context(request, row),
            **rights,
            "is_active": is_active,
            "is_open": is_active and row.status == Deal.Status.OPEN,
            "colleagues": colleagues.exclude(pk=row.owner_id).order_by("name") if may_assign else None,
            "path": stage_path(row),
            "reasons": LostReason.objects.filter(is_active=True).order_by("name"),
            "story": story_of(row),
            "cards": [_card(request, row, name) for name in ("company", "person") if getattr(row, name)],
            "age": age(row.stage_entered_at, now),
            "is_stale": row.is_stale(now),
        }

    # Commands

    def commands(self) -> dict[str, Command]:
        return super().commands() | {
            "move": self._move,
            "win": self._win,
            "lose": self._lose,
            "reopen": self._reopen,
            "assign": self._assign,
        }

    def _move(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._call(request, deals.move_deal, pk, version, _("Moved."), stage_id=_id(request, "stage"))

    def _win(self, request: HttpRequest, pk: int, version: int | None) -> None:
        self._call(request, deals.win_deal, pk, version, _("Won."))

    def _lose(self, request: HttpRequest, pk: int, version: int | None) -> None:
        note = request.POST.get("note", "")
        done = _("Closed as lost.")
        self._call(request, deals.lose_deal, pk, version, done, reason_id=_id(request, "reason"), note=note)

    def _reopen(self, request: HttpRequest, pk: int, version: int | None) -> None:
        reason = request.POST.get("reason", "")
        self._call(request, deals.reopen_deal, pk, version, _("Open again."), reason=reason)

    def _assign(self, request: HttpRequest, pk: int, version: int | None) -> None:
        actor, owner_id = actor_of(request), _id(request, "owner")
        deal = call_service(
            request, deals.assign_deal, pk, actor=actor, owner_id=owner_id, expected_version=version
        )
        if deal:
            messages.success(request, gettext("The owner is %(name)s now.") % {"name": deal.owner})

    def _call(
        self,
        request: HttpRequest,
        service: Any,
        pk: int,
        version: int | None,
        done: str | Promise,
        **values: Any,
    ) -> None:
        actor = actor_of(request)
        if call_service(
            request, service, pk, actor=actor, face=Face.ADMIN, expected_version=version, **values
        ):
            messages.success(request, str(done))


def _card(request: HttpRequest, deal: Deal, name: str) -> dict[str, Any]:
    """Return the company or the person of a deal; more than the name only where the reader sees them."""
    row = getattr(deal, name)
    is_visible = may_see(actor_of(request), row)
    return {
        "kind": row._meta.verbose_name,
        "row": row,
        "url": reverse(f"admin:crm_{name}_change", args=[row.pk]) if is_visible else "",
        "contacts": row.contact_points.active().order_by("-is_primary", "id")[:6] if is_visible else [],
    }


def _column(name: str) -> str:
    return "product_id" if name == "product" else name


def _id(request: HttpRequest, name: str) -> int:
    """Return the id chosen in a button's form; 0 is nobody's."""
    given = request.POST.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 19 else 0
