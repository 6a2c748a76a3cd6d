"""Messages through a real RabbitMQ: keys alone are in it, and whatever dies or is lost there, all of them arrive."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import amqp
import pytest
from django.core.management import call_command
from django.utils import timezone

from apps.accounts.models import User
from apps.events.brokers.rabbitmq import opened
from apps.notifications.delivering import queues
from apps.notifications.delivering.queues import all_queues, lengths, queue_of
from apps.notifications.models import Channel, Delivery
from apps.notifications.services import sweeping
from apps.notifications.services.planning import Letter, write_to
from tests.fakes import mailbox as fake_mailbox
from tests.fakes import telegram as fake_telegram
from tests.fakes.mailbox import Mailbox
from tests.fakes.telegram import Telegram
from tests.notifications.messaging import chat_of, states, work_until
from tests.notifications.test_deliver_kills import environment, is_over
from tests.notifications.todos import make_doer
from tests.support.processes import Processes
from tests.support.rabbitmq import RabbitServer, is_installed

pytestmark = [
    pytest.mark.skipif(not is_installed(), reason="rabbitmq-server is not installed"),
    # A node takes half a minute to start on a busy machine.
    pytest.mark.timeout(900),
]
BULK, NORMAL, URGENT = Delivery.Priority
KEY = "notifications.email"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def rabbit(
    node: RabbitServer, settings: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> RabbitServer:
    """The node with empty queues, as the address that the project knows."""
    # Another test may have found none.
    monkeypatch.setattr(queues, "_resting_until", 0.0)
    settings.RABBITMQ_URL = node.url
    lengths()
    with opened(node.url) as channel:
        for name in all_queues():
            channel.queue_purge(name)
    return node


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with fake_mailbox.running() as running:
        yield running


@pytest.fixture
def bot() -> Iterator[Telegram]:
    with fake_telegram.running() as running:
        yield running


def write(user: User, count: int, *, priority: int = NORMAL, channel: str = Channel.EMAIL) -> None:
    for number in range(count):
        write_to([user], Letter("campaign.1", f"Letter {number}", "…"), channels=[channel], priority=priority)


@pytest.mark.django_db(transaction=True)
class TestQueues:
    """What is in the broker, and what is not."""

    def test_the_topology_has_durable_queues_with_their_dead_letters(self, rabbit: RabbitServer) -> None:
        with opened(rabbit.url) as channel:
            for name in all_queues():
                channel.queue_delete(name)
        call_command("declare_topology")
        with opened(rabbit.url) as channel:
            for name in all_queues():
                for each in (name, f"{name}.dead"):
                    channel.queue_declare(each, passive=True)
        assert {"notifications.email", "notifications.telegram", "notifications.webhook"} <= set(all_queues())

    def test_a_message_carries_a_key_and_nothing_else(self, rabbit: RabbitServer) -> None:
        doer = make_doer("Dora")
        write_to([doer], Letter("code", "Your code", "ABCD"), priority=URGENT)
        with opened(rabbit.url) as channel:
            message = channel.basic_get(queue_of(Channel.EMAIL, URGENT), no_ack=True)
        assert message.body in {str(Delivery.objects.get().pk), str(Delivery.objects.get().pk).encode()}
        assert message.properties["delivery_mode"] == 2

    def test_what_was_handed_over_is_not_handed_over_again(self, rabbit: RabbitServer) -> None:
        write(make_doer("Dora"), 3)
        assert lengths()[KEY] == 3
        assert sweeping.sweep() == 0
        assert lengths()[KEY] == 3

    def test_what_the_broker_has_lost_is_handed_over_again(self, rabbit: RabbitServer) -> None:
        write(make_doer("Dora"), 3)
        with opened(rabbit.url) as channel:
            channel.queue_purge(KEY)
        assert sweeping.sweep() == 0
        Delivery.objects.update(enqueued_at=timezone.now() - sweeping._LOST * 2)
        assert sweeping.sweep() == 3
        assert lengths()[KEY] == 3

    def test_a_campaign_waits_in_the_table_and_fills_its_queue_alone(
        self, rabbit: RabbitServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sweeping, "_MOST", 4)
        write(make_doer("Dora"), 10, priority=BULK)
        assert lengths()[f"{KEY}.bulk"] == 0
        assert sweeping.sweep() == 4
        assert sweeping.sweep() == 0
        found = lengths()
        assert (found[f"{KEY}.bulk"], found[KEY]) == (4, 0)

    def test_everything_is_sent_and_the_queues_are_empty_afterwards(
        self, rabbit: RabbitServer, mailbox: Mailbox
    ) -> None:
        write(make_doer("Dora"), 5)
        write(make_doer("Dirk"), 5, priority=BULK)
        work_until(is_over)
        assert len(mailbox.letters) == 10
        assert not any(lengths().values())

    def test_a_key_that_comes_twice_sends_once(self, rabbit: RabbitServer, mailbox: Mailbox) -> None:
        write(make_doer("Dora"), 3)
        for _twice in range(2):
            Delivery.objects.update(enqueued_at=None)
            sweeping.sweep()
        assert lengths()[KEY] == 9
        work_until(lambda: is_over() and not any(lengths().values()))
        assert sorted(Counter(mailbox.ids()).values()) == [1, 1, 1]

    def test_what_somebody_else_has_put_there_harms_nobody(
        self, rabbit: RabbitServer, mailbox: Mailbox
    ) -> None:
        with opened(rabbit.url) as channel:
            for body in ("nonsense", "1e9", "9" * 40, ""):
                channel.basic_publish(amqp.Message(body), exchange="", routing_key=KEY)
        write(make_doer("Dora"), 1)
        work_until(lambda: is_over() and not any(lengths().values()))
        assert states() == [("EMAIL", "SENT", "")]

    def test_a_broker_that_is_away_delays_nobody(
        self, settings: Any, mailbox: Mailbox, redis_url: str
    ) -> None:
        settings.RABBITMQ_URL = "amqp://guest:guest@127.0.0.1:1/"
        write(make_doer("Dora"), 2)
        assert Delivery.objects.filter(enqueued_at=None).count() == 2
        work_until(is_over)
        assert len(mailbox.letters) == 2


@pytest.mark.parametrize(
    "place",
    ["deliver.before_acknowledge", "deliver.after_claim", "deliver.after_send", "deliver.after_record"],
)
def test_a_killed_sender_loses_nothing(
    artel_processes: Processes, rabbit: RabbitServer, box: Mailbox, bot: Telegram, place: str
) -> None:
    doer = make_doer("Dora")
    write(doer, 8)
    env = environment(box, bot, RABBITMQ_URL=rabbit.url)
    first = artel_processes.manage("deliver", ARTEL_FAILPOINT=place, **env)
    assert first.wait(60) == -signal.SIGKILL
    second = artel_processes.manage("deliver", **env)
    second.await_true(is_over, "end of messages", 90)
    assert set(box.ids()) == {f"<{row.key}@artel.example>" for row in Delivery.objects.all()}
    assert Delivery.objects.filter(state="SENT").count() == 8
    second.await_true(lambda: not any(lengths().values()), "empty queues", 30)


def test_a_killed_broker_loses_nothing_and_a_code_overtakes_a_campaign(
    artel_processes: Processes, rabbit: RabbitServer, box: Mailbox, bot: Telegram
) -> None:
    crowd = [make_doer(f"Reader {number}") for number in range(120)]
    for number, user in enumerate(crowd):
        chat_of(user, 1000 + number)
    doer = make_doer("Dora")
    chat_of(doer, 700)
    write_to(crowd, Letter("campaign.2", "Offer", "…"), channels=[Channel.TELEGRAM], priority=BULK)
    env = environment(box, bot, RABBITMQ_URL=rabbit.url, DELIVERY_LEASE_SECONDS="20")
    sender = artel_processes.manage("deliver", **env)
    sender.await_true(lambda: len(bot.taken) > 20, "messages on their way", 60)
    write_to([doer], Letter("code", "Your code", "1234"), channels=[Channel.TELEGRAM], priority=URGENT)
    began = time.monotonic()
    sender.await_true(lambda: bot.texts(700), "code", 30)
    assert time.monotonic() - began < 2
    rabbit.kill()
    try:
        sender.await_true(is_over, "end of messages", 60)
    finally:
        rabbit.start()
    assert Counter(to for _at, to, _said in bot.taken) == Counter([700, *range(1000, 1120)])
    # It takes from the broker again once that is there.
    write(doer, 1)
    sender.await_true(lambda: is_over() and not any(lengths().values()), "end of messages", 60)
    assert bot.most_in(0.95) <= 30
