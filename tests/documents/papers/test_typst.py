"""The platform's own papers: what they say, what they are, and what no data and no source can do."""

import io
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from pypdf import PdfReader

from apps.documents.papers import LINES, OUR, TOTALS
from apps.documents.rendering.typst import set_paper, shipped_source
from apps.documents.shipped import LANGUAGES, PAPERS
from tests.documents.papers.files import is_for_archives, pdf_text

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
# What markup, code, mathematics, references and escapes would make of it, were it read as a source.
HOSTILE = (
    '#import "x" *bold* _it_ $x^2$ <label> @ref `raw` = Head \\ #read("/etc/passwd") // c /* d */ ]] [[ "'
)


def data(language: str = "ru", **changed: Any) -> dict[str, Any]:
    """Return the data of a paper, as `compose` makes them."""
    inputs: dict[str, Any] = {name: "" for _code, _names, asked in PAPERS for name, *_rest in asked}
    lines = [dict.fromkeys(LINES, "7") | {"name": f"Line {n}"} for n in range(3)]
    values: dict[str, Any] = {
        "language": language,
        "is_draft": False,
        "currency": "RUB",
        "logo": "",
        "qr": "",
        "document": {"title": "Paper", "number": "C-2026-00001", "date": "28 ноября 2026 г."},
        "our": dict.fromkeys(OUR, "") | {"name": "Artel"},
        "company": dict.fromkeys(("name", "full_name", "tax_id", "address", "phone", "email"), ""),
        "person": dict.fromkeys(("full_name", "job_title"), ""),
        "owner": dict.fromkeys(("name", "email"), ""),
        "deal": {"title": "Deal"},
        "quote": dict.fromkeys(
            ("number", "revision", "valid_until", "recipient", "introduction", "terms", "total"), ""
        ),
        "invoice": dict.fromkeys(
            ("number", "issue_date", "due_date", "deal", "purpose", "note", "total", "due"), ""
        ),
        "inputs": inputs,
        "lines": lines,
        "totals": dict.fromkeys(TOTALS, "")
        | {"total": "3 000,00", "total_in_words": "Три тысячи", "taxes": []},
    }
    return values | changed


def set_shipped(code: str, language: str, **changed: Any) -> bytes:
    return set_paper(shipped_source(code, language), data(language, **changed), at=NOW)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", [code for code, *_rest in PAPERS])
def test_each_paper_is_a_pdf_for_archives(code: str, language: str) -> None:
    pdf = set_shipped(code, language)
    assert is_for_archives(pdf)
    said = pdf_text(pdf)
    for expected in ("C-2026-00001", "Line 0", "Line 2", "3 000,00", "Три тысячи"):
        assert expected in said


def test_the_same_paper_is_the_same_bytes() -> None:
    assert set_shipped("invoice", "ru") == set_shipped("invoice", "ru")


def test_what_stands_in_the_data_is_text() -> None:
    company = data()["company"] | {"name": HOSTILE, "full_name": HOSTILE}
    lines = [dict.fromkeys(LINES, "1") | {"name": HOSTILE}]
    inputs = data()["inputs"] | {"notes": HOSTILE, "purpose": HOSTILE}
    said = pdf_text(set_shipped("invoice", "en", company=company, lines=lines, inputs=inputs))
    # Set on several lines each, but letter by letter what was given.
    assert "".join(said.split()).count("".join(HOSTILE.split())) == 4
    assert "root:" not in said


def test_a_draft_says_so() -> None:
    assert "ЧЕРНОВИК" in pdf_text(set_shipped("contract", "ru", is_draft=True))
    assert "DRAFT" in pdf_text(set_shipped("contract", "en", is_draft=True))
    assert "ЧЕРНОВИК" not in pdf_text(set_shipped("contract", "ru"))


def test_a_long_table_goes_on_with_its_head() -> None:
    lines = [dict.fromkeys(LINES, "1") | {"name": f"Line {n}"} for n in range(120)]
    pdf = set_shipped("act", "en", lines=lines)
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]
    assert len(pages) > 2
    assert all("Description" in page for page in pages[:-1])
    assert all(f"Line {n}" in " ".join(pages) for n in range(120))


def refusal_of(source: str, seconds: float | None = None) -> ValidationError:
    with pytest.raises(ValidationError) as refused:
        set_paper(source, data(), at=NOW, seconds=seconds)
    return refused.value


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../request.json", "/../request.json", "../../../../../../etc/passwd"]
)
def test_a_source_reads_nothing_but_its_own(path: str) -> None:
    error = refusal_of(f"#read({json.dumps(path)})")
    assert error.code == "template_typst"
    assert "root:" not in str(error.messages)


def test_a_source_loads_nothing_from_the_network() -> None:
    began = time.monotonic()
    error = refusal_of('#let name = "@preview/" + "tablex:0.0.8"\n#import name: *', seconds=60)
    assert error.code == "template_typst"
    assert time.monotonic() - began < 30, "refused at once, and not after a time-out"


def test_a_mistake_is_told() -> None:
    assert "unknown variable" in refusal_of("#nothing-there").messages[0]


def test_a_source_that_never_ends_is_ended() -> None:
    nested = (
        "#for a in range(10000) { for b in range(10000) { for c in range(10000) { let d = a * b * c } } }"
    )
    began = time.monotonic()
    assert refusal_of(nested, seconds=1).code in {"template_too_heavy", "template_typst"}
    assert time.monotonic() - began < 30


def test_a_source_that_takes_all_memory_is_ended() -> None:
    error = refusal_of(
        '#let t = "x" * 1000000\n#let all = range(3000).map(n => t + str(n))\n#all.join().len()'
    )
    assert error.code in {"template_too_heavy", "template_typst"}
