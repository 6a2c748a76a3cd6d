"""How sure a match is: what names itself is sure, what may be chance is not, and nobody is ever certain."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.payments.matching.scoring import (
    LEAST,
    SURE,
    Came,
    Candidate,
    Owed,
    candidates,
    plain_name,
    similarity,
)
from apps.payments.matching.words import REASONS

DAY = date(2026, 3, 10)


def owed(number: str = "2026-0017", due: int = 10000, **values: object) -> Owed:
    known = {"invoice_id": 1, "total": due, "issued": date(2026, 3, 1), "due_date": date(2026, 3, 15)}
    known |= {"customer": "ООО «Ромашка»", "tax_id": "7707083893", "customer_key": "company-1"}
    return Owed(number=number, due=due, **known | values)  # type: ignore[arg-type]


def best(came: Came, *invoices: Owed) -> Candidate:
    return candidates(came, invoices)[0]


@pytest.mark.parametrize(
    "purpose",
    [
        "Оплата по счету № 2026-0017 от 01.03.2026",
        "оплата по сч.2026-0017,НДС не облагается",
        "INVOICE 2026-0017",
        "Payment of invoice no. 2026/0017",
        "Zahlung Rechnung 20260017",
    ],
)
def test_a_number_and_the_amount_are_sure(purpose: str) -> None:
    found = best(Came(10000, DAY, purpose=purpose), owed())
    assert found.confidence >= SURE
    assert found.reasons[:2] == ("number", "amount")


def test_a_number_with_an_amount_of_part_is_said_so() -> None:
    found = best(Came(4000, DAY, purpose="Счет 2026-0017"), owed())
    assert "part" in found.reasons
    assert found.parts[0][1] == 4000


def test_more_than_is_due_pays_what_is_due() -> None:
    found = best(Came(14000, DAY, purpose="Счет 2026-0017"), owed())
    assert "more" in found.reasons
    assert found.amount == 10000


def test_the_short_number_counts_less_and_only_after_its_word() -> None:
    short = best(Came(5000, DAY, purpose="Оплата счета №17"), owed())
    assert "short_number" in short.reasons
    assert short.confidence < SURE
    assert candidates(Came(5000, DAY, purpose="Дом 17, квартира 3"), [owed()]) == []


def test_an_amount_alone_is_never_sure() -> None:
    found = best(Came(10000, DAY), owed())
    assert LEAST <= found.confidence < SURE


def test_a_tax_number_and_the_amount_are_sure() -> None:
    assert best(Came(10000, DAY, tax_id="7707083893"), owed()).confidence >= SURE


def test_another_tax_number_speaks_against_all_the_rest() -> None:
    found = best(Came(10000, DAY, tax_id="7704407589", purpose="Счет 2026-0017"), owed())
    assert found.reasons[0] == "other_tax_id"
    assert found.confidence < 50


def test_invoices_of_one_customer_that_come_to_the_line_together() -> None:
    invoices = [owed(f"2026-00{at}", due, invoice_id=at) for at, due in ((11, 3000), (12, 4500), (13, 7000))]
    found = best(Came(10000, DAY, tax_id="7707083893"), *invoices)
    assert [(invoice.invoice_id, amount) for invoice, amount in found.parts] == [(11, 3000), (13, 7000)]
    assert found.reasons[0] == "together"


def test_invoices_of_strangers_are_not_added_up() -> None:
    invoices = [owed(f"2026-00{at}", 5000, invoice_id=at, customer_key=f"company-{at}") for at in (11, 12)]
    assert all(len(each.parts) == 1 for each in candidates(Came(10000, DAY, tax_id="7707083893"), invoices))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ООО «Ромашка»", 'Общество с ограниченной ответственностью "РОМАШКА"'),
        ("Acme Trading LLC", "ACME TRADING"),
        ("ИП Иванов Иван Иванович", "Иванов Иван Иванович ИП"),
    ],
)
def test_names_are_compared_without_their_legal_form(one: str, other: str) -> None:
    assert similarity(plain_name(one), plain_name(other)) == 1
    assert similarity(plain_name("ООО Ромашка"), plain_name("ООО Василёк")) < 0.3


def test_the_more_likely_one_comes_first() -> None:
    right, other = owed(invoice_id=2), owed("2026-0018", invoice_id=1)
    found = candidates(Came(10000, DAY, purpose="Счет 2026-0017"), [other, right])
    assert [each.parts[0][0].invoice_id for each in found] == [2, 1]


texts = st.text(alphabet="счет №0123456789-/ 2026inv", max_size=40)


@given(
    amount=st.integers(1, 10**9),
    purpose=texts,
    dues=st.lists(st.integers(1, 10**6), max_size=8),
    tax_id=st.sampled_from(["", "7707083893", "123"]),
)
def test_whatever_comes_nobody_is_certain_and_nothing_is_overspent(
    amount: int, purpose: str, dues: list[int], tax_id: str
) -> None:
    invoices = [owed(f"2026-{at:04}", due, invoice_id=at) for at, due in enumerate(dues)]
    found = candidates(Came(amount, DAY, "Ромашка", tax_id, purpose), invoices)
    assert [each.confidence for each in found] == sorted((each.confidence for each in found), reverse=True)
    for each in found:
        assert LEAST <= each.confidence <= 99
        assert each.amount <= amount
        assert all(0 < part <= invoice.due for invoice, part in each.parts)
        assert set(each.reasons) <= set(REASONS)
