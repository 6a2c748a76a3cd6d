"""
Make the virtual environment and install the pinned requirements: `python3 config/local/bootstrap.py local|dev`.

The one file here that any Python runs, before anything is installed: standard library only, and no syntax
that an old Python would answer with a traceback.
"""

from __future__ import print_function

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.environ.get("VENV") or os.path.join(ROOT, ".venv")
# What each set holds besides itself: `make run` after `make test` has nothing to do.
SETS = {"local": ["local"], "dev": ["dev", "local"]}
# The packages take 0.9 GB with those of the tests; the rest is for compiled files.
NEEDED_BYTES = 1000 * 1000 * 1000


def refuse(message):
    print("artel: " + message, file=sys.stderr)
    sys.exit(1)


def check_python():
    if sys.version_info < (3, 11):
        found = ".".join(str(part) for part in sys.version_info[:3])
        refuse(
            "Python 3.11 or newer is needed, this is %s; say PYTHON=/path/to/python3 to choose another."
            % found
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        refuse("This Python lacks the module venv; on Debian and Ubuntu: apt-get install python3-venv")


def check_disk():
    free = shutil.disk_usage(os.path.dirname(VENV)).free
    if free < NEEDED_BYTES:
        refuse(
            "1 GB of disk space is needed in %s, there are %d MB." % (os.path.dirname(VENV), free // 10**6)
        )


def path_of(name):
    return os.path.join(ROOT, "requirements", name + ".txt")


def digest_of(name):
    with open(path_of(name), "rb") as requirements:
        return hashlib.sha256(requirements.read() + sys.version.encode()).hexdigest()


def stamp_of(name):
    return os.path.join(VENV, ".artel-" + name)


def is_installed(name):
    try:
        with open(stamp_of(name)) as stamp:
            return stamp.read() == digest_of(name)
    except (IOError, OSError):
        return False


def run(command, problem, **options):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if result.returncode:
        lines = [line for line in result.stdout.decode(errors="replace").splitlines() if line.strip()]
        refuse("%s: %s" % (problem, lines[-1].strip() if lines else "exit code %d" % result.returncode))


def make_venv():
    python = os.path.join(VENV, "bin", "python")
    if (
        os.path.exists(python)
        and subprocess.call([python, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0
    ):
        return python
    print("Making a virtual environment in %s" % VENV, flush=True)
    run([sys.executable, "-m", "venv", "--clear", VENV], "The virtual environment cannot be made")
    return python


def install_uv(python):
    # Its pinned and hashed lines stand in dev.txt with all others.
    with open(path_of("dev")) as requirements:
        pinned = re.search(r"^uv==.*(?:\n +--hash=.*)+", requirements.read(), re.MULTILINE).group()
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as only:
        only.write(pinned + "\n")
        only.flush()
        run(
            [
                python,
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                only.name,
            ],
            "The installer cannot be installed",
        )


def install(python, name):
    print("Installing requirements/%s.txt" % name, flush=True)
    install_uv(python)
    environment = dict(os.environ)
    # uv does not read what pip was told about a mirror.
    if os.environ.get("PIP_INDEX_URL") and not os.environ.get("UV_INDEX_URL"):
        environment.setdefault("UV_DEFAULT_INDEX", os.environ["PIP_INDEX_URL"])
    uv = os.path.join(VENV, "bin", "uv")
    run(
        [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", path_of(name)],
        "The requirements cannot be installed",
        env=environment,
    )
    for held in SETS[name]:
        with open(stamp_of(held), "w") as stamp:
            stamp.write(digest_of(held))


def main():
    name = sys.argv[1]
    check_python()
    if not is_installed(name) or not os.path.exists(os.path.join(VENV, "bin", "python")):
        check_disk()
        install(make_venv(), name)


if __name__ == "__main__":
    try:
        main()
    except (IOError, OSError) as problem:
        refuse(str(problem))
    except KeyboardInterrupt:
        refuse("Interrupted.")
