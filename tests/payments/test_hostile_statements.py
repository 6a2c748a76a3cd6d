"""Files made to do harm, or broken on their way: each is refused, quickly, and none is read half."""

import io
import time
import tracemalloc
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.payments.statements import csvfile, kinds
from apps.payments.statements.facts import Line, StatementError
from apps.payments.statements.keys import keys_of
from tests.payments.camt import camt, entry
from tests.payments.onec import account, document, onec
from tests.payments.test_statement_files import DATA, READ, read

LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE Document [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02">&c;
</Document>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><a>&x;</a></Document>"""
STARTS = [b"", b"<", b":20:x\n:25:", b"1CClientBankExchange", b"date;amount\n"]
CORPUS = {
    "nothing": (b"", "empty"),
    "blanks": (b"\xef\xbb\xbf \r\n\t", "empty"),
    "pdf": (b"%PDF-1.7 statement", "not_text"),
    "xlsx": (b"PK\x03\x04abcd", "not_text"),
    "zeros": (b"abc\0def;1\n" * 10, "not_text"),
    "entities": (LAUGHS, "forbidden_xml"),
    "another file": (OUTSIDE, "forbidden_xml"),
    "a page": (b"<!DOCTYPE html><html><body>Log in</body></html>", "forbidden_xml"),
    "another page": (b"<html><body>Log in</body></html>", "other_xml"),
    "an encoding that nobody knows": (b'<?xml version="1.0" encoding="x-none"?><Document/>', "broken_xml"),
    "a wrong encoding": (camt([entry("1.00", purpose="x")]).replace(b">x<", b">\xc2\xe5<"), "broken_xml"),
    "version 1": (camt([]).replace(b"053.001.02", b"053.001.01"), "other_message"),
    "a notice": (camt([]).replace(b"camt.053", b"camt.054"), "other_message"),
    "cut": (camt([entry("1.00")])[:-40], "broken_xml"),
    "a deep one": (
        camt([]).replace(b"</Stmt>", b"<x>" * 5000 + b"</x>" * 5000 + b"</Stmt>"),
        "forbidden_xml",
    ),
    "no mark": (camt([entry("1.00", mark="BOTH")]), "bad_mark"),
    "no amount": (camt([entry("1e3")]), "bad_amount"),
    "infinite": (camt([entry("Infinity")]), "bad_amount"),
    "negative": (camt([entry("-1.00")]), "bad_amount"),
    "digits of another script": (camt([entry("١.00")]), "bad_amount"),
    "too large": (camt([entry("9" * 15)]), "bad_amount"),
    "too fine": (camt([entry("1.001")]), "too_fine"),
    "no currency": (camt([entry("1.00", currency="ZZZ")]), "bad_currency"),
    "another currency": (camt([entry("1.00", currency="USD")]), "line_currency"),
    "no such day": (camt([entry("1.00", day="2026-02-30")]), "bad_date"),
    "long ago": (camt([entry("1.00", day="0001-01-01")]), "bad_date"),
    "no account": (camt([], account=""), "no_account"),
    "mt940 without an end": (b":20:A\n:25:1\n:60F:C260101EUR1,00\n:61:2601010101C1,00NTRFX\n", "cut_short"),
    "mt940 of nonsense": (
        b":20:A\n:25:1\n:60F:C260101EUR1,00\n:61:hello\n:62F:C260101EUR1,00\n-\n",
        "bad_line",
    ),
    "words": (b"Dear customer\nyour statement is ready\n", "no_table"),
    "a table of something else": (b"a;b;c\n1;2;3\n4;5;6\n", "no_columns"),
}


@pytest.mark.parametrize("name", CORPUS)
def test_each_is_refused_for_its_own_reason(name: str) -> None:
    data, code = CORPUS[name]
    with pytest.raises(StatementError) as refusal:
        read(data)
    assert refusal.value.code == code


def test_a_million_elements_are_not_kept() -> None:
    data = camt([]).replace(b"</Stmt>", b"<x/>" * 1_100_000 + b"</Stmt>")
    began = time.monotonic()
    with pytest.raises(StatementError) as refusal:
        read(data)
    assert refusal.value.code == "forbidden_xml"
    # Generous by an order of magnitude: what matters is that it ends.
    assert time.monotonic() - began < 60


def test_entries_are_forgotten_once_they_are_lines() -> None:
    few, many = camt([entry("1.00")] * 100), camt([entry("1.00")] * 2000)
    peaks = []
    for data in (few, many):
        file = io.BytesIO(data)
        tracemalloc.start()
        (statement,) = kinds.read(file, kinds.CAMT)
        peaks.append(tracemalloc.get_traced_memory()[1] / len(statement.lines))
        tracemalloc.stop()
    # The tree of one entry is some 15 kB, a line of it less than 2.
    assert peaks[1] < 4000


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(READ)))
def test_a_damaged_file_is_refused_and_nothing_else(data: st.DataObject, name: str) -> None:
    raw = bytearray((DATA / name).read_bytes())
    for _turn in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        for each in read(bytes(raw)):
            assert each.opening is None or each.closing == each.opening + sum(
                line.amount for line in each.lines
            )
    except StatementError:
        pass


@settings(max_examples=200, deadline=None)
@given(
    raw=st.binary(max_size=400),
    start=st.sampled_from(STARTS),
)
def test_any_bytes_are_refused_and_nothing_else(raw: bytes, start: bytes) -> None:
    with suppress(StatementError):
        read(start + raw)


amounts = st.lists(st.integers(1, 10**11), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    amounts=amounts, opening=st.integers(0, 10**12), signs=st.lists(st.booleans(), min_size=20, max_size=20)
)
def test_every_kind_says_the_same_of_the_same_lines(
    amounts: list[int], opening: int, signs: list[bool]
) -> None:
    moved = [amount if sign else -amount for amount, sign in zip(amounts, signs, strict=False)]
    closing = opening + sum(moved)

    def text(minor: int, mark: str = ".") -> str:
        return f"{abs(minor) // 100}{mark}{abs(minor) % 100:02}"

    as_camt = camt(
        [entry(text(each), mark="CRDT" if each > 0 else "DBIT") for each in moved],
        opening=opening,
        closing=closing,
    )
    as_mt940 = (
        f":20:A\n:25:NL26VAYB8060476890\n:60F:{'C' if opening >= 0 else 'D'}260101EUR{text(opening, ',')}\n"
        + "".join(f":61:260302{'C' if each > 0 else 'D'}{text(each, ',')}NTRFNONREF\n" for each in moved)
        + f":62F:{'C' if closing >= 0 else 'D'}260331EUR{text(closing, ',')}\n-\n"
    ).encode()
    sign = "-" if closing < 0 else ""
    swapped = {"ПлательщикСчет": "40702810100000000001", "ПолучательСчет": "40702810900000000077"}
    as_onec = onec(
        [account(text(opening), sign + text(closing))],
        [document(1, text(each), **({} if each > 0 else swapped)) for each in moved],
    )
    as_csv = (
        "Дата;Сумма;Номер счета;Валюта\n"
        + "".join(f"02.03.2026;{'-' if each < 0 else ''}{text(each, ',')};1;RUB\n" for each in moved)
    ).encode("cp1251")
    for data in (as_camt, as_mt940, as_onec, as_csv):
        (statement,) = read(data)
        assert [line.amount for line in statement.lines] == moved
        assert statement.closing in {closing, None}


def test_a_table_with_two_columns_of_amounts_and_a_head() -> None:
    data = (
        "Выписка по счету;;;;;\nза март;;;;;\n"
        "Дата операции;Дебет;Кредит;Контрагент;ИНН контрагента;Назначение платежа\n"
        "02.03.2026;;1 500,50;ООО Ромашка;7707083893;Счет 17\n"
        "03.03.2026;350,00;;ООО Склад;;Аренда\n;350,00;1 500,50;Итого;;\n"
    ).encode("cp1251")
    look = csvfile.look_at(io.BytesIO(data))
    assert (look.layout.delimiter, look.layout.header, look.layout.decimal, look.missing) == (";", 2, ",", [])
    layout = csvfile.Layout(**{**vars(look.layout), "account": "40702810100000000001", "currency": "RUB"})
    (statement,) = csvfile.read(io.BytesIO(data), layout)
    assert [line.amount for line in statement.lines] == [150050, -35000]
    assert statement.lines[0].tax_id == "7707083893"
    assert [notice.code for notice in statement.notices] == ["no_balances"]


lines = st.builds(
    Line,
    amount=st.sampled_from([100, 200, -100]),
    booked_on=st.dates(min_value=date(2026, 3, 1), max_value=date(2026, 3, 3)),
    purpose=st.sampled_from(["rent", "salary"]),
)


@given(st.lists(lines, max_size=30).flatmap(lambda each: st.tuples(st.just(each), st.permutations(each))))
def test_shuffled_lines_have_the_same_keys(pair: tuple[list[Line], list[Line]]) -> None:
    given_lines, shuffled = pair
    keys = keys_of(given_lines)
    assert len(set(keys)) == len(given_lines)
    assert sorted(keys_of(shuffled)) == sorted(keys)


@given(st.lists(lines, max_size=30))
def test_a_file_of_some_days_has_the_keys_of_these_days(known: list[Line]) -> None:
    part = [line for line in known if line.booked_on.day >= 2]
    assert set(keys_of(part)) <= set(keys_of(known))
    assert len(set(keys_of(known)) - set(keys_of(part))) == len(known) - len(part)
