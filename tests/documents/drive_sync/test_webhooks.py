"""Messages of Drive: believed only with their channel's secret, counted once, and never more than a poke."""

import threading
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from apps.documents.models import ChangeCursor, SyncTask, WatchChannel, WebhookDelivery
from apps.documents.services.drive import channels
from apps.documents.services.drive.channels import Message
from tests.documents.drive_sync.world import World

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/documents/drive/webhook/"
State = WatchChannel.State


class Ears:
    """What Drive posts, brought to the platform by hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.client = Client()

    def bring(self, **changed: str) -> int:
        """Bring the latest message, with headers changed; return what was answered."""
        self.world.fake.webhooks.flush()
        headers = {**self.world.fake.webhooks.posts[-1].headers, **changed}
        return self.client.post(ADDRESS, headers=headers, data=b"", content_type="text/plain").status_code


@pytest.fixture
def ears(world: World, drive_settings: Any) -> Ears:
    # Nobody listens there: the messages are brought by hand.
    drive_settings.GOOGLE_DRIVE_WEBHOOK_BASE = "http://127.0.0.1:9"
    assert channels.renew_channels() == 1
    return Ears(world)


def waiting() -> int:
    return SyncTask.objects.filter(kind="PULL", state="QUEUED").count()


def test_a_message_has_the_log_read(world: World, ears: Ears) -> None:
    document = world.write()
    world.settle()
    world.fake.person.edit(world.item(document).id, b"theirs")
    assert waiting() == 0
    assert ears.bring() == 204
    assert waiting() == 1
    world.settle(polls=False)
    world.assert_in_step(document)
    assert world.content(document) == b"theirs"
    cursor = ChangeCursor.objects.get()
    assert cursor.done_seq == cursor.dirty_seq == 1


def test_the_first_message_is_no_change(world: World, ears: Ears) -> None:
    assert ears.bring() == 204
    assert WebhookDelivery.objects.count() == 1
    assert waiting() == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"X-Goog-Channel-Token": "guessed"},
        {"X-Goog-Channel-Token": ""},
        {"X-Goog-Channel-ID": str(uuid.uuid4())},
        {"X-Goog-Channel-ID": "nothing"},
        {"X-Goog-Resource-ID": "another"},
        {"X-Goog-Message-Number": "-1"},
        {"X-Goog-Message-Number": "9" * 30},
        {"X-Goog-Message-Number": "²"},
        {"X-Goog-Message-Number": ""},
    ],
)
def test_a_forged_message_is_not_there(world: World, ears: Ears, changed: dict[str, str]) -> None:
    world.fake.person.upload(world.folder.id, "Plan.txt", b"plan")
    if "X-Goog-Message-Number" in changed and changed["X-Goog-Message-Number"] == "²":
        changed = {"X-Goog-Message-Number": "\u00b2".encode().decode("latin-1")}
    assert ears.bring(**changed) == 404
    assert waiting() == 0
    assert WebhookDelivery.objects.count() == 0


def test_a_message_that_is_replayed_counts_once(world: World, ears: Ears) -> None:
    world.fake.person.upload(world.folder.id, "Plan.txt", b"plan")
    assert [ears.bring() for _time in range(3)] == [204, 204, 204]
    assert WebhookDelivery.objects.count() == 1
    assert ChangeCursor.objects.get().dirty_seq == 1


def test_numbers_with_gaps_and_out_of_order(world: World, ears: Ears) -> None:
    world.fake.person.upload(world.folder.id, "Plan.txt", b"plan")
    for number in ("90", "17", "40"):
        assert ears.bring(**{"X-Goog-Message-Number": number}) == 204
    assert WatchChannel.objects.get().last_message_number == 90
    assert ChangeCursor.objects.get().dirty_seq == 3


def test_a_message_that_is_quicker_than_the_answer(world: World, ears: Ears) -> None:
    # What stands in the table between the two.
    WatchChannel.objects.update(state=State.PENDING, resource_id="", expires_at=None)
    assert ears.bring() == 204
    assert (
        WatchChannel.objects.get().resource_id == world.fake.webhooks.posts[-1].headers["X-Goog-Resource-ID"]
    )


def test_a_get_is_refused(ears: Ears) -> None:
    assert ears.client.get(ADDRESS).status_code == 405


def test_a_channel_is_replaced_before_it_ends_and_both_may_speak(world: World, ears: Ears) -> None:
    old = WatchChannel.objects.get()
    assert old.expires_at is not None
    assert channels.renew_channels() == 0
    WatchChannel.objects.update(
        opened_at=timezone.now() - timedelta(days=5), expires_at=timezone.now() + timedelta(days=2)
    )
    world.fake.webhooks.flush()
    before = world.fake.webhooks.posts[-1].headers
    cursor = ChangeCursor.objects.get()
    new = channels.open_channel(cursor)
    # Both are open: one change is told twice, and read once.
    document = world.write()
    world.hear()
    world.work()
    for headers in (before, world.fake.webhooks.posts[-1].headers):
        message = {**headers, "X-Goog-Message-Number": "77", "X-Goog-Resource-State": "change"}
        assert ears.client.post(ADDRESS, headers=message).status_code == 204
    assert waiting() == 1
    world.settle()
    world.assert_in_step(document)
    assert channels.renew_channels() == 0
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.state, new.state) == (State.STOPPED, State.ACTIVE)
    assert str(old.channel_id) in {
        call.said["id"] for call in world.fake.journal.calls("channels.stop") if call.said
    }
    # What it still says is not believed any more, and it is closed once more.
    assert ears.client.post(ADDRESS, headers=before).status_code == 404
    stops = len(world.fake.journal.calls("channels.stop"))
    channels.renew_channels()
    assert len(world.fake.journal.calls("channels.stop")) == stops + 1


def test_a_channel_that_ends_silently_is_missed_by_the_poll_and_replaced(world: World, ears: Ears) -> None:
    document = world.write()
    world.settle()
    world.fake.clock.advance(days=8)
    WatchChannel.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    posts = len(world.fake.webhooks.posts)
    world.fake.person.edit(world.item(document).id, b"theirs")
    world.fake.webhooks.flush()
    assert len(world.fake.webhooks.posts) == posts
    from apps.documents.services.drive import roots

    ChangeCursor.objects.update(last_success_at=timezone.now() - timedelta(hours=1))
    assert roots.poll() == 1
    world.settle(polls=False)
    assert world.content(document) == b"theirs"
    assert channels.renew_channels() == 1
    assert WatchChannel.objects.filter(state=State.ACTIVE).count() == 1
    assert WatchChannel.objects.filter(state=State.EXPIRED).count() == 1


def test_a_channel_that_was_stored_and_perhaps_never_opened(world: World, ears: Ears) -> None:
    WatchChannel.objects.update(state=State.PENDING, opened_at=timezone.now() - timedelta(hours=1))
    assert channels.renew_channels() == 1
    assert set(WatchChannel.objects.values_list("state", flat=True)) == {State.ACTIVE, State.STOPPED}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_ten_thousand_messages_in_a_burst_are_one_reading(world: World, ears: Ears) -> None:
    messages = 10_000
    world.fake.person.upload(world.folder.id, "Plan.txt", b"plan")
    world.fake.webhooks.flush()
    headers = world.fake.webhooks.posts[-1].headers
    secret = headers["X-Goog-Channel-Token"]
    took: list[float] = []
    answers: set[bool] = set()

    def post(first: int) -> None:
        try:
            for number in range(first, messages, 4):
                began = time.perf_counter()
                answers.add(
                    channels.receive(
                        Message(
                            channel_id=headers["X-Goog-Channel-ID"],
                            token=secret,
                            resource_id=headers["X-Goog-Resource-ID"],
                            number=number + 2,
                            state="change",
                        )
                    )
                )
                took.append(time.perf_counter() - began)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=post, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {True}
    assert WebhookDelivery.objects.count() == messages
    assert waiting() == 1
    world.fake.journal.clear()
    world.settle(polls=False)
    assert len(world.fake.journal.calls("changes.list")) <= 2
    cursor = ChangeCursor.objects.get()
    assert cursor.done_seq == cursor.dirty_seq == messages
    assert len(world.live()) == 1
