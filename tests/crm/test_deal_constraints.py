"""What the database refuses, whoever writes: asked in SQL, past every service."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from apps.accounts.models import User
from apps.crm.models import Company, Deal, Stage
from tests.crm import factories
from tests.crm.factories import stage

pytestmark = pytest.mark.django_db


def execute(sql: str, *params: Any) -> None:
    """Run a statement, and ask what else waits for the end of the transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)
        cursor.execute("set constraints all immediate")
        cursor.execute("set constraints all deferred")


def refused_by(sql: str, *params: Any) -> str:
    """Return the name of the constraint that refuses a statement."""
    with pytest.raises(IntegrityError) as refused:
        execute(sql, *params)
    return str(refused.value.__cause__.diag.constraint_name)  # type: ignore[union-attr]


SET = "update crm_deal set {} where id = %s"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("amount = -0.01", "deal_amount_not_negative"),
        ("probability = 101", "deal_probability_percent"),
        ("currency = 'rub'", "deal_currency_code"),
        ("closed_at = now()", "deal_closed_as_status_says"),
        ("lost_reason_id = (select min(id) from crm_lostreason)", "deal_closed_as_status_says"),
        ("status = 'WON', closed_at = now()", "deal_stage_agrees"),
        (
            "status = 'WON', stage_id = (select id from crm_stage where kind = 'WON')",
            "deal_closed_as_status_says",
        ),
        (
            "status = 'LOST', closed_at = now(), stage_id = (select id from crm_stage where kind = 'LOST')",
            "deal_closed_as_status_says",
        ),
        ("stage_id = (select id from crm_stage where kind = 'WON')", "deal_stage_agrees"),
    ],
)
def test_a_deal_that_cannot_be(deal: Deal, change: str, constraint: str) -> None:
    assert refused_by(SET.format(change), deal.pk) == constraint


def test_a_stage_of_another_pipeline(deal: Deal, admin: User) -> None:
    from apps.crm.services.pipelines import create_pipeline

    other = create_pipeline(name="Service", actor=admin).stages.get(kind="OPEN")
    assert (
        refused_by("update crm_deal set stage_id = %s where id = %s", other.pk, deal.pk)
        == "deal_stage_agrees"
    )


def test_a_stage_does_not_change_its_kind_under_deals(deal: Deal) -> None:
    Stage.objects.filter(kind="LOST").delete()
    sql = "update crm_stage set kind = 'LOST' where id = %s"
    assert refused_by(sql, deal.stage_id) == "deal_stage_agrees"
    empty = stage("Proposal")
    with connection.cursor() as cursor:
        cursor.execute(sql, [empty.pk])
    assert Stage.objects.get(pk=empty.pk).kind == "LOST"


def test_history_is_neither_changed_nor_deleted(deal: Deal) -> None:
    changed = refused_by("update crm_stagetransition set reason = 'x' where deal_id = %s", deal.pk)
    deleted = refused_by("delete from crm_stagetransition where deal_id = %s", deal.pk)
    assert changed == deleted == "stage_transition_append_only"


def test_history_goes_with_its_deal(deal: Deal) -> None:
    deal.delete()
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
    assert not Deal.objects.exists()


@pytest.mark.parametrize("length", [1, 2, 5])
def test_companies_are_a_tree(db: None, length: int) -> None:
    top = bottom = factories.make_company()
    for _ in range(length - 1):
        bottom = factories.make_company(parent=bottom)
    name = refused_by("update crm_company set parent_id = %s where id = %s", bottom.pk, top.pk)
    assert name in {"company_parent_cycle", "company_not_its_own_parent"}


def test_a_set_of_companies_that_hang_on_each_other(db: None) -> None:
    sql = """
        with ids as (select nextval('crm_company_id_seq') as a, nextval('crm_company_id_seq') as b)
        insert into crm_company (id, name, parent_id, created_at, updated_at, version, external_source,
            external_id, legal_name, tax_id, domain, industry, country, city, description)
        select x.id, 'c' || x.id, x.parent, now(), now(), 1, '', '', '', '', '', '', '', '', ''
        from ids, lateral (values (a, b), (b, a)) as x (id, parent)
    """
    assert refused_by(sql) == "company_parent_cycle"
    assert not Company.objects.exists()


def test_numbers_come_with_a_set_based_insert(deal: Deal) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            insert into crm_deal (title, pipeline_id, stage_id, status, owner_id, currency, probability,
                opened_date, stage_entered_at, created_at, updated_at, version, lost_note, next_step,
                description, external_source, external_id)
            select title || n, pipeline_id, stage_id, status, owner_id, currency, 0, opened_date,
                stage_entered_at, now(), now(), 1, '', '', '', '', ''
            from crm_deal, generate_series(1, 3) as n returning number
            """
        )
        numbers = [number for (number,) in cursor.fetchall()]
    assert len({*numbers, deal.number}) == 4


@pytest.mark.parametrize(("drawn", "suffix"), [(1, "-000001"), (999_999, "-999999"), (1_234_567, "-1234567")])
def test_a_number_grows_when_it_must(db: None, drawn: int, suffix: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select setval('crm_deal_number', %s, false)", [drawn])
        cursor.execute("select crm_next_deal_number()")
        assert cursor.fetchone()[0].endswith(suffix)
