"""From a draft to what is owed, and what takes it back: each step with what it does to the books."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.crm.services.merging import merge_companies
from apps.events.models import Event
from apps.payments.models import CreditNote, Invoice, JournalEntry
from apps.payments.services import invoices, ledger
from apps.payments.services.credit_notes import credit_invoice
from apps.payments.services.payments import begin_charge
from tests.accounts.factories import make_member, make_team
from tests.crm.factories import make_company
from tests.crm.quoting import make_sale
from tests.payments.factories import balance, draft, issued, line, overdue, paid, wrong

pytestmark = pytest.mark.django_db


def committed() -> None:
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate; set constraints all deferred")


def code_of(caught: Any) -> str:
    error = caught.value
    found = (
        [each for errors in error.error_dict.values() for each in errors]
        if hasattr(error, "error_dict")
        else [error]
    )
    return str(found[0].code)


# Drafts


def test_a_draft_says_what_its_lines_come_to(berta: User) -> None:
    invoice = draft(berta, line("99.99", "3"), line("10", tax=None), line("100", is_tax_included=False))
    assert (invoice.net_minor, invoice.tax_minor, invoice.total_minor) == (35997, 7000, 42997)
    assert invoice.taxes == [
        {"rate": "20.00", "net_minor": 34997, "tax_minor": 7000},
        {"rate": None, "net_minor": 1000, "tax_minor": 0},
    ]
    assert (invoice.number, invoice.status) == (None, "DRAFT")
    assert not JournalEntry.objects.exists()


def test_a_draft_is_changed_and_thrown_away(berta: User) -> None:
    invoice = draft(berta)
    changed = invoices.change_invoice(
        invoice.pk, actor=berta, expected_version=invoice.version, lines=[line("5")], note="Thanks"
    )
    assert (changed.total_minor, changed.note) == (500, "Thanks")
    with pytest.raises(ValidationError) as caught:
        invoices.change_invoice(invoice.pk, actor=berta, expected_version=1, note="Late")
    assert code_of(caught) == "stale"
    invoices.change_invoice(invoice.pk, actor=berta, currency="JPY")
    assert Invoice.objects.get(pk=invoice.pk).total_minor == 5
    invoices.discard_invoice(invoice.pk, actor=berta)
    assert not Invoice.objects.exists()


def test_an_invoice_of_a_deal_says_what_the_deal_says(berta: User) -> None:
    anna = make_member(make_team("North"), "salesperson", "Anna")
    deal = make_sale(anna, company=make_company("Customer", owner=anna))
    invoice = invoices.create_invoice(actor=anna, deal_id=deal.pk)
    assert (invoice.total_minor, invoice.owner, invoice.company) == (370000, anna, deal.company)
    issued_one = invoices.issue_invoice(invoice.pk, actor=anna)
    assert issued_one.customer_name == "Customer"
    with pytest.raises(PermissionDenied):
        invoices.void_invoice(invoice.pk, actor=anna, reason="No")
    boris = make_member(make_team("South"), "salesperson", "Boris")
    with pytest.raises(Invoice.DoesNotExist):
        invoices.issue_invoice(invoice.pk, actor=boris)
    assert invoices.void_invoice(invoice.pk, actor=berta, reason="Wrong").status == "VOID"


def test_an_invoice_is_made_out_to_somebody(berta: User) -> None:
    with pytest.raises(ValidationError) as caught:
        invoices.create_invoice(actor=berta, lines=[line()])
    assert code_of(caught) == "invoice_of_somebody"
    stranger = make_company("Foreign", owner=berta)
    anna = make_member(make_team("North"), "salesperson", "Anna")
    with pytest.raises(ValidationError) as caught:
        invoices.create_invoice(actor=anna, lines=[line()], company_id=stranger.pk)
    assert code_of(caught) == "not_found"


# Issued


def test_issuing_numbers_it_and_posts_what_is_owed(berta: User) -> None:
    year = timezone.localdate().year
    first, second = issued(berta, line("120")), issued(berta)
    assert [first.number, second.number] == [f"INV-{year}-000001", f"INV-{year}-000002"]
    assert issued(berta, series="B").number == f"B-{year}-000001"
    assert (balance("RECEIVABLE"), balance("REVENUE"), balance("TAX")) == (32000, -26666, -5334)
    committed()
    assert wrong() == []
    fact = Event.objects.filter(type="payments.invoice.issued.v1").earliest("id")
    assert (fact.data["number"], fact.data["due_minor"], len(fact.data["lines"])) == (first.number, 12000, 1)


def test_a_number_is_of_the_year_of_issue(berta: User) -> None:
    last_year = timezone.localdate().replace(month=1, day=1) - timedelta(days=1)
    invoice = invoices.issue_invoice(draft(berta).pk, actor=berta, issue_date=last_year)
    assert invoice.number == f"INV-{last_year.year}-000001"


@pytest.mark.parametrize(
    ("lines", "fields", "code"),
    [
        ([line("0")], {}, "nothing_to_pay"),
        ([line()], {"issue_date": timezone.localdate() + timedelta(days=1)}, "future"),
    ],
)
def test_what_is_not_issued(berta: User, lines: Any, fields: Any, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        invoices.issue_invoice(draft(berta, *lines).pk, actor=berta, **fields)
    assert code_of(caught) == code
    assert not JournalEntry.objects.exists()


@pytest.mark.parametrize(
    "attack",
    [
        "update payments_invoice set total_minor = total_minor + 1, net_minor = net_minor + 1",
        "update payments_invoice set number = 'X'",
        "update payments_invoice set customer_name = 'Another'",
        "update payments_invoice set due_date = due_date + 1",
        "update payments_invoice set status = 'DRAFT', number = null, issued_at = null",
        "delete from payments_invoiceline",
        "update payments_invoiceline set quantity = 2",
        """insert into payments_invoiceline
        (invoice_id, name, quantity, unit_price, position, amount_minor, net_minor, tax_minor)
        select id, 'More', 1, 1, 99, 0, 0, 0 from payments_invoice""",
    ],
)
def test_what_was_issued_stays(berta: User, attack: str) -> None:
    issued(berta)
    with pytest.raises(IntegrityError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(attack)
    assert caught.value.__cause__.diag.constraint_name in {"invoice_frozen", "invoice_state_order"}  # type: ignore[union-attr]


def test_what_was_issued_is_not_deleted(berta: User) -> None:
    invoice = issued(berta)
    with pytest.raises(ValidationError) as caught:
        invoices.discard_invoice(invoice.pk, actor=berta)
    assert code_of(caught) == "invoice_issued"
    with pytest.raises(IntegrityError), transaction.atomic():
        Invoice.objects.filter(pk=invoice.pk)._raw_delete("default")


def test_counters_cannot_be_made_up(berta: User) -> None:
    invoice = issued(berta)
    with pytest.raises(IntegrityError) as caught, transaction.atomic():  # noqa: PT012 - and the commit
        Invoice.objects.filter(pk=invoice.pk).update(paid_minor=1)
        committed()
    assert caught.value.__cause__.diag.constraint_name == "money_counted"  # type: ignore[union-attr]


# Taken back


def test_void_takes_the_entry_back_and_keeps_the_number(berta: User) -> None:
    invoice = issued(berta)
    void = invoices.void_invoice(invoice.pk, actor=berta, reason="Wrong customer")
    assert (void.status, void.number, void.reason) == ("VOID", invoice.number, "Wrong customer")
    assert (balance("RECEIVABLE"), balance("REVENUE"), balance("TAX")) == (0, 0, 0)
    (entry,) = JournalEntry.objects.filter(kind="VOID")
    assert entry.reverses is not None
    assert entry.reverses.kind == "INVOICE"
    committed()
    assert wrong() == []
    with pytest.raises(ValidationError) as caught:
        invoices.void_invoice(invoice.pk, actor=berta, reason="Again")
    assert code_of(caught) == "invoice_not_open"


def test_what_was_paid_of_is_not_void(berta: User) -> None:
    invoice = issued(berta)
    paid(berta, 100, invoice_id=invoice.pk)
    with pytest.raises(ValidationError) as caught:
        invoices.void_invoice(invoice.pk, actor=berta, reason="No")
    assert code_of(caught) == "invoice_touched"


def test_nothing_is_given_up_while_a_charge_is_under_way(berta: User) -> None:
    invoice = issued(berta)
    begin_charge(invoice.pk, actor=berta, provider="STRIPE")
    for give_up in (invoices.void_invoice, invoices.write_off_invoice):
        with pytest.raises(ValidationError) as caught:
            give_up(invoice.pk, actor=berta, reason="No")
        assert code_of(caught) == "charge_under_way"


def test_written_off_and_waited_for_again(berta: User) -> None:
    invoice = overdue(berta, line("100"), days=200)
    paid(berta, 3000, invoice_id=invoice.pk)
    gone = invoices.write_off_invoice(invoice.pk, actor=berta, reason="Bankrupt")
    assert (gone.status, gone.written_off_minor) == ("UNCOLLECTIBLE", 7000)
    assert (balance("RECEIVABLE"), balance("BAD_DEBT")) == (0, 7000)
    back = invoices.reinstate_invoice(invoice.pk, actor=berta)
    assert (back.status, back.left_minor) == ("OPEN", 7000)
    assert (balance("RECEIVABLE"), balance("BAD_DEBT")) == (7000, 0)
    invoices.write_off_invoice(invoice.pk, actor=berta, reason="Really")
    committed()
    assert wrong() == []


def test_credit_takes_lines_back_with_their_tax(berta: User) -> None:
    invoice = issued(berta, line("100"), line("50.05", "3"))
    first, second = invoice.lines.order_by("position")
    note = credit_invoice(invoice.pk, actor=berta, reason="Broken", parts={second.pk: 5005})
    assert (note.net_minor, note.tax_minor, note.total_minor) == (4171, 834, 5005)
    rest = credit_invoice(invoice.pk, actor=berta, reason="All of it")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.credited_minor, invoice.left_minor) == ("PAID", 25015, 0)
    assert note.net_minor + rest.net_minor == invoice.net_minor
    assert rest.number.endswith("-000002")
    assert (balance("RECEIVABLE"), balance("REVENUE"), balance("TAX")) == (0, 0, 0)
    committed()
    assert wrong() == []
    assert CreditNote.objects.count() == 2
    assert first.credits.count() == 1


@pytest.mark.parametrize(
    ("amount", "code"), [(10001, "more_than_left"), (7001, "invoice_not_overpaid"), (0, "more_than_left")]
)
def test_no_more_is_credited_than_is_there(berta: User, amount: int, code: str) -> None:
    invoice = issued(berta)
    paid(berta, 3000, invoice_id=invoice.pk)
    with pytest.raises(ValidationError) as caught:
        credit_invoice(invoice.pk, actor=berta, reason="No", parts={invoice.lines.get().pk: amount})
    assert code_of(caught) == code


def test_a_line_of_another_invoice_is_not_credited(berta: User) -> None:
    invoice, other = issued(berta), issued(berta)
    with pytest.raises(ValidationError) as caught:
        credit_invoice(invoice.pk, actor=berta, reason="No", parts={other.lines.get().pk: 1})
    assert code_of(caught) == "not_found"


# Around


def test_nothing_is_issued_into_a_closed_period(berta: User) -> None:
    yesterday = timezone.localdate() - timedelta(days=1)
    ledger.close_period(actor=berta, closed_until=yesterday, reason="Done")
    invoice = draft(berta)
    with pytest.raises(ValidationError) as caught:
        invoices.issue_invoice(invoice.pk, actor=berta, issue_date=yesterday)
    assert code_of(caught) == "ledger_period_open"
    # The number was not used up.
    assert invoices.issue_invoice(invoice.pk, actor=berta).number.endswith("-000001")  # type: ignore[union-attr]


def test_invoices_follow_a_merged_company(berta: User) -> None:
    admin = make_member(make_team("Top"), "administrator")
    winner, loser = make_company("Winner"), make_company("Loser")
    invoice = issued(berta, company=loser)
    payment = paid(berta, 100, company_id=loser.pk)
    merge_companies(winner.pk, loser.pk, actor=admin)
    invoice.refresh_from_db()
    payment.refresh_from_db()
    assert (invoice.company, payment.company) == (winner, winner)
    assert invoice.customer_name == "Loser"


def test_exponents_of_currencies_are_kept(berta: User) -> None:
    assert issued(berta, line("1500.5"), currency="JPY").total == Decimal(1501)
    assert issued(berta, line("0.1235"), currency="KWD").total == Decimal("0.124")
    committed()
    assert wrong() == []
