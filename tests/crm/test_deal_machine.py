"""Whatever is done to a deal, in whatever order: what must hold of it holds."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import User
from apps.crm.models import Deal, LostReason, Stage, StageTransition
from apps.crm.services import deals
from apps.events.models import Event
from tests.crm import factories

Face = StageTransition.Face
STEPS = st.one_of(
    st.tuples(st.just("move"), st.integers(0, 5)),
    st.tuples(
        st.sampled_from(["win", "lose", "reopen", "archive", "restore", "amount"]), st.integers(1, 900)
    ),
)


def do(deal: Deal, what: str, value: int, actor: User) -> None:
    """Do one thing to a deal; that it may be refused is part of the game."""
    stages = list(Stage.objects.filter(pipeline=deal.pipeline_id).order_by("position"))
    common: dict[str, Any] = {"actor": actor, "face": Face.API}
    reason = LostReason.objects.get(name="Price").pk
    calls: dict[str, Any] = {
        "move": lambda: deals.move_deal(deal.pk, stage_id=stages[value % len(stages)].pk, **common),
        "win": lambda: deals.win_deal(deal.pk, **common),
        "lose": lambda: deals.lose_deal(deal.pk, reason_id=reason, **common),
        "reopen": lambda: deals.reopen_deal(deal.pk, reason="again", **common),
        "archive": lambda: deals.archive_deal(deal.pk, actor=actor),
        "restore": lambda: deals.restore_deal(deal.pk, actor=actor),
        "amount": lambda: deals.change_deal(deal.pk, actor=actor, amount=Decimal(value)),
    }
    try:
        calls[what]()
    except ValidationError:
        assert Deal.objects.get(pk=deal.pk).version == deal.version, "a refusal changed something"


def check(deal: Deal) -> None:
    assert deal.status == deal.stage.kind
    assert deal.pipeline_id == deal.stage.pipeline_id
    assert (deal.closed_at is None) == (deal.status == "OPEN")
    assert (deal.lost_reason_id is not None) == (deal.status == "LOST")
    steps = list(deal.transitions.order_by("pk"))
    assert steps[0].from_stage_id is None
    for before, after in pairwise(steps):
        assert after.from_stage_id == before.to_stage_id
        assert after.at >= before.at
        assert after.seconds_in_stage == int((after.at - before.at).total_seconds())
    assert steps[-1].to_stage_id == deal.stage_id
    assert steps[-1].at == deal.stage_entered_at
    whole = (steps[-1].at - steps[0].at).total_seconds()
    spent = sum(step.seconds_in_stage or 0 for step in steps)
    # Each step rounds down to the second.
    assert 0 <= whole - spent < len(steps)
    facts = list(Event.objects.filter(subject=f"deal/{deal.pk}").order_by("sequence"))
    assert [fact.sequence for fact in facts] == list(range(1, len(facts) + 1))
    if facts:
        assert facts[-1].data["version"] == deal.version
        assert len(facts) == deal.version - 1


@pytest.mark.django_db
@given(steps=st.lists(STEPS, max_size=12))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_sequence_of_services_keeps_a_deal_whole(steps: list[tuple[str, int]], admin: User) -> None:
    deal = factories.make_deal(owner=admin)
    for what, value in steps:
        do(deal, what, value, admin)
        deal = Deal.objects.select_related("stage").get(pk=deal.pk)
        check(deal)
