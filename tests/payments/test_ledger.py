"""The ledger holds against whoever writes: here its database is attacked as the application could."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.payments.models import AccountBalance, JournalEntry, LedgerAccount, Posting
from apps.payments.services import ledger
from apps.payments.services.ledger import Entry, Kind, Leg, ManualEntry, Purpose, gathered, post
from apps.payments.tasks import verify_ledger_nightly
from tests.payments.factories import balance, issued, paid, wrong

pytestmark = pytest.mark.django_db


@contextmanager
def refused(constraint: str) -> Iterator[None]:
    """Expect that the database refuses what is written within, at the latest when it commits."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():  # noqa: PT012 - and the commit
        yield
        execute("set constraints all immediate")
    assert caught.value.__cause__.diag.constraint_name == constraint  # type: ignore[union-attr]


def execute(sql: str, params: list[Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def committed() -> None:
    """Let the database judge what it would judge at commit."""
    execute("set constraints all immediate")
    execute("set constraints all deferred")


@pytest.fixture
def entry(berta: User) -> JournalEntry:
    """An entry of two legs over 500."""
    day = timezone.localdate()
    legs = [Leg(Purpose.CASH, 500, "RUB"), Leg(Purpose.REVENUE, -500, "RUB")]
    post([Entry(Kind.MANUAL, "payments.journalentry", None, day, legs)], actor_id=berta.pk)
    committed()
    return JournalEntry.objects.latest("id")


ENTRY = """
    insert into payments_journalentry (kind, source, source_id, accounting_date, actor_id)
    values ('MANUAL', 'payments.journalentry', -1, current_date, %s)
"""
LEG = """
    insert into payments_posting (entry_id, account_id, currency, amount_minor)
    values (%s, (select min(id) from payments_ledgeraccount), %s, %s)
"""


def test_an_entry_moves_balances_with_it(entry: JournalEntry) -> None:
    assert (balance("CASH"), balance("REVENUE")) == (500, -500)
    assert wrong() == []


def test_an_entry_without_legs_is_refused(berta: User) -> None:
    with refused("ledger_balanced"):
        execute(ENTRY, [berta.pk])


def test_one_leg_more_is_refused(entry: JournalEntry) -> None:
    with refused("ledger_balanced"):
        execute(LEG, [entry.pk, "RUB", 1])


def test_a_pair_of_legs_in_two_currencies_is_refused(entry: JournalEntry) -> None:
    with refused("ledger_balanced"):
        execute(LEG, [entry.pk, "RUB", 1])
        execute(LEG, [entry.pk, "USD", -1])


def test_nothing_is_posted_as_a_leg(entry: JournalEntry) -> None:
    with refused("posting_not_nothing"):
        execute(LEG, [entry.pk, "RUB", 0])


@pytest.mark.parametrize(
    "attack",
    [
        "update payments_posting set amount_minor = amount_minor * 2",
        "update payments_posting set entry_id = entry_id",
        "update payments_posting set account_id = (select max(id) from payments_ledgeraccount)",
        "delete from payments_posting",
        "truncate payments_posting",
        "update payments_journalentry set accounting_date = accounting_date - 1",
        "update payments_journalentry set memo = 'another'",
        "delete from payments_journalentry",
        "truncate payments_journalentry cascade",
        "with gone as (delete from payments_posting returning *) select count(*) from gone",
        "merge into payments_posting p using (select 1) s on true when matched then delete",
    ],
)
def test_what_is_in_the_ledger_stays(entry: JournalEntry, attack: str) -> None:
    with refused("ledger_append_only"):
        execute(attack)
    assert list(entry.postings.order_by("id").values_list("amount_minor", flat=True)) == [500, -500]


def test_a_leg_is_not_moved_to_another_entry(entry: JournalEntry, berta: User) -> None:
    legs = [Leg(Purpose.CASH, 7, "RUB"), Leg(Purpose.REVENUE, -7, "RUB")]
    day = timezone.localdate()
    post([Entry(Kind.MANUAL, "payments.journalentry", None, day, legs)], actor_id=berta.pk)
    other = JournalEntry.objects.latest("id")
    with refused("ledger_append_only"):
        execute("update payments_posting set entry_id = %s where entry_id = %s", [other.pk, entry.pk])


@pytest.mark.parametrize(
    "attack",
    [
        "update payments_accountbalance set debit_minor = debit_minor + 1",
        "delete from payments_accountbalance",
        """insert into payments_accountbalance (account_id, currency, debit_minor, credit_minor)
        select min(id), 'EUR', 1, 1 from payments_ledgeraccount""",
    ],
)
def test_balances_are_written_by_nobody(entry: JournalEntry, attack: str) -> None:
    with refused("ledger_balance_follows"):
        execute(attack)


def test_balances_are_not_truncated(entry: JournalEntry) -> None:
    with refused("ledger_append_only"):
        execute("truncate payments_accountbalance")


def test_balances_follow_postings_that_pass_the_function_by(entry: JournalEntry) -> None:
    execute(LEG, [entry.pk, "USD", 9])
    execute(LEG, [entry.pk, "USD", -9])
    committed()
    row = AccountBalance.objects.get(currency="USD")
    assert (row.debit_minor, row.credit_minor, row.balance_minor) == (9, 9, 0)
    assert wrong() == []


def test_a_step_is_posted_once(entry: JournalEntry, berta: User) -> None:
    legs = [Leg(Purpose.CASH, 5, "RUB"), Leg(Purpose.REVENUE, -5, "RUB")]
    twice = [Entry(Kind.PAYMENT, "payments.payment", 1, timezone.localdate(), legs)] * 2
    with pytest.raises(ValidationError) as caught, transaction.atomic():
        post(twice, actor_id=berta.pk)
    assert caught.value.code == "journal_entry_once"
    assert balance("CASH") == 500


def test_an_account_with_postings_keeps_its_type(entry: JournalEntry) -> None:
    with refused("ledger_account_type_kept"):
        execute("update payments_ledgeraccount set type = 'INCOME' where purpose = 'CASH'")


# Gathered


def test_what_is_gathered_is_posted_at_once_and_last(berta: User) -> None:
    legs = [Leg(Purpose.CASH, 5, "RUB"), Leg(Purpose.REVENUE, -5, "RUB")]
    day = timezone.localdate()
    with gathered():
        for _each in range(3):
            with gathered():
                post([Entry(Kind.MANUAL, "payments.journalentry", None, day, legs)], actor_id=berta.pk)
        assert not JournalEntry.objects.exists()
    assert JournalEntry.objects.count() == 3
    assert balance("CASH") == 15


def test_what_was_refused_within_is_not_posted(berta: User) -> None:
    legs = [Leg(Purpose.CASH, 5, "RUB"), Leg(Purpose.REVENUE, -5, "RUB")]
    day = timezone.localdate()
    with gathered():
        post([Entry(Kind.MANUAL, "payments.journalentry", None, day, legs)], actor_id=berta.pk)
        with pytest.raises(ZeroDivisionError), gathered():  # noqa: PT012 - after something was posted
            post([Entry(Kind.MANUAL, "payments.journalentry", None, day, legs)], actor_id=berta.pk)
            raise ZeroDivisionError
    assert balance("CASH") == 5


# By hand


def accounts(*purposes: str) -> list[int]:
    return [LedgerAccount.objects.get(purpose=purpose).pk for purpose in purposes]


def test_an_entry_by_hand_is_taken_back_once(berta: User) -> None:
    cash, fees = accounts("CASH", "FEES")
    day = timezone.localdate()
    made = ledger.post_by_hand(
        ManualEntry(day, "Bank fee", [(fees, 300, "RUB"), (cash, -300, "RUB")]), actor=berta
    )
    back = ledger.reverse_entry(made.pk, actor=berta, reason="Twice")
    assert back.reverses_id == made.pk
    assert (balance("CASH"), balance("FEES")) == (0, 0)
    with pytest.raises(ValidationError) as caught:
        ledger.reverse_entry(made.pk, actor=berta, reason="Again")
    assert caught.value.code == "reversed"
    committed()
    assert wrong() == []


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ([("FEES", 300), ("CASH", -299)], "ledger_balanced"),
        ([("FEES", 300)], "ledger_balanced"),
        ([("RECEIVABLE", 300), ("CASH", -300)], "controlled_account"),
        ([("FEES", 10**14), ("CASH", -(10**14))], "too_large"),
    ],
)
def test_by_hand_is_refused(berta: User, legs: list[tuple[str, int]], code: str) -> None:
    given = [(accounts(purpose)[0], amount, "RUB") for purpose, amount in legs]
    with pytest.raises(ValidationError) as caught:
        ledger.post_by_hand(ManualEntry(timezone.localdate(), "Fee", given), actor=berta)
    errors = getattr(caught.value, "error_dict", None)
    codes = [each.code for found in errors.values() for each in found] if errors else [caught.value.code]
    assert codes == [code]


def test_who_sells_does_not_post(entry: JournalEntry) -> None:
    from tests.accounts.factories import make_member, make_team

    seller = make_member(make_team("Sales"), "salesperson")
    with pytest.raises(PermissionDenied):
        ledger.post_by_hand(ManualEntry(timezone.localdate(), "Fee", []), actor=seller)
    with pytest.raises(JournalEntry.DoesNotExist):
        ledger.reverse_entry(entry.pk, actor=seller, reason="No")


def test_an_entry_of_an_invoice_is_not_reversed_by_itself(berta: User) -> None:
    invoice = issued(berta)
    made = JournalEntry.objects.get(source="payments.invoice", source_id=invoice.pk)
    with pytest.raises(ValidationError) as caught:
        ledger.reverse_entry(made.pk, actor=berta, reason="No")
    assert caught.value.code == "entry_of_row"


# Closed periods


def test_nothing_is_posted_into_a_closed_period(berta: User) -> None:
    yesterday = timezone.localdate() - timedelta(days=1)
    ledger.close_period(actor=berta, closed_until=yesterday, reason="November is done")
    with pytest.raises(ValidationError) as caught:
        paid(berta, 100, received_date=yesterday)
    assert caught.value.code == "ledger_period_open"
    assert "closed" in caught.value.message
    with refused("ledger_period_open"):
        execute(ENTRY.replace("current_date", "current_date - 3"), [berta.pk])
    paid(berta, 100)
    ledger.close_period(actor=berta, closed_until=yesterday - timedelta(days=30), reason="Opened again")
    paid(berta, 100, received_date=yesterday)
    assert balance("CASH") == 200


def test_the_record_of_closing_stays(berta: User) -> None:
    yesterday = timezone.localdate() - timedelta(days=1)
    ledger.close_period(actor=berta, closed_until=yesterday, reason="Done")
    with refused("ledger_append_only"):
        execute("delete from payments_periodlock")


# The proof


@contextmanager
def past_all_triggers() -> Iterator[None]:
    """Write as nothing in the platform can: with the rights of who owns the server."""
    execute("set session_replication_role = replica")
    yield
    execute("set session_replication_role = origin")


@pytest.mark.parametrize(
    ("harm", "check"),
    [
        ("update payments_accountbalance set debit_minor = debit_minor + 1", "balances_are_postings"),
        ("delete from payments_accountbalance", "balances_are_postings"),
        (
            "update payments_posting set amount_minor = amount_minor + 1 where amount_minor > 0",
            "entries_balance",
        ),
        ("delete from payments_posting", "entries_have_legs"),
        ("update payments_payment set allocated_minor = allocated_minor - 1", "payments_are_counted"),
        ("update payments_invoice set paid_minor = paid_minor - 1, status = 'OPEN'", "invoices_are_counted"),
        ("update payments_invoiceline set net_minor = net_minor + 1", "invoices_are_lines"),
        (
            "update payments_payment set amount_minor = 5001, authorized_minor = 5001, captured_minor = 5001",
            "what_is_left_is_posted",
        ),
        ("delete from payments_posting where invoice_id is not null", "what_is_owed_is_posted"),
    ],
)
def test_the_proof_finds_whatever_does_not_agree(berta: User, harm: str, check: str) -> None:
    invoice = issued(berta)
    paid(berta, 5000, invoice_id=invoice.pk)
    committed()
    call_command("verify_ledger")
    with past_all_triggers():
        execute(harm)
    with pytest.raises(CommandError):
        call_command("verify_ledger")
    assert check in {finding.check for finding in wrong()}
    assert verify_ledger_nightly() == len(wrong()) > 0


def test_the_function_takes_no_account_that_is_not_there(berta: User) -> None:
    legs = [Leg(10**9, 5, "RUB"), Leg(Purpose.CASH, -5, "RUB")]
    with pytest.raises(DatabaseError), transaction.atomic():  # noqa: PT012 - and the commit
        post(
            [Entry(Kind.MANUAL, "payments.journalentry", None, timezone.localdate(), legs)], actor_id=berta.pk
        )
        committed()
    assert not Posting.objects.exists()
