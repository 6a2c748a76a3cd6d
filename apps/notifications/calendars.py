"""Tasks as a calendar reads them: iCalendar (RFC 5545)."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from apps.common.recurrence import wall_of, zone_named
from apps.notifications.models import Task

_STATUS = {Task.State.OPEN: "CONFIRMED", Task.State.DONE: "CONFIRMED", Task.State.CANCELLED: "CANCELLED"}
# A calendar shows something that takes no time as a line one cannot hit.
_LENGTH = timedelta(minutes=30)
# Octets of a line, without its end.
_LINE = 75


def calendar_of(tasks: Iterable[Task], *, name: str, host: str) -> str:
    """
    Write tasks as a calendar. Each keeps its name for good, and says by its version that it has changed.

    :param host: the machine's name, by which the names of tasks are nobody else's
    """
    lines = [
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Artel//Tasks//EN", "CALSCALE:GREGORIAN"),
        *("METHOD:PUBLISH", f"X-WR-CALNAME:{_text(name)}", "REFRESH-INTERVAL;VALUE=DURATION:PT15M"),
    ]
    for task in tasks:
        lines += _event(task, host)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _event(task: Task, host: str) -> Iterator[str]:
    if task.due_at is None:
        return
    yield "BEGIN:VEVENT"
    yield f"UID:task-{task.pk}@{host}"
    yield f"DTSTAMP:{_utc(task.updated_at)}"
    yield f"LAST-MODIFIED:{_utc(task.updated_at)}"
    yield f"SEQUENCE:{task.version}"
    if task.is_all_day:
        day = wall_of(task.due_at, zone_named(task.time_zone)).date()
        yield f"DTSTART;VALUE=DATE:{day:%Y%m%d}"
        yield f"DTEND;VALUE=DATE:{day + timedelta(days=1):%Y%m%d}"
    else:
        yield f"DTSTART:{_utc(task.due_at)}"
        yield f"DTEND:{_utc(task.due_at + _LENGTH)}"
    mark = "✓ " if task.state == Task.State.DONE else ""
    yield f"SUMMARY:{_text(mark + task.title)}"
    if task.description:
        yield f"DESCRIPTION:{_text(task.description)}"
    yield f"STATUS:{_STATUS[Task.State(task.state)]}"
    # Nobody is kept from being invited by something that they have to do.
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    lines = escaped.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\\n".join("".join(letter for letter in line if letter >= " " or letter == "\t") for line in lines)


def _folded(line: str) -> Iterator[str]:
    """Cut a line after 75 octets, and never within a letter; what goes on begins with a space."""
    part, length = "", 0
    for letter in line:
        size = len(letter.encode())
        if length + size > _LINE:
            yield part
            part, length = " ", 1
        part += letter
        length += size
    yield part
