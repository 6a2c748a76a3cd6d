"""Hot reads: what PostgreSQL writes is what REST framework would have, to the last key, for a single question."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Prefetch
from django.test import Client
from django.utils import timezone
from rest_framework import serializers
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate

from apps.accounts import access
from apps.accounts.faces import hot
from apps.accounts.models import User
from apps.common.api.hot import JsonText, Shape
from apps.crm.api.serializers import CompanySerializer, DealSerializer
from apps.crm.api.views import CompanyViewSet, DealViewSet, PersonViewSet, SalesViewSet
from apps.crm.models import Company, ContactPoint, Deal, Person, Tag
from tests.accounts.factories import make_member
from tests.crm import factories

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/crm"
VIEWS = {"deals": DealViewSet, "companies": CompanyViewSet, "people": PersonViewSet}
# Everything that JSON, Python and PostgreSQL could disagree about.
ODD = 'Ünïcødé "quoted" \\ back/slash\ttab\nline\u2028 \x7f \x01 😀 <b>&amp;</b> %s {0}'


def plain(resource: str) -> Any:
    """Return the same viewset as REST framework would do it all by itself."""
    view = VIEWS[resource]
    body = {name: value for name, value in vars(view).items() if not name.startswith("__")}
    return type(f"Plain{view.__name__}", (SalesViewSet,), body)


def by_rest_framework(resource: str, user: User, path: str, query: dict[str, Any], pk: int | None) -> Any:
    request = APIRequestFactory().get(path, query)
    force_authenticate(request, user)
    of_one = {"get": "retrieve", "put": "update", "patch": "partial_update"}
    actions = {"get": "list", "post": "create"} if pk is None else of_one
    response = plain(resource).as_view(actions)(request, **({} if pk is None else {"pk": str(pk)}))
    return response.render()


def in_order(content: bytes) -> Any:
    """Read JSON with the order of its keys."""
    return json.loads(content, object_pairs_hook=list)


def both(
    resource: str, user: User, query: dict[str, Any] | None = None, pk: int | None = None, path: str = ""
) -> Any:
    """Ask both, insist that they say the same, and return what they said."""
    path = path or f"{ROOT}/{resource}/" + ("" if pk is None else f"{pk}/")
    client = APIClient()
    client.force_authenticate(user)
    ours = client.get(path, query)
    theirs = by_rest_framework(resource, user, path, query or {}, pk)
    assert in_order(ours.content) == in_order(theirs.content)
    assert ours.status_code == theirs.status_code
    assert {name: ours.get(name) for name in ("ETag", "Content-Type", "Allow")} == {
        name: theirs.get(name) for name in ("ETag", "Content-Type", "Allow")
    }
    assert isinstance(ours, JsonText) is (ours.status_code == 200)
    return ours.json()


@pytest.fixture
def rich(anna: User, boris: User) -> dict[str, Any]:
    """Rows with everything in them, with nothing, and with what is odd."""
    tags = [Tag.objects.create(name=name) for name in ("zeta", "alpha", ODD[:40])]
    holding = factories.make_company(
        ODD[:180], owner=boris, annual_revenue=Decimal("12.5"), founded_year=1999
    )
    company = factories.make_company("Мебель", owner=anna, parent=holding, employee_count=40)
    person = factories.make_person("Иван", family_name="О'Нил", owner=anna, description=ODD)
    person.employments.create(company=holding, title="Advisor", is_primary=False)
    person.employments.create(company=company, title=ODD[:100])
    factories.make_person(owner=anna)
    factories.make_company(owner=anna)
    holders: list[tuple[Any, str]] = [(company, "a@b.example"), (person, "c@d.example")]
    for holder, raw in holders:
        holder.contact_points.create(kind="EMAIL", raw=raw.upper(), value=raw)
        holder.contact_points.create(kind="PHONE", raw="1", value=f"+1{holder.pk}{raw[0]}", is_primary=True)
        gone = datetime(2026, 1, 2, tzinfo=UTC)
        holder.contact_points.create(kind="TELEGRAM", raw="@gone", value=f"@gone{raw[0]}", archived_at=gone)
    for row in (company, person):
        row.tags.set(tags)
    deals = [
        factories.make_deal(
            ODD[:200],
            owner=anna,
            company=company,
            person=person,
            amount=Decimal("1234567890123456.70"),
            expected_close_date=date(2026, 12, 31),
            next_step="позвонить",
            next_step_date=date(2027, 1, 1),
            # Without microseconds, and with such that end in noughts.
            stage_entered_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
            archived_at=datetime(2026, 3, 4, 5, 6, 7, 120, tzinfo=UTC),
            description=ODD,
        ),
        factories.make_deal(owner=anna, amount=None),
        factories.make_deal(owner=anna, status="LOST", lost_note=ODD),
        factories.make_deal(owner=anna, status="WON", amount=Decimal(0), company=holding),
        factories.make_deal(owner=boris, title="not hers"),
    ]
    deals[0].tags.set(tags)
    return {"deals": deals, "companies": [company], "people": [person], "tags": tags}


@pytest.mark.parametrize("resource", VIEWS)
def test_a_row_is_what_it_was(rich: dict[str, Any], anna: User, admin: User, resource: str) -> None:
    queryset: Any = VIEWS[resource].queryset
    model = queryset.model
    for pk in model.objects.values_list("pk", flat=True):
        both(resource, admin, pk=pk)
        both(resource, anna, pk=pk)


@pytest.mark.parametrize("resource", VIEWS)
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"page_size": "2"},
        {"page_size": "0"},
        {"page_size": "x"},
        {"fields": "id"},
        {"fields": "tags,id,version,created_at"},
        {"fields": ""},
        {"fields": "id,password"},
        {"archived_at__isnull": "true", "page_size": "1"},
        {"tags": "1"},
        {"owner": "x"},
        {"unknown": "x"},
        {"cursor": "x"},
    ],
    ids=str,
)
def test_a_list_is_what_it_was(
    rich: dict[str, Any], anna: User, resource: str, query: dict[str, str]
) -> None:
    if "tags" in query:
        query = query | {"tags": str(rich["tags"][1].pk)}
    shown = both(resource, anna, query)
    assert "results" not in shown or shown["results"]


@pytest.mark.parametrize(
    "given", ["x", True, 1.5, [], {}, 0, -1, 2**63, "9" * 30, "9" * 5000], ids=lambda given: str(given)[:9]
)
@pytest.mark.parametrize("field", ["company", "person", "stage"])
def test_a_reference_that_is_none_is_refused_by_its_field(anna: User, field: str, given: Any) -> None:
    client = APIClient()
    client.force_authenticate(anna)
    refused = client.post(f"{ROOT}/deals/", {"title": "x", field: given})
    assert refused.status_code == 400
    assert {error["field"] for error in refused.json()["errors"]} == {field}


@pytest.mark.parametrize(
    "query",
    [
        {"status": "LOST"},
        {"title__icontains": "ünïcødé"},
        {"company__isnull": "true"},
        {"expected_close_date__gte": "2026-12-31", "status": "OPEN"},
        {"number": "D-0"},
        {"status": "NONE"},
    ],
    ids=str,
)
def test_filters_are_what_they_were(rich: dict[str, Any], anna: User, query: dict[str, str]) -> None:
    both("deals", anna, query)


def test_several_tags_find_a_row_once(rich: dict[str, Any], anna: User) -> None:
    shown = both("deals", anna, {"tags": [tag.pk for tag in rich["tags"]]})
    assert [row["id"] for row in shown["results"]] == [rich["deals"][0].pk]


@pytest.mark.parametrize("query", [{}, {"archived_at__isnull": "true"}], ids=str)
def test_pages_go_forth_and_back(anna: User, query: dict[str, str]) -> None:
    deals = [factories.make_deal(owner=anna) for _ in range(7)]
    shown, there, back = both("deals", anna, query | {"page_size": "3"}), [], []
    pages = 1
    there += shown["results"]
    while shown["next"]:
        shown = both("deals", anna, path=shown["next"])
        there += shown["results"]
        pages += 1
    assert ([row["id"] for row in there], pages) == ([deal.pk for deal in reversed(deals)], 3)
    back += shown["results"]
    while shown["previous"]:
        shown = both("deals", anna, path=shown["previous"])
        back = shown["results"] + back
    assert back == there


@pytest.mark.parametrize(
    "cursor",
    [
        "cD0w",
        "cD14",
        "cD0tMQ",
        "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
        "bz0zJnI9MQ",
        "bz0zJnA9MQ",
        "AAAA",
        "=",
        "\x00",
    ],
)
def test_a_cursor_of_somebody_elses_making_breaks_nothing(deal: Deal, anna: User, cursor: str) -> None:
    client = APIClient()
    client.force_authenticate(anna)
    response = client.get(f"{ROOT}/deals/", {"cursor": cursor})
    assert response.status_code in {200, 400}
    if response.status_code == 400:
        assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("key", ["0", "abc", "-1", "9" * 19, "9" * 30, "1.0", "%00", "٣"])
def test_an_address_without_a_row_is_404(anna: User, key: str) -> None:
    client = APIClient()
    client.force_authenticate(anna)
    assert client.get(f"{ROOT}/deals/{key}/").status_code in {400, 404}


def test_out_of_sight_is_not_there(rich: dict[str, Any], anna: User) -> None:
    foreign = Deal.objects.get(title="not hers")
    assert both("deals", anna, pk=foreign.pk)["code"] == "not_found"
    assert foreign.pk not in {row["id"] for row in both("deals", anna)["results"]}


def test_who_may_see_nothing_is_refused_as_before(rich: dict[str, Any]) -> None:
    nobody = factories.make_user("Nobody")
    assert both("deals", nobody)["code"] == "permission_denied"


def test_what_answers_a_change_is_the_row(deal: Deal, anna: User) -> None:
    client = APIClient()
    client.force_authenticate(anna)
    changed = client.patch(f"{ROOT}/deals/{deal.pk}/", {"title": "Chairs"})
    assert changed.json() == client.get(f"{ROOT}/deals/{deal.pk}/").json()
    assert (changed["ETag"], changed.json()["title"]) == ('"2"', "Chairs")
    made = client.post(f"{ROOT}/deals/", {"title": "New", "amount": {"amount": "1", "currency": "EUR"}})
    assert (made.status_code, made["ETag"]) == (201, '"1"')
    assert made.json() == client.get(f"{ROOT}/deals/{made.json()['id']}/").json()


def test_head_says_what_get_would(deal: Deal, anna: User) -> None:
    client = APIClient()
    client.force_authenticate(anna)
    head, got = (getattr(client, method)(f"{ROOT}/deals/{deal.pk}/") for method in ("head", "get"))
    assert (head.status_code, head["ETag"], head.content) == (200, got["ETag"], b"")


def test_times_are_told_in_utc_whoever_asks(deal: Deal, anna: User) -> None:
    User.objects.filter(pk=anna.pk).update(time_zone="Asia/Yekaterinburg")
    client = Client()
    client.force_login(anna)
    for path in (f"{ROOT}/deals/{deal.pk}/", f"{ROOT}/transitions/"):
        shown = client.get(path).json()
        row = shown.get("results", [shown])[0]
        assert str(row.get("created_at") or row["at"]).endswith("Z")


@pytest.mark.parametrize("resource", VIEWS)
def test_a_list_asks_one_question(
    rich: dict[str, Any], anna: User, resource: str, django_assert_num_queries: Any
) -> None:
    client = APIClient()
    client.force_authenticate(anna)
    client.get(f"{ROOT}/{resource}/")
    # The rights are remembered on the user, as they are within a request.
    with django_assert_num_queries(1):
        client.get(f"{ROOT}/{resource}/")
    pk = rich[resource][0].pk
    with django_assert_num_queries(1):
        client.get(f"{ROOT}/{resource}/{pk}/")


class _Shouting(DealSerializer):
    title = serializers.SerializerMethodField()

    def get_title(self, deal: Deal) -> str:
        return deal.title.upper()


class _Rounded(CompanySerializer):
    annual_revenue = serializers.DecimalField(max_digits=14, decimal_places=1)


@pytest.mark.parametrize(
    ("serializer", "queryset", "said"),
    [
        (_Shouting(), DealViewSet.queryset, "SerializerMethodField"),
        (_Rounded(), CompanyViewSet.queryset, "decimal places"),
        (
            CompanySerializer(),
            Company.objects.prefetch_related(
                "tags",
                Prefetch(
                    "contact_points",
                    ContactPoint.objects.filter(kind="EMAIL"),
                    to_attr="active_contact_points",
                ),
            ),
            "plain conditions",
        ),
    ],
)
def test_what_sql_cannot_say_is_refused_at_once(serializer: Any, queryset: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Shape(serializer, queryset)


@pytest.mark.django_db(transaction=True)
class TestBetweenTransactions:
    """What is remembered between requests, which tests within one transaction never see."""

    @pytest.fixture
    def seller(self, transactional_db: None) -> User:
        return make_member(factories.make_team("north"), "salesperson", "Sonya")

    def titles(self, user: User) -> list[str]:
        client = Client()
        client.force_login(user)
        return [row["title"] for row in client.get(f"{ROOT}/deals/", {"fields": "title"}).json()["results"]]

    def test_a_change_of_rights_is_seen_by_the_next_request(self, seller: User) -> None:
        foreign = factories.make_deal("foreign", owner=factories.make_user("Other"))
        mine = factories.make_deal("mine", owner=seller)
        assert self.titles(seller) == ["mine"]
        assert any(key[0] is DealViewSet and key[1] == seller.pk for key in hot._selections)
        grants = seller.memberships.get().role.grants.filter(permission="crm.view_deal")
        grants.update(reach="ALL")
        assert self.titles(seller) == ["mine", "foreign"]
        grants.update(reach="OWN")
        assert self.titles(seller) == ["mine"]
        Deal.objects.filter(pk=foreign.pk).update(owner=seller)
        Deal.objects.filter(pk=mine.pk).update(owner=foreign.owner)
        assert self.titles(seller) == ["foreign"]

    def test_what_was_rolled_back_is_not_remembered(self, seller: User) -> None:
        from django.db import transaction

        factories.make_deal("foreign", owner=factories.make_user("Other"))
        grants = seller.memberships.get().role.grants.filter(permission="crm.view_deal")
        with transaction.atomic():
            grants.update(reach="ALL")
            raised = User.objects.get(pk=seller.pk)
            assert Deal.objects.visible_to(raised).count() == 1
            transaction.set_rollback(True)
        # Comes to the very version that the undone change had.
        seller.memberships.get().role.grants.filter(permission="crm.view_person").update(reach="ALL")
        again = User.objects.get(pk=seller.pk)
        assert again.perm_version == raised.perm_version
        assert Deal.objects.visible_to(again).count() == 0

    def test_a_deal_is_made_as_within_one_transaction(self, seller: User) -> None:
        """What was settled before the transaction lets one make a deal, and nothing that is out of sight."""
        client = Client()
        client.force_login(seller)
        company, foreign = (
            factories.make_company(owner=owner) for owner in (seller, factories.make_user("Other"))
        )
        gone = factories.make_company(owner=seller, archived_at=timezone.now())
        for _twice in range(2):
            made = client.post(f"{ROOT}/deals/", {"title": "x", "company": company.pk}, "application/json")
            assert (made.status_code, made.json()["company_name"]) == (201, company.name)
            for hidden in (foreign.pk, gone.pk, 10**9):
                refused = client.post(f"{ROOT}/deals/", {"title": "x", "company": hidden}, "application/json")
                errors = [(error["field"], error["code"]) for error in refused.json()["errors"]]
                assert (refused.status_code, errors) == (400, [("company", "does_not_exist")])
        grants = seller.memberships.get().role.grants
        grants.filter(permission="crm.view_company").update(reach="ALL")
        body = {"title": "x", "company": foreign.pk}
        assert client.post(f"{ROOT}/deals/", body, "application/json").status_code == 201
        grants.filter(permission="crm.add_deal").delete()
        assert client.post(f"{ROOT}/deals/", body, "application/json").status_code == 403
        assert Deal.objects.count() == 3

    def test_rights_that_change_within_the_transaction_count_at_once(self, seller: User) -> None:
        foreign = factories.make_deal(owner=factories.make_user("Other"))
        access.settle(seller)
        assert not access.can(seller, "view", foreign)
        grants = seller.memberships.get().role.grants.filter(permission="crm.view_deal")
        with transaction.atomic():
            grants.update(reach="ALL")
            access.forget(seller)
            assert access.can(seller, "view", foreign)
            transaction.set_rollback(True)
        access.forget(seller)
        assert not access.can(seller, "view", foreign)

    def test_plans_are_kept_for_lists_and_not_for_searches(self, seller: User) -> None:
        client = Client()
        client.force_login(seller)
        for query in ({}, {"title__icontains": "desk"}):
            client.get(f"{ROOT}/deals/", query)
        with connection.cursor() as cursor:
            cursor.execute("select statement from pg_prepared_statements")
            kept = [text for (text,) in cursor.fetchall()]
        assert len([text for text in kept if "row_to_json" in text]) == 1
        assert not [text for text in kept if "UPPER" in text]


def test_every_person_has_a_full_name(rich: dict[str, Any], anna: User) -> None:
    names = {row["full_name"] for row in both("people", anna)["results"]}
    assert names == set(Person.objects.filter(owner=anna).values_list("full_name", flat=True))
