"""Files and settings that are made to do harm are refused, in words, and never reach the database as they are."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.crm.imports import reading
from apps.crm.imports.outfile import harmless
from apps.crm.imports.parsing import _text
from apps.crm.imports.reading import Dialect, read_rows
from apps.crm.models import Company, ImportBatch
from apps.crm.services import imports
from tests.crm.importing import codes, rehearse, take_steps, upload, workbook

_SHEET = (
    '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    "<sheetData>%s</sheetData></worksheet>"
)
_ROW = '<row r="%d"><c r="A%d" t="inlineStr"><is><t>%s</t></is></c></row>'


def sheet(rows: str, **parts: bytes) -> bytes:
    """Return an .xlsx file whose sheet holds these rows as they are, and which has further parts."""
    source = zipfile.ZipFile(io.BytesIO(workbook(["a"])))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            made = parts.pop(name.replace("/", "_").replace(".", "_"), None)
            content = _SHEET % rows if name.startswith("xl/worksheets/") else source.read(name)
            archive.writestr(name, made or content)
    return out.getvalue()


def test_a_row_that_claims_to_be_the_billionth_is_not_waited_for() -> None:
    file = io.BytesIO(sheet(_ROW % (1, 1, "name") + _ROW % (2, 2, "a") + _ROW % (10**9, 10**9, "b")))
    # Without a bound this counts to a billion.
    rows = list(read_rows(file, Dialect(format="xlsx", sheet="Sheet")))
    assert rows == [(1, ["name"]), (2, ["a"])]


def test_styles_that_unpack_to_a_mountain_are_not_opened(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_TREES", 1 << 20)
    # Numbers pack badly, so that the ratio alone does not tell.
    mountain = b"".join(b"<xf n='%d'/>" % (n * n * 7919) for n in range(100_000))
    with pytest.raises(ValidationError) as refused:
        upload("products", sheet(_ROW % (1, 1, "name"), xl_styles_xml=mountain), actor=admin, name="x.xlsx")
    assert refused.value.code == "zip_bomb"


def test_a_file_cannot_be_declared_to_be_another_kind_after_it_was_checked(admin: User) -> None:
    # An archive may begin with anything: here with text that passes for a table.
    raw = ("name,sku\n" + "a,b\n" * 6000).encode("utf-16") + workbook(["name"], ["from the archive"])
    batch = upload("products", raw, actor=admin)
    wrong: list[dict[str, Any]] = [
        {"format": "xlsx"},
        {"sheets": [{}]},
        {"corrected": 5},
        {"sheet": 5},
        {"encoding": ["utf-8"]},
    ]
    for dialect in wrong:
        with pytest.raises(ValidationError) as refused:
            imports.correct_import(batch.pk, actor=admin, dialect=dialect)
        assert refused.value.code == "bad_dialect"
    assert ImportBatch.objects.get(pk=batch.pk).dialect["format"] == "csv"


@pytest.mark.parametrize("kind", ["products", "companies", "people"])
def test_nul_characters_are_named_where_they_stand(kind: str, admin: User) -> None:
    columns = {"products": "sku", "companies": "parent", "people": "phone"}
    raw = f"name,{columns[kind]},so\0me\nA,b\0c,d\0\n".encode("utf-16")
    batch = upload(kind, raw, actor=admin)
    assert batch.header[2] == "so\N{REPLACEMENT CHARACTER}me"
    ((line, field, code),) = codes(rehearse(batch, actor=admin))
    assert (line, field) == (2, columns[kind])
    assert code in {"nul", "bad_phone"}


def test_a_number_of_five_thousand_digits_is_too_large(admin: User) -> None:
    batch = upload("companies", f"name,employees\nA,{'9' * 5000}\n", actor=admin)
    assert codes(rehearse(batch, actor=admin)) == [(2, "employee_count", "too_large")]


@pytest.mark.parametrize("text", ["a\0", "\ud800", "\\", "%s {} ' \" $1"])
def test_replacements_hold_any_text(text: str, admin: User) -> None:
    batch = upload("products", "name,sku\na,b\n", actor=admin, values={"name": {"a": text, text: "b"}})
    assert len(ImportBatch.objects.get(pk=batch.pk).values["name"]) == 2
    assert codes(rehearse(batch, actor=admin)) in ([], [(2, "name", "nul")])


@pytest.mark.parametrize("missing", [5, "tags", {"tags": 1}, None])
def test_options_of_another_shape_are_refused(missing: object, admin: User) -> None:
    batch = upload("companies", "name,tags\na,b\n", actor=admin)
    with pytest.raises(ValidationError) as refused:
        imports.correct_import(batch.pk, actor=admin, options={"create_missing": missing})
    assert refused.value.code == "bad_options"


@pytest.mark.parametrize(
    "word",
    [
        "'; drop table crm_company; --",
        "\\'; select 1; --",
        "%(batch)s %s %%",
        "{0} {r} $1 :x ?",
        "E'\\\\x00'",
        "$$x$$ \u202e\ufeff\U0001f600",
        '"x" || (select 1) || "y"',
    ],
)
def test_words_that_look_like_sql_stay_words(word: str, admin: User) -> None:
    """Every place from which text reaches a statement: cells, references, suggestions, source, header, replacements."""
    names = [word, f"{word} {word}"]
    quoted = [name.replace('"', '""') for name in names]
    content = (
        f'name,parent,tags,external id,"{quoted[0]}",owner\n'
        f'"{quoted[0]}",,"{quoted[0]}","{quoted[0]}",x,\n'
        f'"{quoted[1]}","{quoted[0]}",,"{quoted[1]}",x,"{quoted[0]}"\n'
    )
    batch = upload(
        "companies",
        content,
        actor=admin,
        source=word,
        values={"owner": {word: str(admin.email)}},
        options={"create_missing": ["tags"]},
    )
    batch = rehearse(batch, actor=admin)
    assert codes(batch) == []
    imports.apply_import(batch.pk, actor=admin)
    batch.refresh_from_db()
    assert batch.apply_job is not None
    take_steps(batch.apply_job)
    made = Company.objects.order_by("id").values_list(
        "name", "external_id", "external_source", "parent__name"
    )
    assert list(made) == [
        (" ".join(names[0].split()), names[0], word, None),
        (names[1], names[1], word, names[0]),
    ]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]
)
def test_a_cell_is_disarmed_and_comes_back_as_it_was(cell: str) -> None:
    parse: Callable[[str], str] = _text(200)
    assert harmless(cell) == f"'{cell}"
    assert parse(harmless(cell)) == cell.strip()
