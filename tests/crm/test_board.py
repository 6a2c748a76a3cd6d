"""The board: what it shows against a plain reading of all rows, to whom, in how many queries, and what it refuses."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from apps.accounts.models import Team, User
    from apps.crm.models import Deal, Pipeline

pytestmark = pytest.mark.django_db
BOARD = "/admin/crm/deal/board"


@pytest.fixture(autouse=True)
def forgetful() -> None:
    """No figures of a test before."""
    cache.clear()


@pytest.fixture
def pipeline(db: None) -> "Pipeline":
    from tests.crm.factories import sales

    return sales()


def open_board(user: "User", query: str = "everything=1") -> Any:
    from tests.crm.factories import sales

    client = Client()
    client.force_login(user)
    return client.get(f"{BOARD}/{sales().pk}/?{query}")


def ask(user: "User", path: str, data: dict[str, Any] | None = None, *, post: bool = False) -> Any:
    from tests.crm.factories import sales

    client = Client()
    client.force_login(user)
    return getattr(client, "post" if post else "get")(f"{BOARD}/{sales().pk}/{path}", data or {})


def titles(html: str) -> list[str]:
    return re.findall(r'aria-keyshortcuts="m">([^<]*)<', html)


# What is read


def by_hand(user: "User", filters: Any, size: int) -> dict[int, tuple[list[int], int, dict[str, Decimal]]]:
    """Read every deal and decide in Python: ids on top, how many, and the sums."""
    from apps.accounts import access
    from apps.crm.models import Deal, Stage

    found = {}
    for stage in Stage.objects.filter(kind="OPEN"):
        rows = [
            deal
            for deal in Deal.objects.filter(stage=stage).select_related("company").prefetch_related("tags")
            if deal.status == "OPEN"
            and deal.archived_at is None
            and access.can(user, "view", deal)
            and _passes(deal, filters)
        ]
        rows.sort(key=lambda deal: (deal.ranked_at or deal.stage_entered_at, deal.pk), reverse=True)
        sums: dict[str, Decimal] = {}
        for deal in rows:
            if deal.amount:
                sums[deal.currency] = sums.get(deal.currency, Decimal()) + deal.amount
        found[stage.pk] = ([deal.pk for deal in rows[:size]], len(rows), sums)
    return found


def _passes(deal: "Deal", filters: Any) -> bool:
    text = (filters.text or "").lower()
    company = deal.company.name.lower() if deal.company else ""
    amount, close = deal.amount, deal.expected_close_date
    return all(
        [
            not text or text in deal.title.lower() or text in company,
            filters.owner_id in {None, deal.owner_id},
            filters.team_id in {None, deal.team_id},
            filters.company_id in {None, deal.company_id},
            filters.tag_id is None or filters.tag_id in {tag.pk for tag in deal.tags.all()},
            filters.amount_from is None or (amount is not None and amount >= filters.amount_from),
            filters.amount_to is None or (amount is not None and amount <= filters.amount_to),
            filters.close_from is None or (close is not None and close >= filters.close_from),
            filters.close_to is None or (close is not None and close <= filters.close_to),
        ]
    )


@pytest.fixture
def crowd(anna: "User", boris: "User", lena: "User", team: "Team") -> dict[str, Any]:
    """Sixty deals of all sorts, some of another team, some in the trash, some of one moment."""
    from apps.crm.models import Tag
    from tests.crm.factories import make_company, make_deal, make_salesperson, make_team, sales

    stranger = make_salesperson("Stranger", make_team("South"))
    companies = [make_company("Acme Desk"), make_company("Bolt"), None]
    tags = [Tag.objects.create(name=name) for name in ("hot", "cold")]
    stages = list(sales().stages.filter(kind="OPEN").order_by("position"))
    now = timezone.now()
    for place in range(60):
        owner = [anna, boris, stranger][place % 3]
        deal = make_deal(
            f"{['Desk', 'Lamp', 'Chair'][place % 3]} {place}",
            owner=owner,
            team=owner.memberships.get().team,
            stage=stages[place % len(stages)],
            company=companies[place % 3],
            amount=None if place % 7 == 0 else Decimal(place * 100),
            currency=["RUB", "EUR"][place % 5 == 0],
            stage_entered_at=now - timedelta(days=place // 8),
            ranked_at=now - timedelta(days=place % 11) if place % 4 == 0 else None,
            expected_close_date=timezone.localdate() + timedelta(days=place) if place % 3 else None,
            archived_at=now if place % 13 == 0 else None,
        )
        if place % 4 == 1:
            deal.tags.add(tags[place % 2])
    make_deal("Desk won", owner=anna, team=team, status="WON")
    return {"users": [anna, boris, lena, stranger], "companies": companies[:2], "tags": tags}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_columns_and_figures_are_what_reading_every_row_gives(
    crowd: dict[str, Any], data: st.DataObject
) -> None:
    from apps.crm.board.filters import Filters
    from apps.crm.board.reading import read_columns, read_figures
    from tests.crm.factories import sales

    user = data.draw(st.sampled_from(crowd["users"]))
    near = st.none() | st.integers(0, 60)
    today = timezone.localdate()
    filters = Filters(
        text=data.draw(st.none() | st.sampled_from(["desk", "LAMP 1", "acme", "nothing", "%", "a"])),
        owner_id=data.draw(st.none() | st.sampled_from([user.pk for user in crowd["users"]])),
        company_id=data.draw(st.none() | st.sampled_from([company.pk for company in crowd["companies"]])),
        tag_id=data.draw(st.none() | st.sampled_from([tag.pk for tag in crowd["tags"]])),
        amount_from=data.draw(near.map(lambda value: None if value is None else Decimal(value * 100))),
        amount_to=data.draw(near.map(lambda value: None if value is None else Decimal(value * 100))),
        close_from=data.draw(
            near.map(lambda value: None if value is None else today + timedelta(days=value))
        ),
        close_to=data.draw(near.map(lambda value: None if value is None else today + timedelta(days=value))),
    )
    size = data.draw(st.integers(1, 8))
    expected = by_hand(user, filters, size)
    stage_ids = list(expected)

    columns = read_columns(user, stage_ids, filters, size=size)
    figures = read_figures(user, sales().pk, stage_ids, filters, seq=data.draw(st.integers(0, 10**9))).columns
    for stage_id, (ids, count, sums) in expected.items():
        assert [card.id for card in columns[stage_id].cards] == ids
        assert columns[stage_id].has_more is (count > size)
        assert figures[stage_id].count == count
        assert {currency: Decimal(amount) for currency, amount in figures[stage_id].sums} == sums
        # The base currency first.
        assert "RUB" not in [currency for currency, _amount in figures[stage_id].sums[1:]]


def test_a_column_is_read_on_without_gap_or_twin(lena: "User", crowd: dict[str, Any]) -> None:
    from apps.crm.board.filters import Filters
    from apps.crm.board.reading import read_columns

    for stage_id, (ids, _count, _sums) in by_hand(lena, Filters(), 100).items():
        read: list[int] = []
        after = None
        while True:
            column = read_columns(lena, [stage_id], Filters(), size=3, after=after)[stage_id]
            read += [card.id for card in column.cards]
            after = column.cursor
            if after is None:
                break
        assert read == ids


def test_figures_of_the_same_state_are_read_once_and_slow_ones_are_told_as_about(
    anna: "User", deal: "Deal", pipeline: "Pipeline", django_assert_num_queries: Any, monkeypatch: Any
) -> None:
    from apps.crm.board import reading
    from apps.crm.board.filters import Filters

    def read(seq: int) -> reading.Figures:
        return reading.read_figures(anna, pipeline.pk, [deal.stage_id], Filters(), seq=seq)

    assert read(1).columns[deal.stage_id].count == 1
    with django_assert_num_queries(0):
        assert not read(1).is_about
    monkeypatch.setattr(reading, "_PATIENCE", 0)
    assert not read(2).is_about
    monkeypatch.setattr(reading, "_PATIENCE", 10**9)
    with django_assert_num_queries(0):
        assert read(3).is_about


def test_somebody_elses_figures_are_never_told(
    anna: "User", boris: "User", deal: "Deal", pipeline: "Pipeline"
) -> None:
    from apps.crm.board.filters import Filters
    from apps.crm.board.reading import read_figures

    counts = [
        read_figures(user, pipeline.pk, [deal.stage_id], Filters(), seq=1).columns[deal.stage_id].count
        for user in (anna, boris)
    ]
    assert counts == [1, 0]


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("q=desk&owner__id__exact=3", {"q": "desk", "owner__id__exact": "3"}),
        ("owner__id__exact=x&team__id__exact=-1&amount_from=NaN&amount_to=1e99", {}),
        ("amount_from=1 000,50&expected_close_date_from=2026-02-30", {"amount_from": "1000.50"}),
        ("q=%00&owner__id__exact=99999999999999999999", {}),
        ("expected_close_date_to=2026-02-28&nonsense=1", {"expected_close_date_to": "2026-02-28"}),
    ],
)
def test_filters_of_an_address_are_read_or_ignored(query: str, params: dict[str, str]) -> None:
    from django.http import QueryDict

    from apps.crm.board.filters import parse

    filters = parse(QueryDict(query))
    assert filters.params() == params
    assert parse(filters.params()) == filters
    assert bool(filters) is bool(params)


# The page


def test_a_page_costs_at_most_fifteen_queries_whatever_it_shows(
    lena: "User", team: "Team", pipeline: "Pipeline", django_assert_max_num_queries: Any
) -> None:
    from apps.crm.models import Deal, Tag
    from apps.lists.services.views import save_view
    from tests.crm.factories import make_company, make_deal, stage

    company, tag = make_company("Acme", owner=lena, team=team), Tag.objects.create(name="hot")
    for number in range(10):
        make_deal(f"Desk {number}", owner=lena, team=team, company=company)
    everything = (
        f"q=desk&owner__id__exact={lena.pk}&team__id__exact={team.pk}&company__id__exact={company.pk}"
        f"&tags__id__exact={tag.pk}&amount_from=1&amount_to=9&expected_close_date_from=2026-01-01"
    )
    for number in range(5):
        save_view(lena, f"crm.deal.board:{pipeline.pk}", f"View {number}", {"q": str(number)})
    client = Client()
    client.force_login(lena)
    for count in (10, 2_000):
        place = stage("Prospecting")
        Deal.objects.bulk_create(
            (
                Deal(
                    title=f"Lamp {n}",
                    owner=lena,
                    team=team,
                    pipeline=pipeline,
                    stage=place,
                    currency="RUB",
                    amount=n,
                )
                for n in range(count - Deal.objects.count())
            ),
            batch_size=500,
        )
        for query in ("everything=1", everything):
            cache.clear()
            with django_assert_max_num_queries(15) as queries:
                assert client.get(f"{BOARD}/{pipeline.pk}/?{query}").status_code == 200
            laterals = [
                each["sql"] for each in queries.captured_queries if "cross join lateral" in each["sql"]
            ]
            assert len(laterals) == 1
        shown = titles(open_board(lena).content.decode())
        assert len(shown) == min(count, 20)


def test_a_card_says_what_one_asks_about_a_deal(anna: "User", team: "Team") -> None:
    from tests.crm.factories import make_company, make_deal, stage

    today = timezone.localdate()
    place = stage("Prospecting")
    place.stale_after_days = 10
    place.save()
    make_deal(
        "Forty <desks>",
        owner=anna,
        team=team,
        company=make_company("Acme & Sons"),
        amount=Decimal("1234567.50"),
        next_step="Call back",
        next_step_date=today - timedelta(days=1),
        stage_entered_at=timezone.now() - timedelta(days=12),
    )
    make_deal("Bare", owner=anna, team=team, amount=None)
    page = open_board(anna).content.decode()
    assert "Forty &lt;desks&gt;" in page
    assert "<desks>" not in page
    assert "Acme &amp; Sons" in page
    assert "1,234,567.50\xa0₽" in page
    assert re.search(r'board-next-late"><span>Call back</span> <small><time[^>]*>yesterday', page)
    assert "board-since-stale" in page
    assert "12 days in this stage, stale" in page
    assert "No next step" in page
    assert ">AS</span>" in page


def test_others_cards_are_nowhere_on_it(anna: "User", boris: "User", lena: "User", team: "Team") -> None:
    from tests.crm.factories import make_company, make_deal

    theirs = make_deal(
        "Canary deal", owner=boris, team=team, company=make_company("Canary company", owner=boris)
    )
    make_deal("Mine", owner=anna, team=team)
    place = {"stage": theirs.stage_id}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("", {"everything": "1"}),
        ("", {"q": "canary"}),
        ("", {"owner__id__exact": boris.pk, "company__id__exact": theirs.company_id}),
        ("cards/", {"ids": str(theirs.pk)}),
        ("cards/", {"columns": str(theirs.stage_id)}),
        ("cards/", place),
        ("choices/", {}),
    ]
    for path, data in asked:
        answer = ask(anna, path, data)
        assert answer.status_code == 200, path
        # But for what was typed.
        assert "anary deal" not in answer.content.decode().replace(str(data.get("q")), "")
        assert "anary company" not in answer.content.decode()
    assert "Canary deal" in open_board(lena).content.decode()
    refused = ask(anna, "do/move/", {"deal": theirs.pk, "stage": theirs.stage_id}, post=True)
    assert refused.status_code == 404
    assert "anary" not in refused.content.decode()


def test_without_the_policy_they_would_be(
    anna: "User", boris: "User", team: "Team", monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.accounts import access
    from tests.crm.factories import make_deal

    make_deal("Canary deal", owner=boris, team=team)
    monkeypatch.setattr(access, "scope", lambda actor, action, model: access.EVERYTHING)
    assert "Canary deal" in open_board(anna).content.decode()


def test_it_asks_for_a_login_and_for_the_right(auditor: "User", pipeline: "Pipeline") -> None:
    from tests.crm.factories import make_user

    assert "/login/" in Client().get(f"{BOARD}/{pipeline.pk}/").headers["Location"]
    nobody = make_user("Nobody")
    for path in ("", "cards/", "choices/"):
        assert ask(nobody, path).status_code == 403
    page = open_board(auditor)
    assert page.status_code == 200
    for name in ("data-may-move", "data-may-win", "data-zone"):
        assert name not in page.content.decode()
    assert ask(auditor, "do/move/", {}).status_code == 404
    client = Client()
    client.force_login(auditor)
    assert client.get(f"{BOARD}/{pipeline.pk + 999}/").status_code == 404


def test_a_forged_form_is_refused(anna: "User", deal: "Deal", pipeline: "Pipeline") -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(anna)
    answer = client.post(f"{BOARD}/{pipeline.pk}/do/win/", {"deal": deal.pk})
    assert answer.status_code == 403
    deal.refresh_from_db()
    assert deal.status == "OPEN"


# Moving


def test_a_move_goes_through_the_service_with_its_face(anna: "User", deal: "Deal") -> None:
    from tests.crm.factories import stage

    there = stage("Proposal")
    fields = {"deal": deal.pk, "stage": there.pk, "version": deal.version}
    answer = ask(anna, "do/move/", fields, post=True)
    assert answer.status_code == 200
    told = answer.json()
    assert f'data-stage="{there.pk}"' in told["card"]
    assert told["figures"][str(there.pk)]["count"] == "1"
    assert told["figures"][str(deal.stage_id)]["count"] == "0"
    step = deal.transitions.order_by("-pk")[0]
    assert (step.face, step.to_stage, step.actor) == ("ADMIN", there, anna)

    back = {"deal": deal.pk, "stage": deal.stage_id, "version": told["version"]}
    assert ask(anna, "do/back/", back, post=True).status_code == 200
    deal.refresh_from_db()
    assert deal.stage.name == "Prospecting"


def test_a_closed_deal_is_taken_back_by_opening_it_again(anna: "User", deal: "Deal") -> None:
    from apps.crm.models import LostReason

    reason = LostReason.objects.get(name="Price")
    given = {"deal": deal.pk, "reason": reason.pk, "note": "Too dear", "version": deal.version}
    lost = ask(anna, "do/lose/", given, post=True)
    assert lost.json()["card"] == ""
    back = ask(anna, "do/back/", {"deal": deal.pk, "version": lost.json()["version"]}, post=True)
    assert f'data-deal="{deal.pk}"' in back.json()["card"]
    deal.refresh_from_db()
    assert (deal.status, deal.stage.name) == ("OPEN", "Prospecting")


@pytest.mark.parametrize(
    ("command", "change", "status", "text"),
    [
        ("move", {"version": 77}, 409, "Somebody else has changed this deal meanwhile."),
        ("move", {"stage": 0}, 404, "There is no such stage."),
        ("lose", {"reason": 0}, 404, "There is no such reason."),
        ("move", {"deal": 0}, 404, "This deal is not there any more, or not yours to see."),
        ("move", {"above": 999}, 404, "The card above is not there any more."),
    ],
)
def test_a_refusal_says_why_and_shows_the_card_as_it_is(
    anna: "User", deal: "Deal", command: str, change: dict[str, Any], status: int, text: str
) -> None:
    from tests.crm.factories import stage

    given = {"deal": deal.pk, "stage": stage("Proposal").pk, "version": deal.version} | change
    answer = ask(anna, f"do/{command}/", given, post=True)
    assert (answer.status_code, answer.json()["text"].startswith(text)) == (status, True), answer.json()
    if change.get("deal") is None:
        assert f'data-deal="{deal.pk}"' in answer.json()["card"]
    deal.refresh_from_db()
    assert deal.stage.name == "Prospecting"
    assert deal.transitions.count() == 1


def test_who_may_see_and_not_move_is_told_so(auditor: "User", deal: "Deal") -> None:
    from tests.crm.factories import stage

    given = {"deal": deal.pk, "stage": stage("Proposal").pk, "version": deal.version}
    answer = ask(auditor, "do/move/", given, post=True)
    assert answer.status_code == 403
    assert "Ask its owner" in answer.json()["text"]


def test_a_closed_deal_does_not_move(anna: "User", deal: "Deal") -> None:
    from apps.crm.services.deals import win_deal
    from tests.crm.factories import stage

    win_deal(deal.pk, actor=anna, face="ADMIN")  # type: ignore[arg-type]
    given = {"deal": deal.pk, "stage": stage("Proposal").pk}
    answer = ask(anna, "do/move/", given, post=True)
    assert (answer.status_code, answer.json()["text"]) == (409, "This deal is closed. Reopen it first.")


# The order within a column


@pytest.fixture
def column(anna: "User", team: "Team") -> list["Deal"]:
    """Five deals that entered a stage at one moment, from the top."""
    from tests.crm.factories import make_deal

    now = timezone.now() - timedelta(days=1)
    deals = [make_deal(f"Deal {number}", owner=anna, team=team, stage_entered_at=now) for number in range(5)]
    return deals[::-1]


def order_of(user: "User") -> list[int]:
    from apps.crm.board.filters import Filters
    from apps.crm.board.reading import read_columns
    from tests.crm.factories import stage

    place = stage("Prospecting").pk
    return [card.id for card in read_columns(user, [place], Filters())[place].cards]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8))
def test_a_card_stands_where_it_is_put_also_among_those_of_one_moment(
    anna: "User", column: list["Deal"], moves: list[tuple[int, int]]
) -> None:
    from apps.crm.models import Deal
    from apps.crm.services.boards import place_deal

    Deal.objects.update(ranked_at=None)
    expected = [deal.pk for deal in column]
    for which, where in moves:
        pk = expected.pop(which)
        place_deal(pk, above_id=expected[where - 1] if where else None, actor=anna)
        expected.insert(where, pk)
        assert order_of(anna) == expected


def test_a_place_makes_no_form_stale_and_no_history(anna: "User", column: list["Deal"]) -> None:
    from apps.crm.services.boards import place_deal
    from apps.history.models import Change

    before = Change.objects.count()
    place_deal(column[4].pk, above_id=None, actor=anna)
    fresh = type(column[4]).objects.get(pk=column[4].pk)
    assert fresh.version == column[4].version
    assert order_of(anna)[0] == fresh.pk
    assert Change.objects.count() == before


def test_a_deal_that_moves_on_stands_on_top_of_where_it_comes(anna: "User", column: list["Deal"]) -> None:
    from apps.crm.services.boards import place_deal
    from apps.crm.services.deals import move_deal
    from tests.crm.factories import stage

    place_deal(column[0].pk, above_id=column[4].pk, actor=anna)
    for name in ("Proposal", "Prospecting"):
        move_deal(column[0].pk, stage_id=stage(name).pk, actor=anna, face="ADMIN")  # type: ignore[arg-type]
    assert order_of(anna)[0] == column[0].pk


def test_only_who_may_move_may_place_and_only_within_the_column(
    anna: "User", auditor: "User", boris: "User", column: list["Deal"]
) -> None:
    from apps.crm.models import Deal
    from apps.crm.services.boards import place_deal
    from tests.crm.factories import make_deal, stage

    with pytest.raises(PermissionDenied):
        place_deal(column[0].pk, above_id=None, actor=auditor)
    with pytest.raises(Deal.DoesNotExist):
        place_deal(column[0].pk, above_id=None, actor=boris)
    elsewhere = make_deal("Elsewhere", owner=anna, stage=stage("Proposal"))
    with pytest.raises(ValidationError, match="not there any more"):
        place_deal(column[0].pk, above_id=elsewhere.pk, actor=anna)


# The stream


@pytest.fixture
def stream(pipeline: "Pipeline") -> Callable[..., list[tuple[int, Any, list[int]]]]:
    """Reads what is new on the board: (number, deals, stages)."""
    from apps.crm.board.stream import BoardStream

    def read(after: int = 0) -> list[tuple[int, Any, list[int]]]:
        events = BoardStream().read(str(pipeline.pk), after, 100)
        return [(event.seq, event.data["deals"], event.data["stages"]) for event in events]

    return read


def test_changes_are_numbered_without_gaps_whoever_makes_them(
    anna: "User", team: "Team", pipeline: "Pipeline", stream: Any
) -> None:
    from django.db import connection

    from apps.crm.board.stream import BoardStream
    from apps.crm.models import Deal
    from apps.crm.services.deals import move_deal
    from tests.crm.factories import make_deal, stage

    epoch, start = BoardStream().head(str(pipeline.pk))
    first, there = make_deal("A", owner=anna, team=team), stage("Proposal")
    assert stream(start) == [(start + 1, [first.pk], [first.stage_id])]
    move_deal(first.pk, stage_id=there.pk, actor=anna, face="ADMIN")  # type: ignore[arg-type]
    assert stream(start + 1) == [(start + 2, [first.pk], sorted([first.stage_id, there.pk]))]
    with connection.cursor() as cursor:
        cursor.execute("update crm_deal set title = 'By hand' where id = %s", [first.pk])
    assert stream(start + 2) == [(start + 3, [first.pk], [there.pk])]
    # Many statements become one event, thousands of rows no list of them.
    for number in range(3):
        make_deal(f"B {number}", owner=anna, team=team)
    ((seq, deals, _stages),) = stream(start + 3)
    assert (seq, len(deals)) == (start + 4, 3)
    Deal.objects.bulk_create(
        Deal(title="C", owner=anna, pipeline=pipeline, stage=there, currency="RUB") for _ in range(500)
    )
    assert stream(start + 4) == [(start + 5, None, [there.pk])]
    assert stream(start + 5) == []
    assert BoardStream().head(str(pipeline.pk)) == (epoch, start + 5)


def test_a_deal_that_changes_pipelines_is_told_on_both_boards(
    anna: "User", team: "Team", stream: Any
) -> None:
    from apps.crm.board.stream import BoardStream
    from apps.crm.models import Pipeline, Stage
    from apps.crm.services.deals import switch_pipeline
    from tests.crm.factories import make_deal

    other = Pipeline.objects.create(name="Partners")
    there = Stage.objects.create(pipeline=other, name="First", position=1)
    deal = make_deal("A", owner=anna, team=team)
    ((seq, _deals, _stages),) = stream()
    switch_pipeline(deal.pk, stage_id=there.pk, actor=anna, face="ADMIN")  # type: ignore[arg-type]
    assert stream(seq) == [(seq + 1, [deal.pk], [deal.stage_id])]
    (event,) = BoardStream().read(str(other.pk), 0, 10)
    assert event.data == {"deals": [deal.pk], "stages": [there.pk]}


def test_old_changes_go_and_who_was_away_starts_over(
    anna: "User", deal: "Deal", pipeline: "Pipeline", stream: Any
) -> None:
    from apps.crm.models import BoardChange
    from apps.crm.services import boards
    from tests.crm.factories import make_deal

    assert len(stream()) == 1
    BoardChange.objects.update(at=timezone.now() - timedelta(hours=2))
    make_deal("Unwatched", owner=anna)
    assert boards.expire_changes() == 1
    assert [seq for seq, _deals, _stages in stream(1)] == [2]


def test_a_stream_is_watched_by_who_may_see_deals_and_the_pipeline(
    anna: "User", auditor: "User", pipeline: "Pipeline"
) -> None:
    from apps.accounts.faces.sockets import may_watch
    from tests.crm.factories import join, make_role, make_team, make_user

    assert may_watch(anna, f"board:{pipeline.pk}")
    assert may_watch(auditor, f"board:{pipeline.pk}")
    for key in ("", "x", "-1", "²", "9" * 30, str(pipeline.pk + 999)):
        assert not may_watch(anna, f"board:{key}")
    assert not may_watch(make_user(), f"board:{pipeline.pk}")
    half = join(make_user(), make_team(), make_role({"crm.view_pipeline": "ALL"}))
    assert not may_watch(half, f"board:{pipeline.pk}")


# Saved views


def test_what_was_used_last_comes_back_and_what_opens_first_before_it(
    anna: "User", pipeline: "Pipeline"
) -> None:
    from apps.lists.services.views import change_view, save_view

    def bare() -> str:
        answer = open_board(anna, "")
        return str(answer.headers.get("Location", "")).partition("?")[2]

    assert bare() == ""
    assert open_board(anna, "q=desk").status_code == 200
    assert bare() == "q=desk"
    view = save_view(anna, f"crm.deal.board:{pipeline.pk}", "Lamps", {"q": "lamp"})
    assert bare() == "q=desk"
    change_view(view.pk, actor=anna, is_default=True)
    assert bare() == "q=lamp"
    change_view(view.pk, actor=anna, is_default=False)
    assert open_board(anna).status_code == 200
    assert bare() == ""


def test_the_start_leads_to_the_board_used_last(anna: "User", pipeline: "Pipeline") -> None:
    from apps.crm.models import Pipeline, Stage

    other = Pipeline.objects.create(name="Partners")
    Stage.objects.create(pipeline=other, name="First", position=1)
    client = Client()
    client.force_login(anna)
    assert client.get(f"{BOARD}/").headers["Location"] == f"{BOARD}/{pipeline.pk}/"
    assert client.get(f"{BOARD}/{other.pk}/?q=x").status_code == 200
    assert client.get(f"{BOARD}/").headers["Location"] == f"{BOARD}/{other.pk}/"
    there = client.get(f"{BOARD}/?pipeline={pipeline.pk}&q=y").headers["Location"]
    assert there == f"{BOARD}/{pipeline.pk}/?q=y"


def test_views_are_saved_changed_and_deleted_from_the_page(anna: "User", pipeline: "Pipeline") -> None:
    from apps.lists.models import SavedView

    saved = ask(anna, "views/", {"what": "save", "name": " My  desks ", "q": "desk"}, post=True)
    assert saved.json()["url"].endswith("?q=desk")
    view = SavedView.objects.get(owner=anna, name="My desks")
    twin = ask(anna, "views/", {"what": "save", "name": "my DESKS", "q": "x"}, post=True)
    assert (twin.status_code, twin.json()["text"]) == (400, "You have a view of this name already.")
    assert (
        ask(anna, "views/", {"what": "save", "name": " "}, post=True).json()["text"]
        == "Give the view a name."
    )
    change = {"what": "change", "view": view.pk, "name": "Desks", "default": "1", "q": "ignored"}
    assert ask(anna, "views/", change, post=True).json()["url"].endswith("?q=desk")
    page = open_board(anna, "q=desk").content.decode()
    assert "Change the view “Desks”" in page
    assert ask(anna, "views/", {"what": "delete", "view": view.pk}, post=True).status_code == 200
    assert not SavedView.objects.filter(name="Desks").exists()


def test_the_words_of_the_script_are_data(anna: "User") -> None:
    page = open_board(anna).content.decode()
    words = json.loads(re.search(r'id="board-words"[^>]*>(.*?)</script>', page, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert words["offline"].startswith("This did not reach the server.")
    assert "style=" not in page.partition('id="board"')[2].partition("</main>")[0]


# Places


@pytest.mark.parametrize("face", ["service", "bulk", "sql"])
def test_a_card_keeps_its_place_only_in_its_stage(pipeline: "Pipeline", face: str) -> None:
    from apps.crm.models import Deal, StageTransition
    from apps.crm.services import bulk, deals
    from apps.lists.bulk import Chosen, How
    from tests.crm.factories import make_admin, make_deal

    admin = make_admin()
    deal = make_deal(owner=admin)
    Deal.objects.filter(pk=deal.pk).update(ranked_at=timezone.now() + timedelta(days=1))
    deals.change_deal(deal.pk, actor=admin, title="Another title")
    deal.refresh_from_db()
    assert deal.ranked_at is not None
    stage = pipeline.stages.filter(kind="OPEN").exclude(pk=deal.stage_id).first()
    assert stage is not None
    if face == "service":
        deals.move_deal(deal.pk, stage_id=stage.pk, actor=admin, face=StageTransition.Face.ADMIN)
    elif face == "bulk":
        bulk.move_deals([deal.pk], {"move": Chosen(How.SET, stage)}, actor=admin, face="ADMIN")
    else:
        Deal.objects.filter(pk=deal.pk).update(stage=stage)
    deal.refresh_from_db()
    assert deal.stage_id == stage.pk
    assert Deal.objects.filter(pk=deal.pk, ranked_at=None).exists()
