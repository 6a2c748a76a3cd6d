"""Whatever writes a row, history has it: row by row, in bulk, by COPY and by hand."""

from decimal import Decimal

import pytest
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from apps.accounts.models import Team, User
from apps.crm.models import Company, Deal, Person, Tag
from apps.history.models import Change, ChangeSet
from tests.crm.factories import make_company, make_deal
from tests.history.factories import changes_of, recorded, set_of

pytestmark = pytest.mark.django_db


def test_saved_form_is_recorded_by_the_columns_that_differ(anna: User) -> None:
    deal = make_deal("Desks", owner=anna, amount=Decimal("1000.00"))
    with recorded(anna) as work:
        deal.amount = Decimal("1500.10")
        deal.save()
    (change,) = changes_of(work, Deal)
    assert (change.op, change.row_id, change.about) == ("U", str(deal.pk), f"crm.deal:{deal.pk}")
    assert change.old == {"amount": Decimal("1000.00")}
    assert change.new == {"amount": Decimal("1500.10")}


@pytest.mark.parametrize("count", [1, 10, 11, 40])
def test_bulk_update_is_recorded_row_by_row(anna: User, count: int) -> None:
    deals = [make_deal(f"Deal {n}", owner=anna, amount=Decimal(n)) for n in range(count)]
    with recorded(anna) as work:
        Deal.objects.filter(pk__in=[deal.pk for deal in deals]).update(amount=F("amount") + 1, probability=10)
    changes = changes_of(work, Deal)
    assert len(changes) == count
    assert {c.new["amount"] - c.old["amount"] for c in changes if c.old and c.new} == {1}


@pytest.mark.parametrize("count", [3, 30])
def test_rows_that_stay_as_they_are_are_not_recorded(anna: User, count: int) -> None:
    deals = [make_deal(f"Deal {n}", owner=anna, next_step="call" if n else "") for n in range(count)]
    with recorded(anna) as work:
        Deal.objects.filter(pk__in=[d.pk for d in deals]).update(next_step="call", version=F("version") + 1)
    (change,) = changes_of(work, Deal)
    assert change.row_id == str(deals[0].pk)
    assert change.new == {"next_step": "call", "version": 2}


def test_bulk_create_is_recorded_with_all_columns(anna: User) -> None:
    with recorded(anna) as work:
        Company.objects.bulk_create(Company(name=f"Company {n}", owner=anna) for n in range(20))
    changes = changes_of(work, Company)
    assert {c.op for c in changes} == {"I"}
    assert {c.new["name"] for c in changes if c.new} == {f"Company {n}" for n in range(20)}


def test_bulk_update_with_different_columns_is_recorded_exactly(anna: User) -> None:
    companies = [make_company(f"Company {n}", owner=anna) for n in range(12)]
    for company in companies[:6]:
        company.city = "Omsk"
    for company in companies[6:]:
        company.industry = "Steel"
    with recorded(anna) as work:
        Company.objects.bulk_update(companies, ["city", "industry"])
    before = {c.pk: (c.city, c.industry) for c in companies}
    for change in changes_of(work, Company):
        assert change.new is not None
        city, industry = before[int(change.row_id)]
        assert change.new.get("city", city) == city
        assert change.new.get("industry", industry) == industry
    assert len(changes_of(work, Company)) == 12


def test_copy_is_recorded(anna: User) -> None:
    with recorded(anna) as work, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select 1")
        with cursor.copy("copy crm_tag (name, color, created_at, updated_at) from stdin") as copy:
            for n in range(15):
                copy.write_row((f"Tag {n}", "", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"))
    assert len(changes_of(work, Tag)) == 15


def test_statement_by_hand_is_recorded(anna: User) -> None:
    company = make_company("Iron", owner=anna)
    with recorded(anna) as work, connection.cursor() as cursor:
        cursor.execute("update crm_company set city = 'Perm' where id = %s", [company.pk])
    assert [c.new for c in changes_of(work, Company)] == [{"city": "Perm"}]


def test_deleted_row_is_kept_whole(anna: User) -> None:
    company = make_company("Iron", owner=anna)
    with recorded(anna) as work:
        Company.objects.filter(pk=company.pk).delete()
    (change,) = changes_of(work, Company)
    assert change.op == "D"
    assert change.old is not None
    assert change.old["name"] == "Iron"
    assert change.old["owner_id"] == anna.pk


def test_links_are_told_about_the_row_that_has_them(anna: User) -> None:
    deal = make_deal("Desks", owner=anna)
    hot, cold = Tag.objects.create(name="hot"), Tag.objects.create(name="cold")
    deal.tags.set([hot])
    with recorded(anna) as work:
        deal.tags.set([cold])
    changes = changes_of(work, Deal.tags.through)
    assert sorted(c.op for c in changes) == ["D", "I"]
    assert {c.about for c in changes} == {f"crm.deal:{deal.pk}"}


def test_generated_columns_are_left_out(anna: User) -> None:
    with recorded(anna) as work:
        Person.objects.create(given_name="Eva", owner=anna)
    (change,) = changes_of(work, Person)
    assert change.new is not None
    assert "full_name" not in change.new


def test_nothing_secret_is_recorded(anna: User) -> None:
    with recorded(anna) as work:
        user = User.objects.create(email="new@example.org", name="New", password=make_password("hush-hush"))
        User.objects.filter(pk=user.pk).update(password=make_password("hush again"), name="Newer")
    texts = [f"{c.old} {c.new}" for c in changes_of(work, User)]
    assert len(texts) == 2
    assert all("password" not in text and "md5$" not in text for text in texts)


def test_a_password_alone_leaves_no_trace(anna: User) -> None:
    with recorded(anna) as work:
        anna.set_password("something new")
        anna.save(update_fields=["password", "last_login"])
    assert changes_of(work, User) == []


def test_columns_kept_by_the_database_are_left_out(anna: User) -> None:
    north = Team.objects.create(name="Far north")
    with recorded(anna) as work:
        Team.objects.create(name="Below", parent=north)
    assert all("path" not in (c.new or {}) for c in changes_of(work, Team))


def test_a_write_without_context_is_the_systems() -> None:
    before = set(ChangeSet.objects.values_list("pk", flat=True))
    Tag.objects.create(name="nobody's")
    Tag.objects.create(name="nobody's either")
    # Both in the one transaction of this test.
    (change_set,) = ChangeSet.objects.exclude(pk__in=before)
    assert (change_set.face, change_set.actor) == ("SYSTEM", None)
    assert Change.objects.filter(change_set=change_set).count() == 2


def test_a_primary_key_never_changes(anna: User) -> None:
    company = make_company("Iron", owner=anna)
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        Company.objects.filter(pk=company.pk).update(id=company.pk + 1000)


def test_what_is_rolled_back_leaves_no_history(anna: User) -> None:
    with recorded(anna) as work:
        with transaction.atomic():
            Tag.objects.create(name="gone")
            transaction.set_rollback(True)
        Tag.objects.create(name="stays")
    assert [c.new["name"] for c in changes_of(work, Tag) if c.new] == ["stays"]
    assert set_of(work).actor == anna
