"""What the numbers say is what is there: each sum against the deals one by one, each figure against its list."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from openpyxl import load_workbook

from apps.accounts.models import Team, User
from apps.crm import rates as registry
from apps.crm.models import CurrencyRate, Deal, ForecastSnapshot, LostReason, SalesPlan, Stage
from apps.crm.reports import changes, forecast, outcomes
from apps.crm.reports.all import REPORTS
from apps.crm.reports.choices import Choice, choice_of, span_of
from apps.crm.services import deals, forecasts, rates
from tests.crm import factories, reporting
from tests.crm.factories import make_company, make_deal, stage
from tests.crm.reporting import ADMIN

pytestmark = pytest.mark.django_db
START = datetime(2026, 10, 5, 9, 0, tzinfo=UTC)
YEAR = Choice("year", date(2026, 1, 1), date(2026, 12, 31), date(2026, 11, 2))
SLOW = how(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def rate(currency: str, value: object, day: date) -> CurrencyRate:
    return CurrencyRate.objects.create(currency=currency, rate=Decimal(str(value)), date=day)


# Amounts in the currency of the books


def test_an_amount_is_converted_whoever_writes_it(admin: User, anna: User) -> None:
    today = timezone.localdate()
    rate("USD", 90, today - timedelta(days=10))
    rate("USD", 95, today)
    rate("USD", 500, today + timedelta(days=1))
    dollars = make_deal(owner=anna, amount=Decimal(10), currency="USD")
    own = make_deal(owner=anna, amount=Decimal(10))
    unknown = make_deal(owner=anna, amount=Decimal(10), currency="KZT")
    for each in (dollars, own, unknown):
        each.refresh_from_db()
    assert (dollars.amount_base, dollars.rate, dollars.rate_date) == (Decimal(950), Decimal(95), today)
    assert (own.amount_base, own.rate, own.rate_date) == (Decimal(10), Decimal(1), None)
    assert (unknown.amount_base, unknown.rate) == (None, None)
    deals.change_deal(dollars.pk, actor=admin, amount=Decimal(20))
    dollars.refresh_from_db()
    assert dollars.amount_base == Decimal(1900)


def convert() -> int:
    last = Deal.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return rates.convert_chunk(0, last)


def test_open_deals_follow_the_latest_rate_and_closed_ones_keep_theirs(admin: User, anna: User) -> None:
    today = timezone.localdate()
    rate("USD", 90, today - timedelta(days=3))
    going = make_deal(owner=anna, amount=Decimal(10), currency="USD")
    done = make_deal(owner=anna, amount=Decimal(10), currency="USD")
    deals.win_deal(done.pk, actor=admin, face=ADMIN)
    rate("USD", 100, today)
    assert convert() == 1
    assert convert() == 0
    going.refresh_from_db()
    done.refresh_from_db()
    assert (going.amount_base, done.amount_base) == (Decimal(1000), Decimal(900))
    # A correction of the amount does not ask for another rate, and opening it again does.
    Deal.objects.filter(pk=done.pk).update(amount=Decimal(20))
    done.refresh_from_db()
    assert done.amount_base == Decimal(1800)
    deals.reopen_deal(done.pk, reason="Again", actor=admin, face=ADMIN)
    done.refresh_from_db()
    assert done.amount_base == Decimal(2000)


def test_following_a_rate_is_no_change_of_a_deal(admin: User, anna: User) -> None:
    from apps.history.models import Change

    deal = make_deal(owner=anna, amount=Decimal(10), currency="USD")
    before = Change._base_manager.filter(model="crm.deal").count()
    rate("USD", 90, timezone.localdate())
    convert()
    deal.refresh_from_db()
    assert (deal.amount_base, deal.version) == (Decimal(900), 1)
    assert Change._base_manager.filter(model="crm.deal").count() == before


def test_what_was_there_before_there_were_rates_is_converted_in_chunks(
    admin: User, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "CHUNK", 2)
    made = [
        make_deal(owner=anna, amount=Decimal(10), currency="EUR", status=s) for s in ("OPEN", "WON", "LOST")
    ]
    made += [make_deal(owner=anna) for _n in range(2)]
    Deal.objects.update(rate=None, amount_base=None, rate_date=None)
    rate("EUR", 100, timezone.localdate() - timedelta(days=400))
    job = rates.convert_amounts(actor=User.objects.system())
    steps = 0
    while not (step := rates.convert_step(job, None)).is_last:  # type: ignore[arg-type]
        job.checkpoint = step.checkpoint
        steps += 1
        assert steps < 10
    assert step.result == {"changed": 5}
    assert steps == 2
    assert set(Deal.objects.values_list("amount_base", flat=True)) == {Decimal(1000)}


def test_a_rate_is_set_by_who_may_and_deals_follow_by_a_job(admin: User, anna: User) -> None:
    with pytest.raises(PermissionDenied):
        rates.create_rate(actor=anna, currency="USD", rate=Decimal(90))
    made = rates.create_rate(actor=admin, currency="USD", rate=Decimal(90))
    assert (made.date, made.source) == (timezone.localdate(), "manual")
    from apps.jobs.models import Job

    assert Job.objects.filter(kind="crm.convert_amounts").count() == 1
    changed = rates.change_rate(made.pk, actor=admin, rate=Decimal(91))
    assert changed.rate == Decimal(91)
    # The one that waits sees to it.
    assert Job.objects.filter(kind="crm.convert_amounts").count() == 1
    for wrong, code in (
        ({"currency": "RUB", "rate": Decimal(1)}, "base_currency"),
        ({"currency": "usd", "rate": Decimal(1)}, "currency"),
        ({"currency": "EUR", "rate": Decimal(0)}, "currency_rate_positive"),
        ({"currency": "USD", "rate": Decimal(2)}, "currency_rate_one_a_day"),
    ):
        with pytest.raises(ValidationError) as refused:
            rates.create_rate(actor=admin, **wrong)  # type: ignore[arg-type]
        codes = [error.code for error in reporting.errors_of(refused.value)]
        assert code in codes, (wrong, codes)
    rates.delete_rate(made.pk, actor=admin)
    assert not CurrencyRate.objects.exists()


def test_providers_fill_what_nobody_wrote(admin: User, anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    today = timezone.localdate()

    class Bank:
        key = "bank"
        value = Decimal(90)

        def rates(self, currencies: Any, since: date) -> list[registry.Rate]:
            assert currencies == {"USD"}
            return [
                registry.Rate("USD", today, self.value),
                registry.Rate("USD", today - timedelta(days=1), self.value),
                registry.Rate("GBP", today, self.value),
            ]

    bank = Bank()
    monkeypatch.setattr(registry, "_providers", {})
    registry.register_rates(bank)
    make_deal(owner=anna, currency="USD")
    rate("USD", 77, today)
    assert rates.copy_rates() == 1
    assert rates.copy_rates() == 0
    bank.value = Decimal(91)
    assert rates.copy_rates() == 1
    known = {row.date: (row.rate, row.source) for row in CurrencyRate.objects.all()}
    assert known == {
        today: (Decimal(77), "manual"),
        today - timedelta(days=1): (Decimal(91), "bank"),
    }


# What has changed


def snapshot(actor: User, choice: Choice) -> dict[str, tuple[int, Decimal]]:
    """Add up what is open, deal by deal."""
    found: defaultdict[str, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal()))
    for deal in Deal.objects.visible_to(actor).filter(status="OPEN", archived_at=None):
        span = choice.closing_span
        day = deal.expected_close_date
        if span and not (day and span[0] <= day <= span[1]):
            continue
        is_rated = deal.currency == "RUB" or deal.rate is not None
        worth = deal.amount_base if is_rated else deal.amount
        unit = "RUB" if is_rated else deal.currency
        found[unit] = (found[unit][0] + 1, found[unit][1] + (worth or Decimal()))
    return dict(found)


@SLOW
@given(seed=st.integers(0, 2**32))
def test_what_was_open_then_and_all_that_happened_make_what_is_open_now(
    seed: int, anna: User, boris: User, admin: User
) -> None:
    with reporting.taken_back():
        _hold_against_snapshots(seed, [anna, boris], admin)


def _hold_against_snapshots(seed: int, people: list[User], admin: User) -> None:
    rate("USD", 90, date(2020, 1, 1))
    now = reporting.live(people, admin, seed, steps=25, start=START)
    last = reporting.date_changes(0, now)
    since = (now + timedelta(days=1)).date()
    then = datetime.combine(since, datetime.min.time(), tzinfo=UTC)
    with time_machine.travel(then, tick=False):
        wanted = [choice_of({"since": since.isoformat(), "closing": name}) for name in ("", "quarter")]
        opened = {choice.closing: snapshot(admin, choice) for choice in wanted}
    end = reporting.live(people, admin, seed + 1, steps=25, start=then, hours=6)
    reporting.date_changes(last, end)
    with time_machine.travel(end, tick=False):
        for choice in wanted:
            found = changes.waterfalls(admin, choice)
            closed = snapshot(admin, choice)
            for unit, each in found.items():
                case = (seed, choice.closing, unit)
                assert (each.opening.deals, each.opening.amount) == opened[choice.closing].get(
                    unit, (0, 0)
                ), case
                assert (each.closing.deals, each.closing.amount) == closed.get(unit, (0, 0)), case
                moved = sum(step.amount for step in each.steps.values())
                assert each.opening.amount + moved == each.closing.amount, case
            for step in changes.STEPS:
                counted = sum(each.steps[step].deals for each in found.values() if step in each.steps)
                assert len(changes.ids_of(admin, choice, step)) == counted


@time_machine.travel(datetime(2026, 11, 18, 12, 0, tzinfo=UTC))
def test_each_step_has_a_line_of_its_own(admin: User, anna: User, team: Team) -> None:
    old: dict[str, Any] = {"owner": anna, "team": team, "stage_entered_at": datetime(2026, 11, 1, tzinfo=UTC)}
    with time_machine.travel(datetime(2026, 11, 1, tzinfo=UTC)):
        grew, won, lost, gone = (make_deal(name, **old) for name in ("grew", "won", "lost", "gone"))
        back = make_deal("back", status="WON", **old)
    deals.create_deal(actor=anna, face=ADMIN, title="new", amount=Decimal(30))
    deals.change_deal(grew.pk, actor=admin, amount=Decimal(1500))
    deals.change_deal(won.pk, actor=admin, amount=Decimal(800))
    deals.win_deal(won.pk, actor=admin, face=ADMIN)
    reason = LostReason.objects.get(name="Price")
    deals.lose_deal(lost.pk, reason_id=reason.pk, actor=admin, face=ADMIN)
    deals.archive_deal(gone.pk, actor=admin)
    deals.reopen_deal(back.pk, reason="Again", actor=admin, face=ADMIN)
    found = changes.waterfalls(admin, choice_of({}))["RUB"]
    assert (found.opening.deals, found.opening.amount) == (4, Decimal(4000))
    assert {step: (each.deals, each.amount) for step, each in found.steps.items()} == {
        "new": (1, Decimal(30)),
        "up": (1, Decimal(500)),
        "down": (1, Decimal(-200)),
        "reopened": (1, Decimal(1000)),
        "won": (1, Decimal(-800)),
        "lost": (1, Decimal(-1000)),
        "trashed": (1, Decimal(-1000)),
    }
    assert (found.closing.deals, found.closing.amount) == (3, Decimal(2530))


# The forecast


@time_machine.travel(datetime(2026, 11, 18, 12, 0, tzinfo=UTC))
def test_the_forecast_weighs_each_deal_and_keeps_overdue_and_undated_ones_apart(
    admin: User, anna: User
) -> None:
    rate("USD", 90, date(2026, 1, 1))

    def open_deal(day: date | None, amount: int, probability: int, **fields: Any) -> None:
        make_deal(
            owner=anna, expected_close_date=day, amount=Decimal(amount), probability=probability, **fields
        )

    open_deal(date(2026, 11, 17), 100, 50)
    open_deal(date(2026, 11, 18), 200, 50)
    open_deal(date(2026, 11, 30), 10, 10, currency="USD")
    open_deal(date(2026, 12, 1), 400, 100)
    open_deal(date(2028, 1, 1), 500, 100)
    open_deal(None, 600, 30)
    open_deal(date(2026, 11, 20), 700, 30, currency="KZT")
    make_deal(owner=anna, status="WON", expected_close_date=date(2026, 11, 20))
    found = forecast.expected(admin, YEAR, date(2026, 11, 18))
    told: dict[Any, Any] = {
        month: (each.deals, each.amount, each.weighted) for month, each in found.months.items()
    }
    assert told == {
        forecast.OVERDUE: (1, 100, 50),
        date(2026, 11, 1): (3, 1100, 190),
        date(2026, 12, 1): (1, 400, 400),
        date(2028, 1, 1): (1, 500, 500),
        None: (1, 600, 180),
    }
    assert found.unrated == {"KZT": (1, Decimal(700))}
    report = REPORTS["forecast"](admin, YEAR)
    assert any("KZT" in note for note in report.notes)
    assert [row.ref["month"] for row in report.tables[0].rows][:3] == ["overdue", "2026-11", "2026-12"]
    assert [row.ref["month"] for row in report.tables[0].rows][-2:] == ["later", "none"]


def test_a_forecast_is_kept_once_and_its_error_told_afterwards(
    admin: User, anna: User, lena: User, team: Team
) -> None:
    with time_machine.travel(datetime(2026, 10, 1, 3, 0, tzinfo=UTC)):
        sold = make_deal(
            owner=anna,
            team=team,
            amount=Decimal(1000),
            probability=80,
            expected_close_date=date(2026, 10, 20),
        )
        make_deal(owner=anna, team=team, amount=Decimal(500), expected_close_date=date(2026, 11, 20))
        made = forecasts.take_snapshots()
        assert made == 4
        assert forecasts.take_snapshots() == 0
    with time_machine.travel(datetime(2026, 10, 7, 3, 0, tzinfo=UTC)):
        # The Monday was missed, and is made up for on the day when somebody is there again.
        assert forecasts.take_snapshots() == 2
        late = ForecastSnapshot.objects.filter(beat="WEEK").latest("due_date")
        assert (late.due_date, late.taken_date) == (date(2026, 10, 5), date(2026, 10, 7))
    with time_machine.travel(datetime(2026, 10, 20, tzinfo=UTC)):
        deals.change_deal(sold.pk, actor=admin, amount=Decimal(700))
        deals.win_deal(sold.pk, actor=admin, face=ADMIN)
    with time_machine.travel(datetime(2026, 11, 2, tzinfo=UTC)):
        for actor in (admin, lena, anna):
            report = REPORTS["forecast"](actor, choice_of({}))
            [row] = report.tables[1].rows
            values = [figure.value for figure in row.figures][1:]
            assert values == [Decimal(800), Decimal(700), 1, Decimal(-100), Decimal("-12.5")]
        stranger = factories.make_salesperson("Vera Sell", factories.make_team("South"))
        assert not REPORTS["forecast"](stranger, choice_of({})).tables[1].rows


def test_the_range_is_as_wide_as_the_deals_are_big() -> None:
    shares = {1: 0.5}
    many = forecast.Month(by_stage={1: (100.0, 100 * 1.0)})
    one = forecast.Month(by_stage={1: (100.0, 100.0**2)})
    found = forecast.range_of(many, shares)
    assert found is not None
    assert [round(bound, 3) for bound in found] == [Decimal("43.592"), Decimal("56.408")]
    assert forecast.range_of(one, shares) == (Decimal(0), Decimal(100))
    assert forecast.range_of(forecast.Month(by_stage={2: (1.0, 1.0)}), shares) is None
    assert forecast.range_of(forecast.Month(), shares) is None


# Won and lost


@SLOW
@given(seed=st.integers(0, 2**32))
def test_outcomes_are_those_of_the_deals_one_by_one(
    seed: int, anna: User, boris: User, lena: User, admin: User
) -> None:
    with reporting.taken_back():
        _hold_against_deals(seed, [anna, boris], lena, admin)


def _hold_against_deals(seed: int, people: list[User], lena: User, admin: User) -> None:
    now = reporting.live(people, admin, seed, steps=30, start=START)
    counts = [None, 0, 10, 11, 250, 251, 1001]
    classes = {None: None, 0: 0, 10: 0, 11: 1, 250: 2, 251: 3, 1001: 4}
    companies = [None, *(make_company(employee_count=count) for count in counts)]
    for number, pk in enumerate(Deal.objects.order_by("pk").values_list("pk", flat=True)):
        Deal.objects.filter(pk=pk).update(company=companies[number % len(companies)])
    keys: dict[str, Callable[[Deal], Any]] = {
        "": lambda deal: None,
        "reasons": lambda deal: deal.lost_reason_id,
        "people": lambda deal: deal.owner_id,
        "teams": lambda deal: deal.team_id,
        "sizes": lambda deal: classes[deal.company.employee_count] if deal.company else None,
    }
    with time_machine.travel(now):
        choice = choice_of({"period": "twelve_months"})
        for actor in (admin, lena, people[0]):
            closed = Deal.objects.visible_to(actor).filter(archived_at=None).exclude(status="OPEN")
            found = outcomes.count(actor, choice)
            for name, key_of in keys.items():
                told = {
                    value: {status: (each.deals, each.worth, each.days) for status, each in states.items()}
                    for value, states in found[name].items()
                }
                assert told == _added_up(list(closed), key_of), (seed, name)


def _added_up(closed: list[Deal], key_of: Callable[[Deal], Any]) -> dict[Any, dict[str, tuple[Any, ...]]]:
    found: dict[Any, dict[str, tuple[Any, ...]]] = {}
    for deal in closed:
        states = found.setdefault(key_of(deal), {"WON": (0, Decimal(), 0), "LOST": (0, Decimal(), 0)})
        count, worth, days = states[deal.status]
        assert deal.closed_at is not None
        took = max((deal.closed_at.date() - deal.opened_date).days, 0)
        states[deal.status] = (count + 1, worth + (deal.amount_base or 0), days + took)
    return found


# Plans


def test_plans_are_set_by_leads_for_their_people(lena: User, anna: User, team: Team, admin: User) -> None:
    month = date(2026, 11, 1)
    plan = (
        forecasts.create_plan(actor=lena, owner_id=anna.pk, month=month, amount=Decimal(5000))
        if _may_plan(lena)
        else None
    )
    assert plan is not None
    assert (plan.team, plan.owner) == (team, anna)
    with pytest.raises(ValidationError):
        forecasts.create_plan(actor=lena, owner_id=anna.pk, month=month, amount=Decimal(1))
    with pytest.raises(ValidationError):
        forecasts.create_plan(actor=admin, month=month, amount=Decimal(1))
    with pytest.raises(ValidationError):
        forecasts.create_plan(actor=admin, team_id=team.pk, month=date(2026, 11, 2), amount=Decimal(1))
    with pytest.raises(PermissionDenied):
        forecasts.create_plan(actor=anna, owner_id=anna.pk, month=month, amount=Decimal(1))
    forecasts.create_plan(actor=admin, team_id=team.pk, month=month, amount=Decimal(9000))
    make_deal(
        owner=anna, team=team, status="WON", amount=Decimal(2500), closed_at=datetime(2026, 11, 5, tzinfo=UTC)
    )
    report = REPORTS["plan"](admin, YEAR)
    people, teams = report.tables
    assert [figure.value for figure in people.rows[0].figures][1:] == [5000, 2500, 1, Decimal(50), 2500]
    assert [figure.value for figure in teams.rows[0].figures][1:3] == [9000, 2500]
    assert forecasts.change_plan(plan.pk, actor=lena, amount=Decimal(2500)).amount == 2500
    forecasts.delete_plan(plan.pk, actor=admin)
    assert SalesPlan.objects.count() == 1


def _may_plan(lena: User) -> bool:
    team = lena.memberships.get().team
    role = factories.make_role({f"crm.{deed}_salesplan": "TEAM" for deed in ("view", "add", "change")})
    factories.join(lena, team, role)
    lena.__dict__.pop("_rights", None)
    lena.refresh_from_db()
    return True


# Periods


@pytest.mark.parametrize(
    ("period", "span"),
    [
        ("month", (date(2026, 11, 1), date(2026, 11, 30))),
        ("last_month", (date(2026, 10, 1), date(2026, 10, 31))),
        ("quarter", (date(2026, 10, 1), date(2026, 12, 31))),
        ("last_quarter", (date(2026, 7, 1), date(2026, 9, 30))),
        ("last_year", (date(2025, 1, 1), date(2025, 12, 31))),
        ("twelve_months", (date(2025, 12, 1), date(2026, 11, 30))),
    ],
)
def test_periods_are_whole_months(period: str, span: tuple[date, date]) -> None:
    assert span_of(period, date(2026, 11, 18)) == span


@pytest.mark.parametrize(
    "given_params",
    [
        {"period": "nothing"},
        {"from": "2026-13", "to": "x"},
        {"from": "2026-05", "to": "2026-04"},
        {"owner": "-1", "team": "1e9", "pipeline": "９"},
        {"since": "0001-01-01"},
        {"closing": "'; drop"},
        {"owner": "9" * 30},
    ],
)
def test_nonsense_in_an_address_counts_as_not_said(given_params: dict[str, str]) -> None:
    choice = choice_of(given_params)
    assert (choice.period, choice.rows, choice.closing) == ("year", {}, "")
    assert choice.since >= timezone.localdate() - timedelta(days=92)


# Every figure opens its list

_FIGURE = re.compile(r'href="([^"]+)" data-figure="(\d+)"')
_KEY = re.compile(r'name="_selected_action"')


def figures_on(client: Client, page: str) -> list[tuple[str, int]]:
    response = client.get(page)
    assert response.status_code == 200, page
    return [(unescape(url), int(count)) for url, count in _FIGURE.findall(response.content.decode())]


def wrong_figures(client: Client, pages: list[str]) -> tuple[list[Any], int]:
    """Open the list behind every figure; return where it has another number of rows."""
    wrong, seen = [], 0
    for page in pages:
        for url, count in figures_on(client, page):
            rows = len(_KEY.findall(client.get(url).content.decode()))
            seen += 1
            if rows != count:
                wrong.append((page, url, count, rows))
    return wrong, seen


@pytest.mark.parametrize("is_summed_up", [True, False])
def test_every_figure_opens_the_list_of_its_deals(
    is_summed_up: bool, admin: User, lena: User, anna: User, boris: User
) -> None:
    rate("USD", 90, date(2020, 1, 1))
    rate("EUR", 100, date(2020, 1, 1))
    company = make_company(employee_count=20)
    now = reporting.live([anna, boris], admin, 4, steps=45, start=START - timedelta(days=10), hours=40)
    if is_summed_up:
        forecasts.sum_up_funnel()
    Deal.objects.filter(pk__in=list(Deal.objects.values_list("pk", flat=True)[:6])).update(company=company)
    Stage.objects.filter(kind="OPEN").update(stale_after_days=1)
    with time_machine.travel(now):
        for actor in (admin, lena):
            client = Client()
            client.force_login(actor)
            base = "/admin/crm/deal/numbers"
            own = f"owner={anna.pk}"
            pages = [
                *(f"{base}/{name}/" for name in REPORTS),
                *(f"{base}/{name}/?{own}" for name in ("funnel", "forecast", "changes")),
                f"{base}/changes/?since={(now - timedelta(days=20)).date()}&closing=quarter",
                f"{base}/outcomes/?period=twelve_months",
            ]
            wrong, seen = wrong_figures(client, pages)
            assert wrong == []
            assert seen > 40


def test_a_table_comes_as_a_file_that_begins_no_formula(admin: User, anna: User) -> None:
    User.objects.filter(pk=anna.pk).update(name="=1+1")
    make_deal(owner=anna)
    client = Client()
    client.force_login(admin)
    url = "/admin/crm/deal/numbers/funnel/export/"
    response = client.get(url, {"table": "owners", "format": "csv"})
    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert rows[0] == ["Person", "Began", "Won", "Lost", "Still open", "Won, %"]
    assert rows[1][0].startswith("'=1+1")
    assert rows[1][1:5] == ["1", "0", "0", "1"]
    book = load_workbook(io.BytesIO(client.get(url, {"table": "owners", "format": "xlsx"}).content))
    sheet: Any = book.active
    assert [cell.value for cell in sheet[2]][1] == 1
    assert client.get(url, {"table": "nothing", "format": "csv"}).status_code == 404
    assert client.get(url, {"table": "owners", "format": "exe"}).status_code == 404


def test_who_may_not_take_deals_away_gets_no_file(anna: User) -> None:
    client = Client()
    client.force_login(anna)
    url = "/admin/crm/deal/numbers/funnel/export/"
    assert client.get(url, {"table": "owners", "format": "csv"}).status_code == 403
    assert client.get("/admin/crm/deal/numbers/funnel/").status_code == 200


def test_rest_tells_the_same_figures(admin: User, anna: User, team: Team) -> None:
    make_deal(owner=anna, team=team, status="WON")
    make_deal(owner=anna, team=team, stage=stage("Proposal"))
    client = Client()
    client.force_login(admin)
    for name in REPORTS:
        body = client.get(f"/api/v1/crm/reports/{name}/").json()
        assert (body["report"], body["is_ready"], body["currency"]) == (name, True, "RUB")
        report = REPORTS[name](admin, choice_of({}))
        assert [table["key"] for table in body["tables"]] == [table.key for table in report.tables]
        for told, table in zip(body["tables"], report.tables, strict=True):
            assert len(told["rows"]) == len(table.rows)
    funnel = client.get("/api/v1/crm/reports/funnel/", {"owner": anna.pk}).json()
    owners = next(table for table in funnel["tables"] if table["key"] == "owners")
    assert owners["rows"][0]["ref"] == {"owner": anna.pk}
    assert (owners["rows"][0]["entered"], owners["rows"][0]["won"]) == (2, 1)
