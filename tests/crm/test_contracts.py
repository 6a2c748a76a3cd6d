"""Stage contracts: what a stage asks for is asked by every face, and said before anybody tries."""

from datetime import date
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.crm.models import Deal, Stage, StageApproval, StageTransition
from apps.crm.services import boards, bulk, contracts, deals, pipelines
from apps.crm.services.contracts import ContractUnmet
from apps.lists.bulk import Chosen, How
from tests.crm.factories import make_admin, make_deal, stage
from tests.crm.quoting import ask_for

pytestmark = pytest.mark.django_db
ADMIN = StageTransition.Face.ADMIN
NEEDS_DAY = ("field", {"field": "deal.expected_close_date"})


def missing(deal: Deal, target: str) -> list[str]:
    with pytest.raises(ContractUnmet) as refused:
        deals.move_deal(deal.pk, stage_id=stage(target).pk, actor=deal.owner, face=ADMIN)
    return [one["label"] for one in refused.value.facts["missing"]]


def stages() -> list[Stage]:
    return list(Stage.objects.filter(pipeline__is_default=True, kind="OPEN").order_by("position"))


def test_a_deal_goes_on_once_it_has_what_its_stage_asks_for(deal: Deal, anna: User) -> None:
    first, second, *_rest = stages()
    ask_for(first, NEEDS_DAY)
    assert missing(deal, second.name) == ["expected close"]
    deals.change_deal(deal.pk, actor=anna, expected_close_date=date(2027, 1, 1))
    assert deals.move_deal(deal.pk, stage_id=second.pk, actor=anna, face=ADMIN).stage_id == second.pk


def test_each_stage_that_is_passed_over_asks(deal: Deal) -> None:
    first, second, third, *_rest = stages()
    ask_for(first, NEEDS_DAY)
    ask_for(second, ("field", {"field": "deal.next_step"}))
    assert missing(deal, third.name) == ["expected close", "next step"]
    assert missing(deal, second.name) == ["expected close"]


def test_moving_back_is_free(anna: User) -> None:
    first, second, *_rest = stages()
    deal = make_deal(owner=anna, stage=second)
    ask_for(first, NEEDS_DAY)
    ask_for(second, NEEDS_DAY)
    assert deals.move_deal(deal.pk, stage_id=first.pk, actor=anna, face=ADMIN).stage_id == first.pk


def test_winning_needs_what_the_stage_asks_for(deal: Deal, anna: User) -> None:
    first, second, *_rest = stages()
    ask_for(second, NEEDS_DAY)
    ask_for(first, ("quote", {}))
    with pytest.raises(ContractUnmet) as refused:
        deals.win_deal(deal.pk, actor=anna, face=ADMIN)
    assert [one["kind"] for one in refused.value.facts["missing"]] == ["quote"]
    deal.refresh_from_db()
    assert deal.status == Deal.Status.OPEN


def _bulk(what: str) -> Any:
    def run(deal: Deal, actor: User) -> None:
        if what == "win":
            refused = bulk.win_deals([deal.pk], {}, actor=actor, face="API")
        else:
            choice = {"move": Chosen(How.DO, stages()[1])}
            refused = bulk.move_deals([deal.pk], choice, actor=actor, face="API")
        if refused:
            raise refused[deal.pk]

    return run


FACES = {
    "move": lambda deal, actor: deals.move_deal(deal.pk, stage_id=stages()[1].pk, actor=actor, face=ADMIN),
    "switch": lambda deal, actor: deals.switch_pipeline(
        deal.pk, stage_id=stages()[1].pk, actor=actor, face=ADMIN
    ),
    "win": lambda deal, actor: deals.win_deal(deal.pk, actor=actor, face=ADMIN),
    "board": lambda deal, actor: boards.move_on_board(
        deal.pk, stage_id=stages()[1].pk, actor=actor, face=ADMIN
    ),
    "many moved": _bulk("move"),
    "many won": _bulk("win"),
}


@pytest.mark.parametrize("face", FACES)
def test_every_way_asks(deal: Deal, anna: User, face: str) -> None:
    ask_for(stages()[0], NEEDS_DAY)
    with pytest.raises(ContractUnmet):
        FACES[face](deal, anna)
    deal.refresh_from_db()
    assert (deal.stage_id, deal.status) == (stages()[0].pk, "OPEN")


def test_the_api_tells_what_is_missing(deal: Deal, anna: User) -> None:
    first, second, *_rest = stages()
    ask_for(first, NEEDS_DAY)
    client = APIClient()
    client.force_authenticate(anna)
    answer = client.post(f"/api/v1/crm/deals/{deal.pk}/move/", {"stage": second.pk}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "contract_unmet")
    (one,) = answer.json()["missing"]
    assert (one["kind"], one["label"], one["stage"]) == ("field", "expected close", first.pk)
    assert one["url"] == f"/admin/crm/deal/{deal.pk}/change/#id_expected_close_date"
    before = client.get(f"/api/v1/crm/deals/{deal.pk}/contract/").json()
    assert before["missing"] == [one]
    assert before["criteria_version"] == 1


def test_somebody_with_the_right_approves_a_step(deal: Deal, anna: User, lena: User) -> None:
    first, second, *_rest = stages()
    key = ask_for(first, ("approval", {})).exit_criteria[0]["key"]
    asked = contracts.request_approval(deal.pk, criterion=key, actor=anna, note="Big one")
    with pytest.raises(PermissionDenied):
        contracts.decide_approval(asked.pk, is_approved=True, actor=anna)
    with pytest.raises(ValidationError):
        contracts.request_approval(deal.pk, criterion=key, actor=anna)
    boss = make_admin()
    with pytest.raises(ValidationError):
        contracts.decide_approval(asked.pk, is_approved=False, actor=boss)
    contracts.decide_approval(asked.pk, is_approved=False, reason="Too cheap", actor=boss)
    assert missing(deal, second.name) == ["the approval of a lead"]
    again = contracts.request_approval(deal.pk, criterion=key, actor=anna)
    contracts.decide_approval(again.pk, is_approved=True, actor=boss)
    assert deals.move_deal(deal.pk, stage_id=second.pk, actor=anna, face=ADMIN).stage_id == second.pk
    with pytest.raises(ValidationError):
        contracts.decide_approval(again.pk, is_approved=True, actor=boss)
    assert StageApproval.objects.filter(deal=deal).count() == 2


def test_a_stranger_learns_of_no_approval(deal: Deal, anna: User, boris: User) -> None:
    key = ask_for(stages()[0], ("approval", {})).exit_criteria[0]["key"]
    asked = contracts.request_approval(deal.pk, criterion=key, actor=anna)
    with pytest.raises(ObjectDoesNotExist):
        contracts.decide_approval(asked.pk, is_approved=True, actor=boris)


@pytest.mark.parametrize(
    "given",
    [
        [{"kind": "nothing"}],
        [{"kind": "field", "params": {"field": "deal.password"}}],
        [{"kind": "document", "params": {"type": "contract", "status": "LOST"}}],
        [{"kind": "quote"}, {"kind": "quote"}],
        [{"kind": "quote", "key": str(number)} for number in range(21)],
        "quote",
    ],
)
def test_what_a_stage_cannot_ask_for(given: Any, db: None) -> None:
    with pytest.raises(ValidationError):
        pipelines.change_stage(stages()[0].pk, actor=make_admin(), exit_criteria=given)


def test_criteria_are_counted_on(db: None) -> None:
    first = stages()[0]
    assert ask_for(first, NEEDS_DAY).criteria_version == 1
    assert ask_for(first, ("quote", {})).criteria_version == 2
    won = Stage.objects.get(pipeline__is_default=True, kind="WON")
    with pytest.raises(ValidationError):
        ask_for(won, ("quote", {}))


def test_a_move_costs_one_question_where_nothing_is_asked_for(
    deal: Deal, anna: User, django_assert_num_queries: Any
) -> None:
    target = stages()[1]
    with django_assert_num_queries(1):
        contracts.require_contract(deal, target)


def test_a_hundred_deals_cost_no_more_than_one(anna: User, django_assert_num_queries: Any) -> None:
    ask_for(stages()[0], NEEDS_DAY, ("quote", {}), ("approval", {}))
    second = stages()[1]
    target = {second.pipeline_id: second}
    for count in (1, 30):
        found = [make_deal(owner=anna) for _number in range(count)]
        # Stages, their places, and one for each kind.
        with django_assert_num_queries(5):
            assert len(contracts.lacking(found, target)) == count


def test_the_page_says_it_before_anybody_tries(deal: Deal, anna: User, client: Client) -> None:
    ask_for(stages()[0], NEEDS_DAY)
    client.force_login(anna)
    page = client.get(f"/admin/crm/deal/{deal.pk}/change/").content.decode()
    assert 'id="contract"' in page
    assert "#id_expected_close_date" in page
