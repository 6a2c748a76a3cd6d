"""Prove the books: `manage.py verify_ledger`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.payments.services.verifying import checks, totals, verify_ledger


class Command(BaseCommand):
    help = "Compare every balance and counter with the postings that it is made of; fail where one differs."

    def handle(self, *args: Any, **options: Any) -> None:
        findings = verify_ledger()
        for finding in findings:
            self.stderr.write(f"{finding.check}: {finding.text}")
        if findings:
            raise CommandError(f"{len(findings)} figures are not what they are made of.")
        counted = totals()
        self.stdout.write(
            f"{counted['entries']} entries, {counted['postings']} postings, {len(checks())} checks: all agree."
        )
