"""What the commands that hear facts from a broker do alike; examples to copy, see docs/events.md."""

import json
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.events.brokers.heard import Heard, Verdict


class HearingCommand(BaseCommand):
    """Prints a line of JSON for each fact, without twins, and says at the end whether any was missing or late."""

    requires_system_checks = []
    requires_migrations_checks = False
    # What the broker is called in words, and what its client raises.
    broker: str
    errors: type[Exception] | tuple[type[Exception], ...] = Exception

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=0, help="end after so many messages")
        parser.add_argument(
            "--idle", type=float, default=0, help="end when nothing has come for so many seconds"
        )

    def hear(self, take: Callable[[dict[str, Any]], None], **options: Any) -> None:
        """Give each fact that comes to `take`, until the options say that it is enough."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        heard, counts = Heard(), Counter[str]()

        def take(event: dict[str, Any]) -> None:
            verdict = heard.judge(event)
            counts[verdict] += 1
            if verdict != Verdict.DUPLICATE:
                self.stdout.write(json.dumps(event, ensure_ascii=False))

        try:
            self.hear(take, **options)
        except KeyboardInterrupt:
            self.stderr.write("stopped")
        except CommandError:
            raise
        except self.errors as error:
            raise CommandError(f"{self.broker}: {error}") from error
        told = ", ".join(f"{verdict}: {counts[verdict]}" for verdict in Verdict)
        self.stderr.write(f"Heard {counts.total()} messages; {told}.")
