"""Files of banks become lines once, whatever comes twice or overlaps; and an import is taken back."""

import io
import random
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction

from apps.accounts.models import User
from apps.documents.models import LegalEntity
from apps.events.models import Event
from apps.payments.models import BankAccount, BankLine, BankStatement, StatementFile
from apps.payments.services import bank_accounts, bank_lines, statements
from tests.payments.camt import camt, entry
from tests.payments.onec import OURS, account, document, onec
from tests.payments.people import at_once, code_of, make_accountant, make_entity, make_seller
from tests.payments.test_statement_files import DATA, READ

pytestmark = pytest.mark.django_db


@pytest.fixture
def entity() -> LegalEntity:
    return make_entity()


@pytest.fixture
def accountant(entity: LegalEntity) -> User:
    return make_accountant()


def upload(data: bytes, actor: User, name: str = "statement.txt") -> StatementFile:
    return statements.upload_statement(io.BytesIO(data), name, actor=actor)


def bring_in(data: bytes, actor: User, name: str = "statement.txt") -> StatementFile:
    return statements.apply_statement(upload(data, actor, name).pk, actor=actor)


def day(number: int, *purposes: str, opening: int = 0) -> bytes:
    entries = [entry("1.00", day=f"2026-03-{number:02}", purpose=each) for each in purposes]
    return camt(entries, opening=opening, closing=opening + 100 * len(entries))


def refused(code: str, call: Any, *args: Any, **kwargs: Any) -> ValidationError:
    with pytest.raises(ValidationError) as refusal:
        call(*args, **kwargs)
    assert code_of(refusal.value) == code
    return refusal.value


@pytest.mark.parametrize("name", READ)
def test_every_real_file_is_imported(name: str, accountant: User) -> None:
    file = bring_in((DATA / name).read_bytes(), accountant, name)
    _kind, count, lines = READ[name]
    assert (file.state, file.statements.count(), BankLine.objects.count()) == ("APPLIED", count, lines)
    for each in BankStatement.objects.all():
        assert each.closing_minor == each.opening_minor + each.moved_minor  # type: ignore[operator]
    for account_row in BankAccount.objects.all():
        moved = sum(account_row.lines.values_list("amount_minor", flat=True))
        assert moved == sum(account_row.statements.values_list("moved_minor", flat=True))


def test_an_import_makes_the_account_and_tells(accountant: User, entity: LegalEntity) -> None:
    file = upload(onec([account("0", "30.00")], [document(1, "10"), document(2, "20")]), accountant)
    plan = statements.rehearse_statement(file.pk, actor=accountant)
    assert (plan.new, plan.known, plan.unknown_accounts) == (2, 0, [(OURS, "RUB")])
    assert not BankLine.objects.exists()
    statements.apply_statement(file.pk, actor=accountant)
    ours = BankAccount.objects.get()
    assert (ours.legal_entity, ours.number, ours.currency) == (entity, OURS, "RUB")
    fact = Event.objects.get(type="payments.statement_file.imported.v1")
    assert fact.data["new"] == 2
    assert fact.data["statements"][0]["closing_minor"] == 3000


def test_the_same_file_twice_adds_nothing(accountant: User) -> None:
    data = day(1, "a", "b")
    bring_in(data, accountant, "march.xml")
    error = refused("statement_known", upload, data, accountant)
    assert "march.xml" in str(error.messages)
    assert BankLine.objects.count() == 2


def test_a_file_that_waits_is_found_again(accountant: User) -> None:
    assert upload(day(1, "a"), accountant).pk == upload(day(1, "a"), accountant).pk


def test_overlapping_and_shuffled_files_add_what_is_new(accountant: User) -> None:
    same = [entry("5.00", day="2026-03-02", purpose="rent")] * 2
    first = [entry("1.00", day="2026-03-01", purpose="a"), *same]
    bring_in(camt(first, opening=0, closing=1100), accountant)
    second = [*same, entry("2.00", day="2026-03-03", purpose="c")]
    random.Random(7).shuffle(second)
    file = bring_in(camt(second, opening=100, closing=1300, number="2"), accountant)
    assert file.counts == {"statements": 1, "new": 1, "known": 2}
    shuffled = camt([*reversed(first)], opening=0, closing=1100, number="3")
    assert bring_in(shuffled, accountant).counts["new"] == 0
    assert sorted(BankLine.objects.values_list("amount_minor", flat=True)) == [100, 200, 500, 500]


def test_a_third_equal_line_is_another_one(accountant: User) -> None:
    same = entry("5.00", purpose="rent")
    bring_in(camt([same] * 2, opening=0, closing=1000), accountant)
    file = bring_in(camt([same] * 3, opening=0, closing=1500, number="2"), accountant)
    assert file.counts == {"statements": 1, "new": 1, "known": 2}
    assert BankLine.objects.count() == 3


def test_two_pages_of_one_file_that_overlap(accountant: User) -> None:
    page = day(1, "a", "b")
    inner = page[page.index(b"<Stmt>") : page.index(b"</Stmt>") + 7]
    data = page.replace(b"</Stmt>", b"</Stmt>" + inner)
    assert bring_in(data, accountant).counts == {"statements": 2, "new": 2, "known": 2}


def test_the_same_days_in_another_format_are_noticed(accountant: User) -> None:
    bring_in(day(1, "a"), accountant)
    other = (
        b":20:A\n:25:NL26VAYB8060476890\n:60F:C260301EUR0,00\n:61:260301C1,00NTRFX\n:62F:C260301EUR1,00\n-\n"
    )
    file = upload(other, accountant)
    plan = statements.rehearse_statement(file.pk, actor=accountant)
    assert [notice.code for notice in plan.statements[0].notices] == ["alike"]


def test_days_that_are_missing_between_two_files_are_noticed(accountant: User) -> None:
    bring_in(day(1, "a"), accountant)
    plan = statements.rehearse_statement(upload(day(5, "b", opening=700), accountant).pk, actor=accountant)
    (notice,) = plan.statements[0].notices
    assert (notice.code, notice.params["opening"], notice.params["closing"]) == ("gap_before", 700, 100)


def test_what_is_taken_back_can_come_again(accountant: User) -> None:
    file = bring_in(day(1, "a", "b"), accountant)
    statements.undo_statement(file.pk, actor=accountant)
    assert not BankLine.objects.exists()
    assert not BankStatement.objects.exists()
    refused("statement_not_applied", statements.undo_statement, file.pk, actor=accountant)
    assert bring_in(day(1, "a", "b"), accountant).counts["new"] == 2
    assert Event.objects.filter(type="payments.statement_file.undone.v1").count() == 1


def test_an_import_that_a_later_one_stands_on_is_taken_back_after_it(accountant: User) -> None:
    first = bring_in(day(1, "a"), accountant, "first.xml")
    second = bring_in(day(1, "a", "b"), accountant, "second.xml")
    error = refused("lines_overlap", statements.undo_statement, first.pk, actor=accountant)
    assert "second.xml" in str(error.messages)
    statements.undo_statement(second.pk, actor=accountant)
    statements.undo_statement(first.pk, actor=accountant)
    assert not BankLine.objects.exists()


@pytest.mark.parametrize(
    "column", ["amount_minor = 7", "purpose = 'x'", "booked_on = '2020-01-01'", "dedupe_key = 'x'"]
)
def test_what_a_bank_says_never_changes(column: str, accountant: User) -> None:
    bring_in(day(1, "a"), accountant)
    with (
        pytest.raises(IntegrityError, match="never changes"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"update payments_bankline set {column}")


@pytest.mark.parametrize("values", [{"matched_minor": 101}, {"matched_minor": -1}])
def test_no_more_is_matched_than_there_is(values: dict[str, int], accountant: User) -> None:
    bring_in(day(1, "a"), accountant)
    with pytest.raises(IntegrityError, match="bank_line_matched_within"), transaction.atomic():
        BankLine.objects.update(**values)


def test_nothing_is_kept_of_what_is_refused(accountant: User) -> None:
    refused("unbalanced", upload, (DATA / "mt940-jejik-ing.sta").read_bytes(), accountant)
    refused("no_statement", upload, (DATA / "camt053.v2.wrong.xml").read_bytes(), accountant)
    assert not StatementFile.objects.exists()


def test_a_file_that_is_too_large(accountant: User, settings: Any) -> None:
    settings.STATEMENT_MAX_BYTES = 1 << 20
    refused("too_large", upload, b" " * ((1 << 20) + 1), accountant)


def test_without_a_company_nobody_knows_whose_the_account_is(accountant: User, entity: LegalEntity) -> None:
    LegalEntity.objects.update(is_default=False)
    file = upload(day(1, "a"), accountant)
    refused("no_legal_entity", statements.apply_statement, file.pk, actor=accountant)
    assert file.state == "READ"
    statements.apply_statement(file.pk, actor=accountant, legal_entity_id=entity.pk)
    assert BankLine.objects.count() == 1


def test_an_account_in_the_trash_takes_no_lines(accountant: User) -> None:
    bring_in(day(1, "a"), accountant)
    bank_accounts.archive_bank_account(BankAccount.objects.get().pk, actor=accountant)
    file = upload(day(2, "b"), accountant)
    refused("account_archived", statements.apply_statement, file.pk, actor=accountant)


def test_a_table_is_read_once_its_columns_are_known(accountant: User) -> None:
    file = upload(b"When;What;Sum\n01.03.2026;rent;-5,00\n", accountant, "bank.csv")
    plan = statements.rehearse_statement(file.pk, actor=accountant)
    assert plan.refusal is not None
    assert plan.refusal.code == "no_columns"
    layout = {"columns": {"date": 0, "purpose": 1, "amount": 2}, "account": OURS, "currency": "RUB"}
    refused("bad_layout", statements.correct_statement, file.pk, actor=accountant, layout={"decimal": "x"})
    refused(
        "bad_layout", statements.correct_statement, file.pk, actor=accountant, layout={"columns": {"z": 1}}
    )
    statements.correct_statement(file.pk, actor=accountant, layout=layout)
    statements.apply_statement(file.pk, actor=accountant)
    line = BankLine.objects.get()
    assert (line.amount_minor, line.purpose, line.account.number) == (-500, "rent", OURS)


def test_what_was_decided_stays_decided(accountant: User) -> None:
    file = upload(day(1, "a"), accountant)
    statements.discard_statement(file.pk, actor=accountant)
    refused("statement_not_read", statements.apply_statement, file.pk, actor=accountant)
    assert upload(day(1, "a"), accountant).pk != file.pk


def test_who_may_not_may_not(accountant: User) -> None:
    seller = make_seller()
    with pytest.raises(PermissionDenied):
        upload(day(1, "a"), seller)
    file = upload(day(1, "a"), accountant)
    with pytest.raises(StatementFile.DoesNotExist):
        statements.apply_statement(file.pk, actor=seller)


def test_lines_are_set_aside_and_put_back(accountant: User) -> None:
    bring_in(day(1, "a"), accountant)
    line = BankLine.objects.get()
    refused("no_reason", bank_lines.set_aside, line.pk, actor=accountant, reason=" ")
    bank_lines.set_aside(line.pk, actor=accountant, reason="A fee of the bank")
    refused("line_set_aside", bank_lines.set_aside, line.pk, actor=accountant, reason="again")
    bank_lines.put_back(line.pk, actor=accountant)
    refused("line_not_set_aside", bank_lines.put_back, line.pk, actor=accountant)


def test_accounts_are_checked(accountant: User, entity: LegalEntity) -> None:
    values: dict[str, Any] = {
        "legal_entity_id": entity.pk,
        "number": "NL26 VAYB 8060 4768 90",
        "currency": "eur",
    }
    made = bank_accounts.create_bank_account(actor=accountant, **values)
    assert (made.number_key, made.currency) == ("NL26VAYB8060476890", "EUR")
    refused("bank_account_number_unique", bank_accounts.create_bank_account, actor=accountant, **values)
    refused("bad_number", bank_accounts.create_bank_account, actor=accountant, **values | {"number": "--"})
    refused(
        "bad_currency", bank_accounts.create_bank_account, actor=accountant, **values | {"currency": "ABC"}
    )
    bring_in(day(1, "a"), accountant)
    assert BankLine.objects.get().account == made
    refused("currency_kept", bank_accounts.change_bank_account, made.pk, actor=accountant, currency="USD")


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_bring_each_line_once() -> None:
    make_entity()
    accountant = make_accountant()
    files = [upload(day(1, "a", "b", *extra), accountant) for extra in ([], ["c"], ["d"])]
    calls = [
        lambda pk=file.pk: statements.apply_statement(pk, actor=User.objects.get(pk=accountant.pk)).state
        for file in [*files, *files]
    ]
    assert sorted(at_once(*calls)) == ["APPLIED"] * 3 + ["statement_not_read"] * 3
    assert sorted(BankLine.objects.values_list("purpose", flat=True)) == ["a", "b", "c", "d"]
    assert BankAccount.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_upload_at_once_is_one_file() -> None:
    accountant = make_accountant()
    made = at_once(*[lambda: upload(day(1, "a"), User.objects.get(pk=accountant.pk)).pk] * 4)
    assert len(set(made)) == 1
