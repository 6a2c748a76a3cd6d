"""Word templates: what they name, what they are filled with, and what hostile ones get."""

import io
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from apps.documents.rendering import child
from apps.documents.rendering.word import fill, names_in
from tests.documents.papers.files import RELS, docx, part, repacked, with_relation, words_of


def refused(file: bytes) -> ValidationError:
    with pytest.raises(ValidationError) as error:
        names_in(file)
    return error.value


def placed(file: bytes, place: Path) -> Path:
    """Put a template where the process that works on it would find it."""
    (place / "template.docx").write_bytes(file)
    return place


def code_of(file: bytes, place: Path) -> str:
    """Return why a template is refused, as the process tells it, but in this one: a hundred would take a minute."""
    with pytest.raises(child.Refused) as error:
        child.inspect_word(placed(file, place), {})
    return error.value.code


def test_what_a_template_names() -> None:
    file = docx(
        "{{ deal.title }} of {{ our.name|upper }}",
        "{% if pay_until %}until {{ pay_until }}{% endif %}",
        header="{{ document.number }}",
        table=[
            ["{%tr for line in lines %}", ""],
            ["{{ line.name }}", "{{ line.amount }} {{ loop.index }}"],
            ["{%tr endfor %}", ""],
        ],
    )
    assert names_in(file) == [
        *("deal.title", "document.number", "lines", "lines[].amount", "lines[].name", "our.name", "pay_until")
    ]


def test_filled() -> None:
    file = docx(
        "Договор {{ number }}",
        table=[
            ["{%tr for line in lines %}", ""],
            ["{{ line.name }}", "{{ line.amount }}"],
            ["{%tr endfor %}", ""],
        ],
    )
    data = {
        "number": "C-1",
        "lines": [{"name": "<b>A & B</b>", "amount": "1 000,00"}, {"name": "{{ 7*7 }}", "amount": "2"}],
    }
    said = words_of(fill(file, data))
    assert "Договор C-1" in said
    # What stands in the data is text: neither markup nor a template.
    assert "<b>A & B</b>" in said
    assert "{{ 7*7 }}" in said
    assert "1 000,00" in said


# Of issues #549 and #632 of python-docx-template, and their kin.
PAYLOADS = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ self.__init__.__globals__.__builtins__.__import__('os').popen('id').read() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ joiner.__init__.__globals__.os }}",
    "{{ namespace.__init__.__globals__.os }}",
    "{{ config.items() }}",
    "{{ deal|attr('__class__') }}",
    "{{ deal['__class__'] }}",
    "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ ['x']|map('upper')|list }}",
    "{{ '%s'|format('x') }}",
    "{{ 'x' * 1000 }}",
    "{{ deal.title.format(deal) }}",
    "{{ range(1000000000)|list }}",
    "{% set x = 1 %}{{ x }}",
    "{% macro m() %}x{% endmacro %}{{ m() }}",
    "{% import 'os' as os %}{{ os }}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% call(x) deal() %}{% endcall %}",
    "{{ deal.title|safe }}",
    "{{ deal.title|pprint }}",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_templates_may_not(payload: str, tmp_path: Path) -> None:
    assert code_of(docx(payload), tmp_path) in {"forbidden", "template"}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nor_does_the_sandbox_let_them_where_nobody_has_looked(payload: str, tmp_path: Path) -> None:
    """As if the file had been put past the examination: filling it tells nothing but what stands in the template."""
    with suppress(child.Refused):
        child.fill_word(placed(docx(payload), tmp_path), {"data": {"deal": {"title": "T"}}})
    result = tmp_path / "result"
    said = words_of(result.read_bytes()).strip() if result.exists() else ""
    assert said in {"", "x" * 1000, "T", "1", "x"}


def test_loops_in_loops_are_ended() -> None:
    depth = 8
    loops = "".join(f"{{% for a{n} in lines %}}" for n in range(depth))
    file = docx(f"{loops}x{'{% endfor %}' * depth}")
    assert names_in(file) == ["lines"]
    began = time.monotonic()
    with pytest.raises(ValidationError) as error:
        fill(file, {"lines": [{"name": "x"}] * 100}, seconds=2)
    assert error.value.code == "template_too_heavy"
    assert time.monotonic() - began < 30


def test_a_bomb() -> None:
    assert (
        refused(repacked(docx("x"), {"word/media/image1.png": bytes(60 * 1024 * 1024)})).code
        == "template_too_heavy"
    )
    many = {f"word/media/{n}.png": b"x" for n in range(2100)}
    assert refused(repacked(docx("x"), many)).code == "template_too_heavy"


def test_a_bomb_that_lies_about_its_size() -> None:
    file = bytearray(repacked(docx("x"), {"word/media/image1.png": bytes(3 * 1024 * 1024)}))
    size = (3 * 1024 * 1024).to_bytes(4, "little")
    file = bytearray(bytes(file).replace(size, (1000).to_bytes(4, "little")))
    # The part is never unpacked beyond what it claims; the claim itself is looked at.
    assert names_in(bytes(file)) == []


def test_no_word_file() -> None:
    assert refused(b"PK\x03\x04 nothing").code == "template_not_word"
    assert refused(b"%PDF-1.7").code == "template_not_word"
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a.txt", "a")
    assert refused(whole.getvalue()).code == "template_not_word"


def test_two_parts_of_one_name() -> None:
    whole = io.BytesIO(docx("x"))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("word/document.xml", b"<other/>")
    assert refused(whole.getvalue()).code == "template_not_word"


def test_macros() -> None:
    plain = docx("x")
    assert refused(repacked(plain, {"word/vbaProject.bin": b"x"})).code == "template_active"
    types = part(plain, "[Content_Types].xml").replace(
        b"wordprocessingml.document.main+xml", b"ms-word.document.macroEnabled.main+xml"
    )
    assert refused(repacked(plain, {"[Content_Types].xml": types})).code == "template_active"
    assert refused(repacked(plain, {"word/embeddings/oleObject1.bin": b"x"})).code == "template_active"


@pytest.mark.parametrize(
    "kind", ["image", "frame", "attachedTemplate", "oleObject", "externalLink", "subDocument"]
)
def test_what_lies_elsewhere(kind: str) -> None:
    file = with_relation(docx("x"), kind, "http://attacker.example/x")
    assert refused(file).code in {"template_external", "template_active"}


@pytest.mark.parametrize("target", ["file:///etc/passwd", "\\\\attacker\\share", "javascript:alert(1)"])
def test_links_that_are_none(target: str) -> None:
    assert refused(with_relation(docx("x"), "hyperlink", target)).code == "template_external"


def test_links_that_people_click_on() -> None:
    assert names_in(with_relation(docx("x"), "hyperlink", "https://artel.example")) == []
    assert names_in(with_relation(docx("x"), "hyperlink", "mailto:a@artel.example")) == []


@pytest.mark.parametrize(
    "field",
    [
        '<w:r><w:instrText>DDEAUTO c:\\\\windows\\\\system32\\\\cmd.exe "/k calc"</w:instrText></w:r>',
        '<w:r><w:instrText>INCLUDE</w:instrText></w:r><w:r><w:instrText>TEXT "/etc/passwd"</w:instrText></w:r>',
        '<w:fldSimple w:instr=" includepicture &quot;http://x/y&quot; "><w:r><w:t>x</w:t></w:r></w:fldSimple>',
    ],
)
def test_fields_that_fetch(field: str) -> None:
    file = docx("MARK")
    body = part(file, "word/document.xml").replace(b"<w:r><w:t>MARK</w:t></w:r>", field.encode())
    assert field.encode() in body
    assert refused(repacked(file, {"word/document.xml": body})).code == "template_field"


def test_entities() -> None:
    file = docx("MARK")
    body = part(file, "word/document.xml").split(b"?>", 1)[1]
    bomb = b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + body
    assert refused(repacked(file, {"word/document.xml": bomb})).code == "template_active"
    hidden = (
        bomb.decode()
        .replace('<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-16"?>')
        .encode("utf-16")
    )
    assert refused(repacked(file, {"word/document.xml": hidden})).code == "template_active"


def test_a_mistake_is_told() -> None:
    error = refused(docx("{{ deal.title "))
    assert error.code == "template_template"
    error = refused(docx("{% for a in lines %}"))
    assert "endfor" in error.messages[0]


def test_relations_are_read_whatever_they_are_called() -> None:
    assert RELS in zipfile.ZipFile(io.BytesIO(docx("x"))).namelist()
