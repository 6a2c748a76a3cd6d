"""The kept funnel says what the slow truth says, whoever asks, and however much of it was summed up."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from apps.accounts.models import AccessGrant, Team, User
from apps.crm.models import Deal, FunnelCell, FunnelMark, Stage
from apps.crm.reports import passages
from apps.crm.reports.choices import Choice
from apps.crm.services import deals, forecasts, pipelines
from tests.crm import factories, reporting
from tests.crm.factories import make_deal, stage
from tests.crm.reporting import ADMIN

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ALL = Choice("everything", date(2026, 1, 1), date(2026, 12, 31), date(2026, 1, 1))


@pytest.fixture
def vera() -> User:
    """Sells in another team, South."""
    return factories.make_salesperson("Vera Sell", factories.make_team("South"))


def told(actor: User, choice: Choice = ALL) -> dict[int | None, dict[str, Any]]:
    return {
        stage_id: {
            "entered": each.entered,
            "onward": each.onward,
            "won": each.won,
            "lost": each.lost,
            "half": each.days(0.5),
            "most": each.days(0.9),
        }
        for stage_id, each in passages.passages(actor, choice).items()
    }


def truth(actor: User, choice: Choice = ALL) -> dict[int | None, dict[str, Any]]:
    seen = list(Deal.objects.visible_to(actor).filter(**choice.rows))
    counted = reporting.funnel_truth(seen, choice.first, choice.last)
    return {
        stage_id: {
            **{name: counts[name] for name in ("entered", "onward", "won", "lost")},
            "half": reporting.share_of(counts["stays"], 0.5),
            "most": reporting.share_of(counts["stays"], 0.9),
        }
        for stage_id, counts in counted.items()
    }


def choices(people: list[User], team: Team) -> list[Choice]:
    spring = Choice("months", date(2026, 3, 1), date(2026, 4, 30), date(2026, 1, 1))
    return [
        ALL,
        spring,
        Choice("everything", ALL.first, ALL.last, ALL.since, owner_id=people[0].pk),
        Choice("everything", ALL.first, ALL.last, ALL.since, team_id=team.pk),
        Choice("everything", ALL.first, ALL.last, ALL.since, pipeline_id=factories.sales().pk),
    ]


@how(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
def test_it_is_exactly_the_slow_truth_for_everybody_summed_up_or_not(
    seed: int, anna: User, boris: User, vera: User, lena: User, admin: User, team: Team
) -> None:
    with reporting.taken_back():
        _hold_against_truth(seed, [anna, boris, vera], lena, admin, team)


def _hold_against_truth(seed: int, people: list[User], lena: User, admin: User, team: Team) -> None:
    everybody = [admin, lena, people[0], people[2]]
    now = reporting.live(people, admin, seed, steps=40, start=START)
    if seed % 2:
        forecasts.sum_up_funnel()
    reporting.live(people, admin, seed + 1, steps=15, start=now)
    for actor in everybody:
        for choice in choices(people, team):
            assert told(actor, choice) == truth(actor, choice), (actor, choice)
    forecasts.sum_up_funnel()
    assert not FunnelMark.objects.exists()
    for actor in everybody:
        for choice in choices(people, team):
            assert told(actor, choice) == truth(actor, choice), (actor, choice)


def test_what_is_summed_up_is_no_longer_read_from_the_deals(admin: User, anna: User, team: Team) -> None:
    with time_machine.travel(START):
        for _n in range(5):
            make_deal(owner=anna, team=team, opened_date=START.date())
    forecasts.sum_up_funnel()
    FunnelCell.objects.update(entered=77)
    assert {each["entered"] for each in told(admin).values()} == {77}


def test_each_way_in_which_a_deal_changes_is_noticed(
    admin: User, anna: User, boris: User, vera: User, team: Team
) -> None:
    begun: dict[str, Any] = {"opened_date": date(2026, 3, 5), "team": team}
    deal = make_deal(owner=anna, **begun)
    other = make_deal(owner=boris, **begun)
    forecasts.sum_up_funnel()
    deeds: list[Callable[[], object]] = [
        lambda: deals.move_deal(deal.pk, stage_id=stage("Proposal").pk, actor=admin, face=ADMIN),
        lambda: deals.win_deal(deal.pk, actor=admin, face=ADMIN),
        lambda: deals.reopen_deal(deal.pk, reason="x", actor=admin, face=ADMIN),
        lambda: deals.assign_deal(deal.pk, owner_id=vera.pk, actor=admin),
        lambda: deals.change_deal(deal.pk, actor=admin, opened_date=date(2026, 7, 1)),
        lambda: deals.archive_deal(deal.pk, actor=admin),
        lambda: deals.restore_deal(deal.pk, actor=admin),
        lambda: Deal.objects.filter(pk=other.pk).update(team=None),
        lambda: Deal.objects.filter(pk=other.pk).delete(),
        lambda: Stage.objects.filter(pk=stage("Proposal").pk).update(position=99),
    ]
    for number, deed in enumerate(deeds):
        deed()
        for actor in (admin, anna, boris, vera):
            assert told(actor) == truth(actor), number
        if number % 3 == 0:
            forecasts.sum_up_funnel()


def test_a_deal_that_is_shared_counts_with_ones_own_and_only_for_as_long(
    anna: User, vera: User, admin: User, team: Team
) -> None:
    own = make_deal(owner=vera, opened_date=date(2026, 3, 1))
    shared = make_deal(owner=anna, team=team, opened_date=date(2026, 3, 1))
    forecasts.sum_up_funnel()
    assert told(vera) == truth(vera)
    grant = AccessGrant.objects.create(
        user=vera,
        content_type_id=_content_type(),
        object_id=shared.pk,
        actions=["view"],
        reason="Help",
        granted_by=admin,
        expires_at=timezone.now() + timedelta(days=1),
    )
    guest = User.objects.get(pk=vera.pk)
    assert told(guest) == truth(guest)
    assert told(guest)[None]["entered"] == 2
    AccessGrant.objects.filter(pk=grant.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert told(User.objects.get(pk=vera.pk))[None]["entered"] == 1
    assert own.owner == vera


def _content_type() -> int:
    from django.contrib.contenttypes.models import ContentType

    return ContentType.objects.get_for_model(Deal).pk


def test_who_may_see_no_deal_counts_none(admin: User, anna: User) -> None:
    make_deal(owner=anna, opened_date=date(2026, 3, 1))
    assert told(factories.make_user("Nina")) == {}
    forecasts.sum_up_funnel()
    assert told(factories.make_user("Nora")) == {}


def test_deals_of_other_pipelines_are_apart(admin: User, anna: User) -> None:
    other = pipelines.create_pipeline(name="Renewals", actor=admin)
    first = other.stages.get(kind="OPEN")
    make_deal(owner=anna, opened_date=date(2026, 3, 1))
    make_deal(owner=anna, stage=first, opened_date=date(2026, 3, 1))
    choice = Choice("everything", ALL.first, ALL.last, ALL.since, pipeline_id=other.pk)
    for _time in range(2):
        assert told(admin, choice) == truth(admin, choice)
        assert told(admin, choice)[None]["entered"] == 1
        forecasts.sum_up_funnel()


def test_totals_by_person_and_team_are_those_of_the_deals(
    admin: User, anna: User, boris: User, team: Team
) -> None:
    dice = random.Random(7)
    for owner in (anna, anna, boris):
        status = dice.choice(["OPEN", "WON", "LOST"])
        make_deal(owner=owner, team=dice.choice([team, None]), status=status, opened_date=date(2026, 3, 1))
    for _time in range(2):
        found = passages.totals(admin, ALL)
        known = set(Deal.objects.values_list("owner_id", "team_id"))
        assert {key: each.entered for key, each in found.items()} == {
            (owner_id, team_id): Deal.objects.filter(owner=owner_id, team=team_id).count()
            for owner_id, team_id in known
        }
        forecasts.sum_up_funnel()


def test_too_many_changes_are_summed_up_before_anybody_waits_for_them(
    admin: User, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passages, "MOST_MARKED", 1)
    make_deal(owner=anna, opened_date=date(2026, 3, 1))
    make_deal(owner=anna, opened_date=date(2026, 4, 1))
    with pytest.raises(passages.Preparing) as refused:
        told(admin)
    assert refused.value.waiting == 2
    assert forecasts.sum_up_funnel() == 2
    assert told(admin) == truth(admin)


def test_summing_up_takes_many_cells_at_a_time_and_leaves_none(
    admin: User, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passages, "CELLS", 2)
    for month in range(1, 8):
        make_deal(owner=anna, opened_date=date(2026, month, 3))
    assert forecasts.sum_up_funnel() == 7
    assert told(admin) == truth(admin)
    assert forecasts.sum_up_funnel() == 0


def test_the_policy_adds_no_question(admin: User, anna: User, lena: User) -> None:
    make_deal(owner=anna, opened_date=date(2026, 3, 1))
    counts = {}
    for actor in (admin, lena, anna):
        passages.passages(actor, ALL)
        with CaptureQueriesContext(connection) as asked:
            passages.passages(actor, ALL)
        counts[actor] = len(asked)
    assert set(counts.values()) == {2}
