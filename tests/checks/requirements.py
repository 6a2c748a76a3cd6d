"""Whether the compiled requirements are in step with their sources, without asking any index."""

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DIRECTORY = Path(__file__).resolve().parents[2] / "requirements"
SETS = ["base", "local", "production", "dev"]
PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?P<rest>(?:.*\\\n)*.*(?:\n    #.*)*)", re.MULTILINE
)


def out_of_step(directory: Path = DIRECTORY) -> list[str]:
    """Name everything that `make requirements` would change, or that has no reason or no hash."""
    return [problem for name in SETS for problem in _of_set(directory, name)]


def _of_set(directory: Path, name: str) -> list[str]:
    compiled = (directory / f"{name}.txt").read_text()
    wanted = {
        requirement.name: requirement
        for part in _parts(directory, name)
        for requirement in _wanted(directory, part)
    }
    pins = list(PIN.finditer(compiled))
    problems = [f"{name}.txt names an address: {line}" for line in re.findall(r".*https?://.*", compiled)]
    for match in pins:
        package = canonicalize_name(match["name"])
        if "--hash=sha256:" not in match["rest"]:
            problems.append(f"{name}.txt pins {package} without a hash")
        if package in wanted and not wanted[package].specifier.contains(match["version"], prereleases=True):
            problems.append(
                f"{name}.txt pins {package} {match['version']}, wanted is {wanted[package].specifier}"
            )
        if re.search(r"# +(via )?-r requirements/", match["rest"]) and package not in wanted:
            problems.append(f"{name}.txt holds {package}, which no .in names any more")
    missing = set(wanted) - {canonicalize_name(match["name"]) for match in pins}
    return problems + [f"{name}.txt lacks {package}; run make requirements" for package in sorted(missing)]


def _parts(directory: Path, name: str) -> list[str]:
    """List a set and the sets that it includes."""
    included = re.findall(r"^-r (\w+)\.in", (directory / f"{name}.in").read_text(), re.MULTILINE)
    return [name, *(part for inner in included for part in _parts(directory, inner))]


def _wanted(directory: Path, name: str) -> list[Requirement]:
    requirements = []
    for line in (directory / f"{name}.in").read_text().splitlines():
        text, _, reason = line.partition("#")
        if not text.strip() or text.startswith("-r "):
            continue
        if not reason.strip():
            raise ValueError(f"{name}.in gives no reason for {text.strip()}")
        requirement = Requirement(text.strip())
        requirement.name = canonicalize_name(requirement.name)
        requirements.append(requirement)
    return requirements
