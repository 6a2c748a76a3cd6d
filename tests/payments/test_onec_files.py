"""Statements of 1C, in each of their encodings, and what may be wrong with them."""

import io
from datetime import date

import pytest

from apps.payments.statements import kinds
from apps.payments.statements.facts import Statement, StatementError
from tests.payments.onec import OURS, THEIRS, account, document, onec


def read(data: bytes) -> list[Statement]:
    file = io.BytesIO(data)
    assert kinds.kind_of(file) == kinds.ONEC
    return list(kinds.read(file, kinds.ONEC))


def refused(data: bytes) -> StatementError:
    with pytest.raises(StatementError) as refusal:
        read(data)
    return refusal.value


OUT = {
    "ПлательщикСчет": OURS,
    "ПолучательСчет": THEIRS,
    "Получатель1": "ООО Склад",
    "ПолучательИНН": "7704407589",
    "ДатаПоступило": "",
    "ДатаСписано": "03.03.2026",
}


@pytest.mark.parametrize("encoding", ["cp1251", "cp866", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("says", ["Windows", "DOS"])
def test_the_encoding_is_that_in_which_its_keys_can_be_read(encoding: str, says: str) -> None:
    # The old encoding of DOS has no quotation marks of the kind that companies have.
    plain = {"Плательщик1": "ООО Ромашка", "Плательщик": ""}
    out = {**OUT, "Плательщик1": "", "Плательщик": "", "Получатель": "", "Получатель1": "ООО Склад"}
    data = onec(
        [account("100.00", "1250.50")],
        [document(7, "1500.50", **plain), document(8, "350", **out)],
        encoding=encoding,
        says=says,
    )
    (statement,) = read(data)
    came, went = statement.lines
    assert (statement.account, statement.currency) == (OURS, "RUB")
    assert (statement.opening, statement.closing) == (10000, 125050)
    assert (came.amount, came.name, came.tax_id) == (
        150050,
        "ООО Ромашка",
        "7707083893",
    )
    assert came.purpose.startswith("Оплата по счету № 2026-17")
    assert (came.reference, came.account, came.bank_code) == ("7", THEIRS, "044525225")
    assert (went.amount, went.name, went.tax_id, went.booked_on) == (
        -35000,
        "ООО Склад",
        "7704407589",
        date(2026, 3, 3),
    )


def test_days_that_follow_from_each_other_are_one_statement() -> None:
    days = [
        account(
            "10.00",
            "15.00",
            ДатаНачала="02.03.2026",
            ДатаКонца="02.03.2026",
            ВсегоПоступило="5.00",
            ВсегоСписано="0",
        ),
        account(
            "0.00",
            "10.00",
            ДатаНачала="01.03.2026",
            ДатаКонца="01.03.2026",
            ВсегоПоступило="10.00",
            ВсегоСписано="0.00",
        ),
    ]
    (statement,) = read(onec(days, [document(1, "10"), document(2, "5.00")]))
    assert (statement.opening, statement.closing, len(statement.lines)) == (0, 1500, 2)
    assert statement.first_day == date(2026, 3, 1)


def test_a_day_that_is_missing_is_noticed() -> None:
    days = [
        account("0.00", "10.00", ДатаНачала="01.03.2026"),
        account("12.00", "15.00", ДатаНачала="03.03.2026"),
    ]
    error = refused(onec(days, [document(1, "10"), document(2, "5.00")]))
    assert (error.code, error.params["closing"], error.params["opening"]) == ("gap", 1000, 1200)


def test_a_document_that_is_missing_is_noticed() -> None:
    assert refused(onec([account("0", "15.00")], [document(1, "10")])).code == "unbalanced"
    said = account("0", "10.00", ВсегоПоступило="15.00", ВсегоСписано="5.00")
    error = refused(onec([said], [document(1, "10")]))
    assert (error.code, error.params["said"], error.params["moved"]) == ("turnover_in", 1500, 1000)


def test_a_transfer_between_accounts_of_ours_is_on_both() -> None:
    second = "40702840100000000002"
    inner = {"ПлательщикСчет": OURS, "ПолучательСчет": second}
    ours, other = read(
        onec([account("10", "0"), account("0", "10", РасчСчет=second)], [document(1, "10.00", **inner)])
    )
    assert [line.amount for line in (*ours.lines, *other.lines)] == [-1000, 1000]
    assert (ours.currency, other.currency) == ("RUB", "USD")


def test_files_that_are_no_statement() -> None:
    assert refused(onec([account("0", "10.00")], [document(1, "10")], end="")).code == "cut_short"
    assert refused(onec([], [document(1, "10")])).code == "onec_orders"
    foreign = document(1, "10", ПолучательСчет="40702810700000000005")
    assert refused(onec([account("0", "0")], [foreign])).code == "onec_foreign"
    wrong = refused(onec([account("0", "10")], [document(1, "10,00.1")]))
    assert (wrong.code, wrong.line) == ("bad_amount", 12)
    assert refused(onec([account("0", "10")], [document(1, "10.005")])).code == "too_fine"
    assert (
        refused(onec([account("0", "10")], [document(1, "10", ДатаПоступило="31.02.2026")])).code
        == "bad_date"
    )
    assert refused(b"1CClientBankExchange\r\nabc=def\r\n").code == "onec_encoding"


def test_a_purpose_of_several_lines_is_whole() -> None:
    long = {"НазначениеПлатежа": "", "НазначениеПлатежа1": "Оплата по счету", "НазначениеПлатежа2": "№ 17"}
    (statement,) = read(onec([account("0", "10")], [document(1, "10", **long)]))
    assert statement.lines[0].purpose == "Оплата по счету № 17"
