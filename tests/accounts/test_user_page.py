"""The page of a user: what is a choice is offered as one."""

import pytest
from django.test import Client

from apps.accounts.models import User
from tests.accounts.factories import make_superuser, make_user

pytestmark = pytest.mark.django_db


def page_of(user: User) -> tuple[Client, str, dict[str, str]]:
    client = Client()
    client.force_login(make_superuser())
    url = f"/admin/accounts/user/{user.pk}/change/"
    form = client.get(url).context["adminform"].form
    values = {name: form.initial.get(name) for name in form.fields}
    inline = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    return client, url, inline | {name: value for name, value in values.items() if value not in (None, False)}


def test_language_and_time_zone_are_chosen() -> None:
    user = make_user()
    client, url, values = page_of(user)
    page = client.get(url).content.decode()
    assert '<option value="ru">' in page
    assert '<option value="Europe/Berlin">' in page
    assert '<option value="Etc/GMT+5">' not in page
    client.post(url, values | {"locale": "ru", "time_zone": "America/New_York"})
    user.refresh_from_db()
    assert (user.locale, user.time_zone) == ("ru", "America/New_York")


def test_a_zone_that_is_not_offered_stays_where_it_stands() -> None:
    user = make_user(time_zone="Etc/GMT+5")
    client, url, values = page_of(user)
    client.post(url, values | {"name": "Another name"})
    user.refresh_from_db()
    assert (user.name, user.time_zone) == ("Another name", "Etc/GMT+5")


@pytest.mark.parametrize(("field", "value"), [("locale", "tlh"), ("time_zone", "Mars/Olympus")])
def test_what_nobody_offers_is_refused(field: str, value: str) -> None:
    user = make_user()
    client, url, values = page_of(user)
    answer = client.post(url, values | {field: value})
    assert field in answer.context["adminform"].form.errors
    user.refresh_from_db()
    assert getattr(user, field) == ""
