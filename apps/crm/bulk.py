"""What may be changed of many rows at once, and by which services."""

from collections.abc import Callable
from functools import partial

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from apps.accounts import access
from apps.accounts.models import User
from apps.common.templatetags.artel import number
from apps.crm.bulk_custom import further_changes
from apps.crm.models import (
    Company,
    Deal,
    DisqualifyReason,
    Lead,
    LostReason,
    Person,
    Product,
    Source,
    Stage,
)
from apps.crm.services import bulk
from apps.lists.bulk import Change, How, Operation, Way, column, deed, one_of, register

# Rows that go through the service for one take some ten milliseconds each.
_FEW = 100


def declare() -> None:
    """Declare the kinds of rows that people change in bulk."""
    on_company = ("owner", "team", "industry", "country", "city", "parent")
    on_person = ("owner", "team", "job_title", "locale")
    companies = _owned_operations(Company, on_company, "change_companies", "companies")
    people = _owned_operations(Person, on_person, "change_people", "people")
    register(
        Deal,
        _deal_operations(),
        counted=_in_words(lambda n: ngettext("%(count)s deal", "%(count)s deals", n)),
    )
    register(
        Company,
        companies,
        counted=_in_words(lambda n: ngettext("%(count)s company", "%(count)s companies", n)),
    )
    register(Person, people, counted=_in_words(lambda n: ngettext("%(count)s person", "%(count)s people", n)))
    register(
        Lead,
        _lead_operations(),
        counted=_in_words(lambda n: ngettext("%(count)s lead", "%(count)s leads", n)),
    )
    register(
        Product,
        _product_operations(),
        counted=_in_words(lambda n: ngettext("%(count)s product", "%(count)s products", n)),
    )


def _in_words(words: Callable[[int], str]) -> Callable[[int], str]:
    return lambda count: words(count) % {"count": number(count)}


def _deal_operations() -> list[Operation]:
    colleagues = column(Deal, "owner", rows=_colleagues)
    team = column(Deal, "team", is_required=True)
    fields = [column(Deal, name) for name in ("amount", "currency")]
    dates = [column(Deal, name) for name in ("expected_close_date", "next_step", "next_step_date")]
    company, tags = column(Deal, "company"), column(Deal, "tags")
    changed = (*fields, _probability(), *dates, company, tags)
    return [
        Operation(changed, bulk.change_deals, further=partial(further_changes, Deal)),
        Operation((colleagues, team), bulk.assign_deals, action="assign"),
        _deed("move", deed("move", _("Move to a stage"), one_of(_open_stages)), bulk.move_deals),
        _deed("win", deed("win", _("Win")), bulk.win_deals),
        _deed("lose", deed("lose", _("Lose"), one_of(_reasons)), bulk.lose_deals),
        Operation((deed("reopen", _("Open again"), _why),), bulk.reopen_deals, action="reopen", at_once=_FEW),
        _deed("archive", deed("archive", _("Move to the trash")), bulk.archive_deals),
        _deed("archive", deed("restore", _("Restore from the trash")), bulk.restore_deals),
    ]


def _lead_operations() -> list[Operation]:
    colleagues = column(Lead, "owner", rows=_colleagues, is_required=True)
    team = column(Lead, "team", is_required=True)
    names = ("next_step", "next_step_date", "country", "language")
    source = column(Lead, "source", rows=_sources)
    archive, restore = (
        deed("archive", _("Move to the trash")),
        deed("restore", _("Restore from the trash")),
    )
    changed = (source, *[column(Lead, name) for name in names], column(Lead, "tags"))
    return [
        Operation(changed, bulk.change_leads, further=partial(further_changes, Lead)),
        Operation((colleagues, team), bulk.assign_leads, action="assign"),
        Operation((deed("start", _("Take into work")),), bulk.start_leads),
        _deed("disqualify", deed("disqualify", _("Disqualify"), one_of(_why_nothing)), bulk.disqualify_leads),
        Operation((deed("recycle", _("Recycle")),), bulk.recycle_leads, action="disqualify", at_once=_FEW),
        Operation((archive,), bulk.archive_leads, action="archive", at_once=_FEW),
        Operation((restore,), bulk.restore_leads, action="archive", at_once=_FEW),
    ]


def _sources(actor: User) -> QuerySet[Source]:
    return Source.objects.visible_to(actor).filter(is_active=True).order_by("name")


def _why_nothing(actor: User) -> QuerySet[DisqualifyReason]:
    return DisqualifyReason.objects.visible_to(actor).filter(is_active=True).order_by("name")


def _deed(action: str, change: Change, run: object) -> Operation:
    return Operation((change,), run, action=action)  # type: ignore[arg-type]


def _probability() -> Change:
    def percent(actor: User) -> forms.Field:
        return forms.IntegerField(min_value=0, max_value=100)

    ways = (Way(How.SET, _("set to"), percent), Way(How.CLEAR, _("take the stage's")))
    return Change("probability", Deal._meta.get_field("probability").verbose_name, ways)


def _owned_operations(
    model: type[Company] | type[Person], names: tuple[str, ...], change: str, plural: str
) -> list[Operation]:
    columns = [column(model, name, rows=_colleagues if name == "owner" else None) for name in names]
    archive = deed("archive", _("Move to the trash"))
    restore = deed("restore", _("Restore from the trash"))
    return [
        Operation(
            (*columns, column(model, "tags")),
            getattr(bulk, change),
            further=partial(further_changes, model),
        ),
        Operation((archive,), getattr(bulk, f"archive_{plural}"), action="archive", at_once=_FEW),
        Operation((restore,), getattr(bulk, f"restore_{plural}"), action="archive", at_once=_FEW),
    ]


def _product_operations() -> list[Operation]:
    columns = tuple(column(Product, name) for name in ("price", "currency", "family"))
    archive = deed("archive", _("Move to the trash"))
    restore = deed("restore", _("Restore from the trash"))
    return [
        Operation(columns, bulk.change_products),
        Operation((archive,), bulk.archive_products, action="delete", at_once=_FEW),
        Operation((restore,), bulk.restore_products, action="delete", at_once=_FEW),
    ]


def _colleagues(actor: User) -> QuerySet[User]:
    visible = access.scope(actor, "view", User)
    return User.objects.filter(visible, is_active=True, kind=User.Kind.HUMAN).order_by("name")


def _open_stages(actor: User) -> QuerySet[Stage]:
    stages = Stage.objects.visible_to(actor).filter(kind=Stage.Kind.OPEN, pipeline__archived_at=None)
    return stages.select_related("pipeline").order_by("-pipeline__is_default", "pipeline", "position")


def _reasons(actor: User) -> QuerySet[LostReason]:
    return LostReason.objects.visible_to(actor).filter(is_active=True).order_by("name")


def _why(actor: User) -> forms.Field:
    return forms.CharField(max_length=500)
