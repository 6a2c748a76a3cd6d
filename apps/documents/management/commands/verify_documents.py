"""manage.py verify_documents: tells whether what is kept is what was stored."""

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from apps.documents.services.integrity import verify, words_of


class Command(BaseCommand):
    help = (
        "Holds the storage against the database: contents that are missing or changed, files that belong to nothing, "
        "leftovers of uploads, work that stands still. Prints a summary as JSON, and ends with an error while anything "
        "is wrong."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--deep", action="store_true", help="read every content through, not only its size"
        )
        parser.add_argument(
            "--mend", action="store_true", help="put right what can be without losing anything"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = verify(is_deep=options["deep"], mends=options["mend"])
        except ValidationError as refused:
            raise CommandError(" ".join(refused.messages)) from refused
        findings = list(run.findings.order_by("kind", "subject"))
        remaining = [finding for finding in findings if finding.mended_at is None]
        for finding in remaining:
            self.stderr.write(words_of(finding))
        summary = {
            "run": run.pk,
            "checked": run.checked,
            "found": Counter(finding.kind for finding in findings),
            "mended": Counter(finding.kind for finding in findings if finding.mended_at is not None),
            "remaining": len(remaining),
            "fault": run.fault,
        }
        self.stdout.write(json.dumps(summary))
        if run.fault:
            raise CommandError(run.fault)
        if remaining:
            raise CommandError(f"{len(remaining)} findings remain.")
