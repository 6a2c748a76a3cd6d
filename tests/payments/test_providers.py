"""Charges through providers on good and bad days: nobody pays twice, nothing is lost, and nothing is guessed."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.payments.models import (
    Dispute,
    LedgerAccount,
    Payment,
    PaymentAttempt,
    PeriodLock,
    ProviderAccount,
    WebhookMessage,
)
from apps.payments.providers.interface import NotGenuine
from apps.payments.providers.stripe import verify
from apps.payments.services import charging, inbox, refunding
from apps.payments.services.allocations import release_allocation
from apps.payments.services.provider_accounts import change_provider_account, create_provider_account
from apps.payments.services.refunds import refund_payment
from tests.fakes.provider import FakeProvider, Fault, Message
from tests.fakes.stripe import WEBHOOK_SECRET, FakeStripe, fake_stripe, sign
from tests.fakes.yookassa import FakeYooKassa, fake_yookassa
from tests.payments.factories import balance, issued, line, paid, wrong
from tests.payments.people import make_seller
from tests.payments.providing import account_with, begun, drained, later, told, told_all
from tests.payments.test_invoices import code_of, committed

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["stripe", "yookassa"])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeProvider]:
    with fake_stripe() if request.param == "stripe" else fake_yookassa() as served:
        yield served


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    with fake_stripe() as served:
        yield served


@pytest.fixture
def yookassa() -> Iterator[FakeYooKassa]:
    with fake_yookassa() as served:
        yield served


def pay(fake: Any, attempt: PaymentAttempt) -> str:
    return str(fake.pay(attempt.external_id))


def charges_at(fake: Any) -> int:
    return len(fake.sessions if isinstance(fake, FakeStripe) else fake.payments)


def state_of(attempt: PaymentAttempt) -> tuple[str, str, str]:
    attempt.refresh_from_db()
    payment = Payment.objects.get(pk=attempt.payment_id)
    assert payment.invoice is not None
    return attempt.state, payment.status, payment.invoice.status


def test_a_charge_is_paid_and_in_the_books(fake: FakeProvider, settings: LazySettings, berta: User) -> None:
    invoice, account = issued(berta, line("100")), account_with(fake, settings, berta)
    attempt = begun(invoice, account)
    assert state_of(attempt) == ("PENDING", "REQUIRES_ACTION", "OPEN")
    assert attempt.url.startswith(fake.url)
    money = pay(fake, attempt)
    told_all(account, fake.messages)
    assert state_of(attempt) == ("SUCCEEDED", "SUCCEEDED", "PAID")
    payment = Payment.objects.get(pk=attempt.payment_id)
    fee = 175 if isinstance(fake, FakeStripe) else 300
    assert (payment.external_id, payment.captured_minor, payment.fee_minor) == (money, 10000, fee)
    assert (balance("CASH"), balance("FEES"), balance("ADVANCES")) == (10000 - fee, fee, 0)
    committed()
    assert wrong() == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault.ERROR_AFTER,
        Fault.NEVER_AFTER,
        Fault.DROPPED_AFTER,
        Fault.ERROR_BEFORE,
        Fault.BUSY,
        Fault.GARBAGE,
    ],
)
def test_without_an_answer_nobody_knows_and_no_second_charge_is_begun(
    fake: FakeProvider, settings: LazySettings, berta: User, fault: Fault
) -> None:
    invoice, account = issued(berta, line("100")), account_with(fake, settings, berta)
    settings.PROVIDER_TIMEOUT = 0.5
    fake.faults.append(fault)
    attempt = begun(invoice, account)
    assert state_of(attempt) == ("UNKNOWN", "UNKNOWN", "OPEN")
    with pytest.raises(ValidationError) as caught:
        begun(invoice, account)
    assert code_of(caught) == "payment_one_charge_under_way"
    # Asked again under the same key, it is the same charge.
    later(attempt)
    assert state_of(attempt) == ("PENDING", "REQUIRES_ACTION", "OPEN")
    assert charges_at(fake) == 1
    pay(fake, attempt)
    later(attempt)
    assert state_of(attempt) == ("SUCCEEDED", "SUCCEEDED", "PAID")
    committed()
    assert wrong() == []


def test_a_late_answer_is_an_answer(fake: FakeProvider, settings: LazySettings, berta: User) -> None:
    account = account_with(fake, settings, berta)
    fake.faults.append(Fault.LATE)
    assert begun(issued(berta), account).state == "PENDING"


def test_what_a_provider_refuses_lets_another_be_begun(
    fake: FakeProvider, settings: LazySettings, berta: User
) -> None:
    invoice, account = issued(berta), account_with(fake, settings, berta, secret="wrong")
    attempt = begun(invoice, account)
    assert state_of(attempt) == ("FAILED", "CANCELED", "OPEN")
    assert attempt.error.startswith("invalid_")
    secret = "sk_test_fake" if isinstance(fake, FakeStripe) else "test_fake"
    change_provider_account(account.pk, actor=berta, secret=secret)
    assert begun(invoice, account).state == "PENDING"


def test_silence_after_the_beginning_leaves_it_with_the_provider(
    fake: FakeProvider, settings: LazySettings, berta: User
) -> None:
    account = account_with(fake, settings, berta)
    attempt = begun(issued(berta), account)
    fake.faults.extend([Fault.ERROR_BEFORE, Fault.GARBAGE])
    later(attempt)
    later(attempt)
    assert state_of(attempt) == ("PENDING", "REQUIRES_ACTION", "OPEN")
    assert attempt.next_ask_at is not None


def test_the_provider_is_asked_ever_less_often_and_then_a_person(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account = account_with(stripe, settings, berta)
    attempt = begun(issued(berta), account)
    pauses = []
    stripe.faults.extend([Fault.ERROR_BEFORE] * 5)
    for age in (
        timedelta(minutes=1),
        timedelta(hours=1),
        timedelta(hours=3),
        timedelta(days=2),
        timedelta(days=11),
    ):
        with time_machine.travel(timezone.now() + age, tick=False):
            charging.ask_attempt(attempt.pk)
            attempt.refresh_from_db()
            pauses.append(None if attempt.next_ask_at is None else attempt.next_ask_at - timezone.now())
    day = timedelta(days=1)
    assert pauses == [timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), day, None]
    assert attempt.needs_person
    with pytest.raises(ValidationError) as caught:
        charging.settle_attempt(attempt.pk, actor=berta, has_come=True)
    assert code_of(caught) == "required"
    charging.settle_attempt(attempt.pk, actor=berta, has_come=True, external_id="pi_seen")
    assert state_of(attempt) == ("SUCCEEDED", "SUCCEEDED", "PAID")
    with pytest.raises(ValidationError) as caught:
        charging.settle_attempt(attempt.pk, actor=berta, has_come=False)
    assert code_of(caught) == "attempt_ended"


def test_a_key_that_the_provider_has_forgotten_is_not_used_again(
    fake: FakeProvider, settings: LazySettings, berta: User
) -> None:
    account = account_with(fake, settings, berta)
    fake.faults.append(Fault.ERROR_BEFORE)
    attempt = begun(issued(berta), account)
    with time_machine.travel(timezone.now() + timedelta(hours=24), tick=False):
        later(attempt)
    assert state_of(attempt) == ("UNKNOWN", "UNKNOWN", "OPEN")
    assert (charges_at(fake), attempt.needs_person) == (0, True)


def test_a_worker_that_died_before_the_call_is_made_up_for(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account, invoice = account_with(stripe, settings, berta), issued(berta)
    asked = charging.Asked(account.pk, origin="https://artel.example")
    attempt = charging.start_attempt(invoice.pk, asked, actor=berta)
    assert charging.due_attempts() == []
    later(attempt)
    assert (attempt.state, charges_at(stripe)) == ("PENDING", 1)


# Messages


def _story(stripe: FakeStripe, attempt: PaymentAttempt) -> list[Message]:
    """Let a charge be paid, given back in part and disputed; return five webhooks that tell of it."""
    money = stripe.pay(attempt.external_id)
    stripe.refund(money, 2000)
    dispute = stripe.dispute(money, amount=3000)
    stripe.end_dispute(dispute, "won")
    kinds = {
        *("charge.succeeded", "checkout.session.completed", "refund.created"),
        *("charge.dispute.funds_withdrawn", "charge.dispute.closed"),
    }
    return [each for each in stripe.messages if each.type in kinds]


def _end_of(attempt: PaymentAttempt) -> Any:
    payment = Payment.objects.get(pk=attempt.payment_id)
    assert payment.invoice is not None
    dispute = payment.disputes.get()
    sums = (payment.captured_minor, payment.refunded_minor, payment.allocated_minor, payment.fee_minor)
    books = [balance(name) for name in ("CASH", "FEES", "ADVANCES", "DISPUTED", "BAD_DEBT", "RECEIVABLE")]
    committed()
    assert wrong() == []
    return payment.status, payment.invoice.status, sums, dispute.status, payment.refunds.get().status, books


# 325 orders, each in a transaction that is taken back.
@pytest.mark.slow
def test_the_end_is_the_same_in_whatever_order_messages_come(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    invoice, account = issued(berta, line("100")), account_with(stripe, settings, berta)
    attempt = begun(invoice, account)
    messages = _story(stripe, attempt)
    assert len(messages) == 5
    ends = set()
    for count in range(1, 6):
        for order in permutations(messages, count):
            with transaction.atomic():
                told_all(account, order)
                # What was left out comes at last, and what came once comes twice.
                told_all(account, messages)
                ends.add(repr(_end_of(attempt)))
                assert not WebhookMessage.objects.exclude(state="DONE").exists()
                transaction.set_rollback(True)
    # The fee of the dispute, 1500, and that of the charge, 175.
    books = [10000 - 2000 - 175 - 1500, 1675, 0, 0, 0, 2000]
    sums = (10000, 2000, 8000, 175)
    assert ends == {repr(("SUCCEEDED", "OPEN", sums, "WON", "SUCCEEDED", books))}


def test_messages_of_what_came_to_nothing_end_the_same(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account = account_with(stripe, settings, berta)
    attempt = begun(issued(berta), account)
    stripe.expire(attempt.external_id)
    told_all(account, [*stripe.messages, *stripe.messages])
    assert state_of(attempt) == ("CANCELED", "CANCELED", "OPEN")


def test_a_message_is_kept_once_and_verified(stripe: FakeStripe, settings: LazySettings, berta: User) -> None:
    account = account_with(stripe, settings, berta)
    pay(stripe, begun(issued(berta), account))
    message = stripe.messages[-1]
    address = reverse("provider-webhook", args=[account.webhook_key])
    client = Client()

    def post(body: bytes, signature: str, to: str = address) -> int:
        headers = {"Stripe-Signature": signature}
        return client.post(to, body, content_type="application/json", headers=headers).status_code

    assert post(message.body, "t=1,v1=00") == 400
    assert post(message.body, sign(message.body, secret="whsec_other")) == 400
    assert post(message.body, sign(message.body, at=timezone.now().timestamp() - 301)) == 400
    assert post(message.body + b" ", message.headers["Stripe-Signature"]) == 400
    assert post(message.body, message.headers["Stripe-Signature"], address[:-3] + "xx/") == 404
    assert WebhookMessage.objects.count() == 0
    assert [post(message.body, message.headers["Stripe-Signature"]) for _ in range(3)] == [200] * 3
    kept = WebhookMessage.objects.get()
    assert bytes(kept.body) == message.body
    assert client.get(address).status_code == 405
    assert post(b"x" * (inbox.MOST_BYTES + 1), "t=1,v1=00") == 413


def test_any_of_several_signatures_will_do() -> None:
    body = b"{}"
    good = sign(body, at=1000)
    verify(body, good.replace("v1=", "v1=00,v1="), WEBHOOK_SECRET, now=1000)
    for header in ("", "t=1000", "v1=00", good + ",t=1000", good.replace("t=1000", "t=١٠٠٠")):
        with pytest.raises(NotGenuine):
            verify(body, header, WEBHOOK_SECRET, now=1000)
    with pytest.raises(NotGenuine):
        verify(body, sign(body, secret="", at=1000), "", now=1000)


def test_a_message_that_anybody_may_have_written_moves_no_money(
    yookassa: FakeYooKassa, settings: LazySettings, berta: User
) -> None:
    account = account_with(yookassa, settings, berta)
    attempt = begun(issued(berta), account)
    # As if it were paid, which the API does not know of.
    row = yookassa.payments[attempt.external_id] | {"status": "succeeded", "paid": True}
    forged = yookassa.messages
    yookassa._tell("payment.succeeded", row)
    told_all(account, forged)
    assert state_of(attempt) == ("PENDING", "REQUIRES_ACTION", "OPEN")
    assert balance("CASH") == 0


def test_a_message_waits_for_a_provider_that_does_not_answer(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account = account_with(stripe, settings, berta)
    money = pay(stripe, begun(issued(berta, line("100")), account))
    told_all(account, stripe.messages)
    stripe.messages.clear()
    stripe.dispute(money, amount=1000)
    stripe.faults.append(Fault.ERROR_BEFORE)
    told(account, stripe.messages[0])
    message = WebhookMessage.objects.get(type="charge.dispute.created")
    assert (message.state, message.error, message.attempts) == ("NEW", "status_500", 1)
    drained()
    message.refresh_from_db()
    assert message.state == "DONE"
    assert Dispute.objects.get().amount_minor == 1000


def test_a_message_about_nothing_of_ours_is_kept_and_left(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account = account_with(stripe, settings, berta)
    stripe._tell("customer.created", {"id": "cus_1"})
    stripe._tell("checkout.session.completed", {"id": "cs_of_somebody_else"})
    told_all(account, stripe.messages)
    assert set(WebhookMessage.objects.values_list("state", flat=True)) == {"IGNORED"}


def test_messages_are_given_up_and_read_again_by_a_person(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account = account_with(stripe, settings, berta)
    stripe._tell("refund.created", {"id": "re_gone"})
    told_all(account, stripe.messages)
    message = WebhookMessage.objects.get()
    assert (message.state, message.error.partition(":")[0]) == ("FAILED", "resource_missing")
    with pytest.raises(WebhookMessage.DoesNotExist):
        inbox.reread_message(message.pk, actor=make_seller())
    inbox.reread_message(message.pk, actor=berta)
    message.refresh_from_db()
    assert (message.state, message.attempts) == ("NEW", 0)
    with pytest.raises(ValidationError) as caught:
        inbox.reread_message(message.pk, actor=berta)
    assert code_of(caught) == "message_not_failed"


def test_old_messages_are_forgotten_and_unread_ones_are_not(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account = account_with(stripe, settings, berta)
    stripe._tell("customer.created", {"id": "cus_1"})
    stripe._tell("customer.created", {"id": "cus_2"})
    told(account, stripe.messages[0])
    inbox.receive(account.webhook_key, stripe.messages[1].body, stripe.messages[1].headers)
    with time_machine.travel(timezone.now() + timedelta(days=100)):
        assert inbox.expire_messages(timedelta(days=90)) == 1
    assert WebhookMessage.objects.get().state == "NEW"


# Money


def test_a_fee_that_is_told_late_is_posted_once(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    stripe.has_fee_at_once = False
    account = account_with(stripe, settings, berta)
    attempt = begun(issued(berta, line("100")), account)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stripe, "settle", lambda charge: None)
        stripe.pay(attempt.external_id)
    told_all(account, stripe.messages)
    assert (state_of(attempt)[0], balance("FEES")) == ("SUCCEEDED", 0)
    stripe.settle(next(iter(stripe.charges)))
    told_all(account, [*stripe.messages, *stripe.messages])
    assert (balance("FEES"), balance("CASH")) == (175, 10000 - 175)
    assert Payment.objects.get(pk=attempt.payment_id).fee_minor == 175
    committed()
    assert wrong() == []


def test_another_amount_than_was_asked_for_is_for_a_person(
    fake: Any, settings: LazySettings, berta: User
) -> None:
    account = account_with(fake, settings, berta)
    attempt = begun(issued(berta, line("100")), account)
    if isinstance(fake, FakeStripe):
        fake.sessions[attempt.external_id]["amount_total"] = 20000
    else:
        fake.payments[attempt.external_id]["amount"]["value"] = "200.00"
    pay(fake, attempt)
    told_all(account, fake.messages)
    assert state_of(attempt) == ("UNKNOWN", "UNKNOWN", "OPEN")
    assert (attempt.error, attempt.needs_person, balance("CASH")) == ("other_amount", True, 0)


def test_money_that_comes_after_the_end_is_the_customers(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    invoice, account = issued(berta, line("100")), account_with(stripe, settings, berta)
    attempt = begun(invoice, account)
    # Somebody was told that nothing would come, and was wrong.
    charging.settle_attempt(attempt.pk, actor=berta, has_come=False)
    paid(berta, 10000, invoice_id=invoice.pk)
    pay(stripe, attempt)
    told_all(account, [*stripe.messages, *stripe.messages])
    assert state_of(attempt) == ("CANCELED", "CANCELED", "PAID")
    late = Payment.objects.get(provider="STRIPE", status="SUCCEEDED")
    assert (late.left_minor, late.invoice_id, balance("ADVANCES")) == (10000, None, -10000)
    committed()
    assert wrong() == []


def test_money_of_a_day_that_was_closed_since_stands_on_today(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account = account_with(stripe, settings, berta)
    attempt = begun(issued(berta), account)
    yesterday = timezone.localdate() - timedelta(days=1)
    pay(stripe, attempt)
    for charge in stripe.charges.values():
        charge["created"] -= 86400
    PeriodLock.objects.create(closed_until=yesterday, reason="closed", created_by=berta)
    told_all(account, stripe.messages)
    assert state_of(attempt)[0] == "SUCCEEDED"
    assert Payment.objects.get(pk=attempt.payment_id).received_date == timezone.localdate()


def _received(fake: Any, account: ProviderAccount, berta: User) -> Payment:
    """Return a payment through a provider that is the customer's to get back."""
    attempt = begun(issued(berta, line("100")), account)
    pay(fake, attempt)
    told_all(account, fake.messages)
    fake.messages.clear()
    payment = Payment.objects.get(pk=attempt.payment_id)
    release_allocation(payment.allocations.get().pk, actor=berta)
    return payment


@pytest.mark.parametrize("fault", [None, Fault.ERROR_AFTER, Fault.DROPPED_AFTER, Fault.ERROR_BEFORE])
def test_a_refund_goes_back_through_the_provider_once(
    fake: Any, settings: LazySettings, berta: User, fault: Fault | None
) -> None:
    account = account_with(fake, settings, berta)
    payment = _received(fake, account, berta)
    refund = refund_payment(payment.pk, actor=berta, reason="too much", amount_minor=4000)
    assert (refund.status, balance("ADVANCES")) == ("PENDING", -10000)
    fake.faults.append(fault)
    refunding.send_refund(refund.pk)
    # The message comes, too, and the beat asks once more.
    told_all(account, fake.messages)
    refund.refresh_from_db()
    if refund.status == "PENDING":
        refunding.send_refund(refund.pk)
    told_all(account, fake.messages)
    refund.refresh_from_db()
    payment.refresh_from_db()
    assert (refund.status, payment.refunded_minor, payment.refund_pending_minor) == ("SUCCEEDED", 4000, 0)
    assert (len(fake.refunds), balance("ADVANCES")) == (1, -6000)
    assert payment.refunds.count() == 1
    committed()
    assert wrong() == []


def test_a_refund_under_way_ends_when_the_provider_says_so(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account = account_with(stripe, settings, berta)
    payment = _received(stripe, account, berta)
    stripe.refund_status = "pending"
    refund = refund_payment(payment.pk, actor=berta, reason="too much")
    refunding.send_refund(refund.pk)
    refund.refresh_from_db()
    assert (refund.status, refund.external_id in stripe.refunds) == ("PENDING", True)
    stripe.end_refund(refund.external_id, "failed")
    told_all(account, stripe.messages)
    refund.refresh_from_db()
    payment.refresh_from_db()
    assert (refund.status, payment.left_minor, balance("ADVANCES")) == ("FAILED", 10000, -10000)


def test_what_a_provider_refuses_to_give_back_is_the_customers_again(
    fake: Any, settings: LazySettings, berta: User
) -> None:
    account = account_with(fake, settings, berta)
    payment = _received(fake, account, berta)
    if isinstance(fake, FakeStripe):
        fake.intents[payment.external_id]["amount"] = 1
    else:
        fake.payments[payment.external_id]["amount"]["value"] = "0.01"
    refund = refund_payment(payment.pk, actor=berta, reason="too much")
    refunding.send_refund(refund.pk)
    refund.refresh_from_db()
    payment.refresh_from_db()
    assert (refund.status, payment.left_minor) == ("FAILED", 10000)


def test_a_lost_dispute_is_a_bad_debt(stripe: FakeStripe, settings: LazySettings, berta: User) -> None:
    account = account_with(stripe, settings, berta)
    payment = _received(stripe, account, berta)
    dispute = stripe.dispute(payment.external_id, amount=10000)
    told_all(account, stripe.messages)
    assert (balance("DISPUTED"), balance("CASH")) == (10000, -175 - 1500)
    stripe.end_dispute(dispute, "lost")
    told_all(account, [*stripe.messages, *stripe.messages])
    assert (balance("DISPUTED"), balance("BAD_DEBT")) == (0, 10000)
    assert Dispute.objects.get().status == "LOST"
    committed()
    assert wrong() == []


def test_an_inquiry_moves_no_money(stripe: FakeStripe, settings: LazySettings, berta: User) -> None:
    account = account_with(stripe, settings, berta)
    payment = _received(stripe, account, berta)
    dispute = stripe.dispute(payment.external_id, amount=10000, is_withdrawn=False)
    stripe.end_dispute(dispute, "warning_closed")
    told_all(account, stripe.messages)
    assert (Dispute.objects.get().status, balance("DISPUTED"), balance("BAD_DEBT")) == ("WON", 0, 0)


# Accounts


def test_keys_are_sealed_and_asked_for(berta: User, settings: LazySettings) -> None:
    with pytest.raises(ValidationError) as caught:
        create_provider_account(actor=berta, provider="STRIPE", mode="TEST", secret="sk_test_1")
    assert code_of(caught) == "required"
    made = create_provider_account(
        actor=berta, provider="STRIPE", mode="TEST", secret="sk_test_1", webhook_secret="whsec_1"
    )
    made.refresh_from_db()
    assert "sk_test_1" not in made.secret
    assert "whsec_1" not in made.webhook_secret
    with pytest.raises(ValidationError) as caught:
        create_provider_account(actor=berta, provider="STRIPE", mode="DEMO")
    assert code_of(caught) == "no_demo"
    with pytest.raises(PermissionDenied):
        create_provider_account(actor=make_seller(), provider="STRIPE", mode="TEST")


def test_an_account_with_charges_stays_its_providers(
    stripe: FakeStripe, settings: LazySettings, berta: User
) -> None:
    account = account_with(stripe, settings, berta)
    begun(issued(berta), account)
    with pytest.raises(ValidationError) as caught:
        change_provider_account(account.pk, actor=berta, provider="YOOKASSA", shop_id="1")
    assert code_of(caught) == "provider_kept"
    cash = LedgerAccount.objects.get(purpose="CASH")
    changed = change_provider_account(account.pk, actor=berta, account_id=cash.pk, name="Cards")
    assert (changed.account, changed.name) == (cash, "Cards")
    revenue = LedgerAccount.objects.get(purpose="REVENUE")
    with pytest.raises(ValidationError) as caught:
        change_provider_account(account.pk, actor=berta, account_id=revenue.pk)
    assert code_of(caught) == "not_cash"


# Attacks


@pytest.mark.parametrize(
    ("attack", "constraint"),
    [
        ("update payments_paymentattempt set state = 'CREATED'", "payment_attempt_state_order"),
        ("update payments_paymentattempt set external_id = 'another'", "payment_attempt_frozen"),
        ("update payments_paymentattempt set request_key = gen_random_uuid()", "payment_attempt_frozen"),
        ("delete from payments_paymentattempt", "payment_attempt_frozen"),
        ("update payments_dispute set amount_minor = 1", "dispute_frozen"),
        ("delete from payments_dispute", "dispute_frozen"),
        ("update payments_payment set fee_minor = 1", "payment_frozen"),
    ],
)
def test_the_database_refuses(
    stripe: FakeStripe, settings: LazySettings, berta: User, attack: str, constraint: str
) -> None:
    account = account_with(stripe, settings, berta)
    payment = _received(stripe, account, berta)
    stripe.dispute(payment.external_id, amount=100)
    told_all(account, stripe.messages)
    committed()
    with pytest.raises(IntegrityError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(attack)
    assert constraint in str(caught.value.__cause__.diag.constraint_name)  # type: ignore[union-attr]
