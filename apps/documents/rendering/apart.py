"""Running the process that fills and sets templates, within limits of time and memory."""

import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.documents.sandbox import run_apart

logger = logging.getLogger(__name__)

_CHILD = Path(__file__).with_name("child.py")
_MIB = 1024 * 1024
# The compiler alone maps 80 MiB and gives each of its threads a stack.
_MEMORY = {"typst": 2048 * _MIB, "inspect": 768 * _MIB, "word": 768 * _MIB}
_LARGEST_RESULT = 64 * _MIB


@dataclass(frozen=True)
class Answer:
    """What came of it: the paper's bytes, or what was found in a template."""

    result: bytes
    found: dict[str, Any]


@contextmanager
def workplace() -> Iterator[Path]:
    """Give a directory of its own to one run, and take it away afterwards."""
    with tempfile.TemporaryDirectory(prefix="artel-paper-") as place:
        yield Path(place)


def run(kind: str, place: Path, *, seconds: float | None = None, **request: Any) -> Answer:
    """
    Do one piece of work in a process of its own.

    :param kind: "typst" (sets `root/main.typ`), "inspect" or "word" (look at or fill `template.docx`)
    :param place: holds what it works on, and nothing else
    :param seconds: how long it may take; the setting's if None
    :raises ValidationError: the template is refused, or took more than it may ("template_…")
    """
    seconds = seconds or settings.DOCUMENT_RENDER_SECONDS
    limits = {
        # The kernel counts what all of its threads use.
        "CPU": int(seconds * 2) + 1,
        "AS": _MEMORY[kind],
        "FSIZE": _LARGEST_RESULT,
        "NOFILE": 128,
        "CORE": 0,
    }
    (place / "request.json").write_text(json.dumps({"kind": kind, "limits": limits, **request}))
    _run_child(place, seconds)
    answer = place / "answer.json"
    if not answer.is_file():
        # Killed by a limit, or dead of what it was given.
        raise _too_heavy()
    said = json.loads(answer.read_text())
    if "refused" in said:
        raise refusal_of(said["refused"], said["facts"])
    result = place / "result"
    return Answer(result.read_bytes() if result.is_file() else b"", said["found"])


def _run_child(place: Path, seconds: float) -> None:
    # Isolated: neither the environment nor the directory says what Python loads.
    command = [sys.executable, "-I", "-B", str(_CHILD), str(place)]
    try:
        code, _said = run_apart(command, place, seconds=seconds)
    except subprocess.TimeoutExpired:
        raise _too_heavy() from None
    if code:
        # Not what it said: that may tell of the paper.
        logger.warning("the process of a paper ended with %s", code)


def copy_into(place: Path, files: Mapping[str, bytes | Path]) -> None:
    """Put files into a directory under plain names."""
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if isinstance(content, Path):
            shutil.copyfile(content, place / name)
        else:
            (place / name).write_bytes(content)


def _too_heavy() -> ValidationError:
    return refusal_of("too_heavy", {})


_WORDS = {
    "too_heavy": _(
        "The template takes more time or memory than a paper may. Look for loops in it, and for very large pictures."
    ),
    "not_word": _("This is no Word document (.docx), or it is damaged. Save it in Word once more."),
    "active": _(
        "The file carries a program or another document inside (%(part)s). Save it as a plain .docx without macros "
        "and embedded objects."
    ),
    "external": _(
        "The file loads something from elsewhere (%(target)s). Put pictures into the document itself, and leave out "
        "links to other files."
    ),
    "field": _("The file has a field that fetches or runs something: %(name)s. Take that field out."),
    "forbidden": _(
        "The template does what templates may not: %(what)s. It may name values, loop and ask “if”."
    ),
    "template": _("The template has a mistake: %(message)s"),
    "typst": _("The template has a mistake: %(message)s"),
}


def refusal_of(code: str, facts: dict[str, Any]) -> ValidationError:
    """Say in words why a template is refused."""
    return ValidationError(_WORDS[code], code=f"template_{code}", params=facts)
