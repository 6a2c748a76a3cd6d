"""Searching one indexed column, and the checks that keep lists from reading whole tables."""

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection

from apps.accounts.models import User
from apps.common import checks
from apps.common.lists.lean import lean
from apps.common.lists.paginator import MOST, CappedPaginator
from apps.common.lists.search import RARE, among, contains, matching, rare_keys
from apps.crm.models import Company, Deal
from tests.crm import factories


def errors(**attributes: Any) -> list[str]:
    page = type("Page", (type(admin.site._registry[Deal]),), attributes)(Deal, admin.site)
    return [str(error.id) for error in checks.errors_of_list(page)]


def test_the_project_has_no_such_list() -> None:
    assert checks.check_lists(None) == []


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({"date_hierarchy": "opened_date"}, ["common.E001"]),
        ({"search_fields": ("company__name",)}, ["common.E002"]),
        ({"search_fields": ("^title",)}, ["common.E002"]),
        ({"search_fields": ("next_step",)}, ["common.E003"]),
        ({"search_fields": ("next_step",), "short_list": "Ten of them."}, []),
        ({"search_fields": ("title",)}, []),
    ],
)
def test_a_list_that_reads_everything_is_refused(attributes: dict[str, Any], found: list[str]) -> None:
    assert errors(**attributes) == found


@pytest.mark.django_db
def test_every_word_has_to_be_somewhere() -> None:
    kept = factories.make_company("Nordwind Logistics Hamburg")
    factories.make_company("Nordwind Cold Chain")
    assert list(Company.objects.filter(matching(["name"], "hamburg NORDWIND"))) == [kept]
    assert list(Company.objects.filter(matching(["name"], '"wind log"'))) == [kept]
    assert list(Company.objects.filter(matching(["name", "city"], "' OR 1=1 --"))) == []
    assert Company.objects.filter(matching(["name"], "  ")).count() == 2


@pytest.mark.django_db
def test_short_words_are_looked_for_at_the_beginning() -> None:
    factories.make_company("Nordwind")
    assert Company.objects.filter(contains("name", "no")).exists()
    assert not Company.objects.filter(contains("name", "wi")).exists()
    assert Company.objects.filter(contains("name", "win")).exists()


@pytest.mark.django_db
def test_searching_uses_the_index() -> None:
    factories.make_company()
    with connection.cursor() as cursor:
        # One row is read faster than any index.
        cursor.execute("set local enable_seqscan = off")
    plan = Company.objects.filter(contains("name", "zzz")).explain()
    assert "company_name_trgm" in plan


@pytest.mark.django_db
def test_only_few_matches_are_told_by_their_keys() -> None:
    Company.objects.bulk_create(Company(name=f"Company {n}") for n in range(RARE + 1))
    assert rare_keys(Company.objects.all()) is None
    one = Company.objects.filter(name="Company 7")
    assert rare_keys(one) == [one.get().pk]
    keys = rare_keys(Company.objects.filter(name__startswith="Company 19"))
    assert keys is not None
    assert set(Company.objects.filter(among("pk", keys))) == set(
        Company.objects.filter(name__startswith="Company 19")
    )
    assert not Company.objects.filter(among("pk", [])).exists()


@pytest.mark.django_db
def test_choices_are_offered_without_a_count() -> None:
    Company.objects.bulk_create(Company(name=f"Company {n}") for n in range(MOST + 50))
    pages = CappedPaginator(Company.objects.order_by("pk"), 20)
    assert pages.count == MOST
    assert pages.page(1).has_next()
    assert not pages.page(10).has_next()
    assert CappedPaginator([1, 2, 3], 2).count == 3


@pytest.mark.django_db
def test_lean_rows_are_whole(django_assert_num_queries: Any) -> None:
    owner = factories.make_user("Anna")
    parent = factories.make_company("Parent", owner=owner)
    for name in ("One", "Two"):
        factories.make_company(name, parent=parent, owner=owner)
    rows = lean(
        Company.objects.select_related("parent", "owner")
        .only("name", "parent__name", "owner__name")
        .order_by("pk")
    )
    with django_assert_num_queries(1):
        found: list[Any] = list(rows)
        whole, one, two = found
        assert (one.parent.name, one.owner.name, whole.parent) == ("Parent", "Anna", None)
    assert one.parent is two.parent
    assert one == Company.objects.get(name="One")
    assert not one._state.adding
    # What was left out is fetched when it is asked for.
    with django_assert_num_queries(1):
        assert one.city == ""
    one.name = "Changed"
    one.save(update_fields=["name"])
    assert Company.objects.get(pk=one.pk).name == "Changed"
    through = lean(parent.children.order_by("pk"))
    with django_assert_num_queries(1):
        assert [str(child.parent) for child in through] == ["Parent", "Parent"]
    assert (
        list(lean(User.objects.filter(pk=owner.pk).prefetch_related("memberships"))[0].memberships.all())
        == []
    )
