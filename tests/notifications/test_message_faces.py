"""Messages over REST and in the admin: where one is reached, what one wants, what was sent, and in which words."""

from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client

from apps.accounts.models import User
from apps.notifications.models import Channel, ChannelAddress, Delivery, MessageTemplate, Preference
from apps.notifications.services import message_templates
from apps.notifications.telling.kinds import kinds
from apps.notifications.telling.words import built_in, check_text, filled
from tests.fakes.receiver import Receiver
from tests.notifications.messaging import notify, states, work
from tests.notifications.todos import make_doer, make_task

pytestmark = pytest.mark.django_db
API = "/api/v1/notifications/"


@pytest.fixture(autouse=True)
def empty_redis(redis_url: str) -> None:
    """Count from nothing."""


@pytest.fixture
def doer() -> User:
    return make_doer("Dora")


@pytest.fixture
def client(doer: User) -> Client:
    return logged_in(doer)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def put(client: Client, path: str, body: Any) -> Any:
    return client.post(f"{API}{path}", body, "application/json")


def test_preferences_are_ones_own(client: Client, doer: User) -> None:
    rows = client.get(f"{API}preferences/").json()
    assert len(rows) == len(kinds()) * len(Channel)
    usual = {(row["kind"], row["channel"]): row["mode"] for row in rows}
    assert usual["task.due", "EMAIL"] == "ON"
    assert usual["export.finished", "EMAIL"] == "OFF"
    said = [{"kind": "task.due", "channel": "EMAIL", "mode": "DIGEST"}]
    assert put(client, "preferences/", said).status_code == 200
    assert Preference.objects.get().user == doer
    wrong = [{"kind": "task.none", "channel": "EMAIL", "mode": "ON"}]
    assert put(client, "preferences/", wrong).status_code == 400
    hours = {"quiet_from": "22:00", "quiet_until": "07:00", "digest_at": "08:30"}
    assert put(client, "quiet-hours/", hours).json() == {
        "quiet_from": "22:00:00",
        "quiet_until": "07:00:00",
        "digest_at": "08:30:00",
    }
    assert put(client, "quiet-hours/", {"quiet_from": "22:00"}).status_code == 400
    assert client.get(f"{API}quiet-hours/").json()["digest_at"] == "08:30:00"


def test_the_page_of_preferences_saves_what_was_chosen(client: Client, doer: User) -> None:
    page = client.get("/admin/inbox/preferences/")
    assert page.status_code == 200
    assert "Whoever is given a task is told of it" in page.content.decode()
    said = {
        "task.due:EMAIL": "OFF",
        "task.assigned:EMAIL": "ON",
        "quiet_from": "22:00",
        "quiet_until": "07:00",
        "digest_at": "09:00",
    }
    assert client.post("/admin/inbox/preferences/", said).status_code == 302
    # What is as usual is not said.
    assert list(Preference.objects.values_list("kind", "mode")) == [("task.due", "OFF")]
    half = client.post("/admin/inbox/preferences/", said | {"quiet_until": ""})
    assert half.status_code == 200
    assert "Quiet hours have a beginning and an end, or neither." in half.content.decode()


def test_a_webhook_of_ones_own_is_confirmed_by_taking_a_message(doer: User, receiver: Receiver) -> None:
    client = logged_in(doer)
    made = put(client, "addresses/", {"address": receiver.url, "name": "My lamp"})
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    (row,) = client.get(f"{API}addresses/", {"channel": "WEBHOOK"}).json()["results"]
    assert "secret" not in row
    assert row["verified_at"] is None
    work()
    assert ChannelAddress.objects.get(channel="WEBHOOK").is_on
    notify(doer)
    work()
    assert len(receiver.requests) == 2
    assert put(client, f"addresses/{row['id']}/turn-off/", None).json()["disabled_reason"] == "REMOVED"
    assert put(client, f"addresses/{row['id']}/turn-on/", None).json()["disabled_at"] is None


def test_addresses_are_ones_own(client: Client, doer: User) -> None:
    notify(make_doer("Other"))
    assert client.get(f"{API}addresses/").json()["results"] == []
    other = ChannelAddress.objects.get()
    assert put(client, f"addresses/{other.pk}/turn-off/", None).status_code == 404


def test_a_browser_subscribes(client: Client, doer: User) -> None:
    said = {
        "endpoint": "https://push.example/x",
        "p256dh": "B" * 87,
        "auth": "A" * 22,
        "name": "Firefox",
    }
    assert put(client, "addresses/browser/", said).status_code == 201
    assert put(client, "addresses/browser/", said).status_code == 201
    row = ChannelAddress.objects.get()
    assert (row.channel, row.is_on, row.owner) == ("PUSH", True, doer)
    assert "BBBB" not in row.secret
    assert client.get(f"{API}addresses/push-key/").json() == {"key": ""}
    inside = put(client, "addresses/browser/", said | {"endpoint": "https://127.0.0.1/x"})
    assert inside.status_code == 400


def test_deliveries_are_read_by_whom_they_are_for_and_sent_again_by_administrators(
    client: Client, doer: User
) -> None:
    boss = logged_in(make_doer("Boss", role="administrator"))
    notify(doer)
    work()
    (row,) = client.get(f"{API}deliveries/").json()["results"]
    assert (row["state"], row["channel"], row["kind"]) == ("SENT", "EMAIL", "task.due")
    assert put(client, f"deliveries/{row['id']}/redeliver/", None).status_code == 403
    assert put(boss, f"deliveries/{row['id']}/redeliver/", None).json()["state"] == "WAITING"
    assert put(boss, f"deliveries/{row['id']}/redeliver/", None).status_code == 409
    work()
    assert len(mail.outbox) == 2
    Delivery.objects.update(state="FAILED", error="REFUSED")
    body = {"channel": "EMAIL", "since": "2020-01-01T00:00:00Z"}
    assert put(client, "deliveries/redeliver-failed/", body).status_code == 403
    assert put(boss, "deliveries/redeliver-failed/", body).json() == {"count": 1}
    assert states() == [("EMAIL", "WAITING", "")]


def test_deliveries_in_the_admin(doer: User) -> None:
    boss = logged_in(make_doer("Boss", role="administrator"))
    notify(doer)
    Delivery.objects.update(state="FAILED", error="REFUSED")
    pk = Delivery.objects.get().pk
    page = boss.get("/admin/notifications/delivery/").content.decode()
    assert "The other side has refused it for now." in page
    assert boss.get(f"/admin/notifications/delivery/{pk}/change/").status_code == 200
    assert boss.post(f"/admin/notifications/delivery/{pk}/redeliver/").status_code == 302
    assert states() == [("EMAIL", "WAITING", "")]
    Delivery.objects.update(state="FAILED", error="REFUSED")
    url = "/admin/notifications/delivery/redeliver_failed/"
    assert boss.get(url).status_code == 200
    said = {"channel": "EMAIL", "since_0": "2020-01-01", "since_1": "00:00:00"}
    assert boss.post(url, said).status_code == 302
    assert states() == [("EMAIL", "WAITING", "")]
    verdict = boss.get("/admin/notifications/verdict/").content.decode()
    assert "e-mail: sent at once" in verdict
    (why,) = boss.get(f"{API}verdicts/", {"user": doer.pk}).json()["results"]
    assert why["channels"] == {"EMAIL": "ON"}


class TestWords:
    """What messages say."""

    def test_administrators_say_it_in_their_own_words(self, doer: User) -> None:
        boss = logged_in(make_doer("Boss", role="administrator"))
        words = {"kind": "task.due", "channel": "EMAIL", "locale": "en"}
        said = words | {"subject": "Hey {{ name }}", "body": "{{ what }} it is. {{title}}"}
        made = put(boss, "message-templates/", said)
        assert made.status_code == 201
        assert put(boss, "message-templates/", said).status_code == 400
        notify(doer, make_task(doer, "Call <b>"))
        work()
        (letter,) = mail.outbox
        assert letter.subject == "Hey Dora"
        assert "Call <b> it is. Due now: “Call <b>”" in letter.body
        path = f"{API}message-templates/{made.json()['id']}/"
        changed = boss.patch(path, {"subject": "{{ who }}!"}, "application/json")
        assert changed.json()["version"] == 2
        assert boss.patch(path, {"subject": "{{ password }}"}, "application/json").status_code == 400
        assert boss.delete(path).status_code == 204
        notify(doer, make_task(doer, "x"))
        work()
        assert mail.outbox[-1].subject == "Due now: “x”"

    def test_others_do_not(self, client: Client) -> None:
        assert client.get(f"{API}message-templates/").status_code == 403
        assert client.get("/admin/notifications/messagetemplate/").status_code == 403

    def test_a_preview_is_about_what_the_person_was_told(self) -> None:
        boss = make_doer("Boss", role="administrator")
        client = logged_in(boss)
        said = {
            "kind": "task.due",
            "channel": "EMAIL",
            "locale": "en",
            "subject": "{{ title }}",
            "body": "{{ name }}: {{ what }}",
        }
        url = "/admin/notifications/messagetemplate/preview/"
        assert client.post(url, said).json()["note"] != ""
        notify(boss, make_task(boss, "Call the bank"))
        other = make_doer("Other", role="administrator")
        notify(other, make_task(other, "Not yours"))
        shown = client.post(url, said).json()
        assert shown == {"subject": "Due now: “Call the bank”", "text": "Boss: Call the bank", "note": ""}
        wrong = client.post(url, said | {"body": "{{ secret }}"})
        assert wrong.status_code == 400
        assert "There is no “secret” here" in wrong.json()["refused"]
        digest = said | {"kind": "digest", "subject": "{{ count }}", "body": "{{ list }}"}
        assert client.post(url, digest).json()["text"] == "– Due now: “Call the bank”"
        over_rest = put(client, "message-templates/preview/", said).json()
        assert over_rest == {"subject": shown["subject"], "text": shown["text"], "is_sample": False}

    def test_words_in_the_admin(self) -> None:
        client = logged_in(make_doer("Boss", role="administrator"))
        page = client.get("/admin/notifications/messagetemplate/add/")
        assert "{{ title }}" in page.content.decode()
        said = {
            "kind": "task.due",
            "channel": "EMAIL",
            "locale": "ru",
            "subject": "{{ title }}",
            "body": "{{ oops }}",
        }
        refused = client.post("/admin/notifications/messagetemplate/add/", said)
        assert "There is no “oops” here" in refused.content.decode()
        saved = client.post("/admin/notifications/messagetemplate/add/", said | {"body": "{{ title }}"})
        assert saved.status_code == 302
        assert MessageTemplate.objects.get().locale == "ru"

    @pytest.mark.parametrize(
        "text", ["{% load x %}", "{{ title.__class__ }}", "{{ title|safe }}", "{{", "}}"]
    )
    def test_there_is_no_program_in_words(self, text: str) -> None:
        with pytest.raises(ValidationError):
            check_text(text, "task.due")

    def test_what_is_filled_in_is_not_filled_in_again(self) -> None:
        assert filled("{{ title }} {{ none }}", {"title": "{{ name }}", "name": "x"}) == "{{ name }}"

    @pytest.mark.parametrize("channel", list(Channel))
    @pytest.mark.parametrize("kind", ["task.due", "digest"])
    def test_the_platforms_own_words_are_words(self, kind: str, channel: str) -> None:
        for text in built_in(kind, channel):
            check_text(str(text), kind)

    def test_there_is_no_such_kind(self) -> None:
        boss = make_doer("Boss", role="administrator")
        with pytest.raises(ValidationError) as refused:
            message_templates.create_template(
                actor=boss, kind="x", channel="EMAIL", locale="en", subject="x", body="x"
            )
        assert "kind" in refused.value.message_dict
