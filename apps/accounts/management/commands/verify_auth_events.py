"""manage.py verify_auth_events: tells whether the record of access events is what was recorded."""

from argparse import ArgumentParser
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.services.verifying import BrokenChain, missing_guards, parse_head, verify_auth_events


class Command(BaseCommand):
    help = (
        "Walks the chain of access events and ends with an error at the first that was changed, removed, put in or "
        "moved. Prints where the chain ends: kept elsewhere and given to --earlier the next time, it also proves that "
        "nobody has written the whole chain anew."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--earlier", metavar="COUNT:HASH", help="the end of the chain as printed before")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            earlier = parse_head(options["earlier"]) if options["earlier"] else None
        except ValueError as error:
            raise CommandError("--earlier takes what this command has printed: COUNT:HASH.") from error
        began = perf_counter()
        try:
            head = verify_auth_events(earlier=earlier)
        except BrokenChain as broken:
            raise CommandError(str(broken)) from broken
        off = missing_guards()
        if off:
            raise CommandError(f"The chain is whole, but its guards are turned off: {', '.join(off)}.")
        seconds = perf_counter() - began
        rate = head.count / seconds
        self.stderr.write(f"{head.count:,} events are as recorded ({seconds:.1f} s, {rate:,.0f} a second).")
        self.stdout.write(str(head))
