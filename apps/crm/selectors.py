"""Reads that are not one model's queryset."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.imports.kinds import kind_of
from apps.crm.imports.mapping import header_digest
from apps.crm.imports.sql import fetch
from apps.crm.models import Company, Deal, ImportBatch, ImportMapping, Product, Stage

# What fits on the home page without scrolling past the figures.
NEXT_STEPS = 8
LATEST_IMPORTS = 5


# Home


@dataclass
class Worth:
    """How many deals there are, and their amounts by currency, for sums of different currencies are no sum."""

    count: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def add(self, count: int, currency: str, amount: Decimal | None) -> None:
        self.count += count
        if amount:
            self.amounts[currency] = self.amounts.get(currency, Decimal()) + amount


@dataclass
class StageWorth:
    """The open deals in one stage."""

    stage: Stage
    worth: Worth = field(default_factory=Worth)


@dataclass
class HomeFigures:
    """
    What the home page shows about deals and imports.

    :param stages: the open stages in the order of their pipelines, empty ones too
    :param next_steps: the actor's own open deals whose next step is due within a week, the most overdue first
    :param is_fresh: there are no deals yet that the actor could see
    """

    mine: Worth
    visible: Worth
    stages: list[StageWorth]
    next_steps: list[Deal]
    is_fresh: bool

    @property
    def fullest(self) -> int:
        """The count of the stage with the most deals, at least 1: the full length of a bar."""
        return max([each.worth.count for each in self.stages], default=0) or 1

    @property
    def has_pipelines(self) -> bool:
        """Tell whether there are stages of more than one pipeline, so that they need its name."""
        return len({each.stage.pipeline_id for each in self.stages}) > 1


def home_figures(actor: User) -> HomeFigures:
    """Sum up the deals that `actor` may see, in four queries."""
    stages = Stage.objects.filter(kind=Stage.Kind.OPEN, pipeline__archived_at=None).select_related("pipeline")
    by_stage = {
        stage.pk: StageWorth(stage)
        for stage in stages.order_by("-pipeline__is_default", "pipeline__name", "position")
    }
    deals = Deal.objects.visible_to(actor).active()
    mine, visible = Worth(), Worth()
    for stage_id, currency, count, amount, own_count, own_amount in _sums(deals.filter(status="OPEN"), actor):
        visible.add(count, currency, amount)
        mine.add(own_count, currency, own_amount)
        if stage_id in by_stage:
            by_stage[stage_id].worth.add(count, currency, amount)
    return HomeFigures(
        mine=mine,
        visible=visible,
        stages=list(by_stage.values()),
        next_steps=_next_steps(actor) if visible.count else [],
        is_fresh=not visible.count and not deals.exists(),
    )


def _sums(
    deals: QuerySet[Deal], actor: User
) -> QuerySet[Deal, tuple[int, str, int, Decimal | None, int, Decimal | None]]:
    own = Q(owner=actor)
    return (
        deals.order_by()
        .values("stage_id", "currency")
        .annotate(
            deals=Count("pk"),
            worth=Sum("amount"),
            own_deals=Count("pk", filter=own),
            own_worth=Sum("amount", filter=own),
        )
        .values_list("stage_id", "currency", "deals", "worth", "own_deals", "own_worth")
    )


def _next_steps(actor: User) -> list[Deal]:
    soon = timezone.localdate() + timedelta(days=7)
    due = Deal.objects.visible_to(actor).active().open().filter(owner=actor, next_step_date__lte=soon)
    return list(due.select_related("company").order_by("next_step_date", "pk")[:NEXT_STEPS])


@dataclass(frozen=True)
class FirstStep:
    """Something a fresh organization brings in, in the order in which the later need the earlier."""

    kind: str
    is_done: bool


def first_steps(actor: User) -> list[FirstStep]:
    """List what `actor` can bring in to begin with: products, users, companies, deals; none of what they may not add."""
    found = {
        ImportBatch.Kind.PRODUCTS: (Product, Product.objects.all()),
        # The first user is the one who set the platform up.
        ImportBatch.Kind.USERS: (User, User.objects.filter(kind=User.Kind.HUMAN).order_by("pk")[1:]),
        ImportBatch.Kind.COMPANIES: (Company, Company.objects.all()),
        ImportBatch.Kind.DEALS: (Deal, Deal.objects.all()),
    }
    return [
        FirstStep(kind=kind.value, is_done=rows.exists())
        for kind, (model, rows) in found.items()
        if access.can_any(actor, "add", model)
    ]


def latest_imports(actor: User) -> list[ImportBatch]:
    """List the latest imports that `actor` may see."""
    return list(ImportBatch.objects.visible_to(actor).order_by("-pk")[:LATEST_IMPORTS])


# Imports

# Names offered where a value of a file was not found: more than these are no choice that one reads through.
CHOICES = 300


def import_choices(batch: ImportBatch, fields: Iterable[str], actor: User) -> dict[str, list[str]]:
    """
    List the existing names that a value in a reference field can mean, by field key.

    Only for whoever the import works for: the names are those that they may see.
    """
    kind = kind_of(batch.kind)
    loader = kind.loader(batch, kind)
    if loader.actor != actor:
        return {}
    known = {field for field in fields if field in loader.reference_fields}
    return {
        field: [
            name
            for (name,) in fetch(
                f"select distinct name from ({loader.candidates(field)}) c (name, id)"  # noqa: S608 - composed by the engine
                f" where name is not null order by 1 limit {CHOICES}"
            )
        ]
        for field in sorted(known)
    }


def is_mapping_remembered(batch: ImportBatch) -> bool:
    """Tell whether an import's columns are matched as its owner matched such a file before."""
    return ImportMapping.objects.filter(
        owner=batch.owner_id,
        kind=batch.kind,
        header_digest=header_digest(batch.header),
        mapping=batch.mapping,
        updated_at__lt=batch.created_at,
    ).exists()
