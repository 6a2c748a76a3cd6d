"""manage.py consume_events QUEUE: hears facts from RabbitMQ and writes them down, as an example for other systems."""

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.events.brokers.consuming import consume
from apps.events.brokers.heard import Heard, Verdict


class Command(BaseCommand):
    help = (
        "Hears facts from a queue of RabbitMQ and prints a line of JSON for each, without twins; says at the end"
        " whether any was missing or late. An example to copy; see docs/events.md."
    )
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue", help="made by declare_topology --queue")
        parser.add_argument("--limit", type=int, default=0, help="end after so many messages")
        parser.add_argument(
            "--idle", type=float, default=0, help="end when nothing has come for so many seconds"
        )

    def handle(self, *args: Any, queue: str, limit: int, idle: float, **options: Any) -> None:
        if not settings.RABBITMQ_URL:
            raise CommandError("Set RABBITMQ_URL first.")
        heard, counts = Heard(), Counter[str]()

        def take(event: dict[str, Any]) -> None:
            verdict = heard.judge(event)
            counts[verdict] += 1
            if verdict != Verdict.DUPLICATE:
                self.stdout.write(json.dumps(event, ensure_ascii=False))

        try:
            consume(settings.RABBITMQ_URL, queue, take, limit=limit, idle_seconds=idle)
        except KeyboardInterrupt:
            self.stderr.write("stopped")
        except Exception as error:
            raise CommandError(f"RabbitMQ: {error}") from error
        told = ", ".join(f"{verdict}: {counts[verdict]}" for verdict in Verdict)
        self.stderr.write(f"Heard {counts.total()} messages; {told}.")
