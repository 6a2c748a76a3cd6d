"""By which channels people are told, when, and what becomes of it."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.accounts.models import User
from apps.notifications.channels import Outcome
from apps.notifications.models import ChannelAddress, Delivery, Notification, Preference, QuietTime
from apps.notifications.services import inbox, outcomes
from apps.notifications.services.delivering import claim, expire, redeliver, redeliver_failed
from apps.notifications.services.planning import Letter, write_to
from apps.notifications.services.sweeping import gather_digests
from tests.fakes.telegram import Telegram
from tests.notifications.messaging import chat_of, make_due, notify, quiet_now, states, wants, ways, work
from tests.notifications.todos import make_doer, make_task

pytestmark = pytest.mark.django_db
State, Error = Delivery.State, Delivery.Error


@pytest.fixture(autouse=True)
def empty_redis(redis_url: str) -> None:
    """Count from nothing."""


@pytest.fixture
def doer() -> User:
    return make_doer("Dora")


def test_somebody_is_told_by_e_mail_once(doer: User) -> None:
    task = make_task(doer, "Call the bank")
    told = notify(doer, task)
    assert ways(doer) == {"EMAIL": "ON"}
    work()
    work()
    assert states() == [("EMAIL", "SENT", "")]
    (letter,) = mail.outbox
    assert letter.to == [doer.email]
    assert letter.subject == "Due now: “Call the bank”"
    assert f"/admin/inbox/{told.pk}/" in letter.body
    assert "Whoever has something to do is told when it is due" in letter.body


def test_words_are_those_of_the_reader(doer: User) -> None:
    User.objects.filter(pk=doer.pk).update(locale="ru")
    notify(doer, make_task(doer, "Позвонить в банк"))
    work()
    (letter,) = mail.outbox
    assert "Позвонить в банк" in letter.subject
    assert "Почему вы это читаете" in letter.body


def test_without_an_address_it_stays_in_the_inbox(doer: User) -> None:
    User.objects.filter(pk=doer.pk).update(email=None)
    notify(doer)
    assert ways(doer) == {"EMAIL": "NO_ADDRESS"}
    assert not Delivery.objects.exists()


def test_what_is_turned_off_is_not_sent_and_the_verdict_says_so(doer: User) -> None:
    chat_of(doer, 7)
    wants(doer, "EMAIL", "OFF")
    notify(doer)
    assert ways(doer) == {"EMAIL": "OFF", "TELEGRAM": "ON"}
    assert [state[0] for state in states()] == ["TELEGRAM"]


def test_what_leaves_the_inbox_only_when_asked_for_says_so(doer: User) -> None:
    notify(doer, kind="export.finished")
    assert ways(doer) == {"EMAIL": "NOT_USUAL"}
    wants(doer, "EMAIL", "ON", "export.finished")
    notify(doer, kind="export.finished")
    assert ways(doer) == {"EMAIL": "ON"}


def test_what_is_turned_off_meanwhile_is_withheld(doer: User) -> None:
    notify(doer)
    wants(doer, "EMAIL", "OFF")
    work()
    assert states() == [("EMAIL", "WITHHELD", "OFF")]
    assert mail.outbox == []


def test_what_was_read_meanwhile_or_is_out_of_sight_is_withheld(doer: User) -> None:
    task = make_task(doer)
    told = notify(doer, task)
    inbox.mark([told.pk], actor=doer, as_what="read")
    notify(doer, task)
    type(task).objects.filter(pk=task.pk).update(assignee=make_doer("Other"))
    work()
    assert states() == [("EMAIL", "WITHHELD", "READ"), ("EMAIL", "WITHHELD", "OUT_OF_SIGHT")]


def test_who_has_left_is_sent_nothing(doer: User) -> None:
    notify(doer)
    User.objects.filter(pk=doer.pk).update(is_active=False)
    work()
    assert states() == [("EMAIL", "WITHHELD", "LEFT")]


def test_quiet_hours_hold_it_until_they_are_over(doer: User) -> None:
    ends = quiet_now(doer)
    notify(doer)
    assert ways(doer) == {"EMAIL": "QUIET"}
    row = Delivery.objects.get()
    assert row.next_attempt_at == ends
    work()
    assert mail.outbox == []
    QuietTime.objects.all().delete()
    make_due()
    work()
    assert states() == [("EMAIL", "SENT", "")]


def test_hours_that_have_become_quiet_meanwhile_are_kept_as_well(doer: User) -> None:
    notify(doer)
    ends = quiet_now(doer)
    work()
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.next_attempt_at) == (State.WAITING, 0, ends)


def test_a_one_time_code_knows_no_quiet_hours_and_no_preference(doer: User) -> None:
    quiet_now(doer)
    wants_none = {"user": doer, "kind": "code", "channel": "EMAIL", "mode": "OFF"}
    Preference.objects.create(**wants_none)
    write_to(
        [doer],
        Letter("code", "Your code", "ABCD-EFGH"),
        priority=Delivery.Priority.URGENT,
        lasts=timedelta(minutes=5),
    )
    row = Delivery.objects.get()
    # It opens something: nobody reads it in the table.
    assert "ABCD" not in row.message
    work()
    (letter,) = mail.outbox
    assert "ABCD-EFGH" in letter.body
    assert "List-Unsubscribe" not in letter.extra_headers


def test_what_is_of_no_use_any_more_is_not_sent(doer: User) -> None:
    write_to([doer], Letter("code", "Your code", "1"), lasts=timedelta(seconds=-1))
    work()
    assert states() == [("EMAIL", "WITHHELD", "EXPIRED")]


def test_a_digest_is_one_message_and_what_was_read_is_not_in_it(doer: User) -> None:
    wants(doer, "EMAIL", "DIGEST")
    one, two, three = (notify(doer, make_task(doer, name)) for name in ("one", "two", "three"))
    assert ways(doer) == {"EMAIL": "DIGEST"}
    assert all(row.next_attempt_at > timezone.now() for row in Delivery.objects.all())  # type: ignore[operator]
    work()
    assert mail.outbox == []
    inbox.mark([two.pk], actor=doer, as_what="read")
    make_due()
    assert gather_digests() == 1
    assert gather_digests() == 0
    work()
    (letter,) = mail.outbox
    assert "“one”" in letter.body
    assert "“three”" in letter.body
    assert "“two”" not in letter.body
    assert letter.subject == "Your digest: 2"
    assert {state for _channel, state, _error in states()} == {"SENT"}
    assert one.pk < three.pk


def test_a_digest_of_nothing_new_is_withheld(doer: User) -> None:
    wants(doer, "EMAIL", "DIGEST")
    told = notify(doer)
    inbox.mark([told.pk], actor=doer, as_what="read")
    make_due()
    work()
    assert mail.outbox == []
    assert {(state, error) for _channel, state, error in states()} == {("WITHHELD", "READ")}


def test_a_failure_is_tried_again_later_each_time_and_given_up_in_the_end(
    doer: User, settings: Settings
) -> None:
    notify(doer)
    waits = []
    for attempt in range(1, 4):
        (row,) = claim("EMAIL", 5)
        outcomes.record_outcome(row.pk, row.attempts, Outcome(Error.REFUSED, 451))
        row.refresh_from_db()
        assert (row.state, row.error, row.code, row.attempts) == (State.WAITING, Error.REFUSED, 451, attempt)
        assert row.next_attempt_at is not None
        waits.append((row.next_attempt_at - timezone.now()).total_seconds())
        assert claim("EMAIL", 5) == []
        make_due()
    assert 3 < waits[0] < 7
    assert waits[0] * 1.1 < waits[1] < waits[2]
    Delivery.objects.update(began_at=timezone.now() - timedelta(hours=25))
    (row,) = claim("EMAIL", 5)
    outcomes.record_outcome(row.pk, row.attempts, Outcome(Error.REFUSED, 451))
    assert states() == [("EMAIL", "FAILED", "REFUSED")]


def test_what_somebody_has_overtaken_is_not_theirs_to_say(doer: User) -> None:
    notify(doer)
    (first,) = claim("EMAIL", 5)
    Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    (second,) = claim("EMAIL", 5)
    assert (first.pk, first.attempts, second.attempts) == (second.pk, 1, 2)
    outcomes.record_outcome(first.pk, first.attempts, Outcome(Error.REFUSED))
    assert Delivery.objects.get().error == ""
    outcomes.record_outcome(second.pk, second.attempts, Outcome())
    assert states() == [("EMAIL", "SENT", "")]


def test_telegram_is_written_to_once_more_at_most_where_nobody_can_tell(doer: User) -> None:
    chat_of(doer, 7)
    wants(doer, "EMAIL", "OFF")
    notify(doer)
    assert [row.is_uncertain for row in claim("TELEGRAM", 5)] == [False]
    Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert [row.is_uncertain for row in claim("TELEGRAM", 5)] == [True]
    Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert claim("TELEGRAM", 5) == []
    assert states() == [("TELEGRAM", "FAILED", "UNCERTAIN")]


def test_a_blocked_bot_turns_the_address_off_and_the_person_is_told_elsewhere(
    doer: User, telegram: Telegram
) -> None:
    chat_of(doer, 7)
    telegram.blocked.add(7)
    notify(doer)
    work()
    address = ChannelAddress.objects.get(channel="TELEGRAM")
    assert (address.disabled_reason, address.is_on) == ("BLOCKED", False)
    assert ("TELEGRAM", "FAILED", "REJECTED") in states()
    told = Notification.objects.get(kind="address.off")
    assert told.recipient == doer
    work()
    assert [letter.subject for letter in mail.outbox][-1].startswith(
        "You are not reached any more by Telegram"
    )
    notify(doer)
    assert ways(doer) == {"EMAIL": "ON", "TELEGRAM": "DISABLED"}


def test_a_flood_answer_is_obeyed_and_counts_no_attempt(doer: User, telegram: Telegram) -> None:
    chat_of(doer, 7)
    wants(doer, "EMAIL", "OFF")
    telegram.script.append((429, "Too Many Requests", {"retry_after": 1}))
    notify(doer)
    work()
    row = Delivery.objects.get()
    assert (row.state, row.error, row.attempts) == (State.WAITING, Error.LIMITED, 0)
    make_due()
    # Nobody writes there before the second is over, whatever is due.
    work(turns=1)
    assert telegram.taken == []


def test_a_chat_that_has_moved_is_followed(doer: User, telegram: Telegram) -> None:
    chat_of(doer, 7)
    wants(doer, "EMAIL", "OFF")
    telegram.script.append((400, "group chat was upgraded", {"migrate_to_chat_id": -1007}))
    notify(doer)
    work()
    assert ChannelAddress.objects.get(channel="TELEGRAM").address == "-1007"
    work()
    assert len(telegram.texts(-1007)) == 1


def test_another_address_to_log_in_with_takes_the_place_of_the_first(doer: User) -> None:
    notify(doer)
    User.objects.filter(pk=doer.pk).update(email="new@example.org")
    notify(User.objects.get(pk=doer.pk))
    work()
    assert states() == [("EMAIL", "WITHHELD", "NO_ADDRESS"), ("EMAIL", "SENT", "")]
    assert mail.outbox[0].to == ["new@example.org"]


def test_what_was_given_up_is_sent_again_by_who_may(doer: User) -> None:
    boss = make_doer("Boss", role="administrator")
    notify(doer)
    (row,) = claim("EMAIL", 5)
    outcomes.record_outcome(row.pk, row.attempts, Outcome(Error.REJECTED, 554, is_final=True))
    with pytest.raises(PermissionDenied):
        redeliver(row.pk, actor=doer)
    assert states() == [("EMAIL", "FAILED", "REJECTED")]
    since = timezone.now() - timedelta(minutes=1)
    assert redeliver_failed(actor=boss, channel="TELEGRAM", since=since) == 0
    assert redeliver_failed(actor=boss, channel="EMAIL", since=since) == 1
    key = row.key
    work()
    assert states() == [("EMAIL", "SENT", "")]
    assert str(key) in mail.outbox[0].extra_headers["Message-ID"]


def test_old_messages_go_and_what_waits_stays(doer: User) -> None:
    notify(doer)
    work()
    notify(doer)
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=100))
    assert expire() == 1
    assert states() == [("EMAIL", "WAITING", "")]


def test_a_campaign_does_not_delay_what_is_urgent(doer: User, telegram: Telegram, settings: Settings) -> None:
    settings.DELIVERY_RATES = settings.DELIVERY_RATES | {"TELEGRAM": ((5, 1.0, 1), (100, 1.0))}
    chat_of(doer, 7)
    for number in range(40):
        write_to(
            [doer],
            Letter("campaign.1", f"Offer {number}", "…"),
            channels=["TELEGRAM"],
            priority=Delivery.Priority.BULK,
        )
    work(turns=6)
    write_to(
        [doer], Letter("code", "Your code", "1234"), channels=["TELEGRAM"], priority=Delivery.Priority.URGENT
    )
    work(turns=10)
    said = [text.split("\n")[0] for text in telegram.texts(7)]
    assert "Your code" in said
    assert Delivery.objects.waiting().count() > 20
