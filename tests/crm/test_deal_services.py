"""What happens to a deal, and what is refused, through its services."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import signals
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.crm import events
from apps.crm.models import Deal, LostReason, StageTransition, Tag
from apps.crm.services import deals, lines, pipelines
from apps.events.models import Event
from tests.crm import factories
from tests.crm.factories import stage

Face = StageTransition.Face
pytestmark = pytest.mark.django_db


def code_of(refused: pytest.ExceptionInfo[ValidationError]) -> str | None:
    """The code of the only refusal, be it of a field or of the whole."""
    (error,) = refused.value.error_list if hasattr(refused.value, "error_list") else _of_fields(refused.value)
    return error.code


def _of_fields(refused: ValidationError) -> list[ValidationError]:
    return [error for errors in refused.error_dict.values() for error in errors]


def facts() -> list[str]:
    return [kind.removeprefix("crm.") for kind in Event.objects.order_by("pk").values_list("type", flat=True)]


def price() -> int:
    return LostReason.objects.get(name="Price").pk


def test_a_new_deal_begins_in_the_first_stage_as_the_actors_own(anna: User, team: Team) -> None:
    deal = deals.create_deal(actor=anna, face=Face.API, title="Desks", amount=Decimal("12.50"))
    deal.refresh_from_db()
    assert (deal.stage.name, deal.status, deal.probability) == ("Prospecting", "OPEN", 10)
    assert (deal.owner, deal.team, deal.created_by, deal.currency) == (anna, team, anna, "RUB")
    assert deal.number.startswith(f"D-{timezone.now().year}-")
    step = deal.transitions.get()
    assert (step.from_stage, step.to_stage, step.face, step.amount) == (
        None,
        deal.stage,
        "API",
        Decimal("12.50"),
    )
    assert facts() == ["deal.created.v1"]


def test_numbers_never_repeat(anna: User) -> None:
    numbers = {deals.create_deal(actor=anna, face=Face.API, title=str(i)).number for i in range(5)}
    assert len(numbers) == 5


def test_a_new_deal_may_name_everything(anna: User) -> None:
    company = factories.make_company(owner=anna)
    person = factories.make_person(owner=anna)
    tag = Tag.objects.create(name="vip")
    deal = deals.create_deal(
        actor=anna,
        face=Face.ADMIN,
        title="Desks",
        stage_id=stage("Proposal").pk,
        company_id=company.pk,
        person_id=person.pk,
        probability=60,
        currency="EUR",
        tag_ids=[tag.pk],
        at=timezone.now() - timedelta(days=10),
    )
    deal.refresh_from_db()
    assert (deal.company, deal.person, deal.probability) == (company, person, 60)
    assert deal.is_probability_manual
    assert deal.opened_date == (timezone.now() - timedelta(days=10)).date()
    assert list(deal.tags.all()) == [tag]
    assert Event.objects.get().data["company"] == {"id": company.pk, "name": company.name}


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"title": ""}, "title", "blank"),
        ({"title": "x" * 201}, "title", "max_length"),
        ({"amount": Decimal(-1)}, "amount", "min_value"),
        ({"amount": Decimal("1e17")}, "amount", "max_whole_digits"),
        ({"currency": "rubles"}, "currency", "currency"),
        ({"probability": 101}, "probability", "max_value"),
        ({"company_id": 10**9}, "company", "not_found"),
        ({"person_id": 10**9}, "person", "not_found"),
        ({"tag_ids": [10**9]}, "tags", "not_found"),
        ({"stage_id": 10**9}, "stage", "not_found"),
        ({"at": timezone.now() + timedelta(days=1)}, "at", "time_order"),
    ],
)
def test_a_value_that_cannot_be_is_refused_under_its_field(
    anna: User, fields: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        deals.create_deal(**{"actor": anna, "face": Face.API, "title": "Desks", **fields})
    assert code in {error.code for error in refused.value.error_dict[field]}
    assert not Deal.objects.exists()


def test_rows_of_others_cannot_be_linked(anna: User, boris: User) -> None:
    foreign = factories.make_company(owner=boris)
    with pytest.raises(ValidationError) as refused:
        deals.create_deal(actor=anna, face=Face.API, title="Desks", company_id=foreign.pk)
    assert code_of(refused) == "not_found"
    common = factories.make_company()
    deal = deals.create_deal(actor=anna, face=Face.API, title="Desks", company_id=common.pk)
    assert deal.company_id == common.pk


def test_a_link_that_a_colleague_made_survives_an_edit(anna: User, boris: User) -> None:
    deal = factories.make_deal(owner=anna, company=factories.make_company(owner=boris))
    deals.change_deal(deal.pk, actor=anna, title="New", company_id=deal.company_id)
    assert Deal.objects.get(pk=deal.pk).title == "New"


def test_who_may_not_assign_cannot_open_deals_for_others(anna: User, boris: User, lena: User) -> None:
    with pytest.raises(PermissionDenied):
        deals.create_deal(actor=anna, face=Face.API, title="Desks", owner_id=boris.pk)
    deal = deals.create_deal(actor=lena, face=Face.API, title="Desks", owner_id=boris.pk)
    assert deal.owner_id == boris.pk


def test_a_deal_that_would_lie_beyond_the_actors_reach_is_refused_with_all_that_belongs_to_it(
    boris: User,
) -> None:
    role = factories.make_role(
        {
            "crm.add_deal": "OWN",
            "crm.assign_deal": "ALL",
            "crm.view_deal": "ALL",
            "crm.view_pipeline": "ALL",
            "accounts.view_user": "ALL",
        }
    )
    clerk = factories.join(factories.make_user("Clerk"), factories.make_team(), role)
    own = deals.create_deal(actor=clerk, face=Face.API, title="Desks")
    with pytest.raises(PermissionDenied):
        deals.create_deal(actor=clerk, face=Face.API, title="Desks", owner_id=boris.pk)
    assert list(Deal.objects.values_list("pk", flat=True)) == [own.pk]
    assert list(StageTransition.objects.values_list("deal", flat=True)) == [own.pk]
    assert facts() == ["deal.created.v1"]


def test_what_is_told_of_a_new_deal_is_what_is_read_of_it_later(anna: User) -> None:
    named: dict[str, Any] = {
        "company_id": factories.make_company(owner=anna).pk,
        "person_id": factories.make_person(owner=anna).pk,
    }
    tag = Tag.objects.create(name="hot").pk
    for fields in ({}, named, {**named, "tag_ids": [tag]}):
        deal = deals.create_deal(actor=anna, face=Face.API, title="O'Neil 50%", next_step="call", **fields)
        ((_pk, snapshot),) = events.deal_snapshots([deal.pk])
        told = Event.objects.get(subject=f"deal/{deal.pk}").data
        assert told == json.loads(json.dumps(snapshot, cls=DjangoJSONEncoder))
        assert told["tags"] == (["hot"] if "tag_ids" in fields else [])


def test_nobody_waits_for_the_signals_that_a_new_deal_does_not_send() -> None:
    for model in (Deal, StageTransition):
        assert model.save is models.Model.save
        assert not any(each.has_listeners(model) for each in (signals.pre_save, signals.post_save))


def test_a_move_writes_the_story(deal: Deal, anna: User) -> None:
    deals.move_deal(deal.pk, stage_id=stage("Engaging").pk, actor=anna, face=Face.BOT, reason="They called")
    deal.refresh_from_db()
    assert (deal.stage.name, deal.probability, deal.version) == ("Engaging", 30, 2)
    step = deal.transitions.latest("pk")
    assert (step.from_stage, step.face, step.reason, step.actor) == (
        stage("Prospecting"),
        "BOT",
        "They called",
        anna,
    )
    assert step.seconds_in_stage == pytest.approx(3 * 86400, abs=60)
    event = Event.objects.get()
    assert event.type == "crm.deal.moved.v1"
    assert event.data["stage"]["name"] == "Engaging"
    assert event.data["transition"]["from_stage_id"] == stage("Prospecting").pk


def test_a_move_to_where_it_stands_does_nothing(deal: Deal, anna: User) -> None:
    deals.move_deal(deal.pk, stage_id=deal.stage_id, actor=anna, face=Face.API)
    assert facts() == []
    assert Deal.objects.get(pk=deal.pk).version == 1


def test_a_probability_set_by_hand_stays_until_it_is_given_back(deal: Deal, anna: User) -> None:
    deals.change_deal(deal.pk, actor=anna, probability=80)
    deals.move_deal(deal.pk, stage_id=stage("Engaging").pk, actor=anna, face=Face.API)
    assert Deal.objects.get(pk=deal.pk).probability == 80
    deals.change_deal(deal.pk, actor=anna, probability=None)
    assert Deal.objects.get(pk=deal.pk).probability == 30


def test_won(deal: Deal, anna: User) -> None:
    deals.win_deal(deal.pk, actor=anna, face=Face.ADMIN)
    deal.refresh_from_db()
    assert (deal.status, deal.stage.name, deal.probability) == ("WON", "Won", 100)
    assert deal.closed_at == deal.stage_entered_at == deal.transitions.latest("pk").at
    assert facts() == ["deal.won.v1"]


def test_lost_for_a_reason(deal: Deal, anna: User) -> None:
    deals.lose_deal(deal.pk, reason_id=price(), note="Twice ours", actor=anna, face=Face.ADMIN)
    deal.refresh_from_db()
    assert (deal.status, deal.stage.name, deal.probability) == ("LOST", "Lost", 0)
    assert (deal.lost_reason_id, deal.lost_note) == (price(), "Twice ours")
    assert deal.transitions.latest("pk").reason == "Price: Twice ours"
    assert Event.objects.get().data["lost_reason"] == {"id": price(), "name": "Price"}


def test_a_reason_that_is_no_longer_offered_is_refused(deal: Deal, anna: User) -> None:
    LostReason.objects.filter(pk=price()).update(is_active=False)
    with pytest.raises(ValidationError) as refused:
        deals.lose_deal(deal.pk, reason_id=price(), actor=anna, face=Face.ADMIN)
    assert code_of(refused) == "not_found"


def test_reopened_where_it_was_closed(deal: Deal, anna: User) -> None:
    deals.move_deal(deal.pk, stage_id=stage("Proposal").pk, actor=anna, face=Face.API)
    deals.lose_deal(deal.pk, reason_id=price(), note="n", actor=anna, face=Face.API)
    deals.reopen_deal(deal.pk, reason="They came back", actor=anna, face=Face.API)
    deal.refresh_from_db()
    assert (deal.status, deal.stage.name, deal.probability) == ("OPEN", "Proposal", 50)
    assert (deal.closed_at, deal.lost_reason, deal.lost_note) == (None, None, "")
    assert facts()[-1] == "deal.reopened.v1"


def test_reopened_in_the_first_stage_when_it_came_in_closed(anna: User) -> None:
    deal = factories.make_deal(owner=anna, status="WON")
    deals.reopen_deal(deal.pk, reason="Signed by mistake", actor=anna, face=Face.API)
    assert Deal.objects.get(pk=deal.pk).stage.name == "Prospecting"


@pytest.mark.parametrize(
    ("service", "arguments", "code"),
    [
        (deals.win_deal, {"face": Face.API}, "deal_not_open"),
        (deals.lose_deal, {"face": Face.API, "reason_id": 1}, "deal_not_open"),
        (deals.move_deal, {"face": Face.API, "stage_id": 1}, "deal_not_open"),
        (deals.switch_pipeline, {"face": Face.API, "stage_id": 1}, "deal_not_open"),
        (deals.change_deal, {"probability": 5}, "deal_not_open"),
    ],
)
def test_a_closed_deal_refuses(anna: User, service: Any, arguments: dict[str, Any], code: str) -> None:
    deal = factories.make_deal(owner=anna, status="WON")
    with pytest.raises(ValidationError) as refused:
        service(deal.pk, actor=anna, **arguments)
    assert code_of(refused) == code
    assert facts() == []


def test_a_closed_deal_can_still_be_corrected(anna: User) -> None:
    deal = factories.make_deal(owner=anna, status="WON")
    deals.change_deal(deal.pk, actor=anna, amount=Decimal(7))
    assert Deal.objects.get(pk=deal.pk).amount == 7


def test_an_open_deal_cannot_be_opened(deal: Deal, anna: User) -> None:
    with pytest.raises(ValidationError) as refused:
        deals.reopen_deal(deal.pk, reason="x", actor=anna, face=Face.API)
    assert code_of(refused) == "deal_open"


def test_opening_again_needs_a_reason(anna: User) -> None:
    deal = factories.make_deal(owner=anna, status="WON")
    with pytest.raises(ValidationError) as refused:
        deals.reopen_deal(deal.pk, reason="  ", actor=anna, face=Face.API)
    assert code_of(refused) == "required"


@pytest.mark.parametrize(("name", "code"), [("Won", "stage_closes"), ("Lost", "stage_closes")])
def test_closing_stages_are_not_moved_to(deal: Deal, anna: User, name: str, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        deals.move_deal(deal.pk, stage_id=stage(name).pk, actor=anna, face=Face.API)
    assert code_of(refused) == code


def test_another_pipeline_is_entered_on_purpose_only(deal: Deal, anna: User, admin: User) -> None:
    other = pipelines.create_pipeline(name="Service", actor=admin).stages.get(kind="OPEN")
    with pytest.raises(ValidationError) as refused:
        deals.move_deal(deal.pk, stage_id=other.pk, actor=anna, face=Face.API)
    assert code_of(refused) == "other_pipeline"
    deals.switch_pipeline(deal.pk, stage_id=other.pk, actor=anna, face=Face.API)
    deal.refresh_from_db()
    assert (deal.pipeline.name, deal.stage_id, deal.probability) == ("Service", other.pk, 10)


def test_given_to_somebody_else_with_their_team(deal: Deal, lena: User, boris: User, team: Team) -> None:
    deals.assign_deal(deal.pk, owner_id=boris.pk, actor=lena)
    deal.refresh_from_db()
    assert (deal.owner, deal.team) == (boris, team)
    assert Event.objects.get().data["previous_owner"]["name"] == "Anna Sell"


def test_not_given_to_who_has_left(deal: Deal, lena: User, boris: User) -> None:
    User.objects.filter(pk=boris.pk).update(is_active=False)
    with pytest.raises(ValidationError) as refused:
        deals.assign_deal(deal.pk, owner_id=boris.pk, actor=lena)
    assert code_of(refused) == "inactive"


def test_the_trash_holds_a_deal_still(deal: Deal, anna: User) -> None:
    deals.archive_deal(deal.pk, actor=anna)
    with pytest.raises(ValidationError) as refused:
        deals.win_deal(deal.pk, actor=anna, face=Face.API)
    assert code_of(refused) == "archived"
    with pytest.raises(ValidationError) as refused:
        deals.change_deal(deal.pk, actor=anna, title="x")
    assert code_of(refused) == "archived"
    with pytest.raises(ValidationError) as refused:
        deals.archive_deal(deal.pk, actor=anna)
    assert code_of(refused) == "archived"
    deals.restore_deal(deal.pk, actor=anna)
    with pytest.raises(ValidationError) as refused:
        deals.restore_deal(deal.pk, actor=anna)
    assert code_of(refused) == "not_archived"
    assert facts() == ["deal.archived.v1", "deal.restored.v1"]


ALL = [
    (deals.change_deal, {"title": "x"}),
    (deals.move_deal, {"stage_id": 1, "face": Face.API}),
    (deals.switch_pipeline, {"stage_id": 1, "face": Face.API}),
    (deals.win_deal, {"face": Face.API}),
    (deals.lose_deal, {"reason_id": 1, "face": Face.API}),
    (deals.reopen_deal, {"reason": "x", "face": Face.API}),
    (deals.assign_deal, {"owner_id": 1}),
    (deals.archive_deal, {}),
    (deals.restore_deal, {}),
    (lines.change_lines, {}),
]


@pytest.mark.parametrize(("service", "arguments"), ALL)
def test_out_of_sight_is_not_there(deal: Deal, boris: User, service: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(Deal.DoesNotExist):
        service(deal.pk, actor=boris, **arguments)


@pytest.mark.parametrize(("service", "arguments"), ALL)
def test_in_sight_but_not_allowed(deal: Deal, auditor: User, service: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(PermissionDenied):
        service(deal.pk, actor=auditor, **arguments)


@pytest.mark.parametrize(("service", "arguments"), ALL)
def test_the_slower_of_two_is_told(deal: Deal, admin: User, service: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        service(deal.pk, actor=admin, expected_version=deal.version - 1, **arguments)
    assert code_of(refused) == "stale"


def test_an_edit_that_changes_nothing_tells_nothing(deal: Deal, anna: User) -> None:
    deals.change_deal(deal.pk, actor=anna, title=deal.title, amount=Decimal("1000.00"), expected_version=1)
    assert (facts(), Deal.objects.get(pk=deal.pk).version) == ([], 1)


def test_a_moment_before_the_last_one_is_refused(deal: Deal, anna: User) -> None:
    early = deal.stage_entered_at - timedelta(seconds=1)
    with pytest.raises(ValidationError) as refused:
        deals.win_deal(deal.pk, actor=anna, face=Face.API, at=early)
    assert code_of(refused) == "time_order"


def test_lines_are_added_changed_and_removed_in_one_step(deal: Deal, anna: User) -> None:
    desk, chair = factories.make_product("Desk"), factories.make_product("Chair", currency="EUR")
    lines.change_lines(deal.pk, actor=anna, add=[lines.NewLine(desk.pk), lines.NewLine(chair.pk, Decimal(4))])
    first, second = deal.lines.order_by("position")
    assert (first.unit_price, first.quantity, second.unit_price) == (Decimal(100), Decimal(1), None)
    lines.change_lines(deal.pk, actor=anna, change={first.pk: {"quantity": Decimal(40)}}, remove=[second.pk])
    assert [(line.product, line.quantity) for line in deal.lines.all()] == [(desk, Decimal(40))]
    assert facts() == ["deal.changed.v1", "deal.changed.v1"]
    assert Deal.objects.get(pk=deal.pk).version == 3


def test_a_line_of_nothing_is_refused_with_the_whole_step(deal: Deal, anna: User) -> None:
    desk = factories.make_product("Desk")
    with pytest.raises(ValidationError):
        lines.change_lines(
            deal.pk, actor=anna, add=[lines.NewLine(desk.pk), lines.NewLine(desk.pk, Decimal(0))]
        )
    assert not deal.lines.exists()


def test_a_line_of_another_deal_is_not_there(deal: Deal, anna: User) -> None:
    other = factories.make_deal(owner=anna)
    lines.change_lines(other.pk, actor=anna, add=[lines.NewLine(factories.make_product().pk)])
    with pytest.raises(other.lines.model.DoesNotExist):
        lines.change_lines(deal.pk, actor=anna, remove=[other.lines.get().pk])
