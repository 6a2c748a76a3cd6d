"""Real files of banks: each is read to the last unit, or refused for a reason that its reader understands."""

import io
import re
from datetime import date
from pathlib import Path
from typing import Any

import mt940 as library
import pytest

from apps.payments.statements import kinds
from apps.payments.statements.facts import Line, Statement, StatementError
from apps.payments.statements.words import NOTICES, REFUSALS, refusal_text

DATA = Path(__file__).parent / "data" / "statements"
WHOLE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "bank-statements"
ABN = "mt940-jejik-abnamro.sta"
# What each file comes to: its kind, statements, lines; or why it is refused.
READ = {
    "camt053.v2.multi.statement.xml": ("camt.053", 2, 2),
    "mt940-ASNB-mt940.txt": ("mt940", 31, 8),
    "mt940-betterplace-sepa_mt9401.sta": ("mt940", 26, 97),
    "mt940-jejik-rabobank-iban.sta": ("mt940", 2, 4),
    "mt940-mBank-mt940.sta": ("mt940", 1, 3),
    "mt940-self-provided-february_30.sta": ("mt940", 1, 1),
}
REFUSED = {
    # 18.15 and 8.85 come to 27.00; the file says 27.05.
    "camt053.v2.five.decimals.xml": "unbalanced",
    # It begins in EUR and ends in SEK.
    "camt053.v2.minimal.xml": "balance_currency",
    "camt053.v4.xml": "balance_currency",
    "camt053.v8.xml": "balance_currency",
    "camt053.v2.wrong.xml": "no_statement",
    # Lines were cut out of both.
    ABN: "unbalanced",
    "mt940-jejik-ing.sta": "unbalanced",
}


def read(data: bytes) -> list[Statement]:
    file = io.BytesIO(data)
    return list(kinds.read(file, kinds.kind_of(file)))


def lines_of(name: str) -> list[Line]:
    return [line for each in read((DATA / name).read_bytes()) for line in each.lines]


@pytest.mark.parametrize("name", READ)
def test_files_that_are_read(name: str) -> None:
    data = (DATA / name).read_bytes()
    found = read(data)
    assert (kinds.kind_of(io.BytesIO(data)), len(found), sum(len(each.lines) for each in found)) == READ[name]
    for each in found:
        assert each.opening is not None
        assert each.opening + sum(line.amount for line in each.lines) == each.closing


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused(name: str) -> None:
    with pytest.raises(StatementError) as refusal:
        read((DATA / name).read_bytes())
    assert refusal.value.code == REFUSED[name]


def test_what_does_not_add_up_is_said_in_figures() -> None:
    with pytest.raises(StatementError) as refusal:
        read((DATA / "camt053.v2.five.decimals.xml").read_bytes())
    text = refusal_text(refusal.value)
    assert "18.15" in text
    assert "8.85" in text
    assert "27.05" in text
    assert "0.05 EUR are missing or too much" in text


def test_the_same_as_an_independent_library_reads() -> None:
    compared = 0
    for name in READ:
        if not name.startswith("mt940"):
            continue
        data = (DATA / name).read_bytes()
        tags: dict[Any, Any] = {61: library.tags.StatementASNB()} if "ASNB" in name else {}
        theirs = [
            (row.data["amount"].amount, row.data["date"])
            for each in library.parse_statements(data, tags=tags, options=library.Options.all())
            for row in each.transactions
            if "amount" in row.data
        ]
        ours = [(line.amount, line.valued_on) for line in lines_of(name)]
        assert ours == [(int(amount * 100), day) for amount, day in theirs]
        compared += len(ours)
    assert compared == 113


def test_the_other_side_of_a_line() -> None:
    asn, *_rest = lines_of("mt940-ASNB-mt940.txt")
    assert (asn.amount, asn.name, asn.account) == (-6500, "hr gjlm paulissen", "NL47INGB9999999999")
    holder, john, *_rest = lines_of("mt940-jejik-rabobank-iban.sta")
    assert (holder.name, holder.account) == ("CONTRA ACCOUNT HOLDER", "NL70ABNA0987654321")
    assert (john.name, john.purpose, john.booked_on) == ("JOHN DOE", "Reference 201301234", date(2013, 1, 2))
    german = next(each for each in lines_of("mt940-betterplace-sepa_mt9401.sta") if each.amount == 1500005)
    assert german.name == "Richter Renate 70 Zeichen Beginn Fuellzeichen xxxxxxxx"
    assert (german.account, german.bank_code) == ("DE42100100100043921105", "PBNKDEFF100")


def test_what_is_taken_back_has_the_other_sign() -> None:
    signs = [
        each.amount for each in lines_of("mt940-betterplace-sepa_mt9401.sta") if abs(each.amount) == 20488
    ]
    # Taken back, given, and taken back.
    assert signs == [-20488, 20488, -20488]


def test_the_thirtieth_of_february_is_its_last_day() -> None:
    (statement,) = read((DATA / "mt940-self-provided-february_30.sta").read_bytes())
    (line,) = statement.lines
    assert (line.valued_on, line.booked_on) == (date(2016, 2, 29), date(2016, 3, 1))
    assert [notice.code for notice in statement.notices] == ["thirty_days"]


def test_the_thirty_first_of_february_is_no_day() -> None:
    data = (DATA / "mt940-self-provided-february_30.sta").read_bytes().replace(b"160230", b"160231")
    with pytest.raises(StatementError) as refusal:
        read(data)
    assert (refusal.value.code, refusal.value.line) == ("bad_date", 6)


def test_every_file_that_is_kept_beside_the_project() -> None:
    if not WHOLE.is_dir():
        pytest.skip("the files of banks are not beside this checkout: ../shared/data/bank-statements")
    refused = []
    for path in sorted(WHOLE.iterdir()):
        if path.suffix == ".md":
            continue
        try:
            read(path.read_bytes())
        except StatementError as error:
            refused.append(refusal_text(error))
    assert refused
    assert not [text for text in refused if "%(" in text]


def test_every_code_has_words() -> None:
    """A code without words would fail where a person waits for a reason."""
    room = Path(kinds.__file__).parent
    source = "".join(path.read_text() for path in room.glob("*.py") if path.name != "words.py")
    for kind, words in (("StatementError(\n?\\s*", REFUSALS), ("Notice(", NOTICES)):
        found = set(re.findall(kind.replace("(", "\\(", 1) + '"([a-z_]+)"', source))
        assert found
        assert found <= set(words)
