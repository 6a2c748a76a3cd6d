"""The checks of `make check` find what they are there for."""

from pathlib import Path

import pytest

from tests.checks import requirements, secrets, translations

PINNED = "left==1.2.0 \\\n    --hash=sha256:0\n    # via -r requirements/base.in\n"


@pytest.fixture
def requirement_sets(tmp_path: Path) -> Path:
    for name in requirements.SETS:
        (tmp_path / f"{name}.in").write_text("left>=1.1  # a reason\n" if name == "base" else "-r base.in\n")
        (tmp_path / f"{name}.txt").write_text(PINNED)
    return tmp_path


def test_compiled_requirements_in_step_are_well(requirement_sets: Path) -> None:
    assert requirements.out_of_step(requirement_sets) == []


@pytest.mark.parametrize(
    ("source", "compiled", "problem"),
    [
        ("left>=1.1  # a\nright  # b\n", PINNED, "lacks right"),
        ("left>=2  # a reason\n", PINNED, "wanted is >=2"),
        ("", PINNED, "which no .in names any more"),
        ("left  # a reason\n", "left==1.2.0\n    # via -r requirements/base.in\n", "without a hash"),
        ("left  # a reason\n", f"--index-url https://index.example/\n{PINNED}", "names an address"),
    ],
)
def test_requirements_out_of_step_are_named(
    source: str, compiled: str, problem: str, requirement_sets: Path
) -> None:
    (requirement_sets / "base.in").write_text(source)
    (requirement_sets / "base.txt").write_text(compiled)
    assert any(
        problem in found for found in requirements.out_of_step(requirement_sets) if "base.txt" in found
    )


def test_a_requirement_needs_a_reason(requirement_sets: Path) -> None:
    (requirement_sets / "base.in").write_text("left\n")
    with pytest.raises(ValueError, match="no reason for left"):
        requirements.out_of_step(requirement_sets)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN " + "PRIVATE KEY-----",
        "token = '123456789:" + "AA" + "b" * 33 + "'",
        "AKIA" + "ABCDEFGHIJKLMNOP",
    ],
)
def test_what_looks_like_a_secret_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text(text)
    assert len(secrets.in_file(file)) == 1


def test_a_text_without_translation_is_named(tmp_path: Path) -> None:
    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    texts = 'msgid "deal"\nmsgstr "сделка"\n\nmsgid "lead"\nmsgstr ""\n\n#, fuzzy\nmsgid "won"\nmsgstr "x"\n'
    for language in translations.LANGUAGES:
        directory = tmp_path / "locale" / language / "LC_MESSAGES"
        directory.mkdir(parents=True)
        (directory / "django.po").write_text(header + texts)
    assert translations.incomplete(tmp_path) == [
        "en: won is marked fuzzy",
        "ru: lead is not translated",
        "ru: won is marked fuzzy",
    ]
