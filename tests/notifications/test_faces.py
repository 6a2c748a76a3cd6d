"""Webhooks over REST and in the admin."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.notifications.models import WebhookDelivery, WebhookEndpoint
from apps.notifications.services import webhooks
from tests.accounts.factories import make_member, make_team
from tests.fakes.receiver import Answer, Receiver
from tests.notifications.telling import make_deal, make_webhook, relay, send

pytestmark = pytest.mark.django_db
API = "/api/v1/notifications/webhooks/"
ADMIN = "/admin/notifications/webhookendpoint/"
URL = "https://example.com/hook"


@pytest.fixture
def boss() -> User:
    return make_member(make_team("Top"), "administrator", "boss")


@pytest.fixture
def client(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


def test_a_webhook_lives_over_rest(client: Client, receiver: Receiver) -> None:
    body = {"url": receiver.url, "event_types": ["crm.deal.*"], "headers": {"X-Shop": "7"}}
    made = client.post(API, body, "application/json")
    assert made.status_code == 201, made.content
    assert made.json()["secret"].startswith("whsec_")
    assert made["Cache-Control"] == "no-store"
    one = f"{API}{made.json()['id']}/"
    shown = client.get(one).json()
    assert shown["header_names"] == ["X-Shop"]
    assert not {"secret", "headers"} & shown.keys()

    assert client.post(f"{one}sample/", {}, "application/json").status_code == 202
    assert send() == 1
    (delivery,) = client.get(f"{API}deliveries/", {"endpoint": shown["id"]}).json()["results"]
    assert (delivery["state"], delivery["is_sample"], delivery["code"]) == ("DELIVERED", True, 204)
    whole = client.get(f"{API}deliveries/{delivery['id']}/").json()
    assert whole["body"]["sample"] is True
    assert whole["sent_headers"]["X-Shop"] == "•••"
    assert client.post(f"{API}deliveries/{delivery['id']}/redeliver/").status_code == 202
    assert send() == 1
    assert len(set(receiver.ids())) == 1

    assert client.post(f"{one}pause/").json()["state"] == "PAUSED"
    refused = client.post(f"{one}pause/")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_not_active")
    assert client.post(f"{one}resume/").json()["state"] == "ACTIVE"
    assert client.post(f"{one}rotate/").json()["secret"] != made.json()["secret"]
    since = {"since": "2020-01-01T00:00:00Z"}
    assert client.post(f"{one}redeliver/", since, "application/json").json() == {"count": 0}
    assert client.patch(one, {"description": "stock"}, "application/json").json()["description"] == "stock"


def test_a_bad_address_is_refused_where_it_stands(client: Client) -> None:
    refused = client.post(API, {"url": "https://10.0.0.1/", "event_types": ["crm.*"]}, "application/json")
    assert refused.status_code == 400
    (error,) = refused.json()["errors"]
    assert (error["field"], error["code"]) == ("url", "refused_address")


def test_the_catalogue_tells_every_type(client: Client) -> None:
    listed = client.get(f"{API}event-types/").json()
    assert "crm.deal.won.v1" in {each["type"] for each in listed}
    one = client.get(f"{API}event-types/crm.deal.won.v1/").json()
    assert one["schema"]["type"] == "object"
    assert one["example"].keys() == one["schema"]["properties"].keys()
    assert client.get(f"{API}event-types/crm.deal.sneezed.v1/").status_code == 404
    page = client.get(f"{ADMIN}types/", {"type": "crm.deal.won.v1"})
    assert "crm.company.merged.v1" in page.content.decode()
    assert "&quot;properties&quot;" in page.content.decode()


def test_the_pages_show_how_it_goes(client: Client, boss: User, receiver: Receiver) -> None:
    endpoint, secret = make_webhook(
        boss, receiver.url, "crm.deal.created.v1", headers={"X-Shop": "of-theirs"}
    )
    make_deal("Twelve desks", owner=boss)
    relay()
    receiver.usual = Answer(500, b"<b>oops</b>")
    send()
    page = client.get(f"{ADMIN}{endpoint.pk}/change/").content.decode()
    assert "It answered that it has not taken it. (500)" in page
    assert "X-Shop" in page
    assert secret not in page
    assert "of-theirs" not in page
    assert "(500)" in client.get(ADMIN).content.decode()
    delivery = WebhookDelivery.objects.get()
    page = client.get(f"/admin/notifications/webhookdelivery/{delivery.pk}/change/").content.decode()
    assert "Twelve desks" in page
    assert "&lt;b&gt;oops&lt;/b&gt;" in page
    assert "of-theirs" not in page
    assert client.get("/admin/notifications/webhookdelivery/").status_code == 200


def test_a_webhook_is_made_in_the_admin_and_its_secret_shown_once(client: Client) -> None:
    form = {"url": URL, "description": "stock", "event_types": "crm.deal.*\r\n\r\ncrm.company.*\r\n", "per_minute": "60",
            "own_headers": "X-Shop: 7\nAuthorization: Bearer a:b"}  # fmt: skip
    answer = client.post(f"{ADMIN}add/", form)
    assert answer.status_code == 200
    assert "whsec_" in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.event_types == ["crm.company.*", "crm.deal.*"]
    assert endpoint.header_names == ["Authorization", "X-Shop"]
    assert "whsec_" not in client.get(f"{ADMIN}{endpoint.pk}/change/").content.decode()
    # Saved without naming headers, it keeps those it has.
    opened = client.get(f"{ADMIN}{endpoint.pk}/change/").context["adminform"].form
    assert opened.initial["url"] == URL


def test_a_refusal_stands_in_the_form(client: Client) -> None:
    form = {"url": "https://[::1]/", "event_types": "crm.deel.*", "per_minute": "60"}
    answer = client.post(f"{ADMIN}add/", form)
    assert "private network" in answer.content.decode()
    form["url"] = URL
    assert "No type of facts fits" in client.post(f"{ADMIN}add/", form).content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_actions_of_the_page_do_what_they_say(client: Client, boss: User, receiver: Receiver) -> None:
    endpoint, _secret = make_webhook(boss, receiver.url)
    one = f"{ADMIN}{endpoint.pk}/"
    assert client.post(f"{one}sample/", {"event_type": "crm.deal.won.v1"}).status_code == 302
    assert send() == 1
    assert client.post(f"{one}pause/").status_code == 302
    endpoint.refresh_from_db()
    assert endpoint.state == "PAUSED"
    assert "resume it first" in client.post(f"{one}sample/").content.decode()
    assert client.post(f"{one}resume/").status_code == 302
    webhooks.redeliver(WebhookDelivery.objects.get().pk, actor=boss)
    assert send() == 1


def test_the_list_asks_as_much_whatever_its_length(
    client: Client, boss: User, receiver: Receiver, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        endpoint, _secret = make_webhook(boss, f"{receiver.url}/{number}")
        webhooks.send_sample(endpoint.pk, actor=boss)
    receiver.script.append(Answer(500))
    assert send() == 6
    client.get(ADMIN)
    with django_assert_max_num_queries(15):
        page = client.get(ADMIN).content.decode()
    assert page.count("100 % of 1") == 5
    assert page.count("(500)") == 1
