"""`manage.py drive_sync`: do everything that is due about Google Drive; exits with 1 where a folder is blocked."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.documents.services.drive import checking, roots, working


class Command(BaseCommand):
    help = "Read what changed in Google Drive and bring both sides in step, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seconds", type=float, default=600.0, help="stop after so many")
        parser.add_argument("--compare", action="store_true", help="also compare everything")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["seconds"] > 0:
            raise CommandError("--seconds has to be more than 0.")
        roots.poll()
        if options["compare"]:
            roots.want_reconciliations()
        taken = working.drain(options["seconds"])
        self.stdout.write(f"{taken} tasks were taken.")
        stopped = checking.stopped()
        for finding in [*stopped, *checking.waiting()]:
            self.stdout.write(f"{finding.what}: {finding.problem or finding.remark}")
        if any(finding.problem for finding in stopped):
            raise CommandError("Not everything is kept in step: see above, and manage.py drive_check.")
