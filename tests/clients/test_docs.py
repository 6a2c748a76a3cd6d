"""What the docs say about connecting an application: the examples work as they stand there, the table is of the tests."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.clients import test_authlib, test_openid_client
from tests.clients.node import SCRIPTS, Node
from tests.clients.site import Site

DOCS = Path(__file__).resolve().parents[2] / "docs" / "openid.md"


class Example:
    """An example of the docs that is running, and what it has written so far."""

    def __init__(self, command: list[str], environment: Mapping[str, str], directory: Path) -> None:
        self.popen = subprocess.Popen(
            command,
            cwd=directory,
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def address(self) -> str:
        """Return what somebody is to open."""
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def end(self, typed: str = "") -> str:
        """Type something, and return what is written until the end."""
        written, errors = self.popen.communicate(typed and typed + "\n", timeout=60)
        assert self.popen.returncode == 0, errors
        return written


@pytest.fixture
def start(site: Site, node: Node, tmp_path: Path) -> Iterator["Start"]:
    """Starts the example below a heading of the docs, as an application that is registered."""
    starting = Start(site, node, tmp_path)
    yield starting
    for example in starting.started:
        with example.popen as popen:
            popen.kill()


class Start:
    def __init__(self, site: Site, node: Node, directory: Path) -> None:
        self.site, self.node, self.directory = site, node, directory
        self.started: list[Example] = []

    def __call__(self, heading: str, application: str) -> Example:
        kind, text = example(heading)
        if kind == "python":
            command, directory = [sys.executable, "-u", "-c", text], self.directory
        elif kind == "js":
            directory = self.node.directory
            (directory / "example.mjs").write_text(text)
            command = self.node.command("example.mjs")
        else:
            command, directory = ["sh", "-eu", "-c", text], self.directory
        made = Example(command, self.site.environment(application), directory)
        self.started.append(made)
        return made


def example(heading: str) -> tuple[str, str]:
    """Return the language and the text of the example below a heading."""
    found = re.search(
        rf"^### {heading}\n.*?^```(\w+)\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found is not None
    return found[1], found[2]


@pytest.mark.parametrize(("heading", "application"), [("A website", "website"), ("A page or an app", "page")])
def test_somebody_logs_in(site: Site, start: Start, heading: str, application: str) -> None:
    running = start(heading, application)
    written = running.end(site.person().go(running.address()))
    assert site.email in written
    assert "Boat" in written


def test_a_program(start: Start) -> None:
    answer = json.loads(start("A program", "program").end())
    assert answer["results"] == []


def test_a_device(site: Site, start: Start) -> None:
    running = start("A device", "device")
    site.person().go(running.address())
    assert "Boat" in running.end()


# The table


def flows(module: object) -> set[str]:
    return {name.removeprefix("test_") for name in vars(module) if name.startswith("test_")}


def test_the_table_names_the_flows_that_are_tested() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \|", DOCS.read_text(), re.MULTILINE)
    assert {word for _flow, *words in rows for word in words} == {"passes"}
    named = {flow for flow, *_words in rows}
    assert named == flows(test_openid_client)
    assert named == flows(test_authlib) - {"a_forged_id_token_is_found_out"}


def test_the_table_names_the_versions() -> None:
    lock = json.loads((SCRIPTS / "package-lock.json").read_text())
    client = lock["packages"]["node_modules/openid-client"]["version"]
    authlib = importlib.metadata.version("authlib")
    heading = f"openid-client {client.rpartition('.')[0]} | Authlib {authlib.rpartition('.')[0]}"
    assert heading in DOCS.read_text()


def test_packages_are_named_without_where_they_come_from() -> None:
    assert "resolved" not in (SCRIPTS / "package-lock.json").read_text()
    assert "registry" not in (SCRIPTS / "package-lock.json").read_text()
