"""Two at once, over connections of their own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections

from apps.accounts.models import User
from apps.crm.models import Deal, StageTransition
from apps.crm.services import deals
from apps.events.models import Event
from tests.crm import factories
from tests.crm.factories import stage

pytestmark = pytest.mark.django_db(transaction=True)
Face = StageTransition.Face


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at the same moment; return what each returned, or the code of its refusal."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=20)
        try:
            return call()
        except ValidationError as refused:
            return refused.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_two_winners_of_one_deal_are_one(deal: Deal, anna: User) -> None:
    def win() -> str:
        return deals.win_deal(deal.pk, actor=User.objects.get(pk=anna.pk), face=Face.API).status

    assert sorted(at_once(*[win] * 8)) == ["WON", *["deal_not_open"] * 7]
    assert Event.objects.filter(type="crm.deal.won.v1").count() == 1
    assert deal.transitions.filter(to_stage=stage("Won")).count() == 1


def test_moves_at_once_leave_one_unbroken_story(deal: Deal, anna: User) -> None:
    places = [stage(name).pk for name in ["Engaging", "Proposal", "Negotiation"]] * 2

    def move(place: int) -> Callable[[], Any]:
        return lambda: deals.move_deal(
            deal.pk, stage_id=place, actor=User.objects.get(pk=anna.pk), face=Face.API
        )

    at_once(*map(move, places))
    steps = list(deal.transitions.order_by("pk"))
    assert [step.from_stage_id for step in steps[1:]] == [step.to_stage_id for step in steps[:-1]]
    deal.refresh_from_db()
    assert deal.stage_id == steps[-1].to_stage_id
    assert deal.version == len(steps)


def test_of_two_edits_of_one_state_one_is_told(deal: Deal, anna: User) -> None:
    def change(title: str) -> Callable[[], Any]:
        return lambda: (
            deals.change_deal(
                deal.pk, actor=User.objects.get(pk=anna.pk), expected_version=1, title=title
            ).title
        )

    outcome = at_once(change("First"), change("Second"))
    assert outcome.count("stale") == 1
    deal.refresh_from_db()
    assert deal.title in outcome


def test_companies_hung_under_each_other_at_once_stay_a_tree(db: None) -> None:
    from apps.crm.services.companies import change_company

    admin = factories.make_admin()
    first, second = factories.make_company(), factories.make_company()
    outcome = at_once(
        lambda: change_company(first.pk, actor=admin, parent_id=second.pk).pk,
        lambda: change_company(second.pk, actor=admin, parent_id=first.pk).pk,
    )
    assert outcome.count("company_parent_cycle") == 1
