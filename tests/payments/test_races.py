"""Many at once, over connections of their own: nothing is paid twice, nothing is lost, no number is missing."""

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests
from django.conf import LazySettings
from django.core.exceptions import ValidationError
from django.db import connections, transaction
from django.test import Client

from apps.accounts.models import User
from apps.payments.models import (
    Allocation,
    IdempotencyKey,
    Invoice,
    JournalEntry,
    Payment,
    PaymentAttempt,
    Posting,
)
from apps.payments.services import invoices
from apps.payments.services.allocations import allocate_payment, release_allocation
from apps.payments.services.refunds import refund_payment
from tests.access.world import client_with_key
from tests.crm.factories import make_company
from tests.fakes.stripe import fake_stripe
from tests.payments.factories import draft, issued, line, make_accountant, paid, wrong
from tests.payments.providing import account_with, begun, drained, told

if TYPE_CHECKING:
    from tests.support.processes import Processes

pytestmark = pytest.mark.django_db(transaction=True)
PAYMENTS = "/api/v1/payments/payments/"


def spread(calls: Sequence[Callable[[], Any]], *, connections_at_once: int) -> list[Any]:
    """Run calls over so many connections; return what each returned, or the code of its refusal."""

    def run(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except ValidationError as refused:
            return getattr(refused, "code", None) or "refused"

    def close() -> None:
        connections.close_all()

    with ThreadPoolExecutor(connections_at_once) as pool:
        outcomes = list(pool.map(run, calls))
        list(pool.map(lambda _each: close(), range(connections_at_once * 4)))
    return outcomes


@pytest.fixture
def accountant(transactional_db: None) -> User:
    return make_accountant()


def program(owner: User) -> Client:
    client = client_with_key(owner, ["all"])
    client.raise_request_exception = False
    return client


def post_until_answered(client: Client, path: str, body: dict[str, Any], key: str) -> Any:
    """Post as a program does: ask again while the same request is under way."""
    for _attempt in range(500):
        response = client.post(
            path, json.dumps(body), content_type="application/json", headers={"Idempotency-Key": key}
        )
        if response.status_code != 409:
            return response
        time.sleep(0.01)
    raise AssertionError("never answered")


def test_a_thousand_equal_posts_are_one_payment(accountant: User, settings: Any) -> None:
    settings.API_LIMITS = {}
    invoice = issued(accountant, line("100"))
    client = program(accountant)
    body = {"amount_minor": 10000, "currency": "RUB", "invoice": invoice.pk}

    def post() -> tuple[int, str | None, str]:
        answer = post_until_answered(client, PAYMENTS, body, "once")
        return answer.status_code, answer.headers.get("Idempotent-Replayed"), answer.content.decode()

    answers = spread([post] * 1000, connections_at_once=50)
    assert Counter(status for status, _replayed, _body in answers) == {201: 1000}
    assert Counter(replayed for _status, replayed, _body in answers) == {None: 1, "true": 999}
    assert len({json.dumps(json.loads(text), sort_keys=True) for _status, _replayed, text in answers}) == 1
    assert Payment.objects.count() == 1
    assert Allocation.objects.count() == 1
    assert Posting.objects.filter(payment__isnull=False).count() == 4
    assert IdempotencyKey.objects.count() == 1
    assert wrong() == []


def test_two_hundred_refunds_never_exceed_the_payment(accountant: User) -> None:
    payment = paid(accountant, 100000)
    dice = random.Random(7)
    amounts = [dice.randint(1, 2000) for _each in range(200)]
    assert sum(amounts) > 100000

    def refund(amount: int) -> Callable[[], int]:
        return lambda: (
            refund_payment(payment.pk, actor=accountant, amount_minor=amount, reason="Back").amount_minor
        )

    outcomes = spread([refund(amount) for amount in amounts], connections_at_once=20)
    payment.refresh_from_db()
    done = [each for each in outcomes if isinstance(each, int)]
    assert payment.refunded_minor == sum(done) <= 100000
    assert set(outcomes) - set(done) == {"payment_not_overspent"}
    # What was refused really was more than was left at the end.
    assert payment.left_minor < 2000
    assert wrong() == []


def test_two_hundred_allocations_never_exceed_either_side(accountant: User) -> None:
    company = make_company("Customer")
    owed = [issued(accountant, line("100"), company=company) for _each in range(4)]
    money = [paid(accountant, 12000, company_id=company.pk) for _each in range(4)]
    dice = random.Random(11)

    def allocate(payment: Payment, invoice: Invoice, amount: int, *, is_released: bool) -> Callable[[], Any]:
        def call() -> int:
            made = allocate_payment(payment.pk, actor=accountant, invoice_id=invoice.pk, amount_minor=amount)
            if is_released:
                release_allocation(made.pk, actor=accountant)
            return amount

        return call

    calls = [
        allocate(dice.choice(money), dice.choice(owed), dice.randint(1, 900), is_released=dice.random() < 0.2)
        for _each in range(200)
    ]
    outcomes = spread(calls, connections_at_once=20)
    assert set(outcomes) - {each for each in outcomes if isinstance(each, int)} <= {
        "payment_not_overspent",
        "invoice_not_overpaid",
        "invoice_not_open",
    }
    assert len([each for each in outcomes if isinstance(each, int)]) > 50
    for invoice in Invoice.objects.all():
        assert 0 <= invoice.paid_minor <= invoice.total_minor
    for payment in Payment.objects.all():
        assert 0 <= payment.allocated_minor <= payment.captured_minor
    assert wrong() == []


class Undecided(Exception):
    """Somebody thought better of it."""


def test_a_hundred_issues_leave_no_gap_among_numbers(accountant: User) -> None:
    drafts = [draft(accountant) for _each in range(100)]
    dice = random.Random(3)
    doomed = {invoice.pk for invoice in drafts if dice.random() < 0.3}
    assert doomed

    def issue(pk: int) -> Callable[[], str]:
        def call() -> str:
            try:
                with transaction.atomic():
                    number = invoices.issue_invoice(pk, actor=accountant).number or ""
                    if pk in doomed:
                        raise Undecided
            except Undecided:
                return ""
            return number

        return call

    numbers = [n for n in spread([issue(each.pk) for each in drafts], connections_at_once=20) if n]
    counts = sorted(int(number.rsplit("-", 1)[1]) for number in numbers)
    assert counts == list(range(1, 100 - len(doomed) + 1))
    assert JournalEntry.objects.count() == len(numbers)
    assert wrong() == []


def test_a_program_that_heard_nothing_asks_again(accountant: User, artel_processes: "Processes") -> None:
    """The process dies after the commit, before the answer: the answer is there for who asks again."""
    client = program(accountant)
    headers = {"Authorization": client.defaults["HTTP_AUTHORIZATION"], "Idempotency-Key": "unheard"}
    body: dict[str, Any] = {"amount_minor": 700, "currency": "RUB"}
    doomed = artel_processes.web(ARTEL_FAILPOINT="payments.committed")
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{doomed.url}{PAYMENTS}", json=body, headers=headers, timeout=60)
    assert doomed.wait(60) == -signal.SIGKILL
    assert Payment.objects.count() == 1
    server = artel_processes.web()
    answer = requests.post(f"{server.url}{PAYMENTS}", json=body, headers=headers, timeout=60)
    assert answer.status_code == 201
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert answer.json()["id"] == Payment.objects.get().pk
    assert wrong() == []


def test_of_many_payers_one_is_sent_to_the_provider_and_messages_at_once_are_one(
    accountant: User, settings: LazySettings
) -> None:
    with fake_stripe() as stripe:
        account = account_with(stripe, settings, accountant)
        invoice = issued(accountant, line("100"))
        outcomes = spread([lambda: begun(invoice, account).pk] * 24, connections_at_once=8)
        (attempt_id,) = [each for each in outcomes if isinstance(each, int)]
        assert len(stripe.sessions) == 1
        money = stripe.pay(PaymentAttempt.objects.get(pk=attempt_id).external_id)
        stripe.refund(money, 2500)
        calls = [lambda each=each: told(account, each) for each in stripe.messages * 4]
        random.Random(7).shuffle(calls)
        spread(calls, connections_at_once=8)
        drained()
    payment = Payment.objects.get()
    assert (payment.status, payment.captured_minor, payment.refunded_minor) == ("SUCCEEDED", 10000, 2500)
    assert payment.refunds.count() == 1
    assert wrong() == []
