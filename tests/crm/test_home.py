"""The home page's figures: exact on made data, in the person's calendar, and kept without becoming anybody else's."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.crm.home import figures, kept
from apps.crm.home.page import sections_of
from apps.crm.home.periods import Periods, Span, midnight
from apps.crm.home.worth import Worth
from apps.crm.models import Deal, LostReason, Stage, StageTransition, Step
from apps.crm.services import deals
from tests.crm import factories
from tests.crm.factories import make_deal, stage

pytestmark = pytest.mark.django_db
ADMIN = StageTransition.Face.ADMIN
# A Wednesday.
NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
PERIODS = Periods(NOW.date())


@pytest.fixture(autouse=True)
def nothing_kept(redis_url: str) -> None:
    """Figures that another test kept are none of this one's."""


# Periods


@pytest.mark.parametrize(
    ("today", "so_far"),
    [
        (date(2026, 11, 18), Span(date(2026, 10, 1), date(2026, 10, 18))),
        (date(2026, 3, 31), Span(date(2026, 2, 1), date(2026, 2, 28))),
        (date(2028, 3, 30), Span(date(2028, 2, 1), date(2028, 2, 29))),
        (date(2026, 1, 1), Span(date(2025, 12, 1), date(2025, 12, 1))),
    ],
)
def test_last_month_is_compared_up_to_the_same_day(today: date, so_far: Span) -> None:
    assert Periods(today).last_month_so_far == so_far


def test_a_year_of_months_ends_today_and_leaves_no_gap() -> None:
    months = PERIODS.months
    assert (len(months), months[0].first, months[-1]) == (
        12,
        date(2025, 12, 1),
        Span(date(2026, 11, 1), NOW.date()),
    )
    assert all(one.last + timedelta(days=1) == other.first for one, other in pairwise(months))


@pytest.mark.parametrize(
    ("today", "monday"),
    [
        (date(2026, 11, 18), date(2026, 11, 16)),
        (date(2026, 11, 22), date(2026, 11, 16)),
        # On a Monday the week that was is what one talks about.
        (date(2026, 11, 23), date(2026, 11, 16)),
    ],
)
def test_the_week_is_since_monday(today: date, monday: date) -> None:
    assert Periods(today).week == Span(monday, today)


def test_a_day_begins_at_the_midnight_of_the_zone_also_when_the_clock_changes() -> None:
    with timezone.override("Europe/Berlin"):
        spring = Span(date(2026, 3, 29), date(2026, 3, 29))
        assert spring.ends_at.astimezone(UTC) - spring.begins_at.astimezone(UTC) == timedelta(hours=23)
    with timezone.override("Asia/Tokyo"):
        assert midnight(date(2026, 11, 1)).astimezone(UTC) == datetime(2026, 10, 31, 15, tzinfo=UTC)


# Worth


def test_sums_of_different_currencies_stay_apart_that_of_the_books_first() -> None:
    worth = Worth()
    worth.add(2, "EUR", Decimal(5))
    worth.add(1, "RUB", Decimal(7))
    worth.add(1, "AED", Decimal(3))
    worth.add(1, "RUB", None)
    assert (worth.count, worth.main) == (5, Decimal(7))
    assert worth.sums == [("RUB", Decimal(7)), ("AED", Decimal(3)), ("EUR", Decimal(5))]


# What is open


def open_worth(actor: User) -> figures.Funnel:
    return figures.funnel_of(figures.count_open(actor), actor)


def test_open_deals_are_summed_by_stage_and_weighted(anna: User, lena: User, team: Team) -> None:
    make_deal(owner=anna, team=team, amount=Decimal(100), probability=10)
    make_deal(owner=anna, team=team, amount=Decimal(7), currency="USD", probability=50)
    make_deal(owner=lena, team=team, amount=Decimal(50), stage=stage("Engaging"), probability=100)
    make_deal(owner=anna, team=team, amount=None)
    make_deal(owner=anna, team=team, amount=Decimal(999), status="WON")
    make_deal(owner=anna, team=team, amount=Decimal(999), archived_at=timezone.now())

    funnel = open_worth(lena)

    assert (funnel.total.all.count, funnel.total.all.amounts) == (4, {"RUB": Decimal(150), "USD": Decimal(7)})
    assert funnel.total.weighted.amounts == {"RUB": Decimal(60), "USD": Decimal("3.5")}
    assert (funnel.mine.all.count, funnel.mine.all.amounts) == (1, {"RUB": Decimal(50)})
    by_name = {each.stage.name: each.worth.all.count for each in funnel.stages}
    assert by_name == {"Prospecting": 3, "Engaging": 1, "Proposal": 0, "Negotiation": 0}
    assert funnel.fullest == 3


def test_stale_is_what_stands_longer_than_its_stage_allows_and_unplanned_what_has_no_day(
    anna: User, team: Team
) -> None:
    place = stage("Prospecting")
    Stage.objects.filter(pk=place.pk).update(stale_after_days=5)
    Stage.objects.filter(pk=stage("Engaging").pk).update(stale_after_days=None)
    now = timezone.now()
    old = make_deal(owner=anna, stage_entered_at=now - timedelta(days=6), amount=Decimal(3))
    make_deal(owner=anna, stage_entered_at=now - timedelta(days=4), next_step_date=now.date())
    make_deal(
        owner=anna, stage=stage("Engaging"), stage_entered_at=now - timedelta(days=400), next_step="Call"
    )
    make_deal(owner=anna, status="WON", stage_entered_at=now - timedelta(days=400))

    funnel = open_worth(anna)

    assert (funnel.total.stale.count, funnel.total.stale.main) == (1, Decimal(3))
    assert funnel.total.unplanned.count == 2
    assert list(Deal.objects.stale(now)) == [old]
    assert [deal.is_stale(now) for deal in Deal.objects.order_by("pk")] == [True, False, False, False]
    assert figures.stale_deals(figures.count_stale(anna), anna) == [old]


def test_where_no_stage_has_a_limit_nothing_is_stale(anna: User) -> None:
    Stage.objects.update(stale_after_days=None)
    make_deal(owner=anna, stage_entered_at=timezone.now() - timedelta(days=400))
    assert open_worth(anna).total.stale.count == 0
    assert figures.count_stale(anna) == []
    assert figures.my_day(anna, PERIODS).stale == 0


def test_the_heaviest_stale_deals_come_first_those_in_the_currency_of_the_books_before_others(
    anna: User,
) -> None:
    Stage.objects.update(stale_after_days=1)
    for title, amount, currency in [
        ("small", 1, "RUB"),
        ("dollars", 900, "USD"),
        ("none", None, "RUB"),
        ("big", 5, "RUB"),
    ]:
        make_deal(title, owner=anna, amount=amount, currency=currency)
    listed = figures.stale_deals(figures.count_stale(anna), anna)
    assert [deal.title for deal in listed] == ["big", "small", "none", "dollars"]


def test_kept_stale_deals_that_are_out_of_sight_by_now_are_not_shown(anna: User, boris: User) -> None:
    Stage.objects.update(stale_after_days=1)
    mine, theirs = make_deal(owner=anna), make_deal(owner=boris)
    assert figures.stale_deals([theirs.pk, mine.pk], anna) == [mine]


# What was won


def won(actor: User) -> figures.WonWorth:
    return figures.won_of(figures.count_won(actor, PERIODS), PERIODS)


def close(owner: User, at: datetime, amount: int = 1, **fields: Any) -> Deal:
    return make_deal(owner=owner, status="WON", closed_at=at, amount=Decimal(amount), **fields)


def test_what_was_won_falls_into_the_months_of_the_persons_calendar(anna: User) -> None:
    # Half an hour after midnight of November 1 in Moscow, and before it in London.
    at = datetime(2026, 10, 31, 21, 30, tzinfo=UTC)
    close(anna, at)
    with timezone.override("Europe/Moscow"):
        assert (won(anna).this.count, won(anna).last.count) == (1, 0)
    with timezone.override("Europe/London"):
        assert (won(anna).this.count, won(anna).last.count) == (0, 1)


def test_bounds_of_the_year_and_of_the_same_day_are_exact(anna: User) -> None:
    second = timedelta(seconds=1)
    close(anna, midnight(date(2025, 12, 1)) - second, 1_000)
    close(anna, midnight(date(2025, 12, 1)), 1)
    close(anna, midnight(date(2026, 10, 1)), 10)
    close(anna, midnight(date(2026, 10, 19)) - second, 20)
    close(anna, midnight(date(2026, 10, 19)), 40)
    close(anna, midnight(date(2026, 11, 1)) - second, 80)
    close(anna, midnight(date(2026, 11, 1)), 5)
    close(anna, NOW, 6, currency="EUR")
    close(anna, midnight(date(2026, 11, 19)), 1_000)

    found = won(anna)

    assert [month.worth.count for month in found.months] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2]
    assert (found.so_far.count, found.so_far.main) == (2, Decimal(30))
    assert (found.last.main, found.this.main, found.this.others) == (
        Decimal(150),
        Decimal(5),
        [("EUR", Decimal(6))],
    )
    assert found.currencies == ["RUB", "EUR"]


def test_lost_and_archived_deals_are_not_won(anna: User) -> None:
    make_deal(owner=anna, status="LOST", closed_at=NOW)
    close(anna, NOW, archived_at=NOW)
    assert won(anna).this.count == 0
    assert figures.latest_won(anna) == []


def test_latest_won_come_first(anna: User) -> None:
    first, last = close(anna, NOW - timedelta(days=2)), close(anna, NOW - timedelta(days=1))
    assert figures.latest_won(anna) == [last, first]


# The week


@time_machine.travel(NOW)
def test_each_step_of_the_week_is_counted_once_a_deal(anna: User, team: Team) -> None:
    before: dict[str, Any] = {"owner": anna, "team": team, "stage_entered_at": NOW - timedelta(days=20)}
    moved, winner, loser, back = (make_deal(name, **before) for name in ["moved", "winner", "loser", "back"])
    new = deals.create_deal(actor=anna, face=ADMIN, title="new", amount=Decimal(30))
    for name in ["Engaging", "Proposal"]:
        deals.move_deal(moved.pk, stage_id=stage(name).pk, actor=anna, face=ADMIN)
    deals.win_deal(winner.pk, actor=anna, face=ADMIN)
    reason = LostReason.objects.get(name="Price")
    deals.lose_deal(loser.pk, reason_id=reason.pk, actor=anna, face=ADMIN)
    deals.win_deal(back.pk, actor=anna, face=ADMIN)
    deals.reopen_deal(back.pk, reason="Not yet", actor=anna, face=ADMIN)

    counted = figures.count_week(anna, PERIODS)
    week = figures.week_of(counted)

    counts = {step: worth.count for step, worth in week.steps.items()}
    # What was won and opened again has moved on, and is not won.
    assert counts == {"new": 1, "moved": 2, "won": 1, "lost": 1, "amount": 0}
    assert week.steps["new"].main == Decimal(30)
    [person] = figures.team_of(counted, figures.count_open(anna), anna)
    assert (person.person, person.open.all.count) == (anna, 3)
    assert person.steps == {"new": 1, "moved": 2, "won": 1, "lost": 1}
    since = PERIODS.week.begins_at
    assert set(Deal.objects.stepped(Step.MOVED, since)) == {moved, back}
    assert list(Deal.objects.stepped(Step.NEW, since, by=anna)) == [new]
    assert not Deal.objects.stepped(Step.NEW, since, by=0).exists()
    latest = figures.moves_of(figures.count_moves(anna, PERIODS), anna)
    assert [move.deal for move in latest] == [back, back, loser, winner]


@time_machine.travel(NOW)
def test_what_happened_before_monday_is_not_of_the_week(anna: User) -> None:
    monday = midnight(date(2026, 11, 16))
    make_deal("before", owner=anna, stage_entered_at=monday - timedelta(seconds=1))
    after = make_deal("after", owner=anna, stage_entered_at=monday)
    assert list(Deal.objects.stepped(Step.NEW, PERIODS.week.begins_at)) == [after]
    assert figures.week_of(figures.count_week(anna, PERIODS)).steps["new"].count == 1


def test_changes_of_amounts_are_summed_by_currency_and_each_deal_counted_once(
    anna: User, boris: User
) -> None:
    one = make_deal(owner=anna, amount=Decimal(100))
    other = make_deal(owner=anna, amount=None, currency="EUR")
    theirs = make_deal(owner=boris, amount=Decimal(1))
    deals.change_deal(one.pk, actor=anna, amount=Decimal("150.50"))
    deals.change_deal(one.pk, actor=anna, amount=Decimal(80))
    deals.change_deal(one.pk, actor=anna, title="Another title")
    deals.change_deal(other.pk, actor=anna, amount=Decimal(5))
    deals.change_deal(theirs.pk, actor=boris, amount=Decimal(777))

    periods = Periods(timezone.localdate())
    week = figures.week_of(figures.count_week(anna, periods))

    assert week.steps["amount"].count == 2
    assert week.grown.amounts == {"RUB": Decimal(-20), "EUR": Decimal(5)}
    assert set(Deal.objects.stepped(Step.AMOUNT, periods.week.begins_at)) == {one, other, theirs}


# My day


def test_next_steps_are_own_open_and_due_within_a_week_the_most_overdue_first(
    anna: User, boris: User
) -> None:
    periods = Periods(timezone.localdate())

    def due(title: str, days: int | None, **fields: Any) -> None:
        day = None if days is None else periods.today + timedelta(days=days)
        make_deal(title, **({"owner": anna} | fields), next_step_date=day)

    due("soon", 7)
    due("overdue", -3)
    due("today", 0)
    due("later", 8)
    due("closed", 0, status="WON")
    due("some day", None)
    due("of somebody else", 0, owner=boris)

    day = figures.my_day(anna, periods)

    assert [deal.title for deal in day.deals] == ["overdue", "today", "soon"]
    assert (day.overdue, day.today, day.week, day.unplanned) == (1, 1, 1, 1)


# Who gets what


def names(actor: User) -> list[str]:
    return [name for name, _width in sections_of(actor)]


def test_sections_follow_from_what_one_may_do(anna: User, lena: User, auditor: User, admin: User) -> None:
    leads = ["won", "pipeline", "stale", "week", "team"]
    assert names(anna) == ["day", "pipeline", "won", "week", "stale"]
    assert names(lena) == leads
    # Who works on leads has them as well.
    assert names(admin) == ["tasks", *leads[:-1], "leads", "team"]
    assert names(auditor) == ["won", "latest", "pipeline", "week", "team"]
    assert names(factories.make_user("Nina")) == []
    make_deal(owner=lena)
    assert names(lena) == [*leads, "day"]


def test_every_row_of_sections_is_as_wide_as_the_page(anna: User, lena: User, auditor: User) -> None:
    make_deal(owner=lena)
    for actor in (anna, lena, auditor):
        total = 0
        for _name, width in sections_of(actor):
            total += width
            assert total <= 12
            total %= 12
        assert total == 0


# What is kept


def test_figures_are_counted_once_for_all_who_see_the_same(admin: User, auditor: User, anna: User) -> None:
    counts = []

    def count() -> int:
        counts.append(1)
        return len(counts)

    for actor in (admin, auditor, admin):
        found = kept.counted("x", actor, count)
        assert found is not None
        assert found.rows == 1
    other = kept.counted("x", anna, count)
    assert other is not None
    assert other.rows == 2


def test_another_day_zone_or_reach_has_figures_of_its_own(admin: User, anna: User, team: Team) -> None:
    with time_machine.travel(NOW):
        kept.counted("x", admin, lambda: "mine")
        with timezone.override("Asia/Tokyo"):
            assert kept.peek("x", admin) is None
        assert kept.peek("x", admin) is not None
    with time_machine.travel(NOW + timedelta(days=1)):
        assert kept.peek("x", admin) is None
    kept.counted("x", anna, lambda: "own")
    factories.join(anna, team, factories.make_role({"crm.view_deal": "TEAM"}))
    assert kept.peek("x", User.objects.get(pk=anna.pk)) is None


def test_old_figures_are_counted_anew_and_given_meanwhile(admin: User) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        kept.counted("x", admin, lambda: "old")
        clock.shift(kept.FRESH_SECONDS + 1)
        found = kept.peek("x", admin)
        assert found is not None
        assert not found.is_fresh

        def while_counting() -> str:
            meanwhile = kept.counted("x", admin, lambda: pytest.fail("counted twice at once"))
            assert meanwhile is not None
            assert meanwhile.rows == "old"
            return "new"

        found = kept.counted("x", admin, while_counting)
        assert found is not None
        assert (found.rows, found.is_fresh) == ("new", True)


def test_who_comes_while_the_first_figures_are_counted_is_told_to_wait(admin: User) -> None:
    def while_counting() -> str:
        assert kept.counted("x", admin, lambda: pytest.fail("counted twice at once")) is None
        return "new"

    assert kept.counted("x", admin, while_counting) is not None


def test_failure_to_count_lets_the_next_one_try(admin: User) -> None:
    def fail() -> None:
        raise ValueError("no figures")

    with pytest.raises(ValueError, match="no figures"):
        kept.counted("x", admin, fail)
    assert kept.counted("x", admin, lambda: "new") is not None


def test_a_wiped_redis_costs_nothing_but_time(admin: User) -> None:
    make_deal(owner=admin)
    kept.counted("open", admin, lambda: figures.count_open(admin))
    cache.clear()
    assert kept.peek("open", admin) is None
    found = kept.counted("open", admin, lambda: figures.count_open(admin))
    assert found is not None
    assert len(found.rows) == 1


def test_periods_are_those_of_the_persons_zone() -> None:
    from apps.crm.home.periods import now_periods

    with time_machine.travel(datetime(2026, 11, 30, 22, 0, tzinfo=UTC)):
        assert now_periods().today == date(2026, 11, 30)
        with timezone.override(ZoneInfo("Europe/Moscow")):
            assert now_periods().today == date(2026, 12, 1)
