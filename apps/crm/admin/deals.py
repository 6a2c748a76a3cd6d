"""Deals in the admin: their list, and a page with the stage path, the form, the story and who it is about."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter, RangeNumericFilter
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from apps.accounts import access
from apps.accounts.faces.admin import ScopedAutocompleteFilter, actor_of, call_service
from apps.accounts.models import User
from apps.common.lists.days import DaysFilter
from apps.common.reading import reader
from apps.common.templatetags.artel import age, day, money
from apps.crm.admin.board import BoardPages
from apps.crm.admin.calendar import CalendarPages
from apps.crm.admin.custom import CustomisedAdmin
from apps.crm.admin.deal_cards import DealCards
from apps.crm.admin.filters import AttentionFilter, WeekFilter
from apps.crm.admin.pages import AroundPages
from apps.crm.admin.reports import LostReasonFilter, NumbersFilter, ReportPages
from apps.crm.admin.stories import stage_path
from apps.crm.models import Deal, LostReason, Person, Stage, StageTransition
from apps.crm.models.deals import matching
from apps.crm.services import deals, participants
from apps.lists.admin.rows import (
    Command,
    TrashFilter,
    VersionedForm,
    badge,
    marked,
)
from apps.lists.admin.views import Offered

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


@admin.register(Deal)
class DealAdmin(CalendarPages, CustomisedAdmin, ReportPages, DealCards, BoardPages, AroundPages):
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
    list_more = (
        Offered("pipeline", ("pipeline__name",), ("pipeline",)),
        Offered("team", ("team__name",), ("team",)),
        Offered("person", ("person__full_name",), ("person",)),
        Offered("probability", ("probability",)),
        Offered("base_cell", ("amount_base",)),
        Offered("opened_date", ("opened_date",)),
        Offered("closed_at", ("closed_at",)),
        Offered("lost_reason", ("lost_reason__name",), ("lost_reason",)),
        Offered("next_step", ("next_step",)),
        Offered("next_step_date", ("next_step_date",)),
        Offered("last_activity_at", ("last_activity_at",)),
        Offered("created_at", ("created_at",)),
        Offered("updated_at", ("updated_at",)),
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
        LostReasonFilter,
        NumbersFilter,
        TrashFilter,
    )
    extra_lookups = ("person__id__exact",)
    search_fields = ("title",)
    search_help_text = _("Number, title or company")
    autocomplete_fields = ("company", "person", "tags")
    header_template = "admin/crm/deal/header.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deal]:
        rows: QuerySet[Deal] = super().get_queryset(request)
        match = request.resolver_match
        is_page = match is not None and match.url_name == "crm_deal_change"
        # What the page of a deal names.
        around = ("company", "person", "owner", "stage", "pipeline", "lost_reason")
        return rows.select_related(*around) if is_page else rows

    def own_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
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
        now = reader().now
        return marked("crm-stale" if deal.is_stale(now) else "crm-age", age(deal.stage_entered_at, now))

    @admin.display(description=_("expected close"), ordering="expected_close_date")
    def close_cell(self, deal: Deal) -> str:
        return day(deal.expected_close_date) or "–"

    @admin.display(description=_("amount in the currency of the books"))
    def base_cell(self, deal: Deal) -> SafeString:
        return marked("crm-amount", money(deal.amount_base, settings.BASE_CURRENCY) or "–")

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
            "age": age(row.stage_entered_at, now),
            "is_stale": row.is_stale(now),
            **self.cards_context(request, row),
        }

    # Commands

    def commands(self) -> dict[str, Command]:
        return super().commands() | {
            "move": self._move,
            "win": self._win,
            "lose": self._lose,
            "reopen": self._reopen,
            "assign": self._assign,
            "take-part": self._take_part,
            "turn-to": self._turn_to,
            "part-with": self._part_with,
            **self.card_commands(),
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

    def _take_part(self, request: HttpRequest, pk: int, version: int | None) -> None:
        actor, name = actor_of(request), request.POST.get("name", "").strip()[:201]
        found = list(Person.objects.visible_to(actor).active().filter(full_name__iexact=name)[:2])
        if len(found) != 1:
            text = (
                gettext("There are several people of this name.")
                if found
                else gettext("Nobody has this name.")
            )
            messages.error(request, text)
            return
        role = request.POST.get("role", "")
        if call_service(
            request, participants.add_participant, pk, person_id=found[0].pk, role=role, actor=actor
        ):
            messages.success(request, gettext("%(name)s takes part now.") % {"name": found[0]})

    def _turn_to(self, request: HttpRequest, pk: int, version: int | None) -> None:
        part = _id(request, "participant")
        call_service(request, participants.change_participant, part, is_primary=True, actor=actor_of(request))

    def _part_with(self, request: HttpRequest, pk: int, version: int | None) -> None:
        call_service(
            request, participants.remove_participant, _id(request, "participant"), actor=actor_of(request)
        )

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


def _id(request: HttpRequest, name: str) -> int:
    """Return the id chosen in a button's form; 0 is nobody's."""
    given = request.POST.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 19 else 0
