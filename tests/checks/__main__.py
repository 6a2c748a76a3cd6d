"""`python -m tests.checks [NAME…]`: run all checks, or those named; each says in one line how it went."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.checks import requirements, secrets, translations
from tests.support.services import start_services

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
# Settings of a deployed instance as far as the checks of a deployment look at them.
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "9v3Yc0mXrLqkT7uWnZ2bJd8fHs5gEaPiOt6wQyRz1xNlVhKjUo4CmBD",
    "ALLOWED_HOSTS": "artel.example",
    "CSRF_TRUSTED_ORIGINS": "https://artel.example",
    "OIDC_ISSUER": "https://artel.example",
    "SIGNING_KEYS_SECRET": "b7Vq2mZs9XcLr4TnWkYd6JfHgE3aPuOi8RwQz1CxNvK",
}


@dataclass(frozen=True)
class Outcome:
    """How a check went; nothing in `problems` is well."""

    problems: str = ""
    remark: str = ""


Check = Callable[[], Outcome]
# Of one check; whoever has more to mend begins with these.
MOST_LINES = 100


def command(*arguments: str, env: dict[str, str] | None = None) -> Check:
    """Make a check of a program that is silent about what is well."""

    def check() -> Outcome:
        result = subprocess.run(
            [PROGRAMS / arguments[0], *arguments[1:]],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Outcome(problems=(result.stdout.strip() or "it failed") if result.returncode else "")

    return check


def manage(*arguments: str, env: dict[str, str] | None = None) -> Check:
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings.test", **(env or {})}
    return command("python", "manage.py", *arguments, env=settings)


def problems(function: Callable[[], list[str]]) -> Check:
    return lambda: Outcome(problems="\n".join(function()))


def texts() -> Outcome:
    """Check the translations; the texts themselves are collected only where gettext is installed."""
    found = translations.incomplete()
    if translations.has_gettext():
        found += translations.differences()
        return Outcome(problems="\n".join(found))
    missing = "gettext is missing, new texts were not looked for; apt-get install gettext"
    if os.environ.get("CI") == "true":
        found.append(missing)
    return Outcome(problems="\n".join(found), remark=missing)


CHECKS: dict[str, Check] = {
    # The longest first: two run at a time.
    "types": command("mypy"),
    "lint": command("ruff", "check", "."),
    "format": command("ruff", "format", "--check", "."),
    "contracts": command("lint-imports", "--no-logo"),
    "migrations": manage("makemigrations", "--check", "--dry-run"),
    "safe migrations": manage(
        *["lintmigrations", "--no-cache", "--quiet", "ok", "ignore", "--project-root-path", str(ROOT)],
        *["--include-apps", *(path.parent.name for path in sorted(ROOT.glob("apps/*/migrations")))],
        env={"DJANGO_SETTINGS_MODULE": "tests.checks.settings"},
    ),
    "deployment": manage("check", "--deploy", "--fail-level", "WARNING", env=PRODUCTION),
    "translations": texts,
    "requirements": problems(requirements.out_of_step),
    "secrets": problems(secrets.found),
}


def main(names: Sequence[str]) -> int:
    unknown = set(names) - set(CHECKS) - {"messages"}
    if unknown:
        print(
            f"There is no check {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}.", file=sys.stderr
        )
        return 2
    if "messages" in names:
        translations.collect(ROOT)
        return 0
    services = start_services()
    os.environ.update(services.environment())
    try:
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(report, names or CHECKS))
    finally:
        services.stop()
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def report(name: str) -> Outcome:
    started_at = time.monotonic()
    outcome = CHECKS[name]()
    state = "not well" if outcome.problems else "well"
    lines = [f"{name:16}{state:10}{time.monotonic() - started_at:5.1f} s  {outcome.remark}".rstrip()]
    found = outcome.problems.splitlines()
    lines += [f"    {line}" for line in found[:MOST_LINES]]
    if len(found) > MOST_LINES:
        lines.append(f"    … and {len(found) - MOST_LINES} lines more")
    print("\n".join(lines), flush=True)
    return outcome


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
