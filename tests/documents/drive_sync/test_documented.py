"""The table of faults in the documentation names tests that there are, and leaves no fault out."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FAULTS = 46


def rows() -> list[tuple[str, str]]:
    text = (ROOT / "apps/documents/rooms/drive.md").read_text()
    table = text.partition("## Faults")[2].partition("## ")[0]
    found = re.findall(r"^\| ([\d–, ]+\d|\d+) [^|]*\|([^|]*)\|$", table, re.MULTILINE)
    assert found
    return found


def test_every_fault_has_a_row() -> None:
    numbers: list[int] = []
    for named, _tests in rows():
        for part in named.split(","):
            first, _dash, last = part.strip().partition("–")
            numbers += range(int(first), int(last or first) + 1)
    assert sorted(numbers) == list(range(1, FAULTS + 1))


def test_every_test_that_is_named_is_there() -> None:
    code = "".join(
        path.read_text()
        for room in ("drive", "drive_sync")
        for path in sorted((ROOT / "tests/documents" / room).glob("test_*.py"))
    )
    for _numbers, tests in rows():
        names = [name for name in re.findall(r"`([a-z_/.]+)`", tests) if "test_" not in name]
        assert names or "test_" in tests
        for name in names:
            assert f"def test_{name}(" in code or f'"{name}"' in code, name
