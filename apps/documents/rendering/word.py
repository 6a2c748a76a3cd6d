"""Papers that staff write in Word: what a template names, and filling it."""

from collections.abc import Mapping
from typing import Any

from apps.documents.rendering.apart import copy_into, run, workplace

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def names_in(template: bytes) -> list[str]:
    """
    Look a template through and return what it names, dotted: "deal.title", "lines[].name".

    :raises ValidationError: it is no plain Word file, or does what templates may not ("template_…")
    """
    with workplace() as place:
        copy_into(place, {"template.docx": template})
        return list(run("inspect", place).found["names"])


def fill(template: bytes, data: Mapping[str, Any], *, seconds: float | None = None) -> bytes:
    """
    Return a template filled with data, as a Word file.

    :raises ValidationError: the template is refused, or takes more than it may ("template_…")
    """
    with workplace() as place:
        copy_into(place, {"template.docx": template})
        return run("word", place, seconds=seconds, data=dict(data)).result
