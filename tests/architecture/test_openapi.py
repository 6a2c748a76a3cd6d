"""The committed description of the API is that of the code, and takes nothing away from who programs against it."""

import copy
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "openapi.yaml"
COMMAND = "python manage.py spectacular --lang en --file docs/openapi.yaml"
# Breaks that are meant, as patterns of what `breaks` says, with the reason.
MEANT: dict[str, str] = {
    r"/documents/\S* does not answer 20\d (\S*\.)?(name|type) any more": (
        "A link names its object as everything does: target."
    ),
    r"/documents/\S* demands targets\[\]\.(id|type)": (
        "Objects are named by type and id everywhere; nothing was released with the other way."
    ),
    r"/crm/stages/\S* demands exit_criteria\[\]\.kind": (
        "What a stage asks for is checked; any object was taken, and none did anything."
    ),
}

Schema = dict[str, Any]


def operations(description: Schema) -> dict[str, Schema]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        if method in {"get", "post", "put", "patch", "delete"}
    }


def fields(
    description: Schema, schema: Schema, place: str = "", within: tuple[str, ...] = ()
) -> Iterator[tuple[str, bool]]:
    """Yield each field of a schema, however deep, as "lines[].price", and whether it is required."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        if name not in within:
            yield from fields(description, description["components"]["schemas"][name], place, (*within, name))
        return
    for part in [*schema.get("allOf", []), *schema.get("oneOf", []), *schema.get("anyOf", [])]:
        yield from fields(description, part, place, within)
    if "items" in schema:
        yield from fields(description, schema["items"], f"{place}[]", within)
    for field, inner in schema.get("properties", {}).items():
        where = f"{place}.{field}".removeprefix(".")
        yield where, field in schema.get("required", [])
        yield from fields(description, inner, where, within)


def answers(description: Schema, operation: Schema) -> set[str]:
    """List what an operation answers: its successes, and the fields of each."""
    found = set()
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            found.add(status)
            for content in response.get("content", {}).values():
                found |= {
                    f"{status} {field}" for field, _must in fields(description, content.get("schema", {}))
                }
    return found


def demands(description: Schema, operation: Schema) -> set[str]:
    """List what an operation does not go without."""
    found = {p["name"] for p in operation.get("parameters", []) if p.get("required")}
    body = operation.get("requestBody", {})
    if body.get("required"):
        found.add("a body")
    for content in body.get("content", {}).values():
        found |= {field for field, must in fields(description, content.get("schema", {})) if must}
    return found


def breaks(old: Schema, new: Schema) -> list[str]:
    """Say what worked by the old description and does not by the new one."""
    found = []
    now = operations(new)
    for name, before in operations(old).items():
        if name not in now:
            found.append(f"{name} is gone")
            continue
        gone = answers(old, before) - answers(new, now[name])
        asked = demands(new, now[name]) - demands(old, before)
        found += [f"{name} does not answer {field} any more" for field in sorted(gone)]
        found += [f"{name} demands {field}" for field in sorted(asked)]
    return found


def previous() -> str | None:
    """Return the newest committed description that is another than the one in the working tree."""
    revisions = _git("log", "--format=%H", "-20", "--", "docs/openapi.yaml").split()
    texts = (_git("show", f"{revision}:docs/openapi.yaml") for revision in revisions)
    return next((text for text in texts if text != FILE.read_text()), None)


def _git(*words: str) -> str:
    run = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("openapi") / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--lang", "en", "--file", str(file))
    return file.read_text()


@pytest.fixture(scope="module")
def committed() -> Schema:
    description: Schema = yaml.safe_load(FILE.read_text())
    return description


def test_the_committed_description_is_that_of_the_code(generated: str) -> None:
    assert FILE.read_text() == generated, f"Run: {COMMAND}"


def test_nothing_is_taken_away(committed: Schema) -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("There is no history here to compare with.")
    before = previous()
    broken = breaks(yaml.safe_load(before), committed) if before else []
    assert [line for line in broken if not any(re.search(meant, line) for meant in MEANT)] == []


def _without_operation(new: Schema) -> None:
    del new["paths"]["/api/v1/crm/deals/{id}/win/"]["post"]


def _without_field(new: Schema) -> None:
    del new["components"]["schemas"]["ContactPoint"]["properties"]["value"]


def _with_demand(new: Schema) -> None:
    new["components"]["schemas"]["NewDealRequest"]["required"].append("next_step")


def _with_parameter(new: Schema) -> None:
    parameter = {"name": "year", "in": "query", "required": True, "schema": {"type": "integer"}}
    new["paths"]["/api/v1/jobs/"]["get"].setdefault("parameters", []).append(parameter)


def test_what_is_offered_besides_breaks_nothing(committed: Schema) -> None:
    less = copy.deepcopy(committed)
    _without_operation(less)
    assert breaks(less, committed) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_operation, "POST /api/v1/crm/deals/{id}/win/ is gone"),
        (
            _without_field,
            "GET /api/v1/crm/companies/ does not answer 200 results[].contact_points[].value any more",
        ),
        (_with_demand, "POST /api/v1/crm/deals/ demands next_step"),
        (_with_parameter, "GET /api/v1/jobs/ demands year"),
    ],
)
def test_a_break_is_told(committed: Schema, change: Callable[[Schema], None], said: str) -> None:
    new = copy.deepcopy(committed)
    change(new)
    assert said in breaks(committed, new)
