"""The home page by role: each figure is the number of rows behind its link, and nothing of others is in it."""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.utils import timezone
from unfold.sites import UnfoldAdminSite

if TYPE_CHECKING:
    from apps.accounts.models import Team, User
    from apps.crm.models import Deal

SECTIONS = ["won", "pipeline", "stale", "week", "team", "day", "latest"]
FIGURE = re.compile(r'href="(/admin/crm/(?:deal|lead)/\?[^"]*)" data-figure="(\d+)"')
CANARY = "canaryofsouth"


@pytest.fixture(autouse=True)
def nothing_kept(redis_url: str) -> None:
    """Figures that another test kept are none of this one's."""


def client_of(user: "User") -> Client:
    client = Client()
    client.force_login(user)
    return client


def section(client: Client, name: str) -> str:
    response = client.get(f"/admin/home/{name}/")
    assert (response.status_code, response.headers["X-Home-State"]) == (200, "fresh"), name
    return response.content.decode()


def sections_on(page: str) -> list[str]:
    return re.findall(r'data-home="/admin/home/(\w+)/"', page)


def home_of(client: Client) -> str:
    response = client.get("/admin/")
    assert response.status_code == 200
    return response.content.decode()


class World:
    """Two teams of two offices, with everything on both sides that a figure counts."""

    def __init__(self) -> None:
        from tests.crm import factories

        self.north, self.south = factories.make_team("North"), factories.make_team("South")
        self.users = {
            "seller": factories.make_salesperson("Anna", self.north),
            "lead": factories.make_lead("Lena", self.north),
            "auditor": factories.make_auditor(),
            "administrator": factories.make_admin(),
        }
        colleague = factories.make_salesperson("Boris", self.north)
        stranger = factories.make_salesperson(f"Stranger {CANARY}", self.south)
        for owner, team, title in [
            (self.users["seller"], self.north, "of Anna"),
            (colleague, self.north, "of Boris"),
            (self.users["lead"], self.north, "of Lena"),
            (stranger, self.south, CANARY),
        ]:
            self._fill(owner, team, title)

    def _fill(self, owner: "User", team: "Team", title: str) -> None:
        from apps.crm.models import Lead, LostReason, StageTransition
        from apps.crm.services import deals
        from tests.crm.factories import make_deal, stage

        face, now, today = StageTransition.Face.ADMIN, timezone.now(), timezone.localdate()
        mine: dict[str, Any] = {"owner": owner, "team": team}

        def made(**fields: Any) -> "Deal":
            return make_deal(f"{title} {fields}"[:200], **(mine | fields))

        for days in (-2, 0, 1, 7, 30):
            made(next_step_date=today + timedelta(days=days), next_step=title)
        made(stage_entered_at=now - timedelta(days=400), amount=Decimal(777_123))
        made(stage=stage("Engaging"), stage_entered_at=now - timedelta(days=300), currency="EUR")
        for days in (0, 5, 20, 31, 45, 62, 200, 500):
            made(
                status="WON",
                closed_at=now - timedelta(days=days),
                stage_entered_at=now - timedelta(days=days),
            )
        made(archived_at=now)
        made(archived_at=now, status="WON")
        moved, winner, loser = (made(stage_entered_at=now - timedelta(days=40)) for _number in range(3))
        deals.move_deal(moved.pk, stage_id=stage("Proposal").pk, actor=owner, face=face)
        deals.win_deal(winner.pk, actor=owner, face=face)
        deals.lose_deal(loser.pk, reason_id=LostReason.objects.get(name="Price").pk, actor=owner, face=face)
        deals.change_deal(moved.pk, actor=owner, amount=Decimal(5))
        Lead.objects.create(name=f"Lead {title}", owner=owner, team=team)


@pytest.fixture
def world(db: None) -> World:
    return World()


def rows_behind(user: "User", link: str) -> int:
    """Count what the list under a link holds, without writing its page."""
    from apps.crm.models import Deal, Lead
    from apps.notifications.models import Task

    request = RequestFactory().get(link)
    request.user = user
    model = Lead if "/crm/lead/" in link else Task if "/notifications/task/" in link else Deal
    return int(admin.site.get_model_admin(model).get_changelist_instance(request).queryset.count())


def figures_of(client: Client) -> Iterator[tuple[str, str, int]]:
    """Yield each figure of a person's home: its section, the list it opens, and what it says."""
    for name in sections_on(home_of(client)):
        for link, figure in FIGURE.findall(section(client, name)):
            yield name, unescape(link), int(figure)


@pytest.mark.parametrize("who", ["seller", "lead", "auditor", "administrator"])
def test_each_figure_is_the_number_of_rows_behind_it(world: World, who: str) -> None:
    client = client_of(world.users[who])
    found = list(figures_of(client))
    behind = {link: rows_behind(world.users[who], link) for _name, link, _figure in found}

    assert [each for each in found if behind[each[1]] != each[2]] == []
    # Every section counts something, and no kind of figure is always nothing.
    assert {name for name, _link, figure in found if figure} == set(sections_on(home_of(client))) - {
        "stale", "latest", "tasks",
    }  # fmt: skip
    kinds = ["closed_at", "attention=stale", "attention=unplanned", "week=new", "week=moved", "week=won",
             "week=lost", "week=amount", "stage__id"]  # fmt: skip
    assert [kind for kind in kinds if not any(kind in link and figure for _n, link, figure in found)] == []


@pytest.mark.parametrize("who", ["seller", "lead"])
def test_nothing_of_another_team_is_in_it(world: World, who: str) -> None:
    client = client_of(world.users[who])
    pages = [home_of(client), *(section(client, name) for name in sections_on(home_of(client)))]
    assert not any(CANARY in page for page in pages)
    assert any(CANARY in section(client_of(world.users["auditor"]), name) for name in ["latest", "team"])


def test_figures_grow_with_the_reach(world: World) -> None:
    def total(who: str, part: str) -> int:
        return sum(figure for _n, link, figure in figures_of(client_of(world.users[who])) if part in link)

    for part in ["attention=stale", "week=moved", "closed_at_from"]:
        counts = [total(who, part) for who in ["seller", "lead", "administrator"]]
        assert counts[0] < counts[1] < counts[2], (part, counts)


def test_page_comes_before_its_figures_and_brings_them_along_once_they_are_kept(world: World) -> None:
    client = client_of(world.users["lead"])
    states = dict(re.findall(r'data-home="/admin/home/(\w+)/" data-state="(\w+)"', home_of(client)))
    at_once = {"day", "tasks"}
    assert states == {name: "fresh" if name in at_once else "waiting" for name in states}
    for name in states:
        section(client, name)
    states = dict(re.findall(r'data-home="/admin/home/(\w+)/" data-state="(\w+)"', home_of(client)))
    assert set(states.values()) == {"fresh"}


def test_section_that_is_not_on_ones_page_is_not_there(world: World) -> None:
    for who, user in world.users.items():
        client = client_of(user)
        mine = set(sections_on(home_of(client)))
        for name in [*SECTIONS, "nothing"]:
            status = client.get(f"/admin/home/{name}/").status_code
            assert (status == 200) is (name in mine), (who, name)
            assert status in {200, 404}


def test_every_address_of_the_site_itself_has_been_decided(world: World) -> None:
    from tests.access.expectations import SITE_PAGES

    stock = {str(url.pattern) for url in UnfoldAdminSite().urls[0]}
    models = {f"{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry}
    own = {str(url.pattern) for url in admin.site.urls[0]} - stock - models
    own = {route for route in own if not route.startswith("^(?P<app_label>")}
    assert own == SITE_PAGES.keys()
    for route in own:
        for name in SECTIONS:
            response = Client().get(f"/admin/{route.replace('<slug:section>', name)}")
            assert "/admin/login/" in response.headers["Location"]


def test_hostile_filters_find_nothing_and_break_nothing(world: World) -> None:
    client = client_of(world.users["seller"])
    visible = client.get("/admin/crm/deal/").context["cl"].queryset.count()
    for query in [
        "week=moved-99999999999999999999", "week=amount-1", "week=moved-", "attention=all", "week=' or 1=1",
        "closed_at_from=2026-99-99", "closed_at_from=9999-12-31", "closed_at_to=9999-12-31", "closed_at_to=0001-01-01",
        "closed_at_from=%00",
    ]:  # fmt: skip
        response = client.get(f"/admin/crm/deal/?{query}")
        assert response.status_code in {200, 302, 400}, query
        if response.status_code == 200:
            assert response.context["cl"].queryset.count() <= visible, query


def test_filter_names_a_person_only_to_who_may_see_them(world: World) -> None:
    stranger = next(u for u in type(world.users["lead"]).objects.filter(name__contains=CANARY))
    link = f"/admin/crm/deal/?week=moved-{stranger.pk}"
    assert CANARY not in client_of(world.users["seller"]).get(link).content.decode()
    assert CANARY in client_of(world.users["auditor"]).get(link).content.decode()


def test_months_are_those_of_the_persons_zone(world: World) -> None:
    from datetime import UTC, datetime

    import time_machine

    from tests.crm.factories import make_deal

    user = world.users["administrator"]
    before = datetime(2024, 5, 31, 21, 30, tzinfo=UTC)
    make_deal(owner=user, status="WON", closed_at=before)
    with time_machine.travel(datetime(2024, 6, 3, 9, tzinfo=UTC)):
        for zone, month in [
            ("Europe/Moscow", "closed_at_from=2024-06-01"),
            ("UTC", "closed_at_from=2024-05-01"),
        ]:
            user.time_zone = zone
            user.save()
            client = client_of(user)
            rows = [(link, figure) for link, figure in FIGURE.findall(section(client, "won")) if int(figure)]
            assert rows
            assert all(month in link for link, _figure in rows), (zone, rows)
            assert client.get(unescape(rows[0][0])).context["cl"].queryset.count() == 1


def test_amounts_in_other_currencies_stand_beside_and_are_never_added(
    ada: "User", ada_client: Client
) -> None:
    from tests.crm.factories import make_deal

    make_deal(owner=ada, amount=Decimal(1_000), probability=100)
    make_deal(owner=ada, amount=Decimal(7), currency="EUR", probability=100)
    text = re.sub(r"<[^>]*>|\s+", " ", section(ada_client, "pipeline"))
    assert "1,000 ₽" in text
    assert "7 €" in text
    assert "1,007" not in text


def test_fresh_organization_is_told_what_to_bring_in_and_in_which_order(ada_client: Client) -> None:
    from tests.crm.factories import make_product

    steps = ada_client.get("/admin/").context["first_steps"]
    assert [step["import_url"].partition("kind=")[2] for step in steps] == [
        "products", "users", "companies", "deals",
    ]  # fmt: skip
    assert [step["is_next"] for step in steps] == [True, False, False, False]

    make_product()

    steps = ada_client.get("/admin/").context["first_steps"]
    assert [step["is_done"] for step in steps] == [True, False, False, False]
    assert [step["is_next"] for step in steps] == [False, True, False, False]


def test_salesperson_without_deals_is_offered_only_what_they_may_add(client: Client, db: None) -> None:
    from tests.crm.factories import make_salesperson

    client.force_login(make_salesperson("Anna"))
    steps = client.get("/admin/").context["first_steps"]

    assert [str(step["title"]) for step in steps] == ["Companies", "Deals"]
    assert {step["import_url"] for step in steps} == {""}


def test_who_may_see_no_deals_finds_a_quiet_page(client: Client, db: None) -> None:
    from tests.crm.factories import make_user

    client.force_login(make_user("Nina Nobody"))
    assert "There is nothing here for you yet" in home_of(client)


@pytest.mark.parametrize("deals", [1, 30])
def test_number_of_queries_does_not_grow_with_rows(
    deals: int, ada: "User", ada_client: Client, django_assert_max_num_queries: Any
) -> None:
    from tests.crm.factories import make_company, make_deal, make_user

    for _number in range(deals):
        make_deal(owner=make_user(), company=make_company(), next_step_date=timezone.localdate(),
                  stage_entered_at=timezone.now() - timedelta(days=400))  # fmt: skip
        make_deal(owner=ada, status="WON", company=make_company())
    make_deal(owner=ada)
    # Session and person, whether there are deals, the own ones and their day, imports and jobs; what is to be done.
    with django_assert_max_num_queries(12):
        ada_client.get("/admin/")
    # Session and person, the day, at most eight for the figures, and what is listed.
    for name in ["won", "pipeline", "stale", "week", "team", "day"]:
        with django_assert_max_num_queries(15):
            section(ada_client, name)
    # With all of it kept, the page still makes few.
    with django_assert_max_num_queries(17):
        ada_client.get("/admin/")
