# ruff: noqa: N999 - named after what it measures
"""
Import of 200,000 contacts from CSV, with validation, errors per cell and de-duplication, against a raw COPY.

The limit copies the very rows that the import ends with, ready-made, into the same tables with all their
indexes and constraints, and commits; history's triggers do not see them. Ours starts at the CSV file and ends with
committed people and contact points, recorded by history, and with the refused rows on record, in one pass: what the
rehearsal writes is kept.
Going through the page means rehearsing first and applying then, which writes everything twice and is not what
is measured here.
"""

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.harness import Bench, Budget, at_least, own_services, run

ROWS = 200_000
KNOWN = 1_000
# One row in so many has a bad e-mail address, repeats another row's, is known already.
BAD, REPEATED, MET = 100, 200, 200
FIRST_ID = 10_000_000


class Importing:
    """Both sides, over the same contacts."""

    def __init__(self, directory: Path, rows: int) -> None:
        from apps.accounts.models import User

        self.rows = rows
        self.file = directory / "contacts.csv"
        self.people = directory / "people.copy"
        self.points = directory / "points.copy"
        self.actor = User.objects.system()
        self.prints: dict[str, list[tuple[Any, ...]]] = {}
        self._write_files()

    def empty(self) -> None:
        """Begin with a thousand known people and nothing else."""
        from apps.crm.imports.sql import run as execute

        execute(
            "truncate history_change, history_creation, crm_person, crm_contactpoint, crm_employment,"
            " crm_importrow, crm_importreference, crm_importbatch, crm_importmapping cascade"
        )
        self._copy(_person_lines(range(KNOWN), self.actor.pk), _point_lines(range(KNOWN)))
        execute("vacuum analyze crm_person, crm_contactpoint, crm_importrow")
        execute("checkpoint")

    def copy_rows(self) -> float:
        """The limit: what ends up in the tables, copied there past history."""
        from apps.crm.models import ContactPoint, Person
        from apps.history.services.unrecorded import unrecorded_inserts

        started_at = time.perf_counter()
        with unrecorded_inserts([Person, ContactPoint], label="Limit"):
            self._copy(_blocks(self.people), _blocks(self.points))
        seconds = time.perf_counter() - started_at
        self._take_print("limit")
        return seconds

    def import_file(self) -> float:
        """Ours: from the file to committed rows, the refused ones left out."""
        from apps.crm.imports.inline import import_file

        started_at = time.perf_counter()
        with self.file.open("rb") as file:
            summary = import_file(
                "people", file, "contacts.csv", actor=self.actor, applies=True, skip_errors=True
            )
        seconds = time.perf_counter() - started_at
        assert summary["applied"], summary
        assert summary["errors"] == self.rows // BAD + self.rows // REPEATED, summary
        assert summary["unchanged"] == self.rows // MET, summary
        self._assert_recorded(summary["created"])
        self._take_print("ours")
        return seconds

    def _assert_recorded(self, people: int) -> None:
        """Each created row is on record, which the limit has not."""
        from apps.history.models import ChangeSet
        from apps.history.selectors.sets import touched

        created = {one.label: one.created for one in touched(ChangeSet.objects.latest("pk").pk)}
        assert (created["crm.person"], created["crm.contactpoint"]) == (people, 2 * people), created

    def compare(self) -> None:
        """Both sides leave the same people, reachable in the same ways."""
        assert self.prints["limit"] == self.prints["ours"], self.prints

    def staging_growth(self) -> float:
        """Return by how many MiB a fresh process grows, at its peak, while it reads, checks and stages the file."""
        from apps.crm.models import ImportBatch

        batch = ImportBatch.objects.latest("pk")
        command = [sys.executable, "-m", "tests.bench.import", "--growth", str(batch.pk)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def _take_print(self, side: str) -> None:
        from apps.crm.imports.sql import fetch

        if side not in self.prints:
            self.prints[side] = fetch(
                "select count(*), count(distinct person_id), sum(hashtextextended(full_name || kind || value || raw, 0))"
                " from crm_contactpoint join crm_person p on p.id = person_id where is_primary"
            )

    def _copy(self, people: Iterator[bytes], points: Iterator[bytes]) -> None:
        from django.db import connection, transaction

        with transaction.atomic(), connection.cursor() as cursor:
            for statement, blocks in [(_PEOPLE, people), (_POINTS, points)]:
                with cursor.copy(statement) as copy:
                    for block in blocks:
                        copy.write(block)

    def _write_files(self) -> None:
        clean: list[int] = []
        with self.file.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["First name", "Last name", "E-mail", "Phone", "Position"])
            for number in range(self.rows):
                who = KNOWN + number
                email = _email(who)
                if number % BAD == 7:
                    email = f"person{who}.example.org"
                elif number % REPEATED == 11:
                    email = _email(who - 1)
                elif number % MET == 13:
                    who = number // MET
                    email = _email(who)
                else:
                    clean.append(who)
                given, family = _names(who)
                writer.writerow([given, family, email, _phone(who), "Buyer"])
        self.people.write_bytes(b"".join(_person_lines(clean, self.actor.pk)))
        self.points.write_bytes(b"".join(_point_lines(clean)))


_PEOPLE = (
    "copy crm_person (id, version, external_source, external_id, given_name, family_name, middle_name, job_title,"
    " locale, description, created_at, updated_at, created_by_id, updated_by_id) from stdin"
)
_POINTS = "copy crm_contactpoint (person_id, kind, raw, value, is_primary) from stdin"
_GIVEN = [
    "Anna",
    "Boris",
    "Carla",
    "Dmitri",
    "Elena",
    "Farid",
    "Greta",
    "Hugo",
    "Irina",
    "Jonas",
    "Katya",
    "Lev",
]
_FAMILY = [
    "Abramova",
    "Berg",
    "Costa",
    "Dubois",
    "Evans",
    "Fischer",
    "Gorelov",
    "Hansen",
    "Ivanova",
    "Jansen",
]


def _names(who: int) -> tuple[str, str]:
    return _GIVEN[who % len(_GIVEN)], f"{_FAMILY[who % len(_FAMILY)]}{who // 10 % 977}"


def _email(who: int) -> str:
    return f"person{who}@company{who % 5000}.example.org"


def _phone(who: int) -> str:
    return f"+7495{who:07d}"


def _person_lines(people: Any, actor_id: int) -> Iterator[bytes]:
    for who in people:
        given, family = _names(who)
        yield (
            f"{FIRST_ID + who}\t1\t\t\t{given}\t{family}\t\tBuyer\t\t\t2026-01-01\t2026-01-01\t{actor_id}\t{actor_id}\n"
        ).encode()


def _point_lines(people: Any) -> Iterator[bytes]:
    for who in people:
        email, phone = _email(who), _phone(who)
        yield f"{FIRST_ID + who}\tEMAIL\t{email}\t{email}\tt\n{FIRST_ID + who}\tPHONE\t{phone}\t{phone}\tt\n".encode()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 18):
            yield block


def growth(batch_id: int) -> float:
    """Stage a batch in this process; return by how many MiB it grew at its peak."""
    import django

    django.setup()
    from apps.crm.imports.staging import stage
    from apps.crm.models import ImportBatch

    batch = ImportBatch.objects.get(pk=batch_id)
    before = _memory("VmRSS")
    stage(batch, lambda rows, size: None)
    return (_memory("VmHWM") - before) / 1024


def _memory(name: str) -> int:
    """Return a figure of this process in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def main() -> int:
    if sys.argv[1:2] == ["--growth"]:
        print(growth(int(sys.argv[2])))
        return 0
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as directory, own_services():
        work = Importing(Path(directory), rows)
        return run(
            Bench(
                name="import",
                claim=f"import of {rows:,} contacts in one pass (validation, errors per cell, duplicates in the file and"
                " against known people, recorded by history) against a raw COPY of the resulting rows into the same"
                " tables, not recorded",
                limit=work.copy_rows,
                ours=work.import_file,
                same_work=work.compare,
                goal=at_least(0.60),
                before_each=work.empty,
                budgets=[Budget("growth while staging", work.staging_growth, at_most=64, unit="MiB")],
            )
        )


if __name__ == "__main__":
    raise SystemExit(main())
