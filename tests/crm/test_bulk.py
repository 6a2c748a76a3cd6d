"""What is done to many rows is what the service for one does to each: same rows, same facts, same refusals."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import connection, models, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import Team, User
from apps.crm.models import Company, Deal, LostReason, Person, Product, StageTransition, Tag
from apps.crm.services import bulk, catalog, companies, deals, people
from apps.events.models import Event
from apps.lists.bulk import Chosen, bulk_of
from tests.crm.factories import (
    make_company,
    make_deal,
    make_person,
    make_product,
    make_salesperson,
    make_team,
    stage,
)

pytestmark = pytest.mark.django_db
# What differs between two runs by itself.
_MOMENTS = {"updated_at", "stage_entered_at", "closed_at", "archived_at"}


@pytest.fixture
def rows(anna: User, boris: User, lena: User, team: Team) -> list[Deal]:
    """Deals of every state that matters, one of them beyond Lena's team, and one that she only sees."""
    tag = Tag.objects.create(name="hot")
    company = make_company("Berg", owner=anna, team=team)
    found = [
        make_deal("open", owner=anna, team=team, company=company),
        make_deal("manual", owner=anna, team=team, probability=33, is_probability_manual=True),
        make_deal("without amount", owner=boris, team=team, amount=None),
        make_deal("won", owner=anna, team=team, status="WON"),
        make_deal("lost", owner=anna, team=team, status="LOST"),
        make_deal("in the trash", owner=anna, team=team, archived_at=timezone.now()),
        make_deal("engaging", owner=boris, team=team, stage=stage("Engaging")),
        make_deal("dated", owner=boris, team=team, expected_close_date=date(2026, 1, 31)),
        make_deal("ahead", owner=boris, team=team, stage_entered_at=timezone.now() + timedelta(hours=1)),
    ]
    found[0].tags.add(tag)
    return found


def after(act: Callable[[], dict[int, str]]) -> Any:
    """Return everything that an act has left behind, and take it back."""
    with transaction.atomic():
        # Only what is told by this act.
        first = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
        refused = act()
        told = Event.objects.filter(id__gt=first).values_list("type", "subject", "actor_id", "data")
        facts = sorted((kind, subject, actor, _still(data)) for kind, subject, actor, data in told)
        tables = {model: _table(model) for model in (Deal, Company, Person, Product, StageTransition)}
        through: list[Any] = [model.tags.through for model in (Deal, Company, Person)]
        links = [sorted(link[1:] for link in model.objects.values_list()) for model in through]
        transaction.set_rollback(True)
    return refused, facts, tables, links


def _table(model: type[models.Model]) -> list[Any]:
    with connection.cursor() as cursor:
        own = "- 'id' - 'at'" if model is StageTransition else ""
        cursor.execute(f"select to_jsonb(t) {own} from {model._meta.db_table} t order by id")
        return [_still(row) for (row,) in cursor.fetchall()]


def _still(row: Any) -> str:
    """Return a row without the moment at which it was written."""
    values = json.loads(row) if isinstance(row, str) else dict(row)
    for name in values.keys() & _MOMENTS:
        values[name] = values[name] is not None
    transition = values.get("transition")
    for holder in (values, transition or {}):
        holder.pop("seconds_in_stage", None)
    return repr(dict(sorted(values.items())))


def many(run: Callable[..., Any], keys: list[int], choice: dict[str, Chosen], actor: User) -> Any:
    def act() -> dict[int, str]:
        return {pk: _code(error) for pk, error in run(keys, choice, actor=actor, face="ADMIN").items()}

    return after(act)


def each(keys: list[int], one: Callable[[int], object]) -> Any:
    def act() -> dict[int, str]:
        refused = {}
        for key in keys:
            try:
                with transaction.atomic():
                    one(key)
            except (ValidationError, PermissionDenied, ObjectDoesNotExist) as error:
                refused[key] = _code(error)
        return refused

    return after(act)


def _code(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return type(error).__name__
    found = error.error_dict if hasattr(error, "error_dict") else {"": error.error_list}
    return ",".join(sorted(str(one.code) for errors in found.values() for one in errors))


def test_assigning(rows: list[Deal], lena: User, boris: User) -> None:
    keys = [row.pk for row in rows]
    assert many(bulk.assign_deals, keys, {"owner": Chosen("set", boris)}, lena) == each(
        keys, lambda pk: deals.assign_deal(pk, owner_id=boris.pk, actor=lena)
    )


def test_assigning_without_the_right(rows: list[Deal], anna: User, boris: User) -> None:
    keys = [row.pk for row in rows if row.owner == anna]
    choice = {"owner": Chosen("set", anna)}
    assert many(bulk.assign_deals, keys, choice, anna) == each(
        keys, lambda pk: deals.assign_deal(pk, owner_id=anna.pk, actor=anna)
    )


def test_an_owner_who_is_not_in_sight_is_refused_for_every_row(rows: list[Deal], lena: User) -> None:
    foreign = make_salesperson("far", make_team("South"))
    User.objects.filter(pk=foreign.pk).update(is_active=False)
    refused = bulk.assign_deals([rows[0].pk], {"owner": Chosen("set", foreign)}, actor=lena, face="ADMIN")
    assert list(map(_code, refused.values())) == ["inactive"]


@pytest.mark.parametrize("name", ["Engaging", "Prospecting"])
def test_moving(name: str, rows: list[Deal], lena: User) -> None:
    keys, place = [row.pk for row in rows], stage(name)
    assert many(bulk.move_deals, keys, {"move": Chosen("do", place)}, lena) == each(
        keys, lambda pk: deals.move_deal(pk, stage_id=place.pk, actor=lena, face=StageTransition.Face.ADMIN)
    )


def test_winning(rows: list[Deal], lena: User) -> None:
    keys = [row.pk for row in rows]
    assert many(bulk.win_deals, keys, {"win": Chosen("do")}, lena) == each(
        keys, lambda pk: deals.win_deal(pk, actor=lena, face=StageTransition.Face.ADMIN)
    )


def test_losing(rows: list[Deal], lena: User) -> None:
    keys, reason = [row.pk for row in rows], LostReason.objects.get(name="Price")
    assert many(bulk.lose_deals, keys, {"lose": Chosen("do", reason)}, lena) == each(
        keys, lambda pk: deals.lose_deal(pk, reason_id=reason.pk, actor=lena, face=StageTransition.Face.ADMIN)
    )


def test_opening_again(rows: list[Deal], lena: User) -> None:
    keys = [row.pk for row in rows]
    assert many(bulk.reopen_deals, keys, {"reopen": Chosen("do", "a mistake")}, lena) == each(
        keys,
        lambda pk: deals.reopen_deal(pk, reason="a mistake", actor=lena, face=StageTransition.Face.ADMIN),
    )


def test_the_trash(rows: list[Deal], lena: User) -> None:
    keys = [row.pk for row in rows]
    assert many(bulk.archive_deals, keys, {"archive": Chosen("do")}, lena) == each(
        keys, lambda pk: deals.archive_deal(pk, actor=lena)
    )
    assert many(bulk.restore_deals, keys, {"restore": Chosen("do")}, lena) == each(
        keys, lambda pk: deals.restore_deal(pk, actor=lena)
    )


def test_tags_that_some_have_already(rows: list[Deal], lena: User) -> None:
    keys = [row.pk for row in rows]
    hot, new = Tag.objects.get(name="hot"), Tag.objects.create(name="new")
    for how, ids_of in {
        "add": lambda tags: {*tags, hot.pk, new.pk},
        "remove": lambda tags: tags - {hot.pk, new.pk},
    }.items():
        chosen = {"tags": Chosen(how, [hot, new])}

        def one(pk: int, ids_of: Any = ids_of) -> object:
            tags = set(Deal.objects.get(pk=pk).tags.values_list("pk", flat=True))
            return deals.change_deal(pk, actor=lena, tag_ids=list(ids_of(tags)))

        assert many(bulk.change_deals, keys, chosen, lena) == each(keys, one)


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "amount": st.one_of(
            st.decimals(0, 10**6, places=2).map(lambda v: Chosen("set", v)), st.just(Chosen("clear"))
        ),
        "currency": st.sampled_from(["RUB", "USD"]).map(lambda v: Chosen("set", v)),
        "probability": st.one_of(
            st.integers(0, 100).map(lambda v: Chosen("set", v)), st.just(Chosen("clear"))
        ),
        "next_step": st.sampled_from(["", "call"]).map(lambda v: Chosen("set", v)),
        "expected_close_date": st.one_of(
            st.dates(date(2026, 1, 1), date(2027, 1, 1)).map(lambda v: Chosen("set", v)),
            st.just(Chosen("clear")),
        ),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choice=FIELDS)
def test_writing(choice: dict[str, Chosen], rows: list[Deal], lena: User) -> None:
    keys = [row.pk for row in rows]
    given_: dict[str, Any] = {name: None if c.how == "clear" else c.value for name, c in choice.items()}
    assert many(bulk.change_deals, keys, choice, lena) == each(
        keys, lambda pk: deals.change_deal(pk, actor=lena, **given_)
    )


def test_percents_and_days(rows: list[Deal], lena: User) -> None:
    keys = [row.pk for row in rows]
    choice = {"amount": Chosen("percent", Decimal("-12.5")), "expected_close_date": Chosen("shift", 30)}

    def one(pk: int) -> object:
        deal = Deal.objects.get(pk=pk)
        amount = None if deal.amount is None else round(deal.amount * Decimal("0.875"), 2)
        day = deal.expected_close_date and deal.expected_close_date + timedelta(days=30)
        return deals.change_deal(pk, actor=lena, amount=amount, expected_close_date=day)

    assert many(bulk.change_deals, keys, choice, lena) == each(keys, one)


def test_companies_and_people(lena: User, anna: User, boris: User, team: Team) -> None:
    kinds: Any = (
        (
            make_company,
            bulk.change_companies,
            companies.change_company,
            companies.archive_company,
            bulk.archive_companies,
        ),
        (make_person, bulk.change_people, people.change_person, people.archive_person, bulk.archive_people),
    )
    for make, run, change, archive, archive_many in kinds:
        found: Any = [
            make(owner=anna, team=team),
            make(owner=boris, team=team),
            make(owner=None, team=team),
            make(),
            make(owner=anna, team=team, archived_at=timezone.now()),
        ]
        keys = [row.pk for row in found]
        assert many(run, keys, {"owner": Chosen("set", boris)}, lena) == each(
            keys, partial(change, actor=lena, owner_id=boris.pk)
        )
        assert many(run, keys, {"owner": Chosen("clear")}, lena) == each(
            keys, partial(change, actor=lena, owner_id=None)
        )
        assert many(archive_many, keys, {"archive": Chosen("do")}, lena) == each(
            keys, partial(archive, actor=lena)
        )


def test_products(admin: User) -> None:
    found = [make_product(), make_product(price=None, currency=""), make_product(archived_at=timezone.now())]
    keys = [row.pk for row in found]
    assert many(bulk.change_products, keys, {"family": Chosen("set", "Desks")}, admin) == each(
        keys, lambda pk: catalog.change_product(pk, actor=admin, family="Desks")
    )


def test_every_kind_and_way_that_is_offered_is_done_by_something(admin: User) -> None:
    """Ask for each declared change once, with some value that its own field takes."""
    makers: dict[type[models.Model], Callable[[], models.Model]] = {
        Deal: lambda: make_deal(owner=admin, amount=Decimal(10), expected_close_date=date(2026, 1, 1)),
        Company: make_company,
        Person: make_person,
        Product: lambda: make_product(price=None),
    }
    tag, other = Tag.objects.create(name="x"), make_company("other")
    values = {"tags": [tag], "owner": admin, "team": make_team(), "company": other, "parent": other}
    values |= {"move": stage("Engaging"), "lose": LostReason.objects.get(name="Price"), "reopen": "why"}
    plain = {"amount": Decimal(5), "price": Decimal(5), "probability": 5, "currency": "USD"}
    dates = dict.fromkeys(["expected_close_date", "next_step_date"], date(2027, 1, 1))
    asked = 0
    for model, make in makers.items():
        declared = bulk_of(model._meta.label_lower)
        for operation in declared.operations:
            for change in operation.changes:
                for way in change.ways:
                    by_way: dict[str, Any] = {"percent": Decimal(1), "shift": 1, "clear": None}
                    value = by_way.get(way.how, (values | plain | dates).get(change.key, "text"))
                    row = make()
                    chosen = {change.key: Chosen(way.how, value)}
                    refused = operation.run([row.pk], chosen, actor=admin, face="ADMIN")
                    assert refused.keys() <= {row.pk}
                    if change.key not in {"restore", "reopen"}:
                        assert refused == {}, (change.key, way.how, refused)
                    asked += 1
    assert asked > 40
