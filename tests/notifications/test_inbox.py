"""Who is told of what: once for each cause, as far as they may see it, and what they do with it."""

from functools import partial
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.crm.models import Deal
from apps.crm.services.activities import log_activity
from apps.events.models import Delivery, Event
from apps.events.services import deliver
from apps.notifications.models import InboxEvent, Notification, Verdict
from apps.notifications.receivers import tell_people
from apps.notifications.selectors.inbox import groups_of, items_of
from apps.notifications.services import inbox, tasks
from apps.notifications.telling.kinds import kind_of, kinds
from apps.notifications.telling.stream import InboxStream
from tests.accounts.factories import make_team
from tests.crm.test_deal_races import at_once
from tests.notifications.todos import make_doer, make_task

pytestmark = pytest.mark.django_db
RECEIVER = f"{tell_people.__module__}.{tell_people.__qualname__}"
API = "/api/v1/notifications/"


def hear() -> None:
    """Have all facts delivered to whoever tells people, as the relay has it."""
    for event in Event.objects.order_by("pk"):
        Delivery.objects.get_or_create(event=event, receiver=RECEIVER)
        deliver(event.pk, RECEIVER)


def told(user: User) -> list[str]:
    return list(Notification.objects.filter(recipient=user).order_by("pk").values_list("kind", flat=True))


def outcomes(kind: str) -> dict[str, str]:
    return dict(Verdict.objects.filter(kind=kind).values_list("user__name", "outcome"))


@pytest.fixture
def pair() -> tuple[User, User]:
    team = make_team("North")
    return make_doer("Lea", team=team, role="sales_lead"), make_doer("Sam", team=team)


def test_whoever_is_given_a_task_is_told_once(pair: tuple[User, User]) -> None:
    lead, seller = pair
    task = make_task(lead, assignee_id=seller.pk)
    hear()
    # The record of having heard it is lost, and it comes again.
    Delivery.objects.filter(receiver=RECEIVER).delete()
    hear()
    assert told(seller) == ["task.assigned"]
    assert told(lead) == []
    assert outcomes("task.assigned") == {"Sam": "TOLD"}
    (item,) = items_of(inbox.inbox_of(seller), reader=seller)
    assert item.title == f"Lea gave you a task: “{task.title}”"
    assert item.target is not None
    assert item.target.pk == task.pk


def test_nobody_is_told_what_they_did_themselves(pair: tuple[User, User]) -> None:
    _lead, seller = pair
    make_task(seller)
    hear()
    assert told(seller) == []
    assert outcomes("task.assigned") == {"Sam": "OWN"}


def test_who_gave_and_who_watches_is_told_how_it_ended(pair: tuple[User, User]) -> None:
    lead, seller = pair
    watcher = make_doer("Wanda", role="administrator")
    task = make_task(lead, assignee_id=seller.pk)
    task.watchers.add(watcher)
    tasks.complete_task(task.pk, actor=seller)
    hear()
    assert told(lead) == ["task.closed"]
    assert told(watcher) == ["task.closed"]
    assert outcomes("task.closed") == {"Lea": "TOLD", "Wanda": "TOLD"}


def test_what_one_may_not_see_by_now_one_is_not_told(pair: tuple[User, User]) -> None:
    lead, seller = pair
    task = make_task(lead, assignee_id=seller.pk)
    other = make_doer("Olga")
    boss = make_doer("Boss", role="administrator")
    tasks.change_task(task.pk, actor=boss, assignee_id=other.pk)
    hear()
    # By the time that the first fact is heard, the task is somebody else's.
    assert outcomes("task.assigned")["Sam"] == "OUT_OF_SIGHT"
    assert told(seller) == []
    assert told(other) == ["task.assigned"]


def test_who_has_left_is_not_told(pair: tuple[User, User]) -> None:
    lead, seller = pair
    make_task(lead, assignee_id=seller.pk)
    User.objects.filter(pk=seller.pk).update(is_active=False)
    hear()
    assert outcomes("task.assigned") == {"Sam": "GONE"}


def test_a_mention_is_told_and_a_muted_thing_is_not(deal: Deal, admin: User) -> None:
    boss = make_doer("Boris Boss", role="administrator")
    text = f"@{boss.name}, look"
    log_activity(about=[("deal", deal.pk)], kind="NOTE", actor=admin, body=text)
    hear()
    (item,) = items_of(inbox.inbox_of(boss), reader=boss)
    assert item.title == f"{admin.name} named you in a note on “{deal}”"
    inbox.mute("crm.deal", deal.pk, actor=boss)
    log_activity(about=[("deal", deal.pk)], kind="NOTE", actor=admin, body=text)
    hear()
    assert told(boss) == ["activity.mentioned"]
    assert set(Verdict.objects.filter(user=boss).values_list("outcome", flat=True)) == {"TOLD", "MUTED"}


def test_words_name_nothing_that_one_lost_sight_of(deal: Deal, admin: User) -> None:
    boss = make_doer("Boris Boss", role="administrator")
    log_activity(about=[("deal", deal.pk)], kind="NOTE", actor=admin, body=f"@{boss.name}")
    hear()
    boss.memberships.all().delete()
    (item,) = items_of(inbox.inbox_of(boss), reader=User.objects.get(pk=boss.pk))
    assert deal.title not in item.title
    assert item.target is None


def test_marking_is_ones_own_and_marking_twice_is_once(pair: tuple[User, User]) -> None:
    lead, seller = pair
    for title in ("one", "two"):
        make_task(lead, title, assignee_id=seller.pk)
    hear()
    first, second = Notification.objects.filter(recipient=seller).order_by("pk")
    steps = InboxEvent.objects.filter(user=seller).count()
    assert inbox.unread_count(seller) == 2
    inbox.mark([first.pk], actor=seller, as_what="read")
    inbox.mark([first.pk], actor=seller, as_what="read")
    assert inbox.unread_count(seller) == 1
    assert InboxEvent.objects.filter(user=seller).count() == steps + 1
    assert inbox.mark([second.pk], actor=lead, as_what="archived") == []
    # What came after the page was made stays as it is.
    assert inbox.mark_all(actor=seller, as_what="archived", until_id=first.pk) == 1
    assert list(inbox.in_box(seller, "")) == [second]
    assert list(inbox.in_box(seller, "archived")) == [first]
    with pytest.raises(KeyError):
        inbox.mark([first.pk], actor=seller, as_what="gone")


def test_an_inbox_is_grouped_by_what_things_are_about(pair: tuple[User, User]) -> None:
    lead, seller = pair
    one, two = (make_task(lead, title, assignee_id=seller.pk) for title in ("one", "two"))
    for task in (one, two, one):
        inbox.tell(
            kind_of("task.due"),  # type: ignore[arg-type]
            [(seller.pk, "assignee")],
            inbox.Cause(f"test:{task.pk}:{Notification.objects.count()}", target=task),
        )
    groups = groups_of(items_of(inbox.inbox_of(seller), reader=seller))
    assert [(group.target.name, len(group.items), group.unread) for group in groups if group.target] == [
        ("one", 2, 2),
        ("two", 1, 1),
    ]


def test_the_stream_tells_what_is_new_without_a_gap(pair: tuple[User, User]) -> None:
    lead, seller = pair
    stream, key = InboxStream(), str(seller.pk)
    assert stream.head(key) == ("inbox", 0)
    for number in range(3):
        make_task(lead, f"Task {number}", assignee_id=seller.pk)
    hear()
    events = stream.read(key, 0, 10)
    assert [event.seq for event in events] == [1, 2, 3]
    assert events[-1].data["notification"]["title"] == "Lea gave you a task: “Task 2”"
    inbox.mark_all(actor=seller, as_what="read")
    (marked,) = stream.read(key, 3, 10)
    assert marked.data == {"unread": 0, "notification": None}
    assert stream.state(key) == (4, {"unread": 0})
    assert stream.may_watch(seller, key)
    assert not stream.may_watch(lead, key)
    assert not any(stream.may_watch(seller, odd) for odd in ("", "x", "1" * 30, "٣"))


def test_every_rule_reads_as_a_sentence() -> None:
    assert len(kinds()) >= 10
    for kind in kinds():
        assert str(kind.label)
        assert kind.title("Ann", "“Forty desks”", {"count": 4})


@pytest.mark.django_db(transaction=True)
def test_the_same_cause_at_once_is_told_once_and_numbers_have_no_gap() -> None:
    lead = make_doer("Lea", role="administrator")
    task = make_task(lead)
    kind = kind_of("task.due")
    assert kind is not None
    causes = [inbox.Cause(f"test:{number}", target=task) for number in range(3) for _twice in range(3)]
    at_once(
        *[
            partial(lambda cause: len(inbox.tell(kind, [(lead.pk, "assignee")], cause)), cause)
            for cause in causes
        ]
    )
    assert Notification.objects.count() == 3
    assert list(InboxEvent.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2, 3]


def test_an_inbox_over_rest_and_on_its_page(pair: tuple[User, User]) -> None:
    lead, seller = pair
    task = make_task(lead, "Count the stock", assignee_id=seller.pk)
    hear()
    client, other = Client(), Client()
    client.force_login(seller)
    other.force_login(lead)
    (row,) = client.get(f"{API}inbox/").json()["results"]
    assert row["about"] == {"type": "notifications.task", "id": task.pk, "name": "Count the stock"}
    assert other.get(f"{API}inbox/").json()["results"] == []
    assert client.get(f"{API}inbox/unread/").json() == {"count": 1}
    page = client.get("/admin/inbox/").content.decode()
    assert "Count the stock" in page
    assert client.get(f"/admin/inbox/{row['id']}/")["Location"].endswith(f"/task/{task.pk}/change/")
    assert other.get(f"/admin/inbox/{row['id']}/").status_code == 404
    assert client.get(f"{API}inbox/unread/").json() == {"count": 0}
    body: dict[str, Any] = {"ids": [row["id"]], "as_what": "archived"}
    assert client.post(f"{API}inbox/mark/", body, "application/json").json()[0]["archived_at"]
    assert client.get(f"{API}inbox/").json()["results"] == []
    assert len(client.get(f"{API}inbox/", {"box": "archived"}).json()["results"]) == 1
    muted = client.post(f"{API}mutes/", {"type": "notifications.task", "id": task.pk}, "application/json")
    assert muted.status_code == 201
    assert other.delete(f"{API}mutes/{muted.json()['id']}/").status_code == 404
    assert client.delete(f"{API}mutes/{muted.json()['id']}/").status_code == 204
    assert client.post("/admin/inbox/mark-all/", {"as_what": "read"}).status_code == 302
    assert client.post("/admin/inbox/mark/", {"ids": str(row["id"]), "as_what": "x"}).status_code == 404


def test_a_reading_key_marks_nothing(pair: tuple[User, User]) -> None:
    from tests.access.world import client_with_key

    _lead, seller = pair
    client = client_with_key(seller, ["read"])
    assert client.get(f"{API}inbox/").status_code == 200
    body: dict[str, Any] = {"ids": [1], "as_what": "read"}
    assert client.post(f"{API}inbox/mark/", body, "application/json").status_code == 403


def test_administrators_read_why_and_others_do_not(pair: tuple[User, User], admin: User) -> None:
    lead, seller = pair
    make_task(lead, assignee_id=seller.pk)
    hear()
    client, other = Client(), Client()
    client.force_login(admin)
    other.force_login(lead)
    (row,) = client.get(f"{API}verdicts/", {"user": seller.pk}).json()["results"]
    assert (row["outcome"], row["because"]) == ("TOLD", "assignee")
    page = client.get("/admin/notifications/verdict/").content.decode()
    assert "Whoever is given a task is told of it" in page
    assert other.get(f"{API}verdicts/").status_code == 403
