"""The table in the docs names the modules that are tested, and no others."""

import re
from pathlib import Path

from tests.conformance import test_basic, test_config, test_logout

DOCS = Path(__file__).resolve().parents[2] / "docs" / "openid.md"
# "Passes" or "does not apply", with a reason where it is not the whole of it.
_ROW = re.compile(r"^\| `(oidcc-[\w-]+)` \| (passes|does not apply: )", re.MULTILINE)


def ported() -> set[str]:
    names = {name for module in (test_basic, test_config, test_logout) for name in vars(module)}
    return {name.removeprefix("test_").replace("_", "-") for name in names if name.startswith("test_oidcc_")}


def test_each_module_that_passes_has_a_test_and_each_test_a_row() -> None:
    rows = dict(_ROW.findall(DOCS.read_text()))
    assert len(rows) == DOCS.read_text().count("| `oidcc-")
    assert {name for name, word in rows.items() if word == "passes"} == ported()
    assert len(rows) == 38 + 2 + 11
    assert {name for name, word in rows.items() if word != "passes"} == {
        "oidcc-idtoken-unsigned",
        "oidcc-claims-essential",
    }
