"""Bank lines become payments and allocations, wholly or not at all; and back, with the books proving both."""

import io
import random
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.events.models import Event
from apps.payments.matching.finding import candidates_for, known_payments
from apps.payments.models import BankLine, BankMatch, Payment
from apps.payments.services import bank_lines, refunds, statements
from apps.payments.services.matching import Part, Why, match_line, match_payment, unmatch_line
from tests.crm.factories import make_company
from tests.payments.factories import issued, line, paid, wrong
from tests.payments.onec import OURS, THEIRS, account, document, onec
from tests.payments.people import at_once, code_of, make_accountant, make_entity, make_seller

pytestmark = pytest.mark.django_db


@pytest.fixture
def accountant() -> User:
    make_entity()
    return make_accountant()


def came(actor: User, *amounts: str, purpose: str = "Оплата по счету", **values: Any) -> list[BankLine]:
    """Import a statement of money that came today; return its lines."""
    today = timezone.localdate()
    documents = [
        document(
            random.randrange(10**9),
            each,
            НазначениеПлатежа=purpose,
            ДатаПоступило=f"{today:%d.%m.%Y}",
            **values,
        )
        for each in amounts
    ]
    total = f"{sum(int(each.replace('.', '')) for each in amounts) / 100:.2f}"
    days = {"ДатаНачала": f"{today:%d.%m.%Y}", "ДатаКонца": f"{today:%d.%m.%Y}"}
    file = statements.upload_statement(
        io.BytesIO(onec([account("0.00", total, **days)], documents)), "s.txt", actor=actor
    )
    statements.apply_statement(file.pk, actor=actor)
    return list(BankLine.objects.filter(statement__file=file).select_related("account").order_by("pk"))


def refused(code: str, call: Any, *args: Any, **kwargs: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        call(*args, **kwargs)
    assert code_of(refusal.value) == code


def fresh(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def test_a_line_pays_an_invoice(accountant: User) -> None:
    invoice = issued(accountant, line("100.00"))
    (came_line,) = came(accountant, "100.00")
    match = match_line(came_line.pk, actor=accountant, parts=[Part(invoice.pk)], why=Why(("amount",), 90))
    assert (fresh(invoice).status, fresh(came_line).open_minor) == ("PAID", 0)
    payment = match.payment
    assert (payment.provider, payment.amount_minor, payment.received_date) == (
        "BANK",
        10000,
        came_line.booked_on,
    )
    assert (payment.company_id, payment.payer_name) == (invoice.company_id, "ООО «Ромашка»")
    assert (match.reasons, match.confidence) == (["amount"], 90)
    assert Event.objects.filter(
        type="payments.bank_line.matched.v1", subject__endswith=f"/{came_line.pk}"
    ).exists()
    assert wrong() == []


def test_what_is_more_than_due_stays_the_customers(accountant: User) -> None:
    invoice = issued(accountant, line("100.00"))
    (came_line,) = came(accountant, "150.00")
    match = match_line(came_line.pk, actor=accountant, parts=[Part(invoice.pk)])
    assert fresh(match.payment).free_minor == 5000
    assert fresh(came_line).open_minor == 0
    assert wrong() == []


def test_a_line_is_split_over_invoices(accountant: User) -> None:
    company = make_company()
    first, second = (issued(accountant, line(price), company=company) for price in ("100.00", "60.00"))
    (came_line,) = came(accountant, "130.00")
    parts = [Part(second.pk, 6000), Part(first.pk)]
    match_line(came_line.pk, actor=accountant, parts=parts)
    assert (fresh(first).paid_minor, fresh(second).paid_minor) == (7000, 6000)
    assert wrong() == []


def test_money_of_a_known_payer_without_an_invoice(accountant: User) -> None:
    company = make_company()
    (came_line,) = came(accountant, "130.00")
    refused("no_customer", match_line, came_line.pk, actor=accountant)
    match = match_line(came_line.pk, actor=accountant, company_id=company.pk)
    assert (match.payment.free_minor, match.payment.company_id) == (13000, company.pk)


def test_refusals_leave_nothing_behind(accountant: User) -> None:
    invoice = issued(accountant, line("100.00"))
    (came_line,) = came(accountant, "130.00")
    for code, parts in (
        ("invoice_twice", [Part(invoice.pk), Part(invoice.pk)]),
        ("more_than_line", [Part(invoice.pk, 13001)]),
        ("invoice_not_overpaid", [Part(invoice.pk, 10001)]),
        ("amount", [Part(invoice.pk, 0)]),
        ("not_found", [Part(10**9)]),
    ):
        refused(code, match_line, came_line.pk, actor=accountant, parts=parts)
    assert not Payment.objects.exists()
    assert not BankMatch.objects.exists()
    assert fresh(came_line).matched_minor == 0


def test_what_is_matched_or_set_aside_is_not_matched_again(accountant: User) -> None:
    company = make_company()
    first, second = came(accountant, "10.00", "20.00")
    match_line(first.pk, actor=accountant, company_id=company.pk)
    refused("line_matched", match_line, first.pk, actor=accountant, company_id=company.pk)
    refused("line_matched", bank_lines.set_aside, first.pk, actor=accountant, reason="x")
    bank_lines.set_aside(second.pk, actor=accountant, reason="A deposit")
    refused("line_set_aside", match_line, second.pk, actor=accountant, company_id=company.pk)


def test_money_that_went_out_is_set_aside(accountant: User) -> None:
    (went,) = _outgoing(accountant)
    refused("line_outgoing", match_line, went.pk, actor=accountant, company_id=make_company().pk)
    assert bank_lines.set_aside(went.pk, actor=accountant, reason="Rent").set_aside_at is not None


def _outgoing(actor: User) -> list[BankLine]:
    swapped = {
        "ПлательщикСчет": OURS,
        "ПолучательСчет": THEIRS,
        "ДатаСписано": "02.03.2026",
        "ДатаПоступило": "",
    }
    data = onec([account("10.00", "0.00")], [document(1, "10.00", **swapped)])
    file = statements.upload_statement(io.BytesIO(data), "out.txt", actor=actor)
    statements.apply_statement(file.pk, actor=actor)
    return list(BankLine.objects.filter(statement__file=file))


def test_a_match_is_taken_back_wholly(accountant: User) -> None:
    invoice = issued(accountant, line("100.00"))
    (came_line,) = came(accountant, "150.00")
    match = match_line(came_line.pk, actor=accountant, parts=[Part(invoice.pk)])
    refused("no_reason", unmatch_line, match.pk, actor=accountant, reason=" ")
    unmatch_line(match.pk, actor=accountant, reason="Another customer")
    assert (fresh(invoice).status, fresh(invoice).paid_minor, fresh(came_line).open_minor) == (
        "OPEN",
        0,
        15000,
    )
    assert fresh(match.payment).status == "CANCELED"
    refused("match_released", unmatch_line, match.pk, actor=accountant, reason="again")
    assert wrong() == []
    # And matched anew, rightly this time.
    match_line(came_line.pk, actor=accountant, parts=[Part(invoice.pk)])
    assert fresh(invoice).status == "PAID"
    assert wrong() == []


def test_money_that_was_given_back_is_not_taken_back(accountant: User) -> None:
    (came_line,) = came(accountant, "150.00")
    match = match_line(came_line.pk, actor=accountant, company_id=make_company().pk)
    refunds.refund_payment(match.payment_id, actor=accountant, amount_minor=5000, reason="Too much")
    refused("payment_touched", unmatch_line, match.pk, actor=accountant, reason="x")
    assert fresh(came_line).open_minor == 0
    assert fresh(match).released_at is None


def test_money_that_was_recorded_by_hand_is_not_counted_twice(accountant: User) -> None:
    known = paid(accountant, 13000, company_id=make_company().pk)
    (came_line,) = came(accountant, "130.00")
    (found,) = known_payments(came_line, actor=accountant)
    assert (found.payment, found.reasons) == (known, ("recorded", "amount", "same_day"))
    match = match_payment(came_line.pk, actor=accountant, payment_id=known.pk)
    assert Payment.objects.count() == 1
    assert known_payments(fresh(came_line), actor=accountant) == []
    (other,) = came(accountant, "130.00", purpose="other")
    assert known_payments(other, actor=accountant) == []
    refused("payment_matched", match_payment, other.pk, actor=accountant, payment_id=known.pk)
    unmatch_line(match.pk, actor=accountant, reason="x")
    assert fresh(known).status == "SUCCEEDED"
    assert fresh(came_line).open_minor == 13000


def test_an_import_with_matched_lines_stays(accountant: User) -> None:
    (came_line,) = came(accountant, "10.00")
    match = match_line(came_line.pk, actor=accountant, company_id=make_company().pk)
    file = came_line.statement.file
    refused("lines_matched", statements.undo_statement, file.pk, actor=accountant)
    unmatch_line(match.pk, actor=accountant, reason="x")
    # The record of what was matched once stays, and with it the line.
    refused("lines_matched", statements.undo_statement, file.pk, actor=accountant)


def test_who_may_not_may_not(accountant: User) -> None:
    (came_line,) = came(accountant, "10.00")
    with pytest.raises(BankLine.DoesNotExist):
        match_line(came_line.pk, actor=make_seller(), company_id=make_company().pk)
    with pytest.raises(PermissionDenied):
        match_line(came_line.pk, actor=_auditor(), company_id=make_company().pk)


def _auditor() -> User:
    from tests.accounts.factories import make_member, make_team

    return make_member(make_team(), "auditor")


@pytest.mark.parametrize(
    "attack",
    [
        "update payments_bankline set matched_minor = 5",
        "update payments_bankmatch set amount_minor = 1",
        "delete from payments_bankmatch",
        "update payments_bankmatch set released_at = now(), released_by_id = created_by_id",
    ],
)
def test_counters_are_what_they_count(attack: str, accountant: User) -> None:
    (came_line,) = came(accountant, "10.00")
    match_line(came_line.pk, actor=accountant, company_id=make_company().pk)
    with pytest.raises(IntegrityError):
        _attack(attack)


def _attack(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
        cursor.execute("set constraints all immediate")


def test_candidates_come_with_their_reasons(accountant: User) -> None:
    company = make_company("Ромашка", tax_id="7707083893")
    right = issued(accountant, line("100.00"), company=company)
    issued(accountant, line("100.00"))
    (came_line,) = came(accountant, "100.00", purpose=f"Оплата по счету {right.number}")
    first, second = candidates_for(came_line, actor=accountant)[:2]
    assert first.parts[0][0].invoice_id == right.pk
    assert {"number", "amount"} <= set(first.reasons)
    assert first.confidence >= 85
    assert second.confidence < 85
    assert candidates_for(came_line, actor=make_seller()) == []


def test_invoices_of_long_ago_are_found_among_thousands(
    accountant: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.payments.matching.finding._MOST", 2)
    others = [issued(accountant, line("70.00")) for _turn in range(4)]
    right = issued(accountant, line("100.00"))
    (came_line,) = came(accountant, "100.00", purpose=f"Счет {right.number}")
    found = candidates_for(came_line, actor=accountant)
    assert found[0].parts[0][0].invoice_id == right.pk
    assert len(others) == 4


@pytest.mark.django_db(transaction=True)
def test_a_line_that_two_match_at_once_is_one_payment() -> None:
    make_entity()
    accountant = make_accountant()
    invoice = issued(accountant, line("100.00"))
    (came_line,) = came(accountant, "100.00")
    calls = [
        lambda: (
            match_line(came_line.pk, actor=User.objects.get(pk=accountant.pk), parts=[Part(invoice.pk)]).pk
        )
        for _turn in range(6)
    ]
    outcome = at_once(*calls)
    assert outcome.count("line_matched") == 5
    assert Payment.objects.count() == 1
    assert fresh(invoice).paid_minor == 10000
    assert wrong() == []


@pytest.mark.django_db(transaction=True)
def test_lines_that_pay_one_invoice_at_once_never_overpay_it() -> None:
    make_entity()
    accountant = make_accountant()
    invoice = issued(accountant, line("100.00"))
    lines = came(accountant, *["40.00"] * 5)
    calls = [
        lambda pk=each.pk: (
            match_line(
                pk, actor=User.objects.get(pk=accountant.pk), parts=[Part(invoice.pk, 4000)]
            ).amount_minor
        )
        for each in lines
    ]
    outcome = at_once(*calls)
    assert outcome.count(4000) == 2
    assert fresh(invoice).paid_minor == 8000
    assert Payment.objects.count() == 2
    assert wrong() == []
