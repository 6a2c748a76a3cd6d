"""The process that sends messages dies at the worst moments: nothing is lost, and what may come twice says so."""

import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from apps.accounts.models import User
from apps.notifications.models import Channel, Delivery
from apps.notifications.services.planning import Letter, write_to
from tests.fakes import mailbox as fake_mailbox
from tests.fakes import telegram as fake_telegram
from tests.fakes.mailbox import Mailbox
from tests.fakes.telegram import Telegram
from tests.notifications.messaging import chat_of
from tests.notifications.todos import make_doer
from tests.support.processes import Processes

MESSAGES = 6
PLACES = ["deliver.after_claim", "deliver.after_send", "deliver.after_record"]


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with fake_mailbox.running() as running:
        yield running


@pytest.fixture
def bot() -> Iterator[Telegram]:
    with fake_telegram.running() as running:
        yield running


def environment(box: Mailbox, bot: Telegram, **more: str) -> dict[str, str]:
    return {
        **box.environment,
        "OIDC_ISSUER": "https://artel.example",
        "TELEGRAM_API_URL": bot.url,
        "TELEGRAM_BOT_TOKEN": fake_telegram.TOKEN,
        "DELIVERY_LEASE_SECONDS": "3",
        **more,
    }


def write(people: list[User], channels: list[str]) -> None:
    for number in range(MESSAGES):
        write_to(people, Letter("campaign.1", f"Letter {number}", "…"), channels=channels)


def people() -> list[User]:
    found = [make_doer(f"Dora {number}") for number in range(2)]
    for number, user in enumerate(found):
        chat_of(user, 700 + number)
    return found


def is_over() -> bool:
    return not Delivery.objects.waiting().exists()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("channel", ["EMAIL", "TELEGRAM"])
def test_a_killed_sender_loses_nothing(
    artel_processes: Processes, box: Mailbox, bot: Telegram, channel: str, place: str
) -> None:
    write(people(), [channel])
    total = 2 * MESSAGES
    first = artel_processes.manage("deliver", ARTEL_FAILPOINT=place, **environment(box, bot))
    assert first.wait(60) == -signal.SIGKILL
    assert not is_over()
    second = artel_processes.manage("deliver", **environment(box, bot))
    second.await_true(is_over, "end of messages", 60)

    assert Delivery.objects.filter(state="SENT").count() == total
    uncertain = Delivery.objects.filter(is_uncertain=True).count()
    if channel == "EMAIL":
        counted = Counter(box.ids())
        # What comes twice bears the id by which mail programs show one.
        assert set(counted) == {f"<{row.key}@artel.example>" for row in Delivery.objects.all()}
        assert uncertain == 0
        twice = sum(counted.values()) - total
    else:
        twice = len(bot.taken) - total
        # Each of those may have come twice, no other has, and none more than twice.
        assert 0 <= twice <= uncertain <= total
        said = Counter((to, sent["text"]) for _at, to, sent in bot.taken)
        assert len(said) == total
        assert max(said.values()) <= 2
    # After the record of one, others may have been on their way.
    if place != "deliver.after_record":
        assert (twice > 0) == (place == "deliver.after_send")
    # Asked to end, it ends.
    assert second.terminate(30) == 0


def test_two_senders_share_the_work_and_send_nothing_twice(
    artel_processes: Processes, box: Mailbox, bot: Telegram
) -> None:
    write(people(), ["EMAIL", "TELEGRAM"])
    env = environment(box, bot, DELIVERY_LEASE_SECONDS="60")
    running = [artel_processes.manage("deliver", **env) for _number in range(2)]
    running[0].await_true(is_over, "end of messages", 90)
    assert sorted(Counter(box.ids()).values()) == [1] * (2 * MESSAGES)
    assert len(bot.taken) == 2 * MESSAGES
    # Both together keep to what one chat takes in a second; the network moves a moment by a little.
    assert max(bot.most_in(0.9, chat) for chat in (700, 701)) == 1


def test_an_api_that_floods_back_and_a_killed_sender_lose_nothing_and_a_code_overtakes(
    artel_processes: Processes, box: Mailbox, bot: Telegram
) -> None:
    # Less than we think that it takes.
    bot.per_second = 20
    crowd = [make_doer(f"Reader {number}") for number in range(60)]
    for number, user in enumerate(crowd):
        chat_of(user, 1000 + number)
    write_to(
        crowd,
        Letter("campaign.2", "Offer", "…"),
        channels=[Channel.TELEGRAM],
        priority=Delivery.Priority.BULK,
    )
    doer = people()[0]
    first = artel_processes.manage("deliver", **environment(box, bot))
    first.await_true(lambda: len(bot.taken) >= 15, "messages on their way", 60)
    write_to(
        [doer],
        Letter("code", "Your code", "1234"),
        channels=[Channel.TELEGRAM],
        priority=Delivery.Priority.URGENT,
    )
    first.await_true(lambda: bot.texts(700), "code", 10)
    assert Delivery.objects.waiting().exists()
    first.kill()
    second = artel_processes.manage("deliver", **environment(box, bot))
    second.await_true(is_over, "end of messages", 90)
    assert bot.floods > 0
    assert Delivery.objects.filter(state="SENT").count() == 61
    assert {to for _at, to, _said in bot.taken} == {700, *range(1000, 1060)}
    assert len(bot.taken) - 61 <= Delivery.objects.filter(is_uncertain=True).count()
    assert bot.most_in(1.0) <= 20


def test_the_environment_of_these_tests_names_no_broker() -> None:
    assert "RABBITMQ_URL" not in os.environ
