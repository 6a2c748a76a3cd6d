"""manage.py verify_signatures: tells whether the record of signatures is what was recorded."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.documents.services.verifying_signatures import BrokenSignature, missing_guards, verify_signatures


class Command(BaseCommand):
    help = (
        "Walks the chain of every signature request, holds requests, answers, versions and documents against it, and "
        "ends with an error at the first that was changed, removed, put in or moved."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--contents",
            action="store_true",
            help="also read the contents, and compute their digests once more",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = verify_signatures(reads_contents=options["contents"])
        except BrokenSignature as broken:
            raise CommandError(str(broken)) from broken
        off = missing_guards()
        if off:
            raise CommandError(f"The chains are whole, but their guards are turned off: {', '.join(off)}.")
        self.stdout.write(f"{count} signature requests are as recorded.")
