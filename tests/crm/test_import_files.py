"""Files that cannot be imported are refused with a clear word and leave nothing; the others are understood."""

import io
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.storage import default_storage

from apps.accounts.models import User
from apps.crm.imports.selectors import issue_groups, notices
from apps.crm.models import ImportBatch, ImportRow, Product
from apps.crm.services import imports
from tests.crm import factories
from tests.crm.importing import apply, rehearse, upload, verdicts, workbook

HEADER = "First name,Last name,E-mail\n"
ROW = "Anna,Berg,anna@example.org\n"


def _archive(**entries: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return out.getvalue()


def _stored() -> set[Path]:
    return (
        set(Path(default_storage.path("")).rglob("*.*")) if Path(default_storage.path("")).exists() else set()
    )


REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "nothing": ("rows.csv", "", "empty"),
    "white space": ("rows.csv", "\n \r\n\t\n", "empty"),
    "a byte order mark": ("rows.csv", b"\xef\xbb\xbf", "empty"),
    "a header only": ("rows.csv", HEADER, "header_only"),
    "a picture": ("rows.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, "not_text"),
    "a program": ("rows.csv", b"\x7fELF\x02\x01\x01" + bytes(5000), "not_text"),
    "bytes of anything": ("rows.csv", bytes(range(1, 32)) * 200, "not_text"),
    "a spreadsheet called .csv": ("rows.csv", workbook(["First name"], ["Anna"]), "not_text"),
    "300 columns": (
        "rows.csv",
        ",".join(f"c{n}" for n in range(300)) + "\n" + "," * 299 + "x\n",
        "too_many_columns",
    ),
    "a NUL": ("rows.csv", HEADER + ROW + "An\0na,Berg,x@example.org\n" + ROW * 200, "nul_bytes"),
    "an old .xls": ("rows.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4000), "old_excel"),
    "a protected .xlsx": (
        "rows.xlsx",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4000) + "EncryptedPackage".encode("utf-16-le"),
        "encrypted",
    ),
    "a broken .xlsx": ("rows.xlsx", workbook(["a"], ["b"])[:900], "bad_archive"),
    "text called .xlsx": ("rows.xlsx", HEADER + ROW, "bad_archive"),
    "an archive of something else": ("rows.xlsx", _archive(notes_xml=b"<a/>"), "not_a_table"),
    "a bomb": ("rows.xlsx", _archive(xl__workbook_xml=b"<a/>", xl__sheet_xml=b" " * 40_000_000), "zip_bomb"),
    "mixed encodings": (
        "rows.csv",
        HEADER.encode()
        + "Жанна,Берг,a@example.org\n".encode()
        + "Иван,Берг,b@example.org\n".encode("cp1251"),
        "mixed_encoding",
    ),
    "an open quote": ("rows.csv", HEADER + 'Anna,"Berg,anna@example.org\n' + ROW * 3, "bad_quotes"),
    "an endless cell": ("rows.csv", HEADER + 'Anna,"' + "x" * 300_000 + ROW * 3, "cell_too_long"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_table_is_refused_and_not_kept(case: str, admin: User) -> None:
    name, content, code = REFUSED[case]
    before = _stored()
    with pytest.raises(ValidationError) as refusal:
        upload("people", content, actor=admin, name=name)
    assert refusal.value.code == code
    assert refusal.value.messages[0]
    assert "%(" not in refusal.value.messages[0]
    assert not ImportBatch.objects.exists()
    assert _stored() == before


SAID = {
    "nothing": "The file is empty.",
    "a picture": "The file is not a table of text, whatever its name says.",
    "300 columns": "The file has 300 columns; at most 200 can be imported.",
    "a bomb": "The file unpacks to far more than a spreadsheet would; it is not opened.",
    "mixed encodings": "Line 3, column 1 is in another encoding than the lines before.",
    "an open quote": "The quotes in the row at line 2 do not pair up.",
}


@pytest.mark.parametrize("case", SAID)
def test_the_message_says_what_is_wrong_and_where(case: str, admin: User) -> None:
    name, content, _code = REFUSED[case]
    with pytest.raises(ValidationError) as refusal:
        upload("people", content, actor=admin, name=name)
    assert refusal.value.messages == [SAID[case]]


def test_a_date_that_does_not_exist_is_named_in_its_row(admin: User) -> None:
    text = "Deal,Created\nFirst,30.01.2026\nSecond,31.02.2026\n"
    batch = rehearse(upload("deals", text, actor=admin), actor=admin)
    (group,) = issue_groups(batch)
    assert (group.column, group.value, group.lines) == ("Created", "31.02.2026", [3])
    assert group.message == "There is no such day as 31.02.2026 (read as day.month.year)."
    assert verdicts(batch) == "CE"


def test_a_bomb_with_a_lying_directory_does_not_go_off(admin: User) -> None:
    bomb = _archive(xl__workbook_xml=b"<a/>", xl__worksheets__sheet1_xml=b" " * 40_000_000)
    # The size before packing, in the local header and in the directory, told as one kilobyte.
    told = bomb.replace((40_000_000).to_bytes(4, "little"), (1024).to_bytes(4, "little"))
    assert told != bomb
    with pytest.raises(ValidationError) as refusal:
        upload("people", told, actor=admin, name="rows.xlsx")
    assert refusal.value.code == "bad_archive"
    assert not ImportBatch.objects.exists()


def test_a_formula_is_a_text_like_any_other_where_it_is_kept(admin: User) -> None:
    batch = upload("products", 'Name,Price\n"=1+1",2\nB,=3\n', actor=admin)
    batch = rehearse(batch, actor=admin)
    (group,) = issue_groups(batch)
    assert (group.field, group.value, group.message) == ("price", "=3", "“=3” is not a number.")
    apply(batch, actor=admin, skip_errors=True)
    assert Product.objects.get().name == "=1+1"


def test_mixed_encodings_are_named_by_line_and_column(admin: User) -> None:
    with pytest.raises(ValidationError) as refusal:
        upload("people", REFUSED["mixed encodings"][1], actor=admin)
    assert "Line 3, column 1" in refusal.value.messages[0]


def test_too_many_bytes_are_refused_while_they_come(admin: User, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 5_000_000

    class Endless(io.RawIOBase):
        served = 0

        def read(self, size: int = -1) -> bytes:
            self.served += size
            return b"Anna,Berg,anna@example.org\n" * (size // 27)

    file = Endless()
    with pytest.raises(ValidationError) as refusal:
        imports.upload_import("people", file, "rows.csv", actor=admin)  # type: ignore[arg-type]
    assert refusal.value.code == "too_large"
    assert file.served < 8_000_000
    assert not ImportBatch.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found_out(encoding: str, delimiter: str, admin: User) -> None:
    rows = [["Имя", "Фамилия", "Телефон"], ["Жанна", "Щукина", "+74951234567"], ["Ёлка", "Ъ", "+74951234568"]]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    batch = upload("people", text.encode(encoding), actor=admin)
    assert (batch.dialect["encoding"], batch.dialect["delimiter"]) == (encoding, delimiter)
    assert batch.header == rows[0]
    assert batch.sample[0] == rows[1]
    assert batch.mapping == {"Имя": "given_name", "Фамилия": "family_name", "Телефон": "phone"}
    assert bool(notices(batch)) == (encoding == "cp1251")
    assert verdicts(rehearse(batch, actor=admin)) == "CC"


def test_what_was_guessed_can_be_corrected(admin: User) -> None:
    batch = upload("people", "Name\nJürgen Grün\n".encode("cp1252"), actor=admin)
    assert batch.dialect["encoding"] == "cp1252"
    batch = imports.correct_import(batch.pk, actor=admin, dialect={"encoding": "cp1251"})
    assert batch.sample == [["Jьrgen Grьn"]]
    with pytest.raises(ValidationError) as refusal:
        imports.correct_import(batch.pk, actor=admin, dialect={"encoding": "utf-8"})
    assert refusal.value.code == "mixed_encoding"
    with pytest.raises(ValidationError) as refusal:
        imports.correct_import(batch.pk, actor=admin, dialect={"encoding": "klingon"})
    assert refusal.value.code == "bad_dialect"


@pytest.mark.parametrize(
    ("values", "expected", "is_ambiguous"),
    [
        (["31.12.2025", "01.02.2026"], "%d.%m.%Y", False),
        (["12/31/2025", "01/02/2026"], "%m/%d/%Y", False),
        (["31/12/2025", "01/02/2026"], "%d/%m/%Y", False),
        (["2025-12-31", "2026-02-01"], "%Y-%m-%d", False),
        (["01/02/2026", "03/04/2026"], "%d/%m/%Y", True),
    ],
)
def test_the_date_format_is_found_out_and_doubts_are_said(
    values: list[str], expected: str, is_ambiguous: bool, admin: User
) -> None:
    text = "Deal,Created\n" + "".join(f"D{n},{value}\n" for n, value in enumerate(values))
    batch = upload("deals", text, actor=admin)
    assert batch.dialect["date_format"] == expected
    assert any("day or the month" in notice for notice in notices(batch)) == is_ambiguous


@pytest.mark.parametrize(
    ("cell", "mark", "amount"),
    [
        ("1 234,50", ",", "1234.5"),
        ("1.234,50", ",", "1234.5"),
        ("1,234.50", ".", "1234.5"),
        ("1234.5", ".", "1234.5"),
    ],
)
def test_decimal_marks_and_thousands_are_found_out(cell: str, mark: str, amount: str, admin: User) -> None:
    batch = upload("products", f"Name;Price\nChair;{cell}\n", actor=admin)
    assert batch.dialect["decimal"] == mark
    rehearse(batch, actor=admin)
    assert ImportRow.objects.get(batch=batch).data["price"] == amount


def test_a_spreadsheet_is_read_with_its_own_types(admin: User) -> None:
    content = workbook(
        ["Deal", "Created", "Value", "Expected close date"],
        ["First", date(2026, 1, 31), 1234.5, datetime(2026, 2, 1, 0, 0)],  # noqa: DTZ001 - spreadsheets know no time zone
        [None, None, None, None],
        ["Second", "2026-01-31", 7, None],
        sheets=2,
    )
    batch = upload("deals", content, actor=admin, name="deals.xlsx")
    assert batch.dialect["format"] == "xlsx"
    assert batch.dialect["sheets"] == ["Sheet", "More 1"]
    assert any("2 sheets" in notice for notice in notices(batch))
    batch = rehearse(batch, actor=admin)
    rows = {row.line: row.data for row in ImportRow.objects.filter(batch=batch)}
    assert rows == {
        2: {
            "title": "First",
            "opened_date": "2026-01-31",
            "amount": "1234.5",
            "expected_close_date": "2026-02-01",
        },
        4: {"title": "Second", "opened_date": "2026-01-31", "amount": "7"},
    }


def test_another_sheet_can_be_chosen(admin: User) -> None:
    content = workbook(["x"], ["y"], sheets=2)
    batch = upload("products", content, actor=admin, name="a.xlsx")
    with pytest.raises(ValidationError) as refusal:
        imports.correct_import(batch.pk, actor=admin, dialect={"sheet": "More 1"})
    assert refusal.value.code == "header_only"
    with pytest.raises(ValidationError) as refusal:
        imports.correct_import(batch.pk, actor=admin, dialect={"sheet": "Nowhere"})
    assert refusal.value.code == "no_such_sheet"


def test_formulas_are_never_executed_and_missing_results_are_said(admin: User) -> None:
    content = workbook(["Name", "SKU"], ["Chair", "=1+1"])
    batch = upload("products", content, actor=admin, name="a.xlsx")
    assert any("formulas" in notice for notice in notices(batch))
    batch = upload("products", 'Name\n"=HYPERLINK(""http://x"")"\n@SUM(A1)\n-2+3\n', actor=admin)
    rehearse(batch, actor=admin)
    assert [row.data["name"] for row in ImportRow.objects.filter(batch=batch).order_by("line")] == [
        '=HYPERLINK("http://x")',
        "@SUM(A1)",
        "-2+3",
    ]


def test_twin_and_nameless_columns_get_names(admin: User) -> None:
    batch = upload("products", "Name,Name,,Price,,\nA,B,C,1,,\n", actor=admin)
    assert batch.header == ["Name", "Name (2)", "#3", "Price"]
    assert batch.mapping == {"Name": "name", "Price": "price"}
    assert any("Name (2)" in notice for notice in notices(batch))
    assert verdicts(rehearse(batch, actor=admin)) == "C"


def test_who_may_not_add_such_rows_may_not_upload_them(db: None) -> None:
    seller = factories.make_salesperson("Only Sells")
    with pytest.raises(PermissionDenied):
        upload("people", HEADER + ROW, actor=seller)
    assert not ImportBatch.objects.exists()


def test_a_mapping_is_remembered_for_the_next_file(admin: User) -> None:
    batch = upload("people", "Who,Where\nAnna,x\n", actor=admin)
    assert batch.mapping == {}
    imports.correct_import(batch.pk, actor=admin, mapping={"Who": "name", "Where": ""})
    assert upload("people", "Who,Where\nBoris,y\n", actor=admin).mapping == {"Who": "name"}
    assert upload("people", "Who,Where,errors\nBoris,y,z\n", actor=admin).mapping == {"Who": "name"}
    assert upload("people", "Who,Where\nBoris,y\n", actor=factories.make_admin()).mapping == {}


@pytest.mark.parametrize(
    ("mapping", "code"),
    [
        ({"Nope": "name"}, "unknown_column"),
        ({"Who": "nope"}, "unknown_field"),
        ({"Who": "name", "Where": "name"}, "field_twice"),
    ],
)
def test_a_mapping_that_means_nothing_is_refused(mapping: dict[str, str], code: str, admin: User) -> None:
    batch = upload("people", "Who,Where\nAnna,x\n", actor=admin)
    with pytest.raises(ValidationError) as refusal:
        imports.correct_import(batch.pk, actor=admin, mapping=mapping)
    assert refusal.value.code == code


def test_required_fields_need_a_column_before_a_rehearsal(admin: User) -> None:
    batch = upload("people", "E-mail\nanna@example.org\n", actor=admin)
    with pytest.raises(ValidationError) as refusal:
        imports.rehearse_import(batch.pk, actor=admin)
    assert refusal.value.code == "required_unmapped"
