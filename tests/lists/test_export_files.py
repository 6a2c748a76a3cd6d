"""What was in the rows is in the file: values, order, and nothing that a program would stumble over."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from apps.crm.models import Company, Deal, Person, Tag
from apps.lists.exporting.columns import columns_of
from apps.lists.models import ExportPart
from apps.lists.services import export_steps
from tests.crm.factories import make_admin, make_company, make_deal, make_person
from tests.lists.export_files import book, content, csv_rows, exported, sheet_xml, xlsx_rows

pytestmark = pytest.mark.django_db
HOSTILE = [
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example","x")',
    "@SUM(A1)",
    "＝1+1",
    'quotes " and ; and , and \t',
    "two\nlines\r\nand a return\rhere",
    "<b>&amp;</b> ]]> <![CDATA[",
    "_x000D_ _x0041_",
    "Привет, мир — 你好 🦊",
    "\x01\x02\x1b[31m\x7f",
    "\ufffe\uffff",
    "  spaces  ",
    "x" * 190,
]
ALL_KINDS = [
    *("number", "title", "status", "stage", "owner", "tags", "amount", "currency", "probability"),
    *("opened_date", "expected_close_date", "closed_at", "stage_entered_at", "lost_reason", "id"),
]


def naive(*parts: int) -> datetime:
    """Return a time as spreadsheets have it: of no zone."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def test_csv_holds_every_kind_of_value_exactly() -> None:
    admin = make_admin()
    deal = make_deal(
        "Forty desks",
        owner=admin,
        status="LOST",
        amount=Decimal("1234567.80"),
        opened_date=date(2026, 1, 31),
        stage_entered_at=datetime(2026, 3, 1, 20, 59, 58, 123456, tzinfo=UTC),
        closed_at=datetime(2026, 3, 2, 0, 0, tzinfo=UTC),
    )
    deal.tags.add(Tag.objects.create(name="vip"), Tag.objects.create(name="again"))
    deal.refresh_from_db()
    header, row = csv_rows(exported(Deal.objects.all(), admin, ALL_KINDS, format="csv", language="en"))
    assert header[:4] == ["Number", "Title", "Status", "Stage"]
    assert row == [
        *(deal.number, "Forty desks", "lost", "Lost", "Ada Admin", "again, vip", "1234567.80", "RUB", "0"),
        *("2026-01-31", "", "2026-03-02 00:00:00", "2026-03-01 20:59:58", "Price", str(deal.pk)),
    ]


def test_a_russian_file_is_what_a_russian_excel_expects() -> None:
    admin = make_admin()
    admin.time_zone = "Europe/Moscow"
    admin.save()
    make_deal(
        "Сорок столов; и стулья",
        owner=admin,
        amount=Decimal("1500.50"),
        stage_entered_at=datetime(2026, 3, 1, 21, 30, tzinfo=UTC),
    )
    columns = ["title", "amount", "opened_date", "stage_entered_at", "status"]
    Deal.objects.update(opened_date=date(2026, 2, 3))
    export = exported(Deal.objects.all(), admin, columns, format="csv", language="ru")
    assert content(export).startswith(b"\xef\xbb\xbf")
    line = content(export).decode("utf-8-sig").split("\r\n")[1]
    assert line == '"Сорок столов; и стулья";1500,50;03.02.2026;02.03.2026 00:30:00;открыта'
    plain = exported(
        Deal.objects.all(), admin, columns, format="csv", language="ru", separator="\t", has_bom=False
    )
    assert not content(plain).startswith(b"\xef\xbb\xbf")
    assert csv_rows(plain)[1][0] == "Сорок столов; и стулья"


def test_a_file_for_programs_has_keys_codes_and_utc() -> None:
    admin = make_admin()
    admin.time_zone = "Europe/Moscow"
    admin.save()
    make_deal(owner=admin, amount=Decimal("5.10"), stage_entered_at=datetime(2026, 3, 1, 21, 30, tzinfo=UTC))
    export = exported(
        Deal.objects.all(),
        admin,
        ["status", "amount", "stage_entered_at"],
        format="csv",
        language="ru",
        style="machine",
        separator=",",
    )
    assert csv_rows(export) == [
        ["status", "amount", "stage_entered_at"],
        ["OPEN", "5.10", "2026-03-01T21:30:00Z"],
    ]


def test_xlsx_holds_real_numbers_and_dates() -> None:
    admin = make_admin()
    make_deal(
        "Desks",
        owner=admin,
        amount=Decimal("1234.50"),
        opened_date=date(2026, 1, 31),
        stage_entered_at=datetime(2026, 3, 1, 20, 59, 58, tzinfo=UTC),
    )
    columns = ["title", "amount", "probability", "opened_date", "stage_entered_at", "lost_note"]
    export = exported(Deal.objects.all(), admin, columns)
    assert xlsx_rows(export)[1] == [
        *("Desks", 1234.5, 10, naive(2026, 1, 31), naive(2026, 3, 1, 20, 59, 58)),
        None,
    ]
    sheet = book(export).active
    assert [sheet.cell(2, place).number_format for place in range(2, 6)] == [
        *("#,##0.00", "0", "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss")
    ]
    assert (sheet.freeze_panes, sheet.auto_filter.ref, sheet.title) == ("A2", "A1:F2", "Deals")
    assert sheet.cell(1, 1).font.bold


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_through_and_is_never_a_formula(text: str) -> None:
    admin = make_admin()
    make_deal(text, owner=admin)
    export = exported(Deal.objects.all(), admin, ["title"])
    [cell] = book(export).active["A"][1:]
    assert cell.data_type == "s", "text, and no formula"
    expected = "".join("\ufffd" if c in _NOT_IN_XML else c for c in text)
    assert unescaped(cell.value) == expected
    assert "<f>" not in sheet_xml(export)
    [written] = csv_rows(exported(Deal.objects.all(), admin, ["title"], format="csv"))[1]
    assert written.replace("'", "") == text.replace("'", "")
    assert not written.startswith(("=", "@", "＝"))


_NOT_IN_XML = {chr(code) for code in [*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF]}


def unescaped(text: str) -> str:
    """Read what the format writes for an underscore that would begin an escape; openpyxl leaves that to others."""
    return text.replace("_x005F_", "_")


def test_a_cell_that_looks_like_a_formula_stays_text_when_it_is_edited() -> None:
    admin = make_admin()
    make_deal("=1+1", owner=admin)
    make_deal("plain", owner=admin)
    cells = book(exported(Deal.objects.order_by("pk"), admin, ["title"])).active["A"][1:]
    assert [bool(cell.quotePrefix) for cell in cells] == [True, False]


def test_text_that_a_cell_cannot_hold_is_cut_and_counted_and_whole_in_csv() -> None:
    admin = make_admin()
    make_deal(owner=admin, description="🦊" * 20_000)
    make_deal(owner=admin, description="я" * 32_767)
    export = exported(Deal.objects.order_by("pk"), admin, ["description"])
    first, second = (row[0] for row in xlsx_rows(export)[1:])
    assert first == "🦊" * 16_383 + "…"
    assert len(first.encode("utf-16-le")) // 2 <= 32_767
    assert second == "я" * 32_767
    assert export.cut == 1
    whole = exported(Deal.objects.order_by("pk"), admin, ["description"], format="csv")
    assert len(csv_rows(whole)[1][0]) == 20_000
    assert whole.cut == 0


def test_a_number_that_a_spreadsheet_would_round_is_text() -> None:
    admin = make_admin()
    make_deal(owner=admin, amount=Decimal("1234567890123456.78"))
    make_deal(owner=admin, amount=Decimal("9999999999999.99"))
    exact, number = (
        row[0] for row in xlsx_rows(exported(Deal.objects.order_by("pk"), admin, ["amount"]))[1:]
    )
    assert exact == "1234567890123456.78"
    assert number == 9999999999999.99


def test_days_that_spreadsheets_do_not_know_are_text() -> None:
    admin = make_admin()
    make_deal(owner=admin, opened_date=date(1812, 9, 7))
    make_deal(owner=admin, opened_date=date(1900, 3, 1))
    export = exported(Deal.objects.order_by("pk"), admin, ["opened_date"])
    assert [row[0] for row in xlsx_rows(export)[1:]] == ["1812-09-07", naive(1900, 3, 1)]
    assert csv_rows(exported(Deal.objects.order_by("pk"), admin, ["opened_date"], format="csv"))[1] == [
        "1812-09-07"
    ]


def test_more_rows_than_a_sheet_holds_go_on_in_the_next(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EXPORT_CHUNK_ROWS = 3
    monkeypatch.setattr(export_steps, "SHEET_ROWS", 4)
    admin = make_admin()
    for number in range(10):
        make_deal(f"Deal {number}", owner=admin)
    export = exported(Deal.objects.order_by("pk"), admin, ["title"])
    assert [sheet.title for sheet in book(export).worksheets] == ["Deals", "Deals 2", "Deals 3"]
    sheets = [xlsx_rows(export, place) for place in range(3)]
    assert [sheet[0] for sheet in sheets] == [["Title"]] * 3
    assert [row[0] for sheet in sheets for row in sheet[1:]] == [f"Deal {n}" for n in range(10)]
    assert [len(sheet) - 1 for sheet in sheets] == [4, 4, 2]
    assert book(export).worksheets[2].auto_filter.ref == "A1:A3"


def test_rows_stand_in_the_order_of_the_list_across_chunks(settings: Any) -> None:
    settings.EXPORT_CHUNK_ROWS = 3
    admin = make_admin()
    for number in [5, 3, 8, 1, 9, 2, 7]:
        make_deal(f"Deal {number}", owner=admin)
    rows = Deal.objects.order_by("-title")
    for format_, read in (("csv", csv_rows), ("xlsx", xlsx_rows)):
        export = exported(rows, admin, ["title"], format=format_)
        assert [row[0] for row in read(export)[1:]] == [f"Deal {n}" for n in [9, 8, 7, 5, 3, 2, 1]]
        assert export.rows == export.chosen == 7
    assert not ExportPart.objects.exists(), "parts are deleted with the last"


def test_contacts_and_work_of_people_come_along() -> None:
    admin = make_admin()
    firm = make_company("Lumen")
    person = make_person("Anna", family_name="Orlova")
    person.employments.create(company=firm, is_primary=True)
    person.contact_points.create(
        kind="EMAIL", raw="a@lumen.example", value="a@lumen.example", is_primary=True
    )
    person.contact_points.create(kind="EMAIL", raw="b@lumen.example", value="b@lumen.example")
    person.contact_points.create(kind="PHONE", raw="+7 900 123-45-67", value="+79001234567")
    person.contact_points.create(
        kind="PHONE", raw="+7 900 000-00-00", value="+79000000000", archived_at=timezone.now()
    )
    make_person("Boris")
    columns = ["full_name", "company", "email", "phone"]
    rows = csv_rows(exported(Person.objects.order_by("pk"), admin, columns, format="csv", language="en"))
    assert rows == [
        ["Name", "Company", "E-mail", "Phone"],
        ["Anna Orlova", "Lumen", "a@lumen.example, b@lumen.example", "+7 900 123-45-67"],
        ["Boris", "", "", ""],
    ]


def test_no_column_holds_what_is_nobodys_to_read() -> None:
    from apps.accounts.checks import scoped_models
    from apps.accounts.models import User

    found = {(model._meta.label, key) for model in scoped_models() for key in columns_of(model)}
    assert {key for label, key in found if label == User._meta.label} >= {"name", "email"}
    secrets = {
        "password",
        "perm_version",
        "storage_name",
        "sha256",
        "checkpoint",
        "params",
        "token",
        "secret",
    }
    assert not [(label, key) for label, key in found if key in secrets]


@pytest.mark.parametrize("count", [1, 40])
def test_a_chunk_takes_as_many_statements_whatever_its_rows(
    count: int, django_assert_max_num_queries: Any
) -> None:
    from apps.lists.exporting.reading import read

    admin = make_admin()
    tag = Tag.objects.create(name="vip")
    for number in range(count):
        deal = make_deal(owner=admin, company=make_company(), person=make_person(f"P{number}"))
        deal.tags.add(tag)
    columns = list(columns_of(Deal).values())
    keys = list(Deal.objects.values_list("pk", flat=True))
    # Rows; pipelines, stages, companies, people, users; tags and links to them. No deal is lost, none has a team.
    with django_assert_max_num_queries(8):
        assert len(read(Deal, keys, columns, actor=admin).rows) == count


def test_every_list_that_can_be_exported_can_be_read_whole() -> None:
    """Each column of each model, on whatever rows there are."""
    from apps.accounts.checks import scoped_models
    from apps.lists.exporting.columns import is_exportable

    admin = make_admin()
    make_deal(owner=admin, company=make_company(), person=make_person())
    checked = 0
    for model in filter(is_exportable, scoped_models()):
        if not model._base_manager.exists():
            continue
        keys = list(columns_of(model))
        export = exported(model._base_manager.order_by("pk"), admin, keys, format="csv", style="machine")
        assert csv_rows(export)[0] == keys, model
        assert export.rows == len(csv_rows(export)) - 1
        checked += 1
    assert checked >= 8
    assert Company.objects.exists()


def test_the_result_says_what_the_file_is() -> None:
    import hashlib

    admin = make_admin()
    make_deal(owner=admin)
    export = exported(Deal.objects.all(), admin)
    data = content(export)
    assert export.size == len(data)
    assert export.sha256 == hashlib.sha256(data).hexdigest()
    assert export.job is not None
    assert export.job.result == {
        "export": export.pk,
        "size": len(data),
        "sha256": export.sha256,
        "rows": 1,
        "left_out": 0,
        "hidden": 0,
        "cut": 0,
    }
    assert timedelta(hours=23) < export.expires_at - timezone.now() <= timedelta(hours=24)


@pytest.mark.parametrize("format_", ["csv", "xlsx"])
def test_memory_does_not_grow_with_the_file(format_: str) -> None:
    """Two hundred parts of half a megabyte go through one at a time."""
    import tempfile
    import tracemalloc

    from apps.lists.exporting.csvfile import CsvWriter
    from apps.lists.exporting.writing import Manner, Writer
    from apps.lists.exporting.xlsxfile import XlsxWriter

    columns = [columns_of(Deal)["title"]]
    rows = [("x" * 100,)] * 2_500
    writers: dict[str, Writer] = {
        "csv": CsvWriter(columns, Manner(), separator=",", has_bom=True),
        "xlsx": XlsxWriter(columns, Manner(), title="Deals"),
    }
    writer = writers[format_]
    [(sheet, part)] = writer.write(rows, after=0).parts
    with tempfile.TemporaryFile() as file:
        writer.assemble(iter([(sheet, part)]), file, total=2_500)
        tracemalloc.start()
        try:
            writer.assemble(((sheet, bytes(bytearray(part))) for _ in range(200)), file, total=500_000)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
