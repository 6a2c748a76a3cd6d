"""`manage.py drive_check`: whether Google Drive works as it is set up; exits with 1 when it does not."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.documents.drive import metering
from apps.documents.services.drive import checking


class Command(BaseCommand):
    help = "Check credentials, folders, quota and whether Google can reach this installation."

    def handle(self, *args: Any, **options: Any) -> None:
        problems = 0
        for finding in checking.check():
            problems += bool(finding.problem)
            mark = "not well" if finding.problem else "well"
            told = finding.problem or finding.remark
            self.stdout.write(f"{mark:9} {finding.what}{f': {told}' if told else ''}")
        metering.write_down()
        if problems:
            raise CommandError(f"Google Drive would not work: {problems} found.")
