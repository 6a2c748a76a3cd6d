"""Merges at the same moment, and what others point at a row that is being merged."""

from functools import partial
from threading import Event as Signal
from typing import Any

import pytest
from django.db import connections, transaction

from apps.accounts.models import User
from apps.crm.models import Company, Deal
from apps.crm.services import companies, contacts, deals, merge_rules, people
from apps.crm.services.merging import merge_companies, merge_people
from tests.crm import factories
from tests.crm.test_deal_races import Face, at_once

pytestmark = pytest.mark.django_db(transaction=True)


def ada() -> User:
    return User.objects.get(is_superuser=True, kind="HUMAN")


def merged(merge: Any, winner_id: int, loser_id: int) -> Any:
    return merge(winner_id, loser_id, actor=ada()).pk


def change(deal_id: int, company_id: int) -> str:
    return deals.change_deal(deal_id, actor=ada(), company_id=company_id, title="Changed").title


@pytest.mark.parametrize(
    ("make", "merge"), [(factories.make_company, merge_companies), (factories.make_person, merge_people)]
)
def test_two_merges_that_cross_are_one(make: Any, merge: Any) -> None:
    factories.make_admin()
    for _round in range(5):
        one, other = make(), make()
        outcome = at_once(
            partial(merged, merge, one.pk, other.pk),
            partial(merged, merge, other.pk, one.pk),
        )
        assert sorted(map(str, outcome), reverse=True)[0] == "merged"
        gone = type(one).objects.filter(pk__in=[one.pk, other.pk], merged_into__isnull=False)
        assert gone.count() == 1


def test_merges_around_a_circle_end_without_one() -> None:
    factories.make_admin()
    rows = [factories.make_company() for _number in range(3)]
    at_once(
        *[
            partial(merged, merge_companies, one.pk, other.pk)
            for one, other in zip(rows, [*rows[1:], rows[0]], strict=True)
        ]
    )
    assert Company.objects.filter(archived_at=None).exists()
    for row in Company.objects.filter(merged_into__isnull=False):
        assert row.merged_into_id != row.pk


class Held:
    """A merge that has its locks and waits, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_locks, self.may_go = Signal(), Signal()
        rules = merge_rules.rules_of

        def wait(model: Any) -> Any:
            self.has_locks.set()
            assert self.may_go.wait(30)
            return rules(model)

        monkeypatch.setattr("apps.crm.services.merging.rules_of", wait)


def waits_for_lock() -> bool:
    """Tell whether somebody waits for a lock of another transaction."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "select exists (select 1 from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])


def until_somebody_waits(signal: Signal) -> None:
    for _attempt in range(3000):
        if waits_for_lock():
            signal.set()
            return
        signal.wait(0.01)
    raise AssertionError("nobody waits")


def test_a_deal_made_while_its_company_is_merged_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    factories.make_admin()
    winner, loser = factories.make_company(), factories.make_company()
    held = Held(monkeypatch)

    def make_deal() -> Any:
        assert held.has_locks.wait(30)
        return deals.create_deal(
            actor=ada(), title="Meanwhile", company_id=loser.pk, currency="RUB", face=Face.API
        ).pk

    def look() -> None:
        until_somebody_waits(held.may_go)

    outcome = at_once(lambda: merge_companies(winner.pk, loser.pk, actor=ada()).pk, make_deal, look)
    assert outcome == [winner.pk, "crm_row_merged", None]
    assert not Deal.objects.exists()


def test_a_deal_that_came_first_ends_at_the_winner() -> None:
    factories.make_admin()
    winner, loser = factories.make_company(), factories.make_company()
    is_made, may_end = Signal(), Signal()

    def make_deal() -> Any:
        with transaction.atomic():
            deal = deals.create_deal(
                actor=ada(), title="Before", company_id=loser.pk, currency="RUB", face=Face.API
            )
            is_made.set()
            assert may_end.wait(30)
        return deal.pk

    def merge() -> Any:
        assert is_made.wait(30)
        return merge_companies(winner.pk, loser.pk, actor=ada()).pk

    at_once(make_deal, merge, lambda: until_somebody_waits(may_end))
    assert Deal.objects.get().company == winner
    loser.refresh_from_db()
    assert loser.merged_into == winner


@pytest.mark.parametrize(
    ("kind", "refused"), [("work", "crm_row_merged"), ("child", "crm_row_merged"), ("contact", "archived")]
)
def test_whatever_is_pointed_at_a_merged_row_meanwhile_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: str, refused: str
) -> None:
    factories.make_admin()
    winner, loser = factories.make_company(), factories.make_company()
    person, child = factories.make_person(), factories.make_company()
    held = Held(monkeypatch)

    def point() -> Any:
        assert held.has_locks.wait(30)
        if kind == "work":
            return people.employ_person(person.pk, company_id=loser.pk, actor=ada()).pk
        if kind == "child":
            return companies.change_company(child.pk, actor=ada(), parent_id=loser.pk).pk
        return contacts.add_contact_point(Company, loser.pk, actor=ada(), kind="PHONE", raw="+74951234567").pk

    merge = at_once(
        lambda: merge_companies(winner.pk, loser.pk, actor=ada()).pk,
        point,
        lambda: until_somebody_waits(held.may_go),
    )
    assert merge[:2] == [winner.pk, refused]


def test_a_change_of_a_deal_and_a_merge_do_not_wait_for_each_other_for_ever() -> None:
    factories.make_admin()
    for _round in range(5):
        winner, loser = factories.make_company(), factories.make_company()
        deal = factories.make_deal(owner=ada(), company=loser)
        outcome = at_once(
            partial(merged, merge_companies, winner.pk, loser.pk),
            partial(change, deal.pk, winner.pk),
        )
        assert outcome == [winner.pk, "Changed"]
        deal.refresh_from_db()
        assert (deal.company_id, deal.title) == (winner.pk, "Changed")
