"""The feed of facts about money: complete, in the order in which it was told, for those who see all of it."""

import pytest
from django.test import Client

from apps.accounts.models import RoleGrant, User
from apps.events.models import Event
from apps.events.relay import relay_batch
from apps.events.services import Fact, publish_many
from apps.payments.feed import FeedSink, after
from apps.payments.models import FeedEntry
from tests.access.world import client_with_key
from tests.crm import factories

pytestmark = pytest.mark.django_db
PAID = Fact("payments.sample.paid.v1")
ADDRESS = "/api/v1/payments/events/"


def tell(*keys: int, fact: Fact = PAID) -> list[Event]:
    before = set(Event.objects.values_list("pk", flat=True))
    publish_many(fact, [(key, {"amount_minor": key}) for key in keys], actor_id=None)
    return list(Event.objects.exclude(pk__in=before).order_by("pk"))


@pytest.fixture
def client() -> Client:
    return client_with_key(factories.make_admin(), ["all"])


def test_facts_about_money_are_read_from_where_one_was(client: Client) -> None:
    told = tell(1, 2, 3)
    tell(9, fact=Fact("sample.thing.happened.v1"))
    assert relay_batch([FeedSink()]) == 4
    first = client.get(ADDRESS, {"limit": 2}).json()
    assert [entry["event"]["id"] for entry in first["results"]] == [str(event.uid) for event in told[:2]]
    assert first["results"][0]["event"]["data"] == {"amount_minor": 1}
    assert first["results"][0]["event"]["sequence"] == "1"
    second = client.get(ADDRESS, {"after": first["next_after"]}).json()
    assert [entry["event"]["id"] for entry in second["results"]] == [str(told[2].uid)]
    end = client.get(ADDRESS, {"after": second["next_after"]}).json()
    assert end == {"results": [], "next_after": second["next_after"]}


def test_a_fact_that_leaves_late_comes_behind_those_that_were_read() -> None:
    early, late = tell(1), tell(2)
    # A transaction that began first and committed last: its fact has the lower key.
    FeedSink().send(late)
    position = after(0, limit=10)[-1]["position"]
    FeedSink().send(early)
    assert [entry["event"]["id"] for entry in after(position, limit=10)] == [str(early[0].uid)]


def test_a_batch_that_comes_twice_is_told_once_and_takes_no_numbers() -> None:
    events = tell(1, 2)
    FeedSink().send(events)
    FeedSink().send(events)
    FeedSink().send(tell(3))
    keys = list(FeedEntry.objects.order_by("pk").values_list("pk", flat=True))
    assert len(keys) == 3
    assert keys[-1] - keys[0] == 2


@pytest.mark.parametrize("said", [{"after": "-1"}, {"after": "x"}, {"limit": "0"}, {"limit": "100000"}])
def test_nonsense_is_refused(client: Client, said: dict[str, str]) -> None:
    assert client.get(ADDRESS, said).status_code == 400


def test_who_sees_some_of_the_money_reads_no_feed_of_all() -> None:
    role = factories.make_role(
        {
            "payments.view_journalentry": RoleGrant.Reach.ALL,
            "payments.view_invoice": RoleGrant.Reach.OWN,
            "payments.view_payment": RoleGrant.Reach.ALL,
        }
    )
    reader: User = factories.make_user("Rita Reader")
    reader.memberships.create(team=factories.make_team(), role=role)
    answer = client_with_key(reader, ["all"]).get(ADDRESS)
    assert answer.status_code == 403
    assert "all invoices and payments" in answer.json()["title"]
