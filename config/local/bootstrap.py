"""
Make the virtual environment and install what is pinned: `python3 config/local/bootstrap.py local|dev`.

Runs before anything is installed, so on the standard library alone.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = Path(os.environ.get("VENV") or ROOT / ".venv").absolute()
# What each set holds besides itself: `make run` after `make test` has nothing to do.
SETS = {"local": ["local"], "dev": ["dev", "local"]}
# The packages take 0.9 GB with those of the tests; the rest is for compiled files.
NEEDED_BYTES = 1000 * 1000 * 1000


class Refusal(Exception):
    """A reason not to go on, in one line."""


def check_venv_module() -> None:
    # Debian has both in a package of its own.
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise Refusal(
            "This Python lacks the module venv; on Debian and Ubuntu: apt-get install python3-venv"
        ) from None


def check_disk() -> None:
    free = shutil.disk_usage(VENV.parent).free
    if free < NEEDED_BYTES:
        raise Refusal(f"1 GB of disk space is needed in {VENV.parent}, there are {free // 10**6} MB.")


def requirements(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.txt"


def stamp(name: str) -> Path:
    return VENV / f".artel-{name}"


def digest(name: str) -> str:
    return hashlib.sha256(requirements(name).read_bytes()).hexdigest()


def is_installed(name: str) -> bool:
    has_python = (VENV / "bin" / "python").exists()
    return has_python and stamp(name).exists() and stamp(name).read_text() == digest(name)


def run(command: Sequence[str | Path], problem: str, env: Mapping[str, str] | None = None) -> None:
    result = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode:
        lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
        raise Refusal(f"{problem}: {lines[-1] if lines else f'exit code {result.returncode}'}")


def make_venv() -> Path:
    """Return the environment's Python; an environment that was moved or lost its Python is made anew."""
    python = VENV / "bin" / "python"
    has_pip = [str(python), "-c", "import pip"]
    if not python.exists() or subprocess.call(has_pip, stderr=subprocess.DEVNULL):
        print(f"Making a virtual environment in {VENV}", flush=True)
        run([sys.executable, "-m", "venv", "--clear", VENV], "The virtual environment cannot be made")
    return python


def install_uv(python: Path) -> None:
    # Its pinned and hashed lines stand in dev.txt with all others.
    pinned = re.search(r"^uv==.*(?:\n +--hash=.*)+", requirements("dev").read_text(), re.MULTILINE)
    if pinned is None:
        raise Refusal("requirements/dev.txt does not pin uv.")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as alone:
        alone.write(pinned.group() + "\n")
        alone.flush()
        pip: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--require-hashes",
        ]
        run([*pip, "-r", alone.name], "The installer uv cannot be installed")


def install(python: Path, name: str) -> None:
    print(f"Installing requirements/{name}.txt", flush=True)
    install_uv(python)
    environment = dict(os.environ)
    # uv does not read what pip was told about a mirror.
    if "PIP_INDEX_URL" in environment and "UV_INDEX_URL" not in environment:
        environment.setdefault("UV_DEFAULT_INDEX", environment["PIP_INDEX_URL"])
    uv: list[str | Path] = [
        VENV / "bin" / "uv",
        "pip",
        "install",
        "-q",
        "--python",
        python,
        "--require-hashes",
    ]
    run([*uv, "-r", requirements(name)], "The requirements cannot be installed", environment)
    for held in SETS[name]:
        stamp(held).write_text(digest(held))


def main() -> int:
    name = sys.argv[1]
    try:
        if not is_installed(name):
            check_venv_module()
            check_disk()
            install(make_venv(), name)
    except (Refusal, OSError) as problem:
        print(f"artel: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
