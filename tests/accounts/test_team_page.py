"""The page of a team: it goes into the trash, and only an empty one."""

import pytest
from django.test import Client

from apps.accounts.models import Team
from tests.accounts.factories import make_member, make_superuser, make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_superuser())
    return client


def archive(client: Client, team: Team) -> str:
    page = client.get(f"/admin/accounts/team/{team.pk}/change/").content.decode()
    url = f"/admin/accounts/team/{team.pk}/archive/"
    assert url in page
    assert "Only an empty team can go" in client.get(url).content.decode()
    return client.post(url, follow=True).content.decode()


def test_an_empty_team_goes_into_the_trash(client: Client) -> None:
    team = make_team("North")
    assert "The team is in the trash." in archive(client, team)
    team.refresh_from_db()
    assert team.archived_at is not None


def test_a_team_with_people_stays_and_says_why(client: Client) -> None:
    team = make_team("North")
    make_member(team, "salesperson")
    assert "There are still people or teams in this team." in archive(client, team)
    team.refresh_from_db()
    assert team.archived_at is None


def test_there_is_no_page_of_what_would_go_with_it(client: Client) -> None:
    assert client.post(f"/admin/accounts/team/{make_team('North').pk}/delete/").status_code == 403
