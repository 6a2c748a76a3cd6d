"""Whatever is done in one change set, undoing it leaves every table as it was; and undoing that, as it had become."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import User
from apps.crm.models import Company, Deal, DealLine, LostReason, Person, Product, Stage, StageTransition, Tag
from apps.crm.services import deals
from apps.history.models import ChangeSet
from tests.crm.factories import make_company, make_deal
from tests.history.factories import everything, recorded, undo

FACE = StageTransition.Face.API
Act = Callable[[User, int], object]


def nth(rows: Sequence[object], number: int) -> object | None:
    return rows[number % len(rows)] if rows else None


def pick(number: int) -> Deal | None:
    found = nth(list(Deal.objects.order_by("pk")), number)
    return found if isinstance(found, Deal) else None


def on_deal(act: Callable[[Deal, User, int], object]) -> Act:
    def do(actor: User, number: int) -> None:
        deal = pick(number)
        if deal is not None:
            act(deal, actor, number)

    return do


def stage_of(deal: Deal, number: int) -> int:
    stages = list(Stage.objects.filter(pipeline=deal.pipeline, kind="OPEN").order_by("position"))
    return stages[number % len(stages)].pk


def nest_companies() -> None:
    top = Company.objects.order_by("pk").first()
    if top is not None:
        Company.objects.filter(pk__gt=top.pk).update(parent=top)


ACTS: dict[str, Act] = {
    "create deal": lambda actor, n: deals.create_deal(
        actor=actor, face=FACE, title=f"Deal {n}", amount=Decimal(n)
    ),
    "change deal": on_deal(
        lambda d, a, n: deals.change_deal(d.pk, actor=a, amount=Decimal(n) / 7 // 1, next_step="x")
    ),
    "move deal": on_deal(lambda d, a, n: deals.move_deal(d.pk, stage_id=stage_of(d, n), actor=a, face=FACE)),
    "win deal": on_deal(lambda d, a, n: deals.win_deal(d.pk, actor=a, face=FACE)),
    "lose deal": on_deal(
        lambda d, a, n: deals.lose_deal(
            d.pk, reason_id=LostReason.objects.order_by("pk")[0].pk, actor=a, face=FACE
        )
    ),
    "archive deal": on_deal(lambda d, a, n: deals.archive_deal(d.pk, actor=a)),
    "delete deal": on_deal(lambda d, a, n: d.delete()),
    "tag deal": on_deal(lambda d, a, n: d.tags.add(Tag.objects.get_or_create(name=f"tag {n % 4}")[0])),
    "untag deal": on_deal(lambda d, a, n: d.tags.clear()),
    "add line": on_deal(
        lambda d, a, n: DealLine.objects.create(
            deal=d,
            product=Product.objects.get_or_create(name=f"Product {n % 3}")[0],
            quantity=Decimal(n % 5 + 1),
        )
    ),
    "change lines": lambda actor, n: DealLine.objects.update(quantity=F("quantity") + 1),
    "remove lines": on_deal(lambda d, a, n: d.lines.all().delete()),
    "bulk edit": lambda actor, n: Deal.objects.update(next_step=f"step {n % 3}", version=F("version") + 1),
    "create companies": lambda actor, n: Company.objects.bulk_create(
        Company(name=f"Company {n}", owner=actor) for _ in range(n % 4)
    ),
    "nest companies": lambda actor, n: nest_companies(),
    "give company": on_deal(
        lambda d, a, n: Deal.objects.filter(pk=d.pk).update(
            company=nth(list(Company.objects.order_by("pk")), n)
        )
    ),
    "delete companies": lambda actor, n: Company.objects.filter(deals=None, children=None, pk__gt=n).delete(),
    "create person": lambda actor, n: Person.objects.create(given_name=f"Eva {n}", owner=actor).tags.add(
        Tag.objects.get_or_create(name=f"tag {n % 4}")[0]
    ),
    "delete tags": lambda actor, n: Tag.objects.filter(name=f"tag {n % 4}").delete(),
}

acts = st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 50)), max_size=12)


def do(steps: list[tuple[str, int]], actor: User) -> ChangeSet | None:
    """Do things in one change set; what the services refuse is not done."""
    with recorded(actor) as work:
        for name, number in steps:
            try:
                with transaction.atomic():
                    ACTS[name](actor, number)
            except ValidationError:
                continue
    return ChangeSet.objects.filter(uid=work.uid).first()


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(earlier=acts, steps=acts)
def test_undo_is_the_inverse(
    earlier: list[tuple[str, int]], steps: list[tuple[str, int]], admin: User, creations: str
) -> None:
    with transaction.atomic():
        make_company("Iron", owner=admin)
        make_deal("Desks", owner=admin, amount=Decimal("10.50"))
        do(earlier, admin)
        before = everything()
        change_set = do(steps, admin)
        if change_set is not None:
            after = everything()
            undone = undo(change_set, admin)
            assert list(undone.conflicts.values_list("model", "kind", "detail")) == []
            assert everything() == before
            made = ChangeSet.objects.filter(uid=undone.uid).first()
            if made is not None:
                redone = undo(made, admin)
                assert list(redone.conflicts.values_list("model", "kind", "detail")) == []
                assert everything() == after
        transaction.set_rollback(True)
