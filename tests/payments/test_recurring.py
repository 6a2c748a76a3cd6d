"""Invoices that are drawn up again by a rule, sent to customers, and reminded of: each once."""

import re
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.core import mail
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Letter, User
from apps.accounts.services.letters import deliver_letters
from apps.events.models import Event
from apps.payments.models import Invoice, InvoiceLetter, RecurringInvoice, RecurringIssue
from apps.payments.services import recurring, reminding
from apps.payments.services.invoices import void_invoice
from tests.crm.factories import make_company
from tests.payments.factories import draft, issued, line, paid, wrong
from tests.payments.people import make_entity, make_seller
from tests.payments.test_invoices import code_of, committed

pytestmark = pytest.mark.django_db
ORIGIN = "https://artel.example"
# Noon, so that it is the same day everywhere.
JANUARY = datetime(2026, 1, 31, 12, tzinfo=timezone.get_default_timezone())


def repeated(invoice: Invoice, actor: User, rule: str = "FREQ=MONTHLY", **fields: Any) -> RecurringInvoice:
    said = {"recurrence_rule": rule, "first_date": timezone.localdate(), **fields}
    return recurring.create_recurring(invoice.pk, actor=actor, **said)


def drawn() -> list[Invoice]:
    return [each.invoice for each in RecurringIssue.objects.order_by("day") if each.invoice]


def sent(invoice: Invoice, actor: User, *recipients: str) -> InvoiceLetter:
    to = recipients or ("anna@example.org",)
    return reminding.send_invoice(invoice.pk, actor=actor, recipients=to, origin=ORIGIN)


def posted() -> list[Any]:
    """Have what waits sent, and return it."""
    mail.outbox.clear()
    Letter.objects.update(due_at=timezone.now())
    deliver_letters()
    return list(mail.outbox)


# Again and again


def test_an_invoice_is_drawn_up_like_the_one_before(berta: User) -> None:
    with time_machine.travel(JANUARY, tick=False):
        pattern = issued(
            berta, line("100", "3", discount_percent=10), line("5", tax=None), note="As agreed", series="SUB"
        )
        series = repeated(pattern, berta, "FREQ=MONTHLY;BYMONTHDAY=-1", due_days=10)
        assert series.next_date == date(2026, 1, 31)
        assert recurring.draw_due() == 1
        assert recurring.draw_due() == 0
    (made,) = drawn()
    assert (made.status, made.total_minor, made.note) == ("OPEN", pattern.total_minor, "As agreed")
    assert (made.due_date, made.owner_id, made.company_id) == (
        date(2026, 2, 10),
        pattern.owner_id,
        pattern.company_id,
    )
    assert (pattern.number, made.number) == ("SUB-2026-000001", "SUB-2026-000002")
    series.refresh_from_db()
    assert series.next_date == date(2026, 2, 28)
    committed()
    assert wrong() == []


def test_days_that_were_missed_are_caught_up_once_each(berta: User) -> None:
    with time_machine.travel(JANUARY, tick=False):
        repeated(issued(berta), berta, "FREQ=WEEKLY;COUNT=5")
    with time_machine.travel(JANUARY + timedelta(days=15), tick=False):
        assert recurring.draw_due() == 3
        assert [each.issue_date for each in drawn()] == [date(2026, 2, 15)] * 3
    with time_machine.travel(JANUARY + timedelta(days=200), tick=False):
        assert recurring.draw_due() == 2
    series = RecurringInvoice.objects.get()
    assert (series.state, series.next_date, len(drawn())) == ("ENDED", None, 5)


def test_what_is_paused_is_left_out(berta: User) -> None:
    with time_machine.travel(JANUARY, tick=False):
        series = repeated(issued(berta), berta, "FREQ=DAILY")
        recurring.draw_due()
        recurring.pause_recurring(series.pk, actor=berta)
    with time_machine.travel(JANUARY + timedelta(days=5), tick=False):
        assert recurring.draw_due() == 0
        series = recurring.resume_recurring(series.pk, actor=berta)
        assert series.next_date == date(2026, 2, 5)
        assert recurring.draw_due() == 1
        series.refresh_from_db()
        recurring.pause_recurring(series.pk, actor=berta)
        # Of today there is one already.
        assert recurring.resume_recurring(series.pk, actor=berta).next_date == date(2026, 2, 6)
        recurring.end_recurring(series.pk, actor=berta)
    with time_machine.travel(JANUARY + timedelta(days=50), tick=False):
        assert recurring.draw_due() == 0
    for step, code in (
        (recurring.pause_recurring, "series_not_active"),
        (recurring.resume_recurring, "series_not_paused"),
        (recurring.end_recurring, "series_ended"),
    ):
        with pytest.raises(ValidationError) as caught:
            step(series.pk, actor=berta)
        assert code_of(caught) == code


def test_a_draft_is_drawn_up_where_somebody_wants_to_look(berta: User) -> None:
    repeated(issued(berta), berta, is_issued=False)
    assert recurring.draw_due() == 1
    assert drawn()[0].status == "DRAFT"


def test_what_cannot_be_drawn_up_says_why_and_is_tried_again(
    berta: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = repeated(issued(berta), berta)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ValidationError("The books are closed.", code="ledger_period_open")

    with monkeypatch.context() as patch:
        patch.setattr("apps.payments.services.invoices.issue_invoice", refuse)
        assert recurring.draw_due() == 0
    series.refresh_from_db()
    assert (series.error, drawn()) == ("The books are closed.", [])
    assert recurring.draw_due() == 1
    series.refresh_from_db()
    assert series.error == ""


def test_a_series_is_of_what_was_issued_and_by_who_may(berta: User) -> None:
    pattern = issued(berta)
    for invoice, fields, code in (
        (draft(berta), {}, "invoice_draft"),
        (pattern, {"rule": "FREQ=HOURLY"}, "invalid_recurrence"),
        (pattern, {"first_date": timezone.localdate() - timedelta(days=1)}, "past"),
        (pattern, {"is_sent": True, "is_issued": False}, "draft_not_sent"),
    ):
        with pytest.raises(ValidationError) as caught:
            repeated(invoice, berta, **fields)
        assert code_of(caught) == code
    with pytest.raises(Invoice.DoesNotExist):
        repeated(pattern, make_seller())


def test_what_is_drawn_up_is_sent_to_whom_the_first_was(berta: User) -> None:
    pattern = issued(berta, locale="en")
    sent(pattern, berta, "anna@example.org", "books@example.org")
    posted()
    repeated(pattern, berta, is_sent=True)
    recurring.draw_due()
    assert sorted(each.to[0] for each in posted()) == ["anna@example.org", "books@example.org"]
    assert InvoiceLetter.objects.filter(invoice=drawn()[0]).get().origin == ORIGIN


# Letters


def test_the_customer_sees_and_pays_by_the_letter(berta: User) -> None:
    ours = make_entity(name="Northwood")
    invoice = issued(berta, line("1500"), locale="en", legal_entity_id=ours.pk)
    sent(invoice, berta, " anna@example.org ", "anna@example.org", "bob@example.org")
    letters = posted()
    assert [each.to for each in letters] == [["anna@example.org"], ["bob@example.org"]]
    assert f"Northwood: invoice {invoice.number}" in letters[0].subject
    links = [re.search(rf"{ORIGIN}(/pay/\S+/)", str(each.body)) for each in letters]
    found = {link[1] for link in links if link}
    assert len(found) == 2
    for address in found:
        assert Client().get(address).status_code == 200


@pytest.mark.parametrize(
    ("to", "code"),
    [([], "required"), ([" "], "required"), (["nobody"], "mail_address"), (["a@b.example"] * 1, None)],
)
def test_addresses_are_checked(berta: User, to: list[str], code: str | None) -> None:
    invoice = issued(berta)
    if code is None:
        assert reminding.send_invoice(invoice.pk, actor=berta, recipients=to, origin=ORIGIN).pk
        return
    with pytest.raises(ValidationError) as caught:
        reminding.send_invoice(invoice.pk, actor=berta, recipients=to, origin=ORIGIN)
    assert code_of(caught) == code


def test_too_many_and_not_open_and_not_theirs(berta: User) -> None:
    invoice = issued(berta)
    with pytest.raises(ValidationError) as caught:
        sent(invoice, berta, *[f"p{n}@example.org" for n in range(11)])
    assert code_of(caught) == "too_many"
    with pytest.raises(ValidationError) as caught:
        sent(draft(berta), berta)
    assert code_of(caught) == "invoice_not_open"
    with pytest.raises((PermissionDenied, Invoice.DoesNotExist)):
        sent(invoice, make_seller())
    assert not Letter.objects.exists()


# Reminders


def days_later(days: int) -> time_machine.travel:
    return time_machine.travel(JANUARY + timedelta(days=days), tick=False)


def facts() -> list[str]:
    kinds = Event.objects.filter(type__in=["payments.invoice.due_soon.v1", "payments.invoice.overdue.v1"])
    return [kind.split(".")[2] for kind in kinds.order_by("id").values_list("type", flat=True)]


def test_reminders_come_before_and_after_and_once_each(berta: User, settings: LazySettings) -> None:
    settings.INVOICE_REMINDER_DAYS = [-3, 1, 7]
    with days_later(0):
        due = timezone.localdate() + timedelta(days=10)
        invoice = issued(berta, line("1500"), locale="en", due_date=due)
        sent(invoice, berta)
        posted()
    told = []
    for day in range(30):
        with days_later(day):
            reminding.remind_due()
            reminding.remind_due()
            told += [(day, each.subject.rpartition(" is ")[2]) for each in posted()]
    assert [day for day, _text in told] == [7, 11, 17]
    assert told[0][1].startswith("due on")
    assert {text for _day, text in told[1:]} == {"overdue"}
    assert facts() == ["due_soon", "overdue", "overdue"]


def test_whoever_was_sent_nothing_is_written_nothing_and_the_owner_is_told(
    berta: User, settings: LazySettings
) -> None:
    settings.INVOICE_REMINDER_DAYS = [1]
    with days_later(0):
        issued(berta, due_date=timezone.localdate())
    with days_later(1):
        assert reminding.remind_due() == 1
    assert (posted(), facts()) == ([], ["overdue"])


def test_nobody_is_reminded_of_what_is_paid_or_void(berta: User, settings: LazySettings) -> None:
    settings.INVOICE_REMINDER_DAYS = [1]
    with days_later(0):
        due = timezone.localdate()
        one, other = issued(berta, line("10"), due_date=due), issued(berta, line("10"), due_date=due)
        sent(one, berta)
        sent(other, berta)
        paid(berta, 1000, invoice_id=one.pk)
        void_invoice(other.pk, actor=berta, reason="mistake")
    with days_later(1):
        assert reminding.remind_due() == 0
    assert facts() == []


def test_a_machine_that_stood_still_does_not_dun_for_weeks(berta: User, settings: LazySettings) -> None:
    settings.INVOICE_REMINDER_DAYS = [-3, 1, 7, 14]
    with days_later(0):
        issued(berta, due_date=timezone.localdate() + timedelta(days=10))
    with days_later(26):
        # Of four, the last alone is not long past.
        assert reminding.remind_due() == 1
    assert InvoiceLetter.objects.get(kind="REMINDER").days == 14


def test_where_it_goes_is_offered(berta: User) -> None:
    company = make_company()
    company.contact_points.create(kind="EMAIL", raw="office@example.org", value="office@example.org")
    invoice = issued(berta, company=company)
    assert reminding.addresses_of(invoice) == ["office@example.org"]
    sent(invoice, berta, "anna@example.org")
    assert reminding.addresses_of(invoice) == ["anna@example.org"]
