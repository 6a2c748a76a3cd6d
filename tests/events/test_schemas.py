"""Every fact has a schema, and a schema that readers rely on only grows."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import AppConfig, apps

from apps.events import checks, schemas
from apps.events.checks import check_facts
from apps.events.registry import Fact, all_facts
from apps.events.schemas import InvalidData, breaking_changes, check_data, problems_of_schema

ROOT = Path(__file__).resolve().parents[2]
DEAL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "number": {"type": "integer", "description": "counts"},
        "stage": {"type": "string", "enum": ["open", "won"]},
        "amount": {"type": ["string", "null"]},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"sku": {"type": "string"}}, "required": ["sku"]},
        },
        "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 20}},
    },
    "required": ["number", "stage"],
}


def _with(*path: str, value: Any) -> dict[str, Any]:
    """Return a copy of DEAL with one thing changed."""
    copy: dict[str, Any] = json.loads(json.dumps(DEAL))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copy


def _without(*path: str) -> dict[str, Any]:
    copy = _with(*path, value=None)
    place = copy
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return copy


@pytest.mark.parametrize(
    "later",
    [
        DEAL,
        _with("properties", "owner", value={"type": "string"}),
        _with("required", value=["number", "stage", "amount"]),
        _with("properties", "stage", "enum", value=["won"]),
        _with("properties", "amount", "type", value="string"),
        _with("properties", "number", "description", value="counts deals"),
        _with("additionalProperties", value=False),
        _with("properties", "lines", "items", "properties", "count", value={"type": "integer"}),
    ],
)
def test_growing_breaks_nobody(later: dict[str, Any]) -> None:
    assert breaking_changes(DEAL, later) == []


@pytest.mark.parametrize(
    ("later", "problem"),
    [
        (_without("properties", "amount"), "data.amount: is gone"),
        (_with("required", value=["number"]), "data: stage is no longer required"),
        (_with("properties", "number", "type", value="number"), "data.number: type also allows number"),
        (
            _with("properties", "number", "type", value=["integer", "null"]),
            "data.number: type also allows null",
        ),
        (_without("properties", "number", "type"), "data.number: type is gone"),
        (_with("properties", "stage", "enum", value=["open", "lost"]), 'data.stage: enum also allows "lost"'),
        (_without("properties", "stage", "enum"), "data.stage: enum is gone"),
        (_with("properties", "number", "maximum", value=5), "data.number: maximum has changed"),
        (
            _with("properties", "lines", "items", "required", value=[]),
            "data.lines[]: sku is no longer required",
        ),
        (_without("properties", "lines", "items"), "data.lines[]: type is gone"),
        (_with("properties", "labels", "additionalProperties", value=True), "data.labels[]: type is gone"),
    ],
)
def test_shrinking_or_loosening_breaks_readers(later: dict[str, Any], problem: str) -> None:
    problems = breaking_changes(DEAL, later)
    assert [text for text in problems if text.startswith(problem)] != []


def test_number_may_become_an_integer() -> None:
    assert breaking_changes({"type": "number"}, {"type": "integer"}) == []


def _published_versions(path: Path) -> list[dict[str, Any]]:
    """Return what a schema file was at each step of the main line, which is what readers can have seen."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    name = path.relative_to(ROOT).as_posix()
    start = git("merge-base", "HEAD", "main").strip() or "HEAD"
    commits = git("log", "--first-parent", "--format=%H", start, "--", name).split()
    texts = [git("show", f"{commit}:{name}") for commit in commits]
    return [json.loads(text) for text in texts if text]


def test_no_schema_breaks_what_was_published() -> None:
    assert shutil.which("git"), "git tells what was published"
    found = []
    for _config, fact in all_facts():
        path = schemas.schema_path(fact.type)
        now = json.loads(path.read_text())
        for version in _published_versions(path):
            found += [f"{fact.type}: {text}" for text in breaking_changes(version, now)]
    assert found == []


def test_every_fact_has_a_schema() -> None:
    assert check_facts(None) == []


@pytest.fixture
def crm_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory in place of the schemas of crm."""
    monkeypatch.setattr(apps.get_app_config("crm"), "path", str(tmp_path))
    (tmp_path / "schemas").mkdir()
    schemas._validator.cache_clear()
    yield tmp_path / "schemas"
    schemas._validator.cache_clear()


@pytest.mark.parametrize(
    ("event_type", "schema", "expected"),
    [
        ("crm.deal.won.v1", '{"type": "object"}', []),
        ("crm.deal.won.v1", None, ["events.E002"]),
        ("crm.deal.won.v1", '{"type": "objekt"}', ["events.E003"]),
        ("crm.deal.won.v1", '{"type": "string"}', ["events.E003"]),
        ("crm.deal.won.v1", "{", ["events.E003"]),
        ("crm.deal.won", '{"type": "object"}', ["events.E001"]),
        ("crm.deal.won.v0", '{"type": "object"}', ["events.E001"]),
        ("jobs.deal.won.v1", '{"type": "object"}', ["events.E001"]),
    ],
)
def test_check_finds_facts_without_a_sound_schema(
    crm_schemas: Path,
    monkeypatch: pytest.MonkeyPatch,
    event_type: str,
    schema: str | None,
    expected: list[str],
) -> None:
    config = apps.get_app_config("crm")
    monkeypatch.setattr(checks, "all_facts", lambda: [(config, Fact(event_type))])
    if schema is not None:
        (crm_schemas / f"{event_type}.json").write_text(schema)

    assert [message.id for message in check_facts(None)] == expected
    assert check_facts([apps.get_app_config("jobs")]) == []


def test_facts_are_found_in_the_events_module_of_each_app(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = AppConfig.create("tests.events.sample")
    monkeypatch.setattr(apps, "get_app_configs", lambda: [sample])

    assert all_facts() == [(sample, Fact("sample.thing.happened.v1"))]
    assert problems_of_schema(Path(sample.path) / "schemas" / "sample.thing.happened.v1.json") == []


def test_data_are_held_against_their_schema(crm_schemas: Path) -> None:
    (crm_schemas / "crm.deal.won.v1.json").write_text(json.dumps(DEAL))

    check_data("crm.deal.won.v1", {"number": 1, "stage": "won"})
    with pytest.raises(InvalidData, match="number: '1' is not of type 'integer'"):
        check_data("crm.deal.won.v1", {"number": "1", "stage": "won"})


def test_data_without_a_schema_are_taken_as_they_are(crm_schemas: Path) -> None:
    check_data("crm.deal.lost.v1", {"anything": 1})
    check_data("nowhere.deal.lost.v1", {"anything": 1})
